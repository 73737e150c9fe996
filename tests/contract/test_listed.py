"""A query for a list of texts finds the same however long the list is."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from flightlog.journal.append import Journal
from flightlog.journal.table import run_events
from flightlog.store.contract import Store
from flightlog.store.prepared import LENGTHS, Listed
from tests.contract.making import event

FOUND = Listed(lambda ids: select(run_events.c.event_id).where(run_events.c.event_id.in_(ids)))
AT = sorted({0, 1, *(length + more for length in LENGTHS for more in (-1, 0, 1)), 2 * LENGTHS[-1] + 3})


@pytest.mark.parametrize("count", AT)
def test_each_text_of_a_list_is_asked_for_once(store: Store, count: int) -> None:
    ids = [event(number).event_id for number in range(1, count + 1)]
    Journal(store).append([event(number) for number in range(1, count + 1)])
    asked = [*ids, "not there"]
    found = store.write(lambda tx: FOUND.rows(tx, asked))
    assert sorted(row[0] for row in found) == sorted(ids)
    assert store.write(lambda tx: FOUND.rows(tx, [])) == []
