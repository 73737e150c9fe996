"""What feedback adds up to."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, case, func, null, select

from flightlog.clock import NS_PER_SECOND, format_ns
from flightlog.errors import FilterInvalid
from flightlog.runs.feedback_filter import ALL_FEEDBACK, FeedbackFilter, conditions
from flightlog.runs.feedback_table import feedback
from flightlog.runs.generation_table import generations
from flightlog.store.contract import Store

DAY_NS = 24 * 3600 * NS_PER_SECOND
GROUPS_MAX = 1_000  # counts of one word in one group; the most frequent are kept


class Scores(msgspec.Struct):
    """How many scores there are, their average, the least and the greatest."""

    count: int
    average: float
    min: float
    max: float


class Thumbs(msgspec.Struct):
    """How many thumbs are up and down, and the share that is up, 0 to 1."""

    up: int
    down: int
    up_share: float


class Group(msgspec.Struct):
    """The feedback of one name, model or day; `value` is None where there is no name or model."""

    value: str | None
    count: int
    scores: Scores | None
    thumbs: Thumbs | None
    labels: dict[str, int]
    comments: int
    corrections: int


BY: dict[str, ColumnElement[Any]] = {
    "name": feedback.c.name,
    "model": generations.c.model,
    "day": feedback.c.created_at // DAY_NS,
}


def sum_up(
    store: Store,
    filter: FeedbackFilter = ALL_FEEDBACK,  # noqa: A002
    by: str = "name",
) -> tuple[Group, list[Group]]:
    """All of it, and its groups in the order of their values. Raises FilterInvalid."""
    if by not in BY:
        raise FilterInvalid(reason=f"by is one of {', '.join(BY)}, not {by!r}")
    value, number = BY[by], feedback.c.value_number
    word = case((feedback.c.kind.in_(("label", "thumb")), feedback.c.value_text), else_=null())
    joined = feedback.outerjoin(generations, generations.c.generation_id == feedback.c.generation_id)
    columns = (func.count(), func.count(number), func.sum(number), func.min(number), func.max(number))
    wanted = (
        select(value, feedback.c.kind, word, *columns)
        .select_from(joined if by == "model" else feedback)
        .where(*conditions(filter))
        .group_by(value, feedback.c.kind, word)
        .order_by(func.count().desc())
        .limit(GROUPS_MAX)
    )
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(wanted)]
    told = {}
    for name in {row[0] for row in rows}:
        shown = format_ns(name * DAY_NS)[:10] if by == "day" else name
        told[shown] = _group(shown, [row for row in rows if row[0] == name])
    return _group(None, rows), sorted(told.values(), key=lambda group: (group.value is None, group.value or ""))


def _group(value: str | None, rows: list[tuple[Any, ...]]) -> Group:
    scored = [row for row in rows if row[1] == "score" and row[4]]
    thumbs = {word: sum(row[3] for row in rows if row[1] == "thumb" and row[2] == word) for word in ("up", "down")}
    labels: dict[str, int] = {}
    for row in rows:
        if row[1] == "label" and row[2] is not None:
            labels[row[2]] = labels.get(row[2], 0) + row[3]
    return Group(
        value=value,
        count=sum(row[3] for row in rows),
        scores=_scores(scored) if scored else None,
        thumbs=_thumbs(**thumbs) if any(thumbs.values()) else None,
        labels=labels,
        comments=sum(row[3] for row in rows if row[1] == "comment"),
        corrections=sum(row[3] for row in rows if row[1] == "correction"),
    )


def _scores(rows: list[tuple[Any, ...]]) -> Scores:
    count = sum(row[4] for row in rows)
    return Scores(count, sum(row[5] for row in rows) / count, min(row[6] for row in rows), max(row[7] for row in rows))


def _thumbs(up: int, down: int) -> Thumbs:
    return Thumbs(up, down, up / (up + down))


_COUNTED = {"name": "name", "label": "value_text", "actor": "actor", "source": "source", "project": "project"}


def count_feedback_values(store: Store, field: str, values_max: int = 100) -> dict[str, int]:
    """The most frequent values of a field that queries have, for those that have few; nothing for the others."""
    if field not in _COUNTED:
        return {}
    column = feedback.c[_COUNTED[field]]
    wanted = select(column, func.count()).where(column.is_not(None))
    if field == "label":
        wanted = wanted.where(feedback.c.kind == "label")
    wanted = wanted.group_by(column).order_by(func.count().desc(), column).limit(values_max)
    with store.read() as connection:
        return {str(value): count for value, count in connection.execute(wanted)}
