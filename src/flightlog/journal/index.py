"""The text index: made when somebody asks for it, kept from then on in the transaction that appends.

It is a contentless FTS5 table: it knows which words an event has, and nothing else, so it is small, and what it finds is
checked against the payload. The stretch of ids that it holds has no gaps; what lies below is added by `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, text, update

from flightlog.errors import IndexUnsupported
from flightlog.events.envelope import StoredEvent
from flightlog.journal.history import line_of
from flightlog.journal.table import event_payloads, journal_head, run_events, search_range
from flightlog.journal.words import WORD_CHARS_MAX, text_of, words_of
from flightlog.store.contract import Store, Tx
from flightlog.store.prepared import Prepared

TIDY_SECONDS_MAX = 3600.0
BUILD_EVENTS = 1_000  # in one transaction, so that appends are not kept waiting

# The words come apart already: to this tokenizer everything beyond ASCII is a letter.
_CREATE = text(
    "CREATE VIRTUAL TABLE event_words USING fts5"
    "(words, content='', detail=none, columnsize=0, tokenize=\"ascii tokenchars '_'\")"
)
_DROP = text("DROP TABLE event_words")
_FOUND = (
    "SELECT rowid FROM event_words WHERE event_words MATCH :match AND rowid > :after AND rowid < :before ORDER BY rowid"
)
_OLDEST, _NEWEST = text(_FOUND + " LIMIT :count"), text(_FOUND + " DESC LIMIT :count")
_DELETE = "INSERT INTO event_words(event_words, rowid, words) VALUES ('delete', ?, ?)"
_OPTIMIZE = text("INSERT INTO event_words(event_words) VALUES ('optimize')")
_INSERT = "INSERT INTO event_words(rowid, words) VALUES (?, ?)"


class Held(NamedTuple):
    """The ids that the index holds, both included; `last_id` is below `first_id` when it holds none."""

    first_id: int
    last_id: int


_HELD_IN = Prepared(select(search_range.c.first_id, search_range.c.last_id))


def held(connection: Connection) -> Held | None:
    """What the index holds; None when there is none."""
    row = connection.execute(select(search_range.c.first_id, search_range.c.last_id)).first()
    return None if row is None else Held(*row)


class IndexProjector:
    """A Projector: adds every new event to the index, if there is one."""

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Add these events."""
        row = _HELD_IN.run(tx).fetchone()
        if row is None:
            return
        known = Held(*row)
        if events[0].id != known.last_id + 1:
            raise AssertionError(f"the index ends at {known.last_id}, and event {events[0].id} comes next")
        _add(tx.sql, ((event.id, text_of(bytes(event.payload), event.name)) for event in events))
        tx.sql.execute(update(search_range).values(last_id=events[-1].id))


def build(store: Store, told: Callable[[Held], None] = lambda held: None) -> Held:
    """Make the index if it is not there, and add what came before it, newest first, a bounded piece at a time.

    It can be stopped at any time and goes on where it was. `told` is called after each piece. Raises IndexUnsupported.
    """
    _check(store)
    store.write(_begin)
    while True:
        reached, is_whole = store.write(_add_earlier)
        told(reached)
        if is_whole:
            return reached


def drop(store: Store, also: Callable[[Tx], None] = lambda tx: None) -> bool:
    """Take the index away; False when there was none. `also` is called in the same transaction. Raises IndexUnsupported."""
    _check(store)

    def work(tx: Tx) -> bool:
        if held(tx.sql) is None:
            return False
        tx.sql.execute(_DROP)
        tx.sql.execute(delete(search_range))
        also(tx)
        return True

    return store.write(work)


def _check(store: Store) -> None:
    if store.dialect != "sqlite":
        raise IndexUnsupported(dialect=store.dialect)


def _begin(tx: Tx) -> None:
    if held(tx.sql) is None:
        head = int(tx.sql.execute(select(journal_head.c.last_id)).scalar_one())
        tx.sql.execute(_CREATE)
        tx.sql.execute(insert(search_range).values(one=1, first_id=head + 1, last_id=head))


def _add_earlier(tx: Tx) -> tuple[Held, bool]:
    """What the index holds then, and whether that is all there is: what was archived is never in it."""
    known = held(tx.sql)
    assert known is not None
    lowest = line_of(tx.sql) + 1
    first = max(lowest, known.first_id - BUILD_EVENTS) if known.first_id > lowest else known.first_id
    found = (
        select(run_events.c.id, run_events.c.name, event_payloads.c.payload)
        .select_from(run_events.join(event_payloads, event_payloads.c.id == run_events.c.id))
        .where(run_events.c.id >= first, run_events.c.id < known.first_id)
        .order_by(run_events.c.id)
    )
    _add(tx.sql, [(row.id, text_of(row.payload.encode(), row.name)) for row in tx.sql.execute(found)])
    tx.sql.execute(update(search_range).values(first_id=first))
    return Held(first, known.last_id), first <= lowest


def _add(connection: Connection, texts: Iterable[tuple[int, str]]) -> None:
    rows = [(event_id, " ".join({word[:WORD_CHARS_MAX] for word in words_of(found)})) for event_id, found in texts]
    if rows:
        connection.exec_driver_sql(_INSERT, rows)


def forget(tx: Tx, ids: Sequence[int]) -> None:
    """Take events out of the index whose payloads are about to go. Their words are gone from the file after `tidy`."""
    known = held(tx.sql)
    if known is None:
        return
    inside = [event_id for event_id in ids if known.first_id <= event_id <= known.last_id]
    found = (
        select(run_events.c.id, run_events.c.name, event_payloads.c.payload)
        .select_from(run_events.join(event_payloads, event_payloads.c.id == run_events.c.id))
        .where(run_events.c.id.in_(inside))
    )
    # What is deleted from a contentless table has to be said word by word.
    rows = [
        (row.id, " ".join({word[:WORD_CHARS_MAX] for word in words_of(text_of(row.payload.encode(), row.name))}))
        for row in tx.sql.execute(found)
    ]
    if rows:
        tx.sql.exec_driver_sql(_DELETE, rows)


def tidy(store: Store) -> None:
    """Write the index anew without the words that nothing has any more. Does nothing where there is no index."""

    def work(tx: Tx) -> None:
        if held(tx.sql) is not None:
            tx.sql.execute(_OPTIMIZE)

    store.write(work, TIDY_SECONDS_MAX)


def candidates(connection: Connection, match: str, after_id: int, before_id: int, count: int, down: bool) -> list[int]:
    """Ids between the two whose events have the words that `match` names, from one end."""
    asked = _NEWEST if down else _OLDEST
    return list(
        connection.execute(asked, {"match": match, "after": after_id, "before": before_id, "count": count}).scalars()
    )
