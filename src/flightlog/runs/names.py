"""What runs are called."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from flightlog.runs.table import runs
from flightlog.store.contract import Store


def names_of(store: Store, run_ids: Collection[str]) -> dict[str, str]:
    """The names of those of these runs that have one."""
    if not run_ids:
        return {}
    wanted = select(runs.c.run_id, runs.c.name).where(runs.c.run_id.in_(sorted(run_ids)), runs.c.name.is_not(None))
    with store.read() as connection:
        return {str(run_id): str(name) for run_id, name in connection.execute(wanted)}
