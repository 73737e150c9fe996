"""A query for a list of texts finds the same however long the list is; a statement for many rows touches each of them."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select, update

from flightlog.journal.append import Journal
from flightlog.journal.table import run_events
from flightlog.store.contract import Store
from flightlog.store.prepared import LENGTHS, Listed, Prepared
from tests.contract.making import event

FOUND = Listed(lambda ids: select(run_events.c.event_id).where(run_events.c.event_id.in_(ids)))
RENAME = Prepared(
    update(run_events).where(run_events.c.event_id == bindparam("key")).values(name=bindparam("said"), status="ok")
)
AT = sorted({0, 1, *(length + more for length in LENGTHS for more in (-1, 0, 1)), 2 * LENGTHS[-1] + 3})


@pytest.mark.parametrize("count", AT)
def test_each_text_of_a_list_is_asked_for_once(store: Store, count: int) -> None:
    ids = [event(number).event_id for number in range(1, count + 1)]
    Journal(store).append([event(number) for number in range(1, count + 1)])
    asked = [*ids, "not there"]
    found = store.write(lambda tx: FOUND.rows(tx, asked))
    assert sorted(row[0] for row in found) == sorted(ids)
    assert store.write(lambda tx: FOUND.rows(tx, [])) == []


def test_a_statement_for_many_rows_says_how_many_it_touched(store: Store) -> None:
    Journal(store).append([event(number) for number in (1, 2, 3)])
    rows = [{"key": event(number).event_id, "said": f"n{number}"} for number in (1, 3, 9)]
    assert store.write(lambda tx: RENAME.run_many(tx, rows)) == 2
    with store.read() as connection:
        found = connection.execute(select(run_events.c.name, run_events.c.status).order_by(run_events.c.id)).all()
    assert [row.name for row in found if row.name in ("n1", "n3", "n9")] == ["n1", "n3"]
    assert [row.status for row in (found[0], found[2])] == ["ok", "ok"]
