"""The report of one run: what was asked, what was done, how it ended, and how far the record of it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from flightlog.clock import Clock, SystemClock, format_ns
from flightlog.config import Settings
from flightlog.console import format as fmt
from flightlog.console.pages.runs_rows import status_of
from flightlog.console.pages.verdict import verdict_of
from flightlog.console.payload import decoded, entries, words
from flightlog.events.envelope import StoredEvent
from flightlog.journal.erase import erasures_of
from flightlog.journal.read import get_events_at
from flightlog.reports import tell
from flightlog.reports.gather import COMMANDS_MAX, Gathered, gather
from flightlog.reports.model import (
    Care,
    Command,
    Opinion,
    Reason,
    RunReport,
    RunSeal,
    Sum,
    TestRun,
    Trouble,
)
from flightlog.reports.question import asked_of, outcome_of
from flightlog.reports.text import clean, line
from flightlog.runs.feedback import feedback_on
from flightlog.runs.rollup import Group, ModelGroup, rollup
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary, get_run
from flightlog.seal.state import SealState
from flightlog.store.contract import Store

PAYLOADS_CHUNK = 100  # of at most 64 KiB each
TESTS_NAMED_MAX = 5
ERASURES_MAX = 20
FEEDBACK_MAX = 100
SUMS_MAX = 50

T = TypeVar("T")
SYSTEM_CLOCK = SystemClock()
DEFAULTS = Settings()
UNSEALED = SealState()


def run_report(
    store: Store, run_id: str, *, seal: SealState = UNSEALED, clock: Clock = SYSTEM_CLOCK, settings: Settings = DEFAULTS
) -> RunReport:
    """The report of a run as it is now. `seal` is how far the journal is sealed. Raises RunNotFound.

    Time grows with the run's envelopes and its model answers, memory does not.
    """
    run = get_run(store, run_id, clock=clock, settings=settings)
    now_ns = clock.now_ns()
    found = gather(store, run, seal.signed_id)
    sums = rollup(store, run, settings=settings)
    commands, commands_total = _commands(store, found)
    tests = _told(store, found.tests.ids, found.pairs["test"].question_of, tell.test_run)
    errors = _told(store, found.errors.ids, {}, lambda event, _: tell.trouble(event))
    opinions = feedback_on(store, run_id=run_id)
    left_out = {
        "commands": commands_total - len(commands),
        "tool_calls_not_looked_at": found.tools.left_out,
        "patches": found.patches.left_out,
        "tests": found.tests.left_out,
        "decisions": found.decisions.left_out,
        "errors": found.errors.left_out,
        "notes": found.notes.left_out,
        "gaps": found.gaps.left_out,
        "feedback": max(0, len(opinions) - FEEDBACK_MAX),
        "models": max(0, len(sums.models) - SUMS_MAX) + sums.left_out["models"],
        "tools": max(0, len(sums.tools) - SUMS_MAX) + sums.left_out["tools"],
    }
    return RunReport(
        run_id=run.run_id,
        name=line(run.name or "") or line(run.run_id),
        status=status_of(run),
        verdict=clean(verdict_of(store, run, now_ns)),
        because=_because(run, errors, tests),
        made_at=format_ns(now_ns),
        started_at=format_ns(run.started_at),
        finished_at=None if run.finished_at is None else format_ns(run.finished_at),
        duration_ns=run.duration_ns,
        project=run.project,
        actor=run.actor,
        task_id=run.task_id,
        trace_id=run.trace_id,
        source=run.source,
        asked=asked_of(store, found),
        outcome=outcome_of(store, found),
        commands=commands,
        patches=_told(store, found.patches.ids, found.pairs["patch"].question_of, tell.patch),
        tests=tests,
        models=_sums(sums.models, "llm_response", found),
        tools=_sums(sums.tools, "tool_result", found),
        decisions=_told(store, found.decisions.ids, found.pairs["decision"].question_of, tell.decision),
        feedback=[_opinion(one) for one in opinions[-FEEDBACK_MAX:]],
        errors=errors,
        notes=_told(store, found.notes.ids, {}, lambda event, _: tell.note(event)),
        gaps=_told(store, found.gaps.ids, {}, lambda event, _: tell.gap(event)),
        care=_care(store, found),
        seal=_seal(found, seal),
        totals={
            "events": found.events,
            "commands": commands_total,
            "commands_failed": found.commands.failed + sum(one.tool is not None and not one.ok for one in commands),
            "patches": found.patches.total,
            "tests": found.tests.total,
            "tests_failed": found.tests.failed,
            "model_calls": sum(group.calls for group in sums.models),
            "tool_calls": sum(group.calls for group in sums.tools),
            "decisions": found.decisions.total,
            "denied": found.decisions.failed,
            "errors": found.errors.total,
            "feedback": len(opinions),
            "gaps": found.gaps.total,
            "lost": run.lost_count,
        },
        tokens={
            "input": run.tokens_input,
            "output": run.tokens_output,
            "cached_input": run.tokens_cached_input,
            "reasoning": run.tokens_reasoning,
        },
        cost_usd=run.cost_usd,
        counts=run.counts,
        left_out={name: number for name, number in left_out.items() if number},
    )


def _told(
    store: Store,
    ids: Sequence[int],
    question_of: dict[int, int],
    teller: Callable[[StoredEvent, StoredEvent | None], T | None],
) -> list[T]:
    """What the teller makes of these events, each with the one that it answers; a chunk of payloads at a time."""
    made: list[T] = []
    for start in range(0, len(ids), PAYLOADS_CHUNK):
        some = ids[start : start + PAYLOADS_CHUNK]
        wanted = {*some, *(question_of[row_id] for row_id in some if row_id in question_of)}
        events = {event.id: event for event in get_events_at(store, sorted(wanted))}
        for row_id in some:
            if row_id in events:
                told = teller(events[row_id], events.get(question_of.get(row_id, 0)))
                if told is not None:
                    made.append(told)
    return made


def _commands(store: Store, found: Gathered) -> tuple[list[Command], int]:
    """The commands to list, those that failed before the others where there are too many, and how many there are."""
    own = _told(store, found.commands.ids, {}, lambda event, _: tell.command(event))
    by_tools = _told(store, found.tools.ids, found.pairs["tool"].question_of, tell.tool_command)
    everything = sorted([*own, *by_tools], key=lambda one: (one.ok, one.id))
    return sorted(everything[:COMMANDS_MAX], key=lambda one: one.id), found.commands.total + len(by_tools)


def _because(run: RunSummary, errors: Sequence[Trouble], tests: Sequence[TestRun]) -> list[Reason]:
    """What speaks against the run: its first error where it did not succeed, and the tests that failed last."""
    made = []
    if errors and run.status not in ("succeeded", RUNNING):
        made.append(Reason(f"first error: {errors[0].message}", errors[0].event_id))
    if tests and not tests[-1].ok:
        last = tests[-1]
        names = [one.name for one in last.failures[:TESTS_NAMED_MAX]]
        more = len(last.failures) + last.failures_left_out - len(names)
        told = ", ".join(names) + (f" and {fmt.count(more)} more" if more else "")
        made.append(Reason(f"the last tests {_went(last)}{f': {told}' if told else ''}", last.event_id))
    return made


def _went(tests: TestRun) -> str:
    return {"failed": "failed", "error": "could not be run to their end"}.get(tests.status, tests.status)


def _sums(groups: Iterable[ModelGroup | Group], type_: str, found: Gathered) -> list[Sum]:
    return [
        Sum(name=line(group.name) or "(no name)", group=group, event_id=found.first_of.get((type_, group.name)))
        for group in list(groups)[:SUMS_MAX]
    ]


def _opinion(one: Any) -> Opinion:
    about = (
        f"model call {one.generation_id}"
        if one.generation_id
        else (f"span {one.span_id}" if one.span_id else "the run")
    )
    return Opinion(
        event_id=one.event_id,
        id=one.id,
        at=format_ns(one.created_at),
        about=line(about),
        kind=line(" ".join(part for part in (one.name, one.kind) if part)),
        value=line("" if one.value is None else words(one.value)),
        comment=line(one.comment or ""),
        given_by=line(one.given_by or one.actor or ""),
    )


def _care(store: Store, found: Gathered) -> list[Care]:
    """What was done to payloads, each with its first events; of those that were erased also by whom, and why."""
    return [
        Care(
            what=what,
            count=number,
            examples=examples,
            because=_erasures(store, found.erased) if what == "erased" else [],
        )
        for what, (number, examples) in sorted(found.care.items())
    ]


def _erasures(store: Store, erased: Sequence[int]) -> list[Reason]:
    with store.read() as connection:
        said = sorted({row.erasure_id for row in connection.execute(erasures_of(erased))})[:ERASURES_MAX]
    return [_erasure(event) for event in get_events_at(store, said)]


def _erasure(event: StoredEvent) -> Reason:
    details = entries(decoded(bytes(event.payload)).get("details"))
    reason = words(details.get("reason") or decoded(bytes(event.payload)).get("reason"))
    by = f"by {event.actor}" if event.actor else ""
    told = [f"on {format_ns(event.created_at)[:10]}", by, f"because: {reason}" if reason else ""]
    return Reason(line(" ".join(part for part in told if part)), event.event_id)


def _seal(found: Gathered, seal: SealState) -> RunSeal:
    return RunSeal(
        origin=seal.origin,
        trouble=seal.error,
        sealed_id=seal.sealed_id,
        signed_id=seal.signed_id,
        events=found.events,
        covered=found.covered,
        first_id=found.first_id,
        last_id=found.last_id,
    )
