"""Which values generations have, for who writes a query."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from flightlog.runs.generation_table import generations
from flightlog.store.contract import Store

LOOKED_AT_MAX = 20_000  # the newest; a list of suggestions need not be complete
COUNTED: dict[str, str] = {
    "model": "model",
    "provider": "provider",
    "operation": "operation",
    "name": "name",
    "finish": "finish_reason",
    "error": "error_kind",
    "actor": "actor",
    "project": "project",
    "source": "source",
    "price": "price_id",
}


def count_generation_values(store: Store, field: str) -> Counter[str]:
    """How often each value of a field of the query language is there, in the newest generations; empty for other fields."""
    if field not in COUNTED:
        return Counter()
    column = generations.c[COUNTED[field]]
    newest = (
        select(column.label("value"))
        .order_by(generations.c.started_at.desc(), generations.c.id.desc())
        .limit(LOOKED_AT_MAX)
        .subquery()
    )
    asked = select(newest.c.value, func.count()).where(newest.c.value.is_not(None)).group_by(newest.c.value)
    with store.read() as connection:
        return Counter({str(value): int(count) for value, count in connection.execute(asked)})
