"""What every event goes through that did not come from our recorder: redaction, then truncation, before the journal.

The recorder does the same before its spool (`recorder/prepare.py`); this is the door for files and for other processes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from flightlog.config import Settings
from flightlog.events import wire
from flightlog.events.envelope import FLAG_WITHHELD, Event
from flightlog.events.payload import encode_payload
from flightlog.recorder.prepare import Preparer
from flightlog.recorder.redact import Redactor

# Others may write `\/` and `\u0041` for plain characters; a secret written so would not be found in the bytes.
_ESCAPED_ASCII = re.compile(rb"\\(?:/|u00[2-7])")
_WORDS = ("name", "source", "actor", "task_id", "correlation_id", "status")


class Intake:
    """Makes events of other producers safe to store. One per process, any thread."""

    def __init__(self, redactor: Redactor, settings: Settings) -> None:
        self._preparer = Preparer(settings, redactor)
        self._depth_max = settings.payload_depth_max

    def prepare(self, event: Event) -> Event:
        """The event as it may be stored: secrets taken out, the payload within its limit, `flags` saying so.

        Never raises for anything in the event. Where redaction fails, the payload and the envelope's words are gone.
        """
        try:
            return self._preparer.event(self._spelled_out(event))
        except Exception as error:
            return withheld(event, f"redaction failed ({type(error).__name__})")

    def prepare_all(self, events: Sequence[Event]) -> list[Event]:
        """`prepare` for a batch: one look at the bytes of all of them, and a closer one at those where it finds something."""
        try:
            bodies = [wire.encode(event) for event in events]
            if any(map(_ESCAPED_ASCII.search, bodies)):
                events = [self._spelled_out(event) for event in events]
                bodies = [wire.encode(event) for event in events]
            return self._preparer.events(events, bodies)
        except Exception:  # one of them can't be read or cleared, and only that one is withheld
            return [self.prepare(event) for event in events]

    def _spelled_out(self, event: Event) -> Event:
        """The event with its payload's escapes undone where they hide plain characters."""
        data = bytes(event.payload)
        if not _ESCAPED_ASCII.search(data):
            return event
        encoded = encode_payload(json.loads(data), depth_max=self._depth_max)
        return msgspec.structs.replace(event, payload=msgspec.Raw(encoded.data), flags=event.flags | encoded.flags)


def withheld(event: Event, reason: str) -> Event:
    """What remains of an event that could not be cleared: ids, type, times, numbers, and why the rest is gone."""
    safe = msgspec.structs.replace(event, payload=msgspec.Raw(msgspec.json.encode({"withheld": reason})))
    for field in _WORDS:
        setattr(safe, field, None)
    safe.flags |= FLAG_WITHHELD
    return safe
