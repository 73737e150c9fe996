"""SWE-agent trajectories (`.traj`), from the first releases to the function-calling ones.

One file is one run; its id is the digest of the file's bytes. The format has no times: events are spaced by each step's
`execution_time` so that the run ends when the file was last written, and `run_started` says `times: estimated`. Tokens
and cost are known for the whole run only; the last llm_response carries them, with `usage_scope: run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flightlog.config import MIB
from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import (
    DEPTH_MAX,
    EventMaker,
    Payload,
    Problem,
    amount_in,
    count_in,
    dict_in,
    digest,
    list_in,
    text_in,
)
from flightlog.ingest.importers.salvage import Salvaged, read_document
from flightlog.ingest.importers.swe_history import History, Turn, chat_message, object_in_json, tool_call
from flightlog.ingest.importers.swe_observation import find_error, run_status
from flightlog.ingest.importers.testruns import read_suite, suite_result
from flightlog.recorder.helpers.patches import patch_name, patch_payload
from flightlog.recorder.helpers.testruns import level_of

SOURCE = "swe-agent"
FILE_BYTES_MAX = 512 * MIB

# SWE-agent's own commands; anything else in an action is handed to the shell.
_COMMANDS = {
    "open",
    "goto",
    "scroll_up",
    "scroll_down",
    "create",
    "edit",
    "insert",
    "submit",
    "find_file",
    "search_file",
}
_COMMANDS |= {"search_dir", "str_replace_editor", "view_image", "filemap", "set_cursors", "exit_forfeit"}


def read_swe_agent(
    path: str | Path,
    *,
    project: str = "default",
    depth_max: int = DEPTH_MAX,
    on_bytes: Callable[[int], None] | None = None,
) -> Iterator[Event | Problem]:
    """The events of one trajectory file, and what of it could not be read. Raises OSError if the file can't be."""
    path = Path(path)
    stat = path.stat()
    if stat.st_size > FILE_BYTES_MAX:
        yield Problem("file", f"larger than {FILE_BYTES_MAX} bytes")
        return
    data = path.read_bytes()
    if on_bytes:
        on_bytes(len(data))
    yield from read_trajectory(data, name=path.stem, written_ns=stat.st_mtime_ns, project=project, depth_max=depth_max)


def read_trajectory(
    data: bytes, *, name: str, written_ns: int, project: str = "default", depth_max: int = DEPTH_MAX
) -> Iterator[Event | Problem]:
    """The same from a file's content. `name` stands in where the file does not say which instance it is about."""
    read = read_document(data.decode("utf-8-sig", "replace"))
    yield from read.problems
    if read.document is None or "trajectory" not in read.document:
        yield Problem("file", "there is no `trajectory` in it")
        return
    maker = EventMaker(
        f"swe-agent-{digest(data)[:32]}", source=SOURCE, project=project, actor=SOURCE, depth_max=depth_max
    )
    yield from _Trajectory(read, maker, name, written_ns).events()


