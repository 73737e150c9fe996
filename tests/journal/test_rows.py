"""Rows go in by position, so positions are held here."""

from __future__ import annotations

import msgspec
from sqlalchemy import LargeBinary, Text

from flightlog.events.envelope import Event, StoredEvent
from flightlog.journal import rows
from flightlog.journal.ready import prepare
from flightlog.journal.table import EVENT_COLUMNS, run_events
from tests.contract.making import event


def test_the_columns_are_the_fields_of_an_event_in_their_order() -> None:
    assert Event.__struct_fields__[-1] == "payload"
    names = list(run_events.columns.keys())
    assert names == ["id", *EVENT_COLUMNS, "received_at", "payload_bytes", "payload_digest"]
    assert StoredEvent.__struct_fields__[: len(Event.__struct_fields__)] == Event.__struct_fields__


def test_required_fields_are_required_columns() -> None:
    kinds = {field.name: field for field in msgspec.structs.fields(Event)}
    for name in EVENT_COLUMNS:
        optional = msgspec.inspect.type_info(kinds[name].type)
        assert run_events.c[name].nullable == isinstance(optional, msgspec.inspect.UnionType), name


def test_text_is_text_and_the_digest_is_bytes() -> None:
    kinds = {field.name: field.type for field in msgspec.structs.fields(Event)}
    for name in EVENT_COLUMNS:
        assert isinstance(run_events.c[name].type, Text) == (kinds[name] in (str, str | None)), name
    assert isinstance(run_events.c.payload_digest.type, LargeBinary)


def test_what_is_projected_is_what_is_read_back() -> None:
    ready = prepare(event(7, name="n", seq=3))
    [projected] = rows.as_stored([ready], 41, 99)
    _, text, size, digest, _ = ready
    row = (41, *msgspec.structs.astuple(ready[0])[:-1], 99, size, digest, text)
    read = rows.from_row(row)
    assert bytes(read.payload) == bytes(projected.payload)
    for name in StoredEvent.__struct_fields__:
        if name != "payload":
            assert getattr(read, name) == getattr(projected, name), name
