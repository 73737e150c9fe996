"""Two runs side by side: their totals, and their steps as far as they go together."""

from __future__ import annotations

from typing import Literal

import msgspec

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.journal.columns import read_columns
from flightlog.journal.filter import EventFilter
from flightlog.runs.align import Work, align
from flightlog.runs.span_steps import with_meaning
from flightlog.runs.steps import COLUMNS, Step, steps_of
from flightlog.runs.summary import DEFAULTS, SYSTEM_CLOCK, RunSummary, get_run
from flightlog.store.contract import Store

CHUNK_EVENTS = 5_000
EVENTS_PER_STEP = 5  # spans and signs of life are no steps, and a step is often two events

Relation = Literal["same", "changed", "left", "right"]
Number = int | float | None


class Total(msgspec.Struct, frozen=True):
    """One number of both runs; `difference` is right minus left, None where one of them is not known."""

    name: str
    left: Number
    right: Number
    difference: Number


class Row(msgspec.Struct, frozen=True):
    """A step of either run. `same` steps have the same name, status and payloads; of `changed` ones `differs` says what is
    not the same: request, answer, status."""

    relation: Relation
    left: Step | None
    right: Step | None
    differs: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    """Two runs. When not `complete`, one of them has more steps than were compared."""

    left: RunSummary
    right: RunSummary
    totals: list[Total]
    rows: list[Row]
    complete: bool


def compare_runs(
    store: Store, left_id: str, right_id: str, *, clock: Clock = SYSTEM_CLOCK, settings: Settings = DEFAULTS
) -> Comparison:
    """The two runs side by side. Steps are paired by kind and name, in order. Raises RunNotFound."""
    left = get_run(store, left_id, clock=clock, settings=settings)
    right = get_run(store, right_id, clock=clock, settings=settings)
    mine, all_mine = read_steps(store, left, settings.compare_steps_max)
    theirs, all_theirs = read_steps(store, right, settings.compare_steps_max)
    pairs = align(
        [(step.kind, step.name) for step in mine],
        [(step.kind, step.name) for step in theirs],
        [(step.kind, step.name, step.digest) for step in mine],
        [(step.kind, step.name, step.digest) for step in theirs],
        Work(),
    )
    rows = [_row(None if i is None else mine[i], None if j is None else theirs[j]) for i, j in pairs]
    return Comparison(left, right, _totals(left, right), rows, all_mine and all_theirs)


def read_steps(store: Store, run: RunSummary, steps_max: int) -> tuple[list[Step], bool]:
    """The first steps of a run, and whether these are all."""
    rows: list[tuple[object, ...]] = []
    position, events_max = 0, steps_max * EVENTS_PER_STEP
    while len(rows) < events_max:
        with store.read() as connection:
            found = read_columns(
                connection, EventFilter(run_id=run.run_id), position, run.last_event_id, CHUNK_EVENTS, COLUMNS
            )
        rows.extend(tuple(row) for row in found)
        if len(found) < CHUNK_EVENTS:
            break
        position = found[-1][0]
    steps = list(steps_of(rows))
    complete = len(steps) <= steps_max and (not rows or rows[-1][0] == run.last_event_id or len(found) < CHUNK_EVENTS)
    return with_meaning(store, steps[:steps_max]), complete


def _row(left: Step | None, right: Step | None) -> Row:
    if left is None or right is None:
        return Row("right" if left is None else "left", left, right)
    differs = [
        word
        for word, is_other in (
            ("request", left.digest != right.digest),
            ("answer", left.answer_digest != right.answer_digest),
            ("status", left.status != right.status),
        )
        if is_other
    ]
    return Row("changed" if differs else "same", left, right, tuple(differs))


def _calls(run: RunSummary, *types: str) -> int:
    """A finished span is a request and its answer in one event."""
    return max(run.counts.get(name, 0) for name in types)


def _totals(left: RunSummary, right: RunSummary) -> list[Total]:
    made = []
    for name, mine, theirs in (
        ("duration_ns", left.duration_ns, right.duration_ns),
        ("events", left.event_count, right.event_count),
        ("model_calls", _calls(left, "llm_request", "llm_response"), _calls(right, "llm_request", "llm_response")),
        ("tool_calls", _calls(left, "tool_call", "tool_result"), _calls(right, "tool_call", "tool_result")),
        ("commands", left.counts.get("exec_started", 0), right.counts.get("exec_started", 0)),
        ("patches", left.counts.get("patch_applied", 0), right.counts.get("patch_applied", 0)),
        ("test_runs", left.counts.get("test_result", 0), right.counts.get("test_result", 0)),
        ("tokens_input", left.tokens_input, right.tokens_input),
        ("tokens_output", left.tokens_output, right.tokens_output),
        ("cost_usd", left.cost_usd, right.cost_usd),
        ("errors", left.error_count, right.error_count),
        ("lost", left.lost_count, right.lost_count),
    ):
        both = mine is not None and theirs is not None
        made.append(Total(name, mine, theirs, theirs - mine if both else None))  # type: ignore[operator]
    return made
