"""Comparisons as JSON."""

from __future__ import annotations

import msgspec

from flightlog.api.shapes import RunShape, run_shape
from flightlog.clock import format_ns
from flightlog.runs.compare import Comparison, Total
from flightlog.runs.steps import Step


class StepShape(msgspec.Struct):
    """One step: the event it began with, and the one that answered it, if another did."""

    kind: str
    name: str
    id: int
    answer_id: int | None
    at: str
    duration_ns: int | None
    status: str
    level: str


class RowShape(msgspec.Struct):
    """A step of either run. `relation` is same, changed, left or right; `differs` names request, answer, status."""

    relation: str
    left: StepShape | None
    right: StepShape | None
    differs: list[str]


class ComparisonShape(msgspec.Struct):
    """Two runs. When not `complete`, only the first `compare_steps_max` steps of each were compared."""

    left: RunShape
    right: RunShape
    totals: list[Total]
    rows: list[RowShape]
    complete: bool


def comparison_shape(found: Comparison) -> ComparisonShape:
    """The comparison as JSON shows it."""
    rows = [RowShape(row.relation, _step(row.left), _step(row.right), list(row.differs)) for row in found.rows]
    return ComparisonShape(run_shape(found.left), run_shape(found.right), found.totals, rows, found.complete)


def _step(step: Step | None) -> StepShape | None:
    if step is None:
        return None
    return StepShape(
        kind=step.kind,
        name=step.name,
        id=step.id,
        answer_id=step.answer_id,
        at=format_ns(step.at_ns),
        duration_ns=step.duration_ns,
        status=step.status,
        level=step.level,
    )
