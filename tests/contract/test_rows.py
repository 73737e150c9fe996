"""Many rows at once, by the columns that are named: put in, written, found."""

from __future__ import annotations

import pytest

from flightlog.journal.table import spool_positions
from flightlog.store.contract import RowRefused, Store

NAMES = ("segment", "position", "updated_at")


def test_rows_are_put_in_written_and_found(store: Store) -> None:
    store.write(lambda tx: tx.insert_rows(spool_positions, NAMES, [(str(n), n, 0) for n in range(100)]))
    wrote = store.write(
        lambda tx: tx.update_rows(spool_positions, ("segment", "position"), [("3", 33), ("4", 44), ("no", 1)])
    )
    assert wrote == 2, "those that are there"
    found = store.write(lambda tx: tx.find_rows(spool_positions, "segment", ["3", "4", "5", "no"]))
    assert sorted(map(tuple, found)) == [("3", 33, 0), ("4", 44, 0), ("5", 5, 0)]


def test_nothing_is_found_of_nothing_and_nothing_put_in(store: Store) -> None:
    store.write(lambda tx: tx.insert_rows(spool_positions, NAMES, []))
    assert store.write(lambda tx: list(tx.find_rows(spool_positions, "segment", []))) == []


@pytest.mark.parametrize("rows", [1, 40, 600])
def test_however_many_rows_one_that_is_refused_leaves_none_and_the_transaction_goes_on(store: Store, rows: int) -> None:
    def attempt(tx) -> int:  # type: ignore[no-untyped-def]
        with pytest.raises(RowRefused):
            tx.insert_many((spool_positions, [*((f"a{n}", n, 0) for n in range(rows)), ("b", 1 << 63, 0)]))
        tx.insert_many((spool_positions, [(f"c{n}", n, 0) for n in range(rows)]))
        return len(tx.find_rows(spool_positions, "segment", ["a0", "b", "c0", f"c{rows - 1}"]))

    assert store.write(attempt) == (1 if rows == 1 else 2)


@pytest.mark.parametrize("text", ['"\\', "\\u0000", "é\u2028😀", "\x01\x7f"])
def test_text_comes_back_as_it_was(store: Store, text: str) -> None:
    store.write(lambda tx: tx.insert_many((spool_positions, [(text, 1, 0)])))
    assert len(store.write(lambda tx: tx.find_rows(spool_positions, "segment", [text]))) == 1
