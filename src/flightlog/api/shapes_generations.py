"""Generations and prices as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.api.shapes import EventShape, event_shape
from flightlog.api.shapes_feedback import FeedbackShape, feedback_shape
from flightlog.clock import format_ns
from flightlog.runs.calls import NANO
from flightlog.runs.feedback import Feedback
from flightlog.runs.generation_content import Content, ToolAnswer
from flightlog.runs.generations import Generation, GenerationPage
from flightlog.runs.pricing import Price
from flightlog.runs.reprice import ModelChange, Recomputed


class GenerationShape(msgspec.Struct, kw_only=True):
    """One call of a model. `status` is running, ok or error; `cost_source` is reported (by the sender) or priced (by
    `price_id`), null where the cost is not known."""

    generation_id: str
    id: int
    event_id: str | None
    request_event_id: str | None
    run_id: str | None
    project: str
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    task_id: str | None
    actor: str | None
    source: str | None
    name: str | None
    started_at: str
    ended_at: str | None
    duration_ns: int | None
    time_to_first_chunk_ns: int | None
    provider: str | None
    model: str | None
    request_model: str | None
    operation: str | None
    status: str
    error_kind: str | None
    finish_reason: str | None
    streamed: bool | None
    tokens_input: int | None
    tokens_output: int | None
    tokens_cached_input: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: float | None
    cost_source: str | None
    price_id: str | None
    input_preview: str | None
    output_preview: str | None
    covered: bool


class GenerationPageShape(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of generations. `nextCursor` is null on the last page; `total` is there where `count=true` asked for it, and
    `totalIsLeast` where there are more than are counted."""

    generations: list[GenerationShape]
    next_cursor: str | None
    total: int | UnsetType = UNSET
    total_is_least: bool = False


class ToolAnswerShape(msgspec.Struct, kw_only=True):
    """What a tool gave to a call that the model asked for."""

    call_id: str
    event_id: str
    name: str | None
    status: str | None
    created_at: str
    duration_ns: int | None
    result: Any
    error: Any


class GenerationDetailShape(GenerationShape, kw_only=True):
    """One call with what was said, in the shapes of llm_request and llm_response; null where nobody kept it. `event` is the
    answer, else the request. `content_from_logs` says that log records of the same span had it."""

    request: dict[str, Any] | None
    message: dict[str, Any] | None
    choices: list[Any] | None
    error: Any
    tool_answers: list[ToolAnswerShape]
    content_from_logs: bool
    feedback: list[FeedbackShape]
    event: EventShape | None


class PriceShape(msgspec.Struct, kw_only=True):
    """What one model costs, in dollars per million tokens; null where it costs as much as other input, or at any time.
    `long` prices count for calls with more than `long_above` tokens of input. `own` ones are of the data folder."""

    price_id: str
    model: str
    provider: str
    own: bool
    valid_from: str | None
    valid_until: str | None
    input: float
    cached_input: float | None
    cache_write: float | None
    output: float
    long_above: int | None
    long_input: float | None
    long_cached_input: float | None
    long_cache_write: float | None
    long_output: float | None


class PricesShape(msgspec.Struct):
    """The prices in force, those of the data folder first."""

    prices: list[PriceShape]


class RecomputeGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Which generations to price anew: a query, times as RFC 3339 or ages, a model; all of them if nothing is given."""

    q: str | None = None
    since: str | None = None
    until: str | None = None
    model: str | None = None
    dry_run: bool = False


class ModelChangeShape(msgspec.Struct, kw_only=True):
    """What changed of one model's generations."""

    model: str
    generations: int
    before_usd: float
    after_usd: float
    price_id: str | None


class RecomputedShape(msgspec.Struct, kw_only=True):
    """What was looked at, and what changed, or would change in a dry run. `event_ids` are the audit events that say so."""

    dry_run: bool
    looked_at: int
    changed: int
    before_usd: float
    after_usd: float
    models: list[ModelChangeShape]
    event_ids: list[str]


def generation_shape(generation: Generation) -> GenerationShape:
    """The generation as JSON shows it."""
    return GenerationShape(**_members(generation))


def generation_page_shape(page: GenerationPage) -> GenerationPageShape:
    """The page as JSON shows it."""
    shown = [generation_shape(generation) for generation in page.generations]
    return GenerationPageShape(
        shown, page.next_cursor, UNSET if page.total is None else page.total, not page.counted_all
    )


def generation_detail_shape(
    generation: Generation, content: Content, feedback: list[Feedback]
) -> GenerationDetailShape:
    """The generation with what was said."""
    return GenerationDetailShape(
        **_members(generation),
        request=content.request,
        message=content.message,
        choices=content.choices,
        error=content.error,
        tool_answers=[_tool_answer(answer) for answer in content.tool_answers],
        content_from_logs=content.from_logs,
        feedback=[feedback_shape(one) for one in feedback],
        event=None if content.event is None else event_shape(content.event),
    )


def _members(generation: Generation) -> dict[str, Any]:
    members = msgspec.structs.asdict(generation)
    for name in ("answer_id", "request_id", "cost_nano_usd"):
        del members[name]
    members["cost_usd"] = generation.cost_usd
    members["started_at"] = format_ns(generation.started_at)
    members["ended_at"] = None if generation.ended_at is None else format_ns(generation.ended_at)
    return members


def _tool_answer(answer: ToolAnswer) -> ToolAnswerShape:
    members = msgspec.structs.asdict(answer)
    return ToolAnswerShape(**{**members, "created_at": format_ns(answer.created_at)})


def price_shape(price: Price) -> PriceShape:
    """The price in dollars."""
    members = msgspec.structs.asdict(price)
    own = members.pop("is_users")
    for name, value in members.items():
        if value is None or name in ("price_id", "model", "provider", "long_above"):
            continue
        members[name] = format_ns(value) if name.startswith("valid") else value / NANO
    return PriceShape(**members, own=own)


def recomputed_shape(made: Recomputed) -> RecomputedShape:
    """What was recomputed, in dollars."""
    return RecomputedShape(
        dry_run=made.dry_run,
        looked_at=made.looked_at,
        changed=made.changed,
        before_usd=made.before_nano_usd / NANO,
        after_usd=made.after_nano_usd / NANO,
        models=[_model_change(change) for change in made.models],
        event_ids=made.event_ids,
    )


def _model_change(change: ModelChange) -> ModelChangeShape:
    return ModelChangeShape(
        model=change.model,
        generations=change.generations,
        before_usd=change.before_nano_usd / NANO,
        after_usd=change.after_nano_usd / NANO,
        price_id=change.price_id,
    )
