"""The rows of the list of model calls, and the columns that they can have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Fragment, href
from flightlog.console.pages.columns import Column, ColumnKind, Table
from flightlog.journal.condition import Condition
from flightlog.runs.feedback import Feedback, list_feedback
from flightlog.runs.feedback_filter import FeedbackFilter
from flightlog.runs.generations import NEWEST, Generation
from flightlog.services import Services

COLUMNS: tuple[ColumnKind, ...] = (
    ColumnKind("status", "Status"),
    ColumnKind("model", "Model"),
    ColumnKind("input", "Asked"),
    ColumnKind("output", "Answered"),
    ColumnKind("provider", "Provider"),
    ColumnKind("name", "Span", usual=False),
    ColumnKind("operation", "Operation", usual=False),
    ColumnKind("actor", "Actor", usual=False),
    ColumnKind("project", "Project", usual=False),
    ColumnKind("source", "Source", usual=False),
    ColumnKind("finish", "Finish", usual=False),
    ColumnKind("feedback", "Feedback"),
    ColumnKind("tokens", "Tokens in / out", "tokens", is_number=True),
    ColumnKind("cost", "Cost", "cost", is_number=True),
    ColumnKind("ttfc", "First chunk", "ttfc", is_number=True),
    ColumnKind("time", "Time", "duration", is_number=True),
    ColumnKind("started", "Started", "started", is_number=True),
)
TABLE = Table("/traces", COLUMNS, always=("status", "model"), newest=NEWEST)


@dataclass(frozen=True, kw_only=True)
class TraceRow:
    """One call of a model in the list."""

    generation_id: Annotated[str, "Its id; the row is found by it when news arrive."]
    href: Annotated[str, "Its page."]
    status: Annotated[str, "running, ok or error."]
    error: Annotated[str, "The class of its error; may be empty."]
    model: Annotated[str, "The model that answered, else that was asked."]
    provider: Annotated[str, "Who served it; may be empty."]
    name: Annotated[str, "The name of its span; may be empty."]
    operation: Annotated[str, "What was asked for, such as chat; may be empty."]
    actor: Annotated[str, "Who asked; may be empty."]
    project: Annotated[str, "Its project."]
    source: Annotated[str, "What recorded it; may be empty."]
    finish: Annotated[str, "Why the model stopped; may be empty."]
    input: Annotated[str, "The beginning of what was asked; may be empty."]
    output: Annotated[str, "The beginning of the answer; may be empty."]
    tokens: Annotated[str, "Tokens in / out, short."]
    tokens_exact: Annotated[str, "The same with all digits."]
    cost: Annotated[str, "What it cost."]
    cost_from: Annotated[str, "Who says so."]
    ttfc: Annotated[str, "How long until the first chunk."]
    time: Annotated[str, "How long it took, or has taken so far."]
    started: Annotated[fmt.Moment, "When it began."]
    feedback: Annotated[str, "What was thought of it, short; may be empty."]
    feedback_words: Annotated[str, "The same in words."]


@dataclass(frozen=True, kw_only=True)
class TraceRows(Fragment):
    """A stretch of the list: what a script puts under the rows that are there."""

    template: ClassVar[str] = "_traces_rows.html"

    rows: Annotated[list[TraceRow], "The calls."]
    columns: Annotated[list[Column], "The columns that are shown."]
    more: Annotated[str | None, "The rows that follow, if any do."]


def trace_rows(services: Services, generations: Sequence[Generation]) -> list[TraceRow]:
    """These calls as rows, with what was thought of them."""
    now = services.clock.now_ns()
    thought: dict[str, list[Feedback]] = {}
    ids = tuple(one.generation_id for one in generations)
    if ids:
        wanted = FeedbackFilter(also=(Condition(field="generation_id", values=ids),))
        limit = services.settings.page_runs_max
        for one in list_feedback(services.store, wanted, limit=limit, settings=services.settings).feedback:
            thought.setdefault(one.generation_id or "", []).append(one)
    return [trace_row(one, now, thought.get(one.generation_id, ())) for one in generations]


def trace_row(one: Generation, now_ns: int, thought: Sequence[Feedback] = ()) -> TraceRow:
    """One call, seen at `now_ns`."""
    into, out = one.tokens_input, one.tokens_output
    short, words = feedback_in_short(thought)
    return TraceRow(
        generation_id=one.generation_id,
        href=trace_href(one.generation_id),
        status=one.status,
        error=one.error_kind or "",
        model=one.model or "unknown",
        provider=one.provider or "",
        name=one.name or "",
        operation=one.operation or "",
        actor=one.actor or "",
        project=one.project,
        source=one.source or "",
        finish=one.finish_reason or "",
        input=one.input_preview or "",
        output=one.output_preview or "",
        tokens=f"{fmt.short(into or 0)} / {fmt.short(out or 0)}" if into or out else fmt.NOTHING,
        tokens_exact=f"{fmt.count(into or 0)} / {fmt.count(out or 0)}" if into or out else "",
        cost=fmt.NOTHING if one.cost_usd is None else fmt.money(one.cost_usd),
        cost_from=cost_from(one),
        ttfc=fmt.duration(one.time_to_first_chunk_ns),
        time=time_of(one, now_ns),
        started=fmt.moment(one.started_at, now_ns),
        feedback=short,
        feedback_words=words,
    )


def trace_href(generation_id: str) -> str:
    """The page of a generation."""
    return href(f"/traces/{generation_id}")


def cost_from(one: Generation) -> str:
    """Who says what it cost."""
    if one.cost_source == "reported":
        return "as the sender reported it"
    return f"by the price {one.price_id}" if one.cost_source == "priced" else ""


def time_of(one: Generation, now_ns: int) -> str:
    """How long a call took, or has taken so far."""
    if one.status == "running" and one.duration_ns is None:
        return f"{fmt.duration(max(0, now_ns - one.started_at))} …"
    return fmt.duration(one.duration_ns)


def feedback_in_short(thought: Iterable[Feedback]) -> tuple[str, str]:
    """What people thought, in a few signs and in words."""
    given = list(thought)
    up = sum(1 for one in given if one.kind == "thumb" and one.value_text == "up")
    down = sum(1 for one in given if one.kind == "thumb" and one.value_text == "down")
    scores = [one.value_number for one in given if one.kind == "score" and one.value_number is not None]
    labels = [one.value_text for one in given if one.kind == "label" and one.value_text]
    rest = sum(1 for one in given if one.kind in ("comment", "correction"))
    return in_signs(up, down, scores, labels, rest)


def in_signs(up: int, down: int, scores: Sequence[float], labels: Sequence[str], rest: int) -> tuple[str, str]:
    """The same from what was counted.

    >>> in_signs(2, 1, [0.5, 1.0], ["spam"], 0)
    ('▲ 2 ▼ 1 ∅ 0.75 spam', '2 thumbs up, 1 thumb down, 0.75 on average of 2 scores, labelled spam')
    """
    average = sum(scores) / len(scores) if scores else 0.0
    signs = [
        f"▲ {up}" if up else "",
        f"▼ {down}" if down else "",
        f"∅ {average:.3g}" if scores else "",
        " ".join(labels[:1]),
        f"✎ {rest}" if rest else "",
    ]
    words = [
        fmt.counted(up, "thumb up", "thumbs up") if up else "",
        fmt.counted(down, "thumb down", "thumbs down") if down else "",
        f"{average:.3g} on average of {fmt.counted(len(scores), 'score', 'scores')}" if scores else "",
        f"labelled {', '.join(labels[:5])}" if labels else "",
        fmt.counted(rest, "comment or correction", "comments and corrections") if rest else "",
    ]
    return " ".join(filter(None, signs)), ", ".join(filter(None, words))
