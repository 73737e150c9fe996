"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.kinds import KINDS
from flightlog.console.page import Page, href
from flightlog.console.pages.runs_rows import status_of
from flightlog.errors import RunNotFound
from flightlog.runs.compare import Comparison, Number, Row, Total, compare_runs
from flightlog.runs.listing import list_runs
from flightlog.runs.steps import Step
from flightlog.runs.summary import RunSummary
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"left", "right"})
CHOICES_SHOWN = 50
STRETCHES_MAX = 2_000  # on the page; the API has all
WORDS = {
    "duration_ns": "Time",
    "events": "Events",
    "model_calls": "Model calls",
    "tool_calls": "Tool calls",
    "commands": "Commands",
    "patches": "Patches",
    "test_runs": "Test runs",
    "tokens_input": "Tokens in",
    "tokens_output": "Tokens out",
    "cost_usd": "Cost",
    "errors": "Errors",
    "lost": "Lost",
}
RELATIONS = {"same": "=", "changed": "≠", "left": "−", "right": "+"}
_KINDS = {kind.key for kind in KINDS}


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the two."""

    run_id: Annotated[str, "Its id."]
    name: Annotated[str, "Its name, or its id shortened."]
    status: Annotated[str, "How it stands."]
    href: Annotated[str, "Its page."]
    started: Annotated[str, "When it began."]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One total of both."""

    word: Annotated[str, "What is counted."]
    left: Annotated[str, "On the left."]
    right: Annotated[str, "On the right."]
    difference: Annotated[str, "Right minus left, with its sign; empty when there is none."]


@dataclass(frozen=True, kw_only=True)
class StepCell:
    """A step on one side."""

    kind: Annotated[str, "The class of its colour."]
    word: Annotated[str, "What kind of step it is."]
    name: Annotated[str, "Its name; may be empty."]
    id: Annotated[int, "The place of the event that it began with, for the panel."]
    href: Annotated[str, "Where it stands in its run."]
    status: Annotated[str, "Its status; may be empty."]
    took: Annotated[str, "How long it took; may be empty."]


