"""Which projects there are."""

from __future__ import annotations

from sqlalchemy import func, select

from flightlog.runs.table import runs
from flightlog.store.contract import Store

PROJECTS_MAX = 200


def list_projects(store: Store) -> list[str]:
    """The projects that have runs, in order; the first PROJECTS_MAX. One step in an index for each, however many runs."""
    found: list[str] = []
    smallest = select(func.min(runs.c.project))
    with store.read() as connection:
        while len(found) < PROJECTS_MAX:
            project = connection.execute(smallest.where(runs.c.project > found[-1]) if found else smallest).scalar()
            if project is None:
                break
            found.append(project)
    return found
