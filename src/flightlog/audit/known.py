"""Which runs and tasks the store knows of, as far as audit records are concerned.

A run or task is known once any event names it that is not itself only said *about* something. A room that keeps tasks in a
table of its own can answer for them here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import text

from flightlog.events.envelope import StoredEvent
from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import older_rows
from flightlog.store.contract import Tx

# They may name a run or task that nobody ever saw.
SAID_ABOUT: frozenset[str] = frozenset({"audit", "capability_decision", "feedback"})


class Brought(NamedTuple):
    """The runs and tasks that a batch names in earnest, each with the id of the first event that does."""

    runs: dict[str, int]
    tasks: dict[str, int]


def brought_by(events: Sequence[StoredEvent]) -> Brought:
    """What these events make known."""
    made = Brought({}, {})
    for event in events:
        if event.type not in SAID_ABOUT:
            if event.run_id is not None:
                made.runs.setdefault(event.run_id, event.id)
            if event.task_id is not None:
                made.tasks.setdefault(event.task_id, event.id)
    return made


def missing_runs(tx: Tx, wanted: Iterable[str], brought: Brought) -> set[str]:
    """Those of the runs that neither the journal nor this batch knows."""
    return {each for each in set(wanted) if each not in brought.runs and not _is_known(tx, "run", each)}


def missing_tasks(tx: Tx, wanted: Iterable[str], brought: Brought) -> set[str]:
    """Those of the tasks that neither the journal nor this batch knows."""
    return {each for each in set(wanted) if each not in brought.tasks and not _is_known(tx, "task", each)}


def _is_known(tx: Tx, what: str, id_: str) -> bool:
    # What an earlier record found still holds: had the run come since, that very transaction would have adopted the record.
    # So a run that thousands of records wait for is not looked for in the journal thousands of times.
    found = tx.sql.execute(_BEFORE[what], {"id": id_}).scalar()
    if found is not None:
        return not found
    if tx.sql.execute(_IN_JOURNAL[what], {"id": id_}).scalar():
        return True
    named = EventFilter(run_id=id_) if what == "run" else EventFilter(task_id=id_)
    said_about = Condition(field="type", values=tuple(sorted(SAID_ABOUT)), negated=True)
    if older_rows(tx.sql, ("id",), replace(named, also=(said_about,)), count=1):
        return True
    # Its events may have gone by the rules of retention: what counts them outlives them.
    counted = tx.sql.execute(_IN_SUMMARIES[what], {"id": id_}).scalars()
    return any(not SAID_ABOUT.issuperset(msgspec.json.decode(counts)) for counts in counted)


# Texts of ours alone go into these.
_TYPES = ", ".join(f"'{each}'" for each in sorted(SAID_ABOUT))
_BEFORE = {
    what: text(f"SELECT {what}_missing FROM audits WHERE {what}_id = :id LIMIT 1")  # noqa: S608
    for what in ("run", "task")
}
_IN_SUMMARIES = {
    "run": text("SELECT counts FROM runs WHERE run_id = :id"),
    "task": text("SELECT counts FROM runs WHERE task_id = :id ORDER BY started_at LIMIT 20"),
}
_IN_JOURNAL = {
    what: text(f"SELECT 1 FROM run_events WHERE {what}_id = :id AND type NOT IN ({_TYPES}) LIMIT 1")  # noqa: S608
    for what in ("run", "task")
}