@dataclass(frozen=True, kw_only=True)
class StepPair:
    """A step of either run, beside that of the other where they go together."""

    relation: Annotated[str, "same, changed, left or right."]
    sign: Annotated[str, "The same as a sign."]
    differs: Annotated[str, "In what they differ; may be empty."]
    left: Annotated[StepCell | None, "On the left."]
    right: Annotated[StepCell | None, "On the right."]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Steps that follow each other and are all the same, or are not."""

    is_same: Annotated[bool, "Whether they are the same; then they are folded."]
    words: Annotated[str, "How many they are."]
    pairs: Annotated[list[StepPair], "The steps."]


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """A run that could be one of the two."""

    run_id: Annotated[str, "Its id."]
    words: Annotated[str, "What it is called, and when it began."]


@dataclass(frozen=True, kw_only=True)
class ComparePage(Page):
    """Two runs side by side, or the form that asks which."""

    template: ClassVar[str] = "compare.html"

    left: Annotated[ComparedRun | None, "The one."]
    right: Annotated[ComparedRun | None, "The other."]
    left_id: Annotated[str, "What was asked for on the left."]
    right_id: Annotated[str, "What was asked for on the right."]
    problem: Annotated[str, "Why there is nothing to compare; may be empty."]
    swap: Annotated[str, "The same the other way round."]
    totals: Annotated[list[Compared], "The totals in which either has something."]
    stretches: Annotated[list[Stretch], "The steps."]
    summary: Annotated[str, "How far they go together, in a sentence."]
    note: Annotated[str, "What is left out; may be empty."]
    choices: Annotated[list[RunChoice], "Runs to choose from, the newest."]


def compare_page(services: Services, params: Mapping[str, str]) -> ComparePage:
    """The page for these parameters; a run that is not there is told on it."""
    left_id, right_id = params.get("left", "").strip(), params.get("right", "").strip()
    found, problem = None, ""
    if left_id and right_id:
        try:
            found = compare_runs(services.store, left_id, right_id, clock=services.clock, settings=services.settings)
        except RunNotFound as error:
            problem = error.message
    stretches = _stretches(found) if found else []
    return ComparePage(
        title="Compare",
        place="compare",
        version=__version__,
        left=_run(found.left) if found else None,
        right=_run(found.right) if found else None,
        left_id=left_id,
        right_id=right_id,
        problem=problem,
        swap=href("/compare", {"left": right_id, "right": left_id}),
        totals=[_total(total) for total in found.totals if total.left or total.right] if found else [],
        stretches=stretches[:STRETCHES_MAX],
        summary=_summary(found) if found else "",
        note=_note(found, len(stretches)) if found else "",
        choices=_choices(services),
    )


def _choices(services: Services) -> list[RunChoice]:
    page = list_runs(services.store, limit=CHOICES_SHOWN, clock=services.clock, settings=services.settings)
    now = services.clock.now_ns()
    return [
        RunChoice(
            run_id=run.run_id,
            words=f"{run.name or fmt.short_id(run.run_id)}, {status_of(run)}, {fmt.moment(run.started_at, now).ago}",
        )
        for run in page.runs
    ]


def _run(run: RunSummary) -> ComparedRun:
    return ComparedRun(
        run_id=run.run_id,
        name=run.name or fmt.short_id(run.run_id),
        status=status_of(run),
        href=href(f"/runs/{run.run_id}"),
        started=fmt.in_full(run.started_at),
    )


def _total(total: Total) -> Compared:
    difference = total.difference or 0
    return Compared(
        word=WORDS[total.name],
        left=_number(total.name, total.left),
        right=_number(total.name, total.right),
        difference=("+" if difference > 0 else "−") + _number(total.name, abs(difference)) if difference else "",
    )


def _number(name: str, value: Number) -> str:
    if value is None:
        return fmt.NOTHING
    if name == "duration_ns":
        return fmt.duration(int(value))
    return fmt.money(float(value)) if name == "cost_usd" else fmt.count(int(value))


def _stretches(found: Comparison) -> list[Stretch]:
    made: list[Stretch] = []
    for row in found.rows:
        is_same = row.relation == "same"
        if not made or made[-1].is_same != is_same:
            made.append(Stretch(is_same=is_same, words="", pairs=[]))
        made[-1].pairs.append(_pair(row, found))
    return [
        Stretch(
            is_same=one.is_same, words=_steps(len(one.pairs)) + (" the same" if one.is_same else ""), pairs=one.pairs
        )
        for one in made
    ]


def _pair(row: Row, found: Comparison) -> StepPair:
    return StepPair(
        relation=row.relation,
        sign=RELATIONS[row.relation],
        differs=", ".join(row.differs),
        left=_cell(row.left, found.left.run_id),
        right=_cell(row.right, found.right.run_id),
    )


def _cell(step: Step | None, run_id: str) -> StepCell | None:
    if step is None:
        return None
    kind = {"error": "err", "capability_decision": "decide"}.get(step.kind, step.kind)
    return StepCell(
        kind=kind if kind in _KINDS else "note",
        word=step.kind.replace("_", " "),
        name=step.name,
        id=step.id,
        href=href(f"/runs/{run_id}", {"view": "reading", "afterId": str(step.id - 1), "id": str(step.id)})
        + f"#c{step.id}",
        status=step.status,
        took=fmt.duration(step.duration_ns) if step.duration_ns is not None else "",
    )


def _steps(number: int) -> str:
    return f"{fmt.count(number)} {'step' if number == 1 else 'steps'}"


def _summary(found: Comparison) -> str:
    counted = {name: sum(row.relation == name for row in found.rows) for name in RELATIONS}
    if not found.rows:
        return "Neither has taken a step."
    if counted["same"] == len(found.rows):
        return f"All {_steps(len(found.rows))} are the same."
    return (
        f"{_steps(counted['same'])} the same, {fmt.count(counted['changed'])} changed, "
        f"{fmt.count(counted['left'])} only on the left, {fmt.count(counted['right'])} only on the right."
    )


def _note(found: Comparison, stretches: int) -> str:
    if stretches > STRETCHES_MAX:
        return f"The first {fmt.count(STRETCHES_MAX)} stretches of {fmt.count(stretches)} are shown."
    return "" if found.complete else "One of the runs goes on: only its first steps were compared."
