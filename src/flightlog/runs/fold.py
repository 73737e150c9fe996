"""How events add up to a run's summary.

The sum does not depend on the order in which events arrive, nor on how they are batched: each field is a count, a sum
of whole numbers, or the least or greatest of something that no two events share. So late events, imports with old times
and several recorders at once end in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.events.envelope import StoredEvent
from flightlog.runs.status import MAY_BECOME, RUNNING, outcome

NANO = 1_000_000_000
INT64_MAX = 2**63 - 1
MODELS_MAX = 100  # the first in the alphabet are kept, which does not depend on the order either
_RUN_STARTED, _OTHER = 0, 3  # ranks of the event that a run takes its name and place from


class RunState(msgspec.Struct, kw_only=True):
    """One row of `runs`, with the same fields; `counts` and `models` opened up."""

    run_id: str
    project: str = ""
    name: str | None = None
    status: str = RUNNING
    actor: str | None = None
    source: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    started_at: int = INT64_MAX
    origin_rank: int = _OTHER
    origin_event_id: str = ""
    finished_at: int | None = None
    duration_ns: int | None = None
    finish_event_id: str | None = None
    last_event_at: int = 0
    last_event_id: int = 0
    event_count: int = 0
    error_count: int = 0
    lost_count: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    tokens_cached_input: int = 0
    tokens_reasoning: int = 0
    cost_nano_usd: int = 0
    counts: dict[str, int] = {}
    models: list[str] = []
    finish_rank: int = 0

    def take(self, event: StoredEvent) -> None:
        """Add one event. Each event once: the journal sees to that."""
        kind = event.type
        self.event_count += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.last_event_at = max(self.last_event_at, event.created_at)
        self.last_event_id = max(self.last_event_id, event.id)
        if kind == "error" or event.level == "error":
            self.error_count += 1
        if self.origin_rank == _OTHER or kind == "run_started":
            self._take_origin(event, _RUN_STARTED if kind == "run_started" else _OTHER)
        special = _SPECIAL.get(kind)
        if special is not None:
            special(self, event)

    def _take_origin(self, event: StoredEvent, rank: int) -> None:
        """Name and place come from one event: the earliest run_started, or the earliest event while there is none."""
        mine = (self.origin_rank, self.started_at, self.origin_event_id)
        if self.event_count > 1 and mine <= (rank, event.created_at, event.event_id):
            return
        self.origin_rank, self.started_at, self.origin_event_id = rank, event.created_at, event.event_id
        self.project = event.project
        self.actor, self.source = event.actor, event.source
        self.task_id, self.trace_id = event.task_id, event.trace_id
        self.name = None
        if rank == _RUN_STARTED:
            self.name = event.name or _text(_decode(event).name)

    def _take_finish(self, event: StoredEvent) -> None:
        """The latest run_finished decides."""
        known = (-1 if self.finished_at is None else self.finished_at, self.finish_event_id or "")
        if (event.created_at, event.event_id) <= known:
            return
        self.finished_at, self.finish_event_id = event.created_at, event.event_id
        self.duration_ns = event.duration_ns
        status = outcome(event.status)
        if status in MAY_BECOME[self.status]:
            self.status = status

    def _take_request(self, event: StoredEvent) -> None:
        self._take_model(event.name or _text(_decode(event).model))

    def _take_response(self, event: StoredEvent) -> None:
        payload = _decode(event)
        self._take_model(event.name or _text(payload.model))
        usage = payload.usage if isinstance(payload.usage, dict) else {}
        self.tokens_input = _add(self.tokens_input, usage.get("input_tokens"))
        self.tokens_output = _add(self.tokens_output, usage.get("output_tokens"))
        self.tokens_cached_input = _add(self.tokens_cached_input, usage.get("cached_input_tokens"))
        self.tokens_reasoning = _add(self.tokens_reasoning, usage.get("reasoning_tokens"))
        self.cost_nano_usd = _add(self.cost_nano_usd, payload.cost_usd, NANO)

    def _take_degraded(self, event: StoredEvent) -> None:
        self.lost_count = _add(self.lost_count, _decode(event).count)

    def _take_model(self, model: str | None) -> None:
        if model is not None and model not in self.models:
            self.models = sorted([*self.models, model])[:MODELS_MAX]


_SPECIAL: dict[str, Callable[[RunState, StoredEvent], None]] = {
    "run_finished": RunState._take_finish,
    "llm_request": RunState._take_request,
    "llm_response": RunState._take_response,
    "degraded": RunState._take_degraded,
}


class _Payload(msgspec.Struct):
    """The few things that a summary wants from a payload; the decoder steps over the rest."""

    name: Any = None
    model: Any = None
    usage: Any = None
    cost_usd: Any = None
    count: Any = None


_decoder = msgspec.json.Decoder(_Payload)
_NOTHING = _Payload()


def _decode(event: StoredEvent) -> _Payload:
    try:
        return _decoder.decode(event.payload)
    except (msgspec.DecodeError, RecursionError):
        return _NOTHING


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _add(total: int, value: Any, factor: int = 1) -> int:
    """The sum, where the value is a number that makes sense; at the largest integer it stays there."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= INT64_MAX:
        return total
    if isinstance(value, float) and not math.isfinite(value):
        return total
    return min(total + round(value * factor), INT64_MAX)
