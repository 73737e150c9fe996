"""Feedback as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.api.shapes import EventShape, RunShape, event_shape, run_shape
from flightlog.clock import format_ns
from flightlog.events.envelope import StoredEvent
from flightlog.runs.feedback import Feedback, FeedbackPage
from flightlog.runs.feedback_summary import Group
from flightlog.runs.summary import RunSummary


class FeedbackGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What somebody thinks. `target_id` is the id of a generation, a span or a run, or of an event of a generation; within
    `run_id` a correlation id is enough. Without `kind` it is told by the value. Under a `key` it replaces what was said of
    the same target under that key before.
    """

    target_id: str
    target_type: str | None = None
    kind: str | None = None
    value: Any = None
    name: str | None = None
    comment: str | None = None
    given_by: str | None = None
    key: str | None = None
    actor: str | None = None
    source: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    project: str | None = None


class FeedbackShape(msgspec.Struct, kw_only=True):
    """One feedback as it holds now. `status` is `linked`, or `pending` until something comes that has the target's id;
    `target_id` is as it was given. `value` is a number for a score, else a text; `label` the word for a score, where its giver
    has one. `history`, where one alone is asked for, has the events that said it, the oldest first.
    """

    feedback_id: str
    event_id: str
    status: str
    target_id: str
    target_type: str | None
    generation_id: str | None
    run_id: str | None
    span_id: str | None
    project: str
    kind: str
    name: str | None
    value: float | str | None
    label: str | None
    comment: str | None
    given_by: str | None
    actor: str | None
    source: str | None
    key: str | None
    created_at: str
    history: list[EventShape] | UnsetType = UNSET


class FeedbackPageShape(msgspec.Struct, rename="camel"):
    """A page of feedback, the latest first. `nextCursor` is null on the last page."""

    feedback: list[FeedbackShape]
    next_cursor: str | None


class FeedbackSummaryShape(msgspec.Struct):
    """What it adds up to: all of it, and by name, model or day."""

    by: str
    total: Group
    groups: list[Group]


class RunDetailShape(RunShape, kw_only=True):
    """One run's summary, with what was said of it, of its generations and of its spans."""

    feedback: list[FeedbackShape]


def feedback_shape(one: Feedback, history: list[StoredEvent] | None = None) -> FeedbackShape:
    """The feedback as JSON shows it."""
    members = msgspec.structs.asdict(one)
    del members["id"], members["value_number"], members["value_text"]
    members["created_at"] = format_ns(one.created_at)
    members["value"] = one.value
    members["label"] = one.value_text if one.kind == "score" and one.value_number is not None else None
    shown = UNSET if history is None else [event_shape(event) for event in history]
    return FeedbackShape(**members, history=shown)


def feedback_page_shape(page: FeedbackPage) -> FeedbackPageShape:
    """The page as JSON shows it."""
    return FeedbackPageShape([feedback_shape(one) for one in page.feedback], page.next_cursor)


def run_detail_shape(run: RunSummary, said: list[Feedback]) -> RunDetailShape:
    """The run with what was said of it."""
    return RunDetailShape(**msgspec.structs.asdict(run_shape(run)), feedback=[feedback_shape(one) for one in said])
