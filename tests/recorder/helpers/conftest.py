"""A recorder in memory, whose events must all be ones that a server takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from flightlog.events.catalogue import check_event
from flightlog.events.envelope import FLAG_INVALID, Event
from flightlog.testing import MemoryRecorder


@pytest.fixture
def rec() -> Iterator[MemoryRecorder]:
    recorder = MemoryRecorder()
    yield recorder
    recorder.close()
    for event in recorder.events:
        if not event.flags & FLAG_INVALID and event.run_id:
            check_event(event)


@pytest.fixture
def only(rec: MemoryRecorder) -> Callable[[str], tuple[Event, Any]]:
    """The one event of a type, and its payload."""

    def find(type_: str) -> tuple[Event, Any]:
        (event,) = [event for event in rec.events if event.type == type_]
        return event, msgspec.json.decode(event.payload)

    return find
