"""Events as a busy site records them: many runs under way at once, 1 KB payloads, ids in the order of time."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from flightlog.events.envelope import Event
from flightlog.ids import uuid7

START = 1_700_000_000_000_000_000
STEP_NS = 20_000_000  # fifty events a second
RUNS_AT_ONCE = 8
PAYLOAD_BYTES = 1_024

TYPES = (
    "llm_request",
    "llm_response",
    "tool_call",
    "tool_result",
    "note",
    "span_started",
    "span_finished",
    "exec_result",
)
WORDS = ("the", "agent", "reads", "a", "test", "and", "finds", "that", "parse", "drops", "its", "last", "row")


def text(chance: random.Random, size: int) -> str:
    """Words, so that it packs and searches like prose."""
    return " ".join(chance.choices(WORDS, k=size // 4))[:size]


class Flights:
    """Batches of events, each batch from one producer as the drain hands them over."""

    def __init__(self, seed: int = 1, events_per_run: int = 500, runs_at_once: int = RUNS_AT_ONCE) -> None:
        self._chance = random.Random(seed)
        self._events_per_run = events_per_run
        self._texts = [text(self._chance, PAYLOAD_BYTES - 11) for _ in range(50)]
        self._count = 0
        self._runs = [self._new_run() for _ in range(runs_at_once)]

    def batches(self, events: int, size: int) -> Iterator[list[Event]]:
        """So many events in batches of at most `size`."""
        for start in range(0, events, size):
            place = start // size % len(self._runs)
            yield [self._next(place) for _ in range(min(size, events - start))]

    def _new_run(self) -> dict[str, object]:
        at = START + self._count * STEP_NS
        run_id = uuid7(at, self._chance.getrandbits(62))
        return {"run_id": run_id, "trace_id": f"{self._chance.getrandbits(128):032x}", "left": self._events_per_run}

    def _next(self, place: int) -> Event:
        run = self._runs[place]
        self._count += 1
        at = START + self._count * STEP_NS
        left = run["left"] = int(str(run["left"])) - 1
        kind = TYPES[self._count % len(TYPES)]
        if left <= 0:
            kind = "run_finished"
            self._runs[place] = self._new_run()
        return Event(
            event_id=uuid7(at, self._chance.getrandbits(62)),
            type=kind,
            created_at=at,
            run_id=str(run["run_id"]),
            name="gpt-large" if kind.startswith("llm") else "search",
            level="error" if self._count % 50 == 0 else "info",
            source="agent",
            actor=f"agent-{place}",
            trace_id=str(run["trace_id"]),
            span_id=f"{self._chance.getrandbits(64):016x}",
            parent_span_id=f"{self._chance.getrandbits(64):016x}",
            correlation_id=uuid7(at - at % (2 * STEP_NS), 7) if kind.startswith(("llm", "tool")) else None,
            status="succeeded" if kind == "run_finished" else "ok",
            duration_ns=1_234_567,
            producer_id=f"018bcfe5-687b-7750-8000-{place:012d}",
            seq=self._count,
            payload=self._payload(kind),
        )

    def _payload(self, kind: str) -> msgspec.Raw:
        words = self._chance.choice(self._texts)
        if kind != "llm_response":
            return msgspec.Raw(msgspec.json.encode({"text": words}))
        usage = {"input_tokens": 1_200, "output_tokens": 88, "cached_input_tokens": 600}
        content = {"role": "assistant", "content": words[:-150]}
        return msgspec.Raw(
            msgspec.json.encode({"model": "gpt-large", "message": content, "usage": usage, "cost_usd": 0.0123})
        )
