"""What projectors see of events before these are stored: the same that they would see inside, and of use more than once."""

from __future__ import annotations

from copy import copy

import pytest

from flightlog.config import Settings
from flightlog.errors import EventInvalid, FlightlogError
from flightlog.events.envelope import Event
from flightlog.ingest.otlp.unmapped import UnmappedProjector
from flightlog.journal.append import Journal
from flightlog.journal.ready import Preparation
from flightlog.journal.rows import as_stored
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store, Tx
from tests.contract.making import event
from tests.contract.test_generations import answer, request, span


class Undone(Exception):
    """Nothing of it is to stay."""


def calls() -> list[Event]:
    """A call with a request, one that is a span, and one that another covers."""
    inner = {"trace_id": "t1", "run_id": "t1"}
    return [
        request(1),
        answer(2),
        span(3, event_id="t1-s1", span_id="s1", **inner),
        span(4, event_id="t1-s2", span_id="s2", parent_span_id="s1", **inner),
        event(5),
    ]


def test_what_was_seen_is_not_changed_by_its_use(store: Store) -> None:
    projector = RunProjector()
    items = [item for item in Preparation([projector]).ready(calls()) if not isinstance(item, FlightlogError)]
    looks = [item[4][0] for item in items]
    before = [copy(look) for look in looks]

    def apply(tx: Tx) -> None:
        projector.apply(tx, as_stored(items, 1, 7), looks)
        raise Undone

    with pytest.raises(Undone):
        store.write(apply)
    assert looks == before
    assert [look is None for look in looks] == [False, False, False, False, True]


def test_what_was_seen_travels_with_its_event_and_comes_to_the_same(store: Store) -> None:
    lookers = Preparation([RunProjector(), UnmappedProjector(Settings())])
    travelled = lookers.unpack(lookers.pack(lookers.ready(calls())))
    here = lookers.ready(calls())
    assert len(travelled) == len(here)
    for one, other in zip(travelled, here, strict=True):
        assert not isinstance(one, FlightlogError)
        assert not isinstance(other, FlightlogError)
        assert one[1:4] == other[1:4]
        assert bytes(one[0].payload) == bytes(other[0].payload)
        assert [getattr(one[0], name) for name in Event.__struct_fields__[:-1]] == [
            getattr(other[0], name) for name in Event.__struct_fields__[:-1]
        ]
    journal = Journal(store, [RunProjector(), UnmappedProjector(Settings())])
    assert journal.append_ready(travelled).stored == 5
    assert journal.append(calls()).duplicates == 5


def test_an_event_that_can_not_be_stored_travels_as_its_reason() -> None:
    lookers = Preparation([RunProjector()])
    broken = event(2)
    broken.payload = b"{\xff}"  # type: ignore[assignment]
    travelled = lookers.unpack(lookers.pack(lookers.ready([event(1), broken, event(3)])))
    kinds = [type(item) if isinstance(item, FlightlogError) else item[0].event_id for item in travelled]
    assert kinds == [event(1).event_id, EventInvalid, event(3).event_id]
    assert isinstance(travelled[1], EventInvalid)
    assert "UTF-8" in travelled[1].message
