"""What every store promises its readers where the older part of the journal lies elsewhere: they do not notice.

The history here is a list: what it has to do is said in plain Python, beside the archive's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from flightlog.errors import EventIdConflict
from flightlog.journal.append import Journal
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import split
from flightlog.journal.lookup import rows_at
from flightlog.journal.plan import Span
from flightlog.journal.read import get_event, get_events_at
from flightlog.journal.rows import WHOLE
from flightlog.journal.table import event_payloads, run_events
from flightlog.journal.tail import Tail
from flightlog.store.contract import Store, Tx
from tests.contract.making import event, numbers
from tests.contract.test_read import ALL, FILTERS, backwards, forwards, passes

UNTIL = 150


class Past:
    """The events up to an id, as rows in a list."""

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        self._rows = [dict(zip(WHOLE, row, strict=True)) for row in rows]

    def until(self, connection: Connection) -> int:
        return UNTIL

    def newest(self, connection: Connection) -> int:
        return int(max(row["created_at"] for row in self._rows))

    def rows(
        self, connection: Connection, columns: Sequence[str], wanted: EventFilter, span: Span, count: int
    ) -> list[tuple[Any, ...]]:
        assert span.before_id is not None
        assert span.before_id <= UNTIL + 1, "asked for what is not in here"
        inside = [
            row
            for row, each in zip(self._rows, ALL, strict=False)
            if (span.after_id or 0) < row["id"] < span.before_id and passes(wanted, each)
        ]
        found = inside[::-1] if span.backwards else inside
        return [tuple(row[name] for name in columns) for row in found[:count]]

    def at(self, connection: Connection, columns: Sequence[str], ids: Collection[int]) -> list[tuple[Any, ...]]:
        assert all(row_id <= UNTIL for row_id in ids), "asked for what is not in here"
        return [tuple(row[name] for name in columns) for row in self._rows if row["id"] in ids]

    def find(self, connection: Connection, event_ids: Collection[str]) -> dict[str, int]:
        return {row["event_id"]: row["id"] for row in self._rows if row["event_id"] in event_ids}

    def outdate(self, tx: Tx, ids: Collection[int]) -> None: ...


@pytest.fixture
def past(store: Store) -> Store:
    """All events, those up to an id in a list; some of the rows below the line are still in the tables."""
    Journal(store).append(ALL)
    with store.read() as connection:
        older = rows_at(connection, WHOLE, range(1, UNTIL + 1))

    def drop(tx: Tx) -> None:
        for table in (event_payloads, run_events):
            tx.sql.execute(delete(table).where(table.c.id <= UNTIL - 20))

    store.write(drop)
    store.history = Past(older)
    return store


def test_every_filter_reads_across_the_line(past: Store) -> None:
    @settings(max_examples=40)
    @given(FILTERS, st.integers(20, 300))
    def check(wanted: EventFilter, limit: int) -> None:
        expected = [each.event_id for each in ALL if passes(wanted, each)]
        assert [found.event_id for found in forwards(past, wanted, limit)] == expected
        assert [found.event_id for found in backwards(past, wanted, limit)] == expected

    check()


def test_events_are_found_on_both_sides_of_the_line(past: Store) -> None:
    assert [found.id for found in get_events_at(past, [151, 1, 150, 131, 240, 999])] == [1, 131, 150, 151, 240]
    assert numbers([get_event(past, f"e{number:06d}") for number in (0, 149, 150)]) == [0, 149, 150]
    tail = Tail(past, after_id=100, limit=100)
    assert numbers([*tail.next(0), *tail.next(0)]) == list(range(100, 240))


def test_what_comes_again_is_found_on_both_sides_of_the_line(past: Store) -> None:
    again = Journal(past).append([ALL[3], ALL[140], ALL[200], event(900)])
    assert (again.ids, again.stored, again.duplicates) == ([4, 141, 201, 241], 1, 3)
    with pytest.raises(EventIdConflict):
        Journal(past).append([event(3, payload={"other": True}, created_at=ALL[3].created_at)])


@given(st.none() | st.integers(0, 30), st.none() | st.integers(0, 30), st.booleans(), st.integers(0, 25))
def test_a_span_is_split_without_a_gap_and_without_a_double(
    after: int | None, before: int | None, back: bool, until: int
) -> None:
    def ids(span: Span | None) -> set[int]:
        if span is None:
            return set()
        before = 99 if span.before_id is None else span.before_id
        return {n for n in range(1, 30) if (span.after_id or 0) < n < before}

    whole = Span(after, before, back)
    older, newer = split(whole, until)
    assert ids(older) | ids(newer) == ids(whole)
    assert not ids(older) & ids(newer)
    assert max(ids(older), default=0) <= until < min(ids(newer), default=99)