class _Trajectory:
    """One run, walked from its first step to its last."""

    def __init__(self, read: Salvaged, maker: EventMaker, name: str, written_ns: int) -> None:
        document = read.document or {}
        self.document, self.whole, self.maker = document, read.whole, maker
        self.info = dict_in(document, "info")
        self.replay = object_in_json(document.get("replay_config")) or {}
        self.steps = list_in(document, "trajectory")
        self.history = History(list_in(document, "history"))
        problem = dict_in(self.replay, "problem_statement")
        self.name = text_in(problem, "id") or name
        self.issue = text_in(problem, "text")
        self.model = text_in(dict_in(dict_in(self.replay, "agent"), "model"), "name") or "unknown"
        known = [seconds for step in self.steps if (seconds := _seconds_ns(step)) is not None]
        self.duration_ns = sum(known) if known else None
        self.now_ns = max(written_ns - sum(known), 0)

    def events(self) -> Iterator[Event | Problem]:
        good = [index for index, step in enumerate(self.steps) if _is_step(step)]
        if not good and not self.whole:
            return
        yield self._started()
        for index, step in enumerate(self.steps):
            if _is_step(step):
                yield from self._step(index, step, last=index == good[-1])
            else:
                yield Problem(f"step {index}", "it has neither an action nor a response")
        yield from self._patch()
        yield self._finished()

    def _make(self, type_: str, key: str, payload: Payload, **envelope: Any) -> Event:
        return self.maker.make(type_, key, self.now_ns, payload, **envelope)

    def _started(self) -> Event:
        attributes: dict[str, Any] = {"times": "estimated", "instance_id": self.name, "model": self.model}
        for key, holder in (("environment", self.document), ("swe_agent_version", self.info)):
            if text := text_in(holder, key):
                attributes[key] = text
        if attempts := list_in(self.document, "attempts"):
            attributes["attempts"] = len(attempts)
        payload: dict[str, Any] = {"name": self.name, "attributes": attributes}
        if issue := self.issue or self.history.issue():
            payload["input"] = issue
        return self._make("run_started", "run", payload, name=self.name)

    def _step(self, index: int, step: dict[str, Any], last: bool) -> Iterator[Event]:
        action = text_in(step, "action") or ""
        turn = self.history.turn(step)
        yield from self._model_turn(index, step, turn, last)
        if action.strip():
            yield from self._tool(index, action, step, turn)
        elif not text_in(step, "response"):
            text = text_in(step, "thought") or text_in(step, "observation") or ""
            yield self._make("note", f"{index}", {"text": text, "step": index})

    def _model_turn(self, index: int, step: dict[str, Any], turn: Turn, last: bool) -> Iterator[Event]:
        response = text_in(step, "response")
        if response is None and not turn.answer and not last:
            return
        pair = self.maker.correlation_id(f"llm {index}")
        request = {
            "model": self.model,
            "operation": "chat",
            "messages": turn.messages or self._asked(index),
            "step": index,
        }
        yield self._make("llm_request", f"{index}", request, name=self.model, correlation_id=pair)
        message: dict[str, Any] = {"role": "assistant", "content": response or text_in(turn.answer, "content") or ""}
        thought = text_in(step, "thought")
        if thought and thought != message["content"]:
            message["thought"] = thought
        thinking = [text for block in list_in(turn.answer, "thinking_blocks") if (text := text_in(block, "thinking"))]
        if thinking:
            message["thinking"] = "\n".join(thinking)
        if calls := [tool_call(call) for call in list_in(turn.answer, "tool_calls")]:
            message["tool_calls"] = calls
        answer: dict[str, Any] = {"model": self.model, "message": message, "step": index}
        if last:
            answer.update(self._totals())
        yield self._make("llm_response", f"{index}", answer, name=self.model, correlation_id=pair, status="ok")

    def _asked(self, index: int) -> list[dict[str, Any]]:
        """What was new for the model at this step, where the history is missing from the file."""
        if index and _is_step(self.steps[index - 1]):
            return [{"role": "user", "content": text_in(self.steps[index - 1], "observation") or ""}]
        query = [chat_message(entry) for entry in list_in(self.steps[index], "query") if isinstance(entry, dict)]
        return query if index == 0 else query[-1:]

    def _totals(self) -> dict[str, Any]:
        """Tokens and cost of the whole run. `instance_cost` is this run's, `total_cost` that of a batch so far."""
        stats = dict_in(self.info, "model_stats")
        sent, received = count_in(stats, "tokens_sent"), count_in(stats, "tokens_received")
        cost = amount_in(stats, "instance_cost")
        cost = amount_in(stats, "total_cost") if cost is None else cost
        totals: dict[str, Any] = {}
        if sent is not None or received is not None:
            totals["usage"] = {"input_tokens": sent or 0, "output_tokens": received or 0}
        if cost is not None:
            totals["cost_usd"] = cost
        return totals | {"usage_scope": "run"} if totals else {}

    def _tool(self, index: int, action: str, step: dict[str, Any], turn: Turn) -> Iterator[Event]:
        calls = list_in(turn.answer, "tool_calls")
        call = tool_call(calls[0]) if calls else {"name": _tool_of(action), "arguments": {"command": action}}
        tool, pair = call["name"], self.maker.correlation_id(f"tool {index}")
        payload = {"tool": tool, "arguments": call["arguments"], "command": action, "step": index}
        if not calls:
            del payload["command"]
        if call.get("id"):
            payload["call_id"] = call["id"]
        yield self._make("tool_call", f"{index}", payload, name=tool, correlation_id=pair)
        observation, started_ns = text_in(step, "observation") or "", self.now_ns
        duration = _seconds_ns(step)
        self.now_ns += duration or 0
        yield from self._suite(index, action, observation, started_ns)
        result: dict[str, Any] = {"tool": tool, "result": observation, "step": index}
        result |= {"call_id": call["id"]} if call.get("id") else {}
        error = find_error(observation, shell=_tool_of(action) == "bash")
        if error:
            result["error"] = error
        outcome = {"status": "error", "level": "error"} if error else {"status": "ok"}
        yield self._make(
            "tool_result", f"{index}", result, name=tool, correlation_id=pair, duration_ns=duration, **outcome
        )

    def _suite(self, index: int, action: str, observation: str, started_ns: int) -> Iterator[Event]:
        totals = read_suite(action, observation)
        if totals is None:
            return
        fields = {"name": totals.framework, "correlation_id": self.maker.correlation_id(f"test {index}")}
        begun = {"command": action.strip(), "framework": totals.framework, "step": index}
        yield self.maker.make("test_started", f"{index}", started_ns, begun, **fields)
        status, payload = suite_result(totals, observation)
        took = self.now_ns - started_ns or None
        yield self._make(
            "test_result",
            f"{index}",
            payload | {"step": index},
            status=status,
            level=level_of(status),
            duration_ns=took,
            **fields,
        )

    def _patch(self) -> Iterator[Event]:
        """What the agent submitted; from the last observation when the file is cut before `info`."""
        submitted = self.info.get("submission")
        if not isinstance(submitted, str) and not self.info and self.steps and _is_step(self.steps[-1]):
            step = self.steps[-1]
            submitted = text_in(step, "observation") if _tool_of(text_in(step, "action") or "") == "submit" else None
        payload = patch_payload(submitted, None, {}) if isinstance(submitted, str) else {"files": []}
        if payload["files"]:
            fields = {"correlation_id": self.maker.correlation_id("patch"), "status": "ok"}
            yield self._make("patch_proposed", "submission", payload, name=patch_name(payload), **fields)

    def _finished(self) -> Event | Problem:
        exit_status = text_in(self.info, "exit_status")
        if exit_status is None:
            return Problem("info.exit_status", "the file says no outcome, so the run stays open")
        status = run_status(exit_status)
        payload: dict[str, Any] = {"output": {"exit_status": exit_status}}
        if (calls := count_in(dict_in(self.info, "model_stats"), "api_calls")) is not None:
            payload["output"]["api_calls"] = calls
        if status == "failed":
            payload["error"] = {"kind": exit_status, "message": f"SWE-agent stopped with {exit_status}"}
        return self._make(
            "run_finished",
            "run",
            payload,
            name=self.name,
            status=status,
            duration_ns=self.duration_ns,
            level="error" if status == "failed" else "info",
        )


def _is_step(step: Any) -> bool:
    return isinstance(step, dict) and any(
        isinstance(step.get(key), str) for key in ("action", "response", "observation")
    )


def _seconds_ns(step: Any) -> int | None:
    seconds = amount_in(step, "execution_time")
    return int(min(seconds, 1e8) * 1e9) if seconds is not None else None


def _tool_of(action: str) -> str:
    """The command of an action: one of SWE-agent's own, else `bash`."""
    words = action.split(None, 1)
    return words[0] if words and words[0] in _COMMANDS else "bash"
