"""What came by OpenTelemetry as JSON."""

from __future__ import annotations

import msgspec

from flightlog.clock import format_ns
from flightlog.ingest.otlp.unmapped import UnmappedList


class UnmappedShape(msgspec.Struct, kw_only=True):
    """An attribute that no mapping understood: how many events of an instrumentation have it, since when and until when, and
    the latest of them. Numbers in `key` are `N`; `*` stands for what is beyond the limits."""

    scope: str
    key: str
    count: int
    first_at: str
    last_at: str
    event_id: str


class UnmappedListShape(msgspec.Struct):
    """The attributes that most events have; `keys` and `scopes` say of how many."""

    attributes: list[UnmappedShape]
    keys: int
    scopes: int


def unmapped_list_shape(found: UnmappedList) -> UnmappedListShape:
    """The list as JSON shows it."""
    shown = []
    for one in found.attributes:
        members = msgspec.structs.asdict(one)
        shown.append(
            UnmappedShape(**members | {"first_at": format_ns(one.first_at), "last_at": format_ns(one.last_at)})
        )
    return UnmappedListShape(shown, found.keys, found.scopes)
