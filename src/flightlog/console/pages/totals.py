"""A run added up: tables of its model calls, tools and commands, a few numbers, and its first errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flightlog.console import format as fmt
from flightlog.console.page import href
from flightlog.runs.rollup import Group, ModelGroup, Rollup, rollup
from flightlog.runs.summary import RunSummary
from flightlog.services import Services

NO_NAME = "(no name)"
TIMES = ("Total time", "p50", "p95")


@dataclass(frozen=True, kw_only=True)
class TotalsRow:
    """One model, tool or command."""

    label: Annotated[str, "What it is called."]
    cells: Annotated[list[str], "Its numbers, in the order of the heads."]
    has_errors: Annotated[bool, "Whether any of its calls failed; their number is the second."]


@dataclass(frozen=True, kw_only=True)
class TotalsTable:
    """The models, the tools or the commands."""

    caption: Annotated[str, "What its rows are."]
    heads: Annotated[list[str], "What the numbers are."]
    lines: Annotated[list[TotalsRow], "The rows; never none."]
    rest: Annotated[str, "What is not in it; may be empty."]


@dataclass(frozen=True, kw_only=True)
class TotalsFact:
    """One line of numbers."""

    topic: Annotated[str, "What they are of."]
    sentence: Annotated[str, "The numbers, in words."]


@dataclass(frozen=True, kw_only=True)
class TotalsError:
    """One of the first errors."""

    link: Annotated[str, "The run with this event opened."]
    of_type: Annotated[str, "The event's type."]
    title: Annotated[str, "What went wrong, in a word; may be empty."]
    message: Annotated[str, "What it said; may be empty."]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a run comes to."""

    tables: Annotated[list[TotalsTable], "The models, the tools and the commands; those that there are."]
    facts: Annotated[list[TotalsFact], "Tests, patches and decisions; those that there are."]
    first_errors: Annotated[list[TotalsError], "The first errors."]
    errors_head: Annotated[str, "What these are, with how many there are in all."]


def totals_of(services: Services, run: RunSummary) -> Totals:
    """The run added up, for its page."""
    found = rollup(services.store, run, settings=services.settings)
    shown = len(found.errors)
    return Totals(
        tables=[table for table in _tables(found) if table.lines],
        facts=_facts(found),
        first_errors=[
            TotalsError(
                link=href(f"/runs/{run.run_id}", {"id": line.id}),
                of_type=line.type,
                title=line.name,
                message=line.message,
            )
            for line in found.errors
        ],
        errors_head="Errors"
        if run.error_count <= shown
        else f"The first {shown} of {fmt.count(run.error_count)} errors",
    )


def _tables(found: Rollup) -> list[TotalsTable]:
    return [
        TotalsTable(
            caption="Models",
            heads=["Calls", "Errors", *TIMES, "Tokens in", "out", "cached", "Cost"],
            lines=[_row(group, _spent(group)) for group in found.models],
            rest=_rest(found.left_out["models"]),
        ),
        TotalsTable(
            caption="Tools",
            heads=["Calls", "Errors", *TIMES],
            lines=[_row(group, []) for group in found.tools],
            rest=_rest(found.left_out["tools"]),
        ),
        TotalsTable(
            caption="Commands",
            heads=["Runs", "Errors", *TIMES],
            lines=[_row(group, []) for group in found.commands],
            rest=_rest(found.left_out["commands"]),
        ),
    ]


def _row(group: Group, more: list[str]) -> TotalsRow:
    known = group.duration_ns_p50 is not None
    times = [group.duration_ns_total if known else None, group.duration_ns_p50, group.duration_ns_p95]
    return TotalsRow(
        label=group.name or NO_NAME,
        cells=[fmt.count(group.calls), fmt.count(group.errors), *(fmt.duration(time) for time in times), *more],
        has_errors=group.errors > 0,
    )


def _spent(group: ModelGroup) -> list[str]:
    tokens = (group.tokens_input, group.tokens_output, group.tokens_cached_input)
    return [*(fmt.count(number) for number in tokens), fmt.money(group.cost_usd)]


def _rest(number: int) -> str:
    return f"and {fmt.count(number)} more that took less time" if number else ""


def _facts(found: Rollup) -> list[TotalsFact]:
    tests, patches, decisions = found.tests, found.patches, found.decisions
    made = []
    if tests.runs:
        made.append(
            TotalsFact(
                topic="Tests",
                sentence=_listed(
                    (tests.runs, "run" if tests.runs == 1 else "runs"),
                    (tests.runs_failed, "of them failed"),
                    (tests.passed, "passed"),
                    (tests.failed, "failed"),
                    (tests.errors, "broke off"),
                    (tests.skipped, "skipped"),
                ),
            )
        )
    if patches.applied or patches.failed:
        sizes = f"{fmt.counted(patches.files, 'file', 'files')}, +{fmt.count(patches.added)} −{fmt.count(patches.deleted)} lines"
        counts = _listed((patches.applied, "applied"), (patches.failed, "could not be applied"))
        made.append(TotalsFact(topic="Patches", sentence=f"{counts}: {sizes}"))
    if decisions.granted or decisions.denied:
        made.append(
            TotalsFact(
                topic="Decisions", sentence=_listed((decisions.granted, "granted"), (decisions.denied, "denied"))
            )
        )
    return made


def _listed(*parts: tuple[int, str]) -> str:
    return ", ".join(f"{fmt.count(number)} {word}" for number, word in parts if number)
