"""Records that Flightlog itself exported: beside OpenTelemetry's words for others they carry the event as it was.

`exports/otlp.py` writes the attribute; a record that has it becomes that event again, whatever else it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.ingest.own import event_of

OWN_KEY = "flightlog.event"


def own_event(attributes: Mapping[str, Any]) -> Event | None:
    """The event in these attributes; None where there is none, or none that can be read."""
    text = attributes.get(OWN_KEY)
    if type(text) is not str:
        return None
    try:
        return event_of(text)
    except (ValueError, RecursionError, FlightlogError):
        return None
