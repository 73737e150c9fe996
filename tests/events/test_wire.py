"""The bytes of an event between processes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.events import wire
from flightlog.events.envelope import Event

texts = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=20))
events = st.builds(
    Event,
    event_id=st.text(st.characters(codec="utf-8"), max_size=20),
    type=st.text(st.characters(codec="utf-8"), max_size=20),
    created_at=st.integers(0, 2**63 - 1),
    run_id=texts,
    name=texts,
    actor=texts,
    status=texts,
    duration_ns=st.one_of(st.none(), st.integers(0, 2**63 - 1)),
    seq=st.one_of(st.none(), st.integers(0, 2**63 - 1)),
    flags=st.integers(0, 63),
    payload=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(-5, 5), max_size=3).map(
        lambda payload: msgspec.Raw(msgspec.json.encode(payload))
    ),
)


@given(events)
def test_an_event_survives_the_wire(event: Event) -> None:
    again = wire.decode(wire.encode(event))
    assert wire.encode(again) == wire.encode(event)
    assert (again.event_id, again.created_at, bytes(again.payload)) == (
        event.event_id,
        event.created_at,
        bytes(event.payload),
    )


def test_fields_from_a_newer_version_are_passed_over() -> None:
    assert wire.decode(b'{"event_id":"e","type":"note","created_at":1,"new_field":{"a":[1]}}').type == "note"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"event_id":1,"type":"note","created_at":1}',
        b'{"type":"note"}',
        b'{"event_id":"\xff","type":"note","created_at":1}',
        b'{"event_id":"e","type":"note","created_at":1,"payload":' + b"[" * 100_000,
    ],
)
def test_what_is_no_event_raises_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode(data)


@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    try:
        wire.decode(data)
    except msgspec.DecodeError:
        pass
