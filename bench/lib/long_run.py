"""One long run as a coding agent makes it: steps of a model call and two tools, tests now and then, one of which fails."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from flightlog.events.envelope import Event
from flightlog.ids import uuid7

MODEL = "coder-large"
PATHS = ("src/report.py", "src/parse.py", "src/cli.py", "tests/test_report.py", "tests/test_parse.py")
LINE = "def parse(row): return [cell.strip() for cell in row.split(',')]  # the last row is kept\n"
MS = 1_000_000
STEP_EVENTS = 9
TESTS_EVERY = 25  # steps


class LongRun:
    """The events of one run, in order. The tests fail once, in the step at `fails_at` (0 to 1) of the whole, or never."""

    def __init__(
        self, run_id: str, events: int, start_ns: int, *, name: str = "", fails_at: float | None = 0.62
    ) -> None:
        self._chance = random.Random(run_id)
        self._at = start_ns
        self._run_id = run_id
        self._steps = max(1, (events - 2) // STEP_EVENTS)
        self._name = name or f"{events:,} events"
        self._fails_in = None if fails_at is None else int(self._steps * fails_at) // TESTS_EVERY * TESTS_EVERY
        self._trace = f"{self._chance.getrandbits(128):032x}"
        self._root = self._span()

    def events(self, finished: bool = True) -> Iterator[Event]:
        """All of them, or all but the last."""
        yield self._event("run_started", {"name": self._name}, span=self._root, name=self._name)
        for step in range(self._steps):
            yield from self._step(step)
        if finished:
            status = "succeeded" if self._fails_in is None else "failed"
            yield self._event("run_finished", {}, span=self._root, status=status)

    def _step(self, step: int) -> Iterator[Event]:
        span = self._span()
        name = f"step {step + 1}"
        began = self._at
        yield self._event("span_started", {"name": name}, span=span, parent=self._root, name=name)
        yield from self._call(span)
        if step % TESTS_EVERY == 0:
            yield from self._tests(span, failed=step == self._fails_in)
        else:
            yield from self._tool(span, "read_file", {"path": self._chance.choice(PATHS)})
        yield from self._tool(span, "run_shell", {"command": f"grep -n parse {self._chance.choice(PATHS)}"})
        yield self._event("note", {"text": f"{name}: {self._chance.choice(PATHS)} read, going on"}, span=span)
        took = self._at - began
        yield self._event("span_finished", {}, span=span, parent=self._root, name=name, status="ok", duration_ns=took)

    def _call(self, span: str) -> Iterator[Event]:
        took = self._chance.randrange(300, 4_000) * MS
        more: dict[str, Any] = {"span": self._span(), "parent": span, "name": MODEL, "correlation_id": self._id()}
        asked = {"model": MODEL, "messages": [{"role": "user", "content": "go on"}]}
        yield self._event("llm_request", asked, **more)
        self._at += took
        said = {"role": "assistant", "content": "I read the file and run the tests again."}
        usage = {"input_tokens": 1_840, "output_tokens": 61, "cached_input_tokens": 1_200}
        answer = {"model": MODEL, "message": said, "usage": usage, "cost_usd": 0.0021}
        yield self._event("llm_response", answer, status="ok", duration_ns=took, **more)

    def _tool(self, span: str, tool: str, arguments: dict[str, Any]) -> Iterator[Event]:
        took = self._chance.randrange(2, 400) * MS
        more: dict[str, Any] = {"span": self._span(), "parent": span, "name": tool, "correlation_id": self._id()}
        yield self._event("tool_call", {"tool": tool, "arguments": arguments}, **more)
        self._at += took
        result = {"tool": tool, "result": LINE * self._chance.randrange(1, 6)}
        yield self._event("tool_result", result, status="ok", duration_ns=took, **more)

    def _tests(self, span: str, failed: bool) -> Iterator[Event]:
        took = self._chance.randrange(800, 3_000) * MS
        more: dict[str, Any] = {"span": self._span(), "parent": span, "name": "pytest", "correlation_id": self._id()}
        yield self._event("test_started", {"framework": "pytest", "command": "pytest -q"}, **more)
        self._at += took
        cases = [{"name": "tests/test_parse.py::test_the_last_row_is_kept", "message": "assert 3 == 4"}]
        counts = {"passed": 41, "failed": 1, "failures": cases} if failed else {"passed": 42, "failed": 0}
        status, level = ("failed", "error") if failed else ("passed", "info")
        yield self._event("test_result", counts, status=status, level=level, duration_ns=took, **more)

    def _event(
        self, type_: str, payload: dict[str, Any], *, span: str, parent: str | None = None, **fields: Any
    ) -> Event:
        self._at += self._chance.randrange(1, 6) * MS
        return Event(
            event_id=self._id(),
            type=type_,
            created_at=self._at,
            run_id=self._run_id,
            source="agent",
            actor="agent-7",
            trace_id=self._trace,
            span_id=span,
            parent_span_id=parent,
            payload=msgspec.Raw(msgspec.json.encode(payload)),
            **fields,
        )

    def _id(self) -> str:
        return uuid7(self._at, self._chance.getrandbits(62))

    def _span(self) -> str:
        return f"{self._chance.getrandbits(64):016x}"
