"""Taking payloads out of the journal: the one way in which a row of it changes, inside a transaction that says so."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, insert, select, update

from flightlog.journal.changes import note_change
from flightlog.journal.index import forget
from flightlog.journal.rows import ERASED_DIGEST
from flightlog.journal.table import erased_payloads, event_payloads, run_events
from flightlog.store.contract import Tx

IDS_AT_ONCE = 500


def erase_payloads(tx: Tx, ids: Sequence[int], erasure_id: int) -> None:
    """Delete these events' payloads, their words in the text index, and their digests, which could be tried against guesses.

    The envelope stays. `erasure_id` is the journal id of the event that says who erased them and why.
    """
    note_change(tx)
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        forget(tx, some)
        tx.sql.execute(delete(event_payloads).where(event_payloads.c.id.in_(some)))
        tx.sql.execute(
            update(run_events).where(run_events.c.id.in_(some)).values(payload_bytes=0, payload_digest=ERASED_DIGEST)
        )
        tx.sql.execute(insert(erased_payloads), [{"id": row_id, "erasure_id": erasure_id} for row_id in some])


def erasures_of(ids: Sequence[int]) -> Select[tuple[int, int]]:
    """Which of these were erased, each with the journal id of its erasure."""
    return select(erased_payloads.c.id, erased_payloads.c.erasure_id).where(erased_payloads.c.id.in_(ids))
