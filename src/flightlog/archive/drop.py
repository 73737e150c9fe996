"""Taking rows out of the journal's tables that are in the archive, a few at a time; and giving their space back to the disk."""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import select, text, update

from flightlog.archive import manifest
from flightlog.archive.table import archive_state
from flightlog.journal.index import forget, held
from flightlog.journal.table import OF_A_SPAN, run_events, search_range
from flightlog.store.contract import Store, Tx

DROP_EVENTS = 500  # in one transaction, so that appends are not kept waiting
VACUUM_PAGES = 128
WAIT_SECONDS = 600.0
# Free pages that new events will take anyway are not worth moving others for.
FREE_SHARE_KEPT, FREE_PAGES_KEPT = 0.1, 2_048

_IDS = "id > :after AND id <= :until"
_SPANS = text(
    "DELETE FROM span_places WHERE (span_id, id) IN "  # noqa: S608 (our own words)
    f"(SELECT span_id, id FROM run_events WHERE {_IDS} AND {OF_A_SPAN})"
)
# A salt goes with its event; the file has both.
_REST = [text(f"DELETE FROM {name} WHERE {_IDS}") for name in ("event_payloads", "seal_salts", "run_events")]  # noqa: S608


class Space(NamedTuple):
    """The pages of the database's file."""

    pages: int
    free: int
    page_bytes: int

    @property
    def excess(self) -> int:
        """Free pages that are worth giving back."""
        return max(0, self.free - max(FREE_PAGES_KEPT, int(self.pages * FREE_SHARE_KEPT)))


class Step(NamedTuple):
    """What a step did (0: there was nothing more to do), and for how many seconds nobody else could write."""

    done: int
    seconds: float

    def __bool__(self) -> bool:
        return self.done > 0


def drop_some(store: Store, events: int = DROP_EVENTS) -> Step:
    """Delete the next rows that are in the archive; how far that came, in ids."""

    def work(tx: Tx) -> Step:
        began = time.perf_counter()
        state = manifest.state(tx.sql)
        end = min(state.archived_until, state.dropped_until + events)
        if end <= state.dropped_until:
            return Step(0, 0.0)
        drop_rows(tx, state.dropped_until, end)
        tx.sql.execute(update(archive_state).values(dropped_until=end))
        return Step(end - state.dropped_until, time.perf_counter() - began)

    with store.read() as connection:  # looking is no reason to write
        state = manifest.state(connection)
    return store.write(work, WAIT_SECONDS) if state.dropped_until < state.archived_until else Step(0, 0.0)


def drop_rows(tx: Tx, after_id: int, until_id: int) -> None:
    """Delete every row of the events after one id up to another, with their salts and their places in indexes."""
    known = held(tx.sql)
    if known is not None and known.first_id <= until_id:
        first = max(after_id + 1, known.first_id)
        forget(
            tx,
            tx.sql.execute(select(run_events.c.id).where(run_events.c.id >= first, run_events.c.id <= until_id))
            .scalars()
            .all(),
        )
        tx.sql.execute(update(search_range).values(first_id=min(until_id, known.last_id) + 1))
    for statement in (_SPANS, *_REST):
        tx.sql.execute(statement, {"after": after_id, "until": until_id})


def space(store: Store) -> Space:
    """How much of the database's file is in use."""
    with store.read() as connection:
        asked = ("page_count", "freelist_count", "page_size")
        return Space(*(int(connection.execute(text(f"PRAGMA {name}")).scalar_one()) for name in asked))


def vacuum_some(store: Store, pages: int = VACUUM_PAGES) -> Step:
    """Give some free pages at most back to the disk; how many went."""

    def work(tx: Tx) -> Step:
        began = time.perf_counter()
        free = tx.driver.execute("PRAGMA freelist_count").fetchone()[0]
        for _ in range(min(pages, free)):
            # One at a time: the driver takes a single step of a statement that gives no rows, and a step is a page.
            tx.driver.execute("PRAGMA incremental_vacuum(1)")
        left = tx.driver.execute("PRAGMA freelist_count").fetchone()[0]
        return Step(free - left, time.perf_counter() - began)

    return store.write(work, WAIT_SECONDS) if space(store).free else Step(0, 0.0)
