"""How events add up to a run's summary.

The sum does not depend on the order in which events arrive, nor on how they are batched: each field is a count, a sum
of whole numbers, or the least or greatest of something that no two events share. So late events, imports with old times
and several recorders at once end in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from flightlog.events.envelope import FLAG_ROOT, StoredEvent
from flightlog.events.spans import usual_name
from flightlog.runs.calls import INT64_MAX as INT64_MAX
from flightlog.runs.calls import NANO as NANO
from flightlog.runs.calls import Call
from flightlog.runs.status import MAY_BECOME, RUNNING, outcome

MODELS_MAX = 100  # the first in the alphabet are kept, which does not depend on the order either
# Ranks of the event that a run takes its name and place from, and of the one that ends it: what a recorder says of the run
# itself comes before the span that is its root, and that before a span whose parent is in another process, where the root may
# still come from.
_OF_RUN, _ROOT, _REMOTE_ROOT, _OTHER = 0, 1, 2, 3
_ROOT_OUTCOMES = {"ok": "succeeded", "error": "failed"}


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

    def take(self, event: StoredEvent, call: Call | None) -> None:
        """Add one event, with the call that it tells of if it is one. Each event once: the journal sees to that."""
        kind = event.type
        self.event_count += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.last_event_at = max(self.last_event_at, event.created_at)
        self.last_event_id = max(self.last_event_id, event.id)
        if kind == "error" or event.level == "error":
            self.error_count += 1
        root = event.flags & FLAG_ROOT
        if root or self.origin_rank == _OTHER or kind == "run_started":
            self._take_origin(event, call)
        if root:
            self._take_finish(event, _root_rank(event), _ROOT_OUTCOMES.get(event.status or "", "failed"))
        if call is not None:
            self._take_call(call)
        elif kind == "run_finished":
            self._take_finish(event, _OF_RUN, outcome(event.status))
        elif kind == "degraded":
            self.lost_count = _add(self.lost_count, _decode(event).count)

    def _take_origin(self, event: StoredEvent, call: Call | None) -> None:
        """Name and place come from one event: of the least rank there is, the one that began first."""
        rank = _OF_RUN if event.type == "run_started" else _root_rank(event) if event.flags & FLAG_ROOT else _OTHER
        began = event.created_at if rank == _OF_RUN else max(0, event.created_at - (event.duration_ns or 0))
        mine = (self.origin_rank, self.started_at, self.origin_event_id)
        if self.event_count > 1 and mine <= (rank, began, event.event_id):
            return
        self.origin_rank, self.started_at, self.origin_event_id = rank, began, event.event_id
        self.project = event.project
        self.actor, self.source = event.actor, event.source
        self.task_id, self.trace_id = event.task_id, event.trace_id
        self.name = None
        if rank == _OF_RUN:
            self.name = event.name or _text(_decode(event).name)
        elif rank != _OTHER:
            self.name = (_root_name(event) if call is None else call.name) or event.name

    def _take_finish(self, event: StoredEvent, rank: int, status: str) -> None:
        """Of the least rank there is, the latest decides."""
        known = (-self.finish_rank, -1 if self.finished_at is None else self.finished_at, self.finish_event_id or "")
        if self.finish_event_id is not None and (-rank, event.created_at, event.event_id) <= known:
            return
        self.finish_rank, self.finished_at, self.finish_event_id = rank, event.created_at, event.event_id
        self.duration_ns = event.duration_ns
        if status in MAY_BECOME[self.status]:
            self.status = status

    def _take_call(self, call: Call) -> None:
        model = call.event.name or next(iter(call.models), None)
        if model is not None and model not in self.models:
            self.models = sorted([*self.models, model])[:MODELS_MAX]
        if call.is_answer and not call.covered:
            # A call's numbers are whole and not negative.
            self.tokens_input = min(self.tokens_input + (call.tokens_input or 0), INT64_MAX)
            self.tokens_output = min(self.tokens_output + (call.tokens_output or 0), INT64_MAX)
            self.tokens_cached_input = min(self.tokens_cached_input + (call.tokens_cached_input or 0), INT64_MAX)
            self.tokens_reasoning = min(self.tokens_reasoning + (call.tokens_reasoning or 0), INT64_MAX)
            self.cost_nano_usd = min(self.cost_nano_usd + (call.cost_nano_usd or 0), INT64_MAX)

    def uncount(self, totals: Mapping[str, int]) -> None:
        """Take out what calls said that turned out to be told again by others."""
        for name, value in totals.items():
            setattr(self, name, max(0, getattr(self, name) - value))


def _root_rank(event: StoredEvent) -> int:
    return _ROOT if event.parent_span_id is None else _REMOTE_ROOT


class _Payload(msgspec.Struct):
    """The few things that a summary wants from a payload; the decoder steps over the rest."""

    name: Any = None
    count: Any = None
    operation: Any = None
    otlp: Any = None


_decoder = msgspec.json.Decoder(_Payload)
_NOTHING = _Payload()


def _decode(event: StoredEvent) -> _Payload:
    try:
        return _decoder.decode(event.payload)
    except (msgspec.DecodeError, RecursionError):
        return _NOTHING


def _root_name(event: StoredEvent) -> str | None:
    """What the span itself was called."""
    payload = _decode(event)
    if not isinstance(payload.otlp, dict):
        return None
    return _text(payload.otlp.get("name", usual_name(event.type, event.name, payload.operation)))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _add(total: int, value: Any) -> int:
    """The sum, where the value is a number that makes sense; at the largest integer it stays there."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= INT64_MAX:
        return total
    if isinstance(value, float) and not math.isfinite(value):
        return total
    return min(total + round(value), INT64_MAX)
