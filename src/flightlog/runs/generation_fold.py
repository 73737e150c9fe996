"""How the two events of a model call, or the one of a finished span, add up to its row, in whatever order they come."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from flightlog.runs.calls import Call

T = TypeVar("T")


class GenerationState(msgspec.Struct, kw_only=True):
    """One row of `generations`, with the same fields in the same order."""

    id: int
    generation_id: str
    answer_id: int | None = None
    request_id: int | None = None
    run_id: str | None = None
    project: str = ""
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    task_id: str | None = None
    actor: str | None = None
    source: str | None = None
    name: str | None = None
    started_at: int = 0
    ended_at: int | None = None
    duration_ns: int | None = None
    time_to_first_chunk_ns: int | None = None
    provider: str | None = None
    model: str | None = None
    request_model: str | None = None
    operation: str | None = None
    status: str = "running"
    error_kind: str | None = None
    finish_reason: str | None = None
    streamed: int | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    tokens_cached_input: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    cost_nano_usd: int | None = None
    cost_source: str | None = None
    price_id: str | None = None
    input_preview: str | None = None
    output_preview: str | None = None
    covered: int | None = None

    def can_take(self, call: Call) -> bool:
        """Whether the place of this call in the pair is free. A second answer to one request is not a pair any more."""
        return (self.answer_id if call.is_answer else self.request_id) is None

    def take(self, call: Call) -> None:
        """Add the request or the answer. What both say, the answer decides, but for what was asked."""
        event = call.event
        theirs, mine = (_first, _last) if call.is_answer else (_last, _first)
        # `theirs` gives way to nothing that the answer says; `mine` to nothing that the request says.
        self.run_id = event.run_id
        if call.is_answer or not self.project:
            self.project = event.project
        self.trace_id = theirs(event.trace_id, self.trace_id)
        self.span_id = theirs(event.span_id, self.span_id)
        self.parent_span_id = theirs(event.parent_span_id, self.parent_span_id)
        self.task_id = theirs(event.task_id, self.task_id)
        self.actor = theirs(event.actor, self.actor)
        self.source = theirs(event.source, self.source)
        self.name = theirs(call.name, self.name)
        self.provider = theirs(call.provider, self.provider)
        self.operation = theirs(call.operation, self.operation)
        self.streamed = theirs(call.streamed if call.streamed is None else int(call.streamed), self.streamed)
        self.model = theirs(call.models[0] if call.models else None, self.model)
        self.request_model = mine(call.request_model, self.request_model)
        self.input_preview = mine(call.input_preview, self.input_preview)
        if call.is_answer:
            self._take_answer(call)
        else:
            self.request_id = event.id
            self.started_at = event.created_at
        if self.duration_ns is None and self.ended_at is not None and self.request_id is not None:
            self.duration_ns = max(0, self.ended_at - self.started_at)

    def _take_answer(self, call: Call) -> None:
        event = call.event
        self.answer_id, self.ended_at, self.duration_ns = event.id, event.created_at, event.duration_ns
        if self.request_id is None:
            self.started_at = max(0, event.created_at - (event.duration_ns or 0))
        self.status = "error" if call.is_error else "ok"
        self.time_to_first_chunk_ns = call.time_to_first_chunk_ns
        self.error_kind, self.finish_reason = call.error_kind, call.finish_reason
        self.tokens_input, self.tokens_output = call.tokens_input, call.tokens_output
        self.tokens_cached_input, self.tokens_cache_write = call.tokens_cached_input, call.tokens_cache_write
        self.tokens_reasoning = call.tokens_reasoning
        self.cost_nano_usd, self.cost_source, self.price_id = call.cost_nano_usd, call.cost_source, call.price_id
        self.output_preview = call.output_preview
        if call.covered:
            self.covered = 1


def _first(new: T | None, old: T | None) -> T | None:
    return old if new is None else new


def _last(new: T | None, old: T | None) -> T | None:
    return new if old is None else old


def state_of_call(call: Call) -> GenerationState:
    """The row of a call that nothing was known of."""
    made = GenerationState(id=call.event.id, generation_id=call.generation_id)
    made.take(call)
    return made


def row_of_span(call: Call) -> tuple[Any, ...]:
    """The same for a finished span, a generation by itself, as the values of the row: there is one for each span that comes
    by OpenTelemetry, and this takes a third of the time."""
    event = call.event
    ended, duration, streamed = event.created_at, event.duration_ns, call.streamed
    return (
        event.id, call.generation_id, event.id, None, event.run_id, event.project, event.trace_id, event.span_id,
        event.parent_span_id, event.task_id, event.actor, event.source, call.name, max(0, ended - (duration or 0)), ended,
        duration, call.time_to_first_chunk_ns, call.provider, call.models[0] if call.models else None, call.request_model,
        call.operation, "error" if call.is_error else "ok", call.error_kind, call.finish_reason,
        None if streamed is None else int(streamed), call.tokens_input, call.tokens_output, call.tokens_cached_input,
        call.tokens_cache_write, call.tokens_reasoning, call.cost_nano_usd, call.cost_source, call.price_id,
        call.input_preview, call.output_preview, 1 if call.covered else None,
    )  # fmt: skip


def rebuilt(known_id: int, calls: list[Call]) -> GenerationState:
    """The row of several requests and answers under one id: the latest of each, whatever order they came in."""
    in_order = sorted(calls, key=lambda call: (call.event.created_at, call.event.event_id))
    latest = {call.is_answer: call for call in in_order}
    made = GenerationState(id=known_id, generation_id=calls[0].generation_id)
    for call in latest.values():
        made.take(call)
    return made
