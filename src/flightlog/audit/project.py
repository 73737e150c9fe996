"""Keeps the table of audit records in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select, text

from flightlog.audit.known import Brought, brought_by, missing_runs, missing_tasks
from flightlog.audit.reading import AUDIT, DECISION, TYPES, columns_of
from flightlog.audit.table import audits
from flightlog.events.envelope import StoredEvent
from flightlog.journal.catchup import catch_up
from flightlog.store.contract import Store, Tx
from flightlog.store.prepared import Prepared

KNOWN, ORPHANED, ADOPTED = "known", "orphaned", "adopted"
STATES: tuple[str, ...] = (KNOWN, ORPHANED, ADOPTED)
LOOKUP_MAX = 500  # ids asked for in one statement

_ANY_ORPHAN = Prepared(text("SELECT 1 FROM audits WHERE orphan = 'orphaned' LIMIT 1"))
_WAITED_FOR = {
    what: select(audits.c[f"{what}_id"])
    .distinct()
    .where(text(f"{what}_missing = 1"), audits.c[f"{what}_id"].in_(bindparam("ids", expanding=True)))
    for what in ("run", "task")
}
# A record that waits for both is adopted by whichever comes last.
_ADOPT = {
    what: text(
        f"UPDATE audits SET {what}_missing = 0, "  # noqa: S608
        f"orphan = CASE WHEN {other}_missing = 0 THEN 'adopted' ELSE orphan END, "
        f"adopted_at = CASE WHEN {other}_missing = 0 THEN :at END, "
        f"adopted_by = CASE WHEN {other}_missing = 0 THEN :by END "
        f"WHERE {what}_missing = 1 AND {what}_id = :id"
    )
    for what, other in (("run", "task"), ("task", "run"))
}


class AuditProjector:
    """A Projector: a row for each audit record and each decision; and whatever waited for a run or a task that these events
    bring is adopted in the same transaction, once.

    A batch without such records costs one look at whether any waits.
    """

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take in what was said, and adopt what waited for something in these events."""
        said = [event for event in events if event.type == AUDIT or event.type == DECISION]
        waiting = _ANY_ORPHAN.run(tx).fetchone() is not None
        if not said and not waiting:
            return
        brought = brought_by(events)
        if waiting:
            adopt(tx, brought, events[0].received_at)
        if said:
            take_audits(tx, said, brought)

    def catch_up(self, store: Store) -> int:
        """Take in what was said before there was a table for it; how many events there were."""
        return catch_up(store, "audits", TYPES, take_audits)


def take_audits(tx: Tx, events: Iterable[StoredEvent], brought: Brought | None = None) -> None:
    """A row for each of these events; `brought` is what else came with them, where that is not in the journal's past."""
    brought = Brought({}, {}) if brought is None else brought
    said = [columns_of(event) for event in events]
    runs = missing_runs(tx, (row["run_id"] for row in said if row["run_id"] is not None), brought)
    tasks = missing_tasks(tx, (row["task_id"] for row in said if row["task_id"] is not None), brought)
    rows = []
    for row in said:
        no_run, no_task = int(row["run_id"] in runs), int(row["task_id"] in tasks)
        rows.append((*row.values(), ORPHANED if no_run or no_task else KNOWN, no_run, no_task, None, None))
    tx.insert_many((audits, rows))


def adopt(tx: Tx, brought: Brought, at_ns: int) -> None:
    """What waited for one of these is an orphan no more, unless it waits for the other too."""
    for what, ids in (("run", brought.runs), ("task", brought.tasks)):
        wanted = sorted(ids)
        for start in range(0, len(wanted), LOOKUP_MAX):
            chunk = wanted[start : start + LOOKUP_MAX]
            for id_ in list(tx.sql.execute(_WAITED_FOR[what], {"ids": chunk}).scalars()):
                tx.sql.execute(_ADOPT[what], {"id": id_, "at": at_ns, "by": ids[id_]})
