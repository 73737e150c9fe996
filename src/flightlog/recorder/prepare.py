"""From a call's arguments to the bytes that may touch a disk: encode once, look for secrets once, and only on a hit or an
oversized payload take the careful way (redact, then truncate). When redaction fails, the payload is withheld."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from flightlog.config import Settings
from flightlog.events import wire
from flightlog.events.envelope import (
    FLAG_REDACTED,
    FLAG_TRUNCATED,
    FLAG_WITHHELD,
    Event,
)
from flightlog.events.payload import enc_hook, encode_payload
from flightlog.events.payload.clip import TEXT_CHARS_MAX
from flightlog.events.payload.plain import DEPTH_LIMIT, NODES_MAX, budget_left
from flightlog.recorder.redact import Redactor
from flightlog.recorder.truncate import truncate

# Text that a caller can put into the envelope. Ids are ours, or checked where they come in.
_TEXT_FIELDS = ("name", "source", "actor", "task_id", "correlation_id", "status", "project")

# The payload is the last field, and no text of the head can hold these bytes: its quotes would be escaped.
_PAYLOAD = b'"payload":'

_encode = msgspec.json.Encoder(enc_hook=enc_hook).encode


class Outgoing(Event, kw_only=True, omit_defaults=True, gc=False):
    """An event whose payload is still the caller's object."""

    payload: Any = None


class Preparer:
    """Makes events safe to write. One per recorder, any thread."""

    def __init__(self, settings: Settings, redactor: Redactor) -> None:
        self.redactor = redactor
        self.redacted = 0
        self.truncated = 0
        self.withheld = 0
        self._settings = settings
        self._bytes_max = settings.payload_bytes_max
        self._depth_max = min(settings.payload_depth_max, DEPTH_LIMIT)
        self._hits = redactor.hits
        self._hits_in = redactor.hits_in
        self._lock = threading.Lock()

    def body(self, event: Outgoing, clean_head: bool = False) -> bytes:
        """The bytes of this event as they may be written. Never raises for anything in the payload.

        `clean_head` says that nothing but the payload can hold a secret: every other text was looked at before.
        """
        payload = event.payload
        # What msgspec alone writes as encode_payload does: built-in scalars in lists and dicts. Anything else takes the careful
        # way, bytes above all: msgspec writes them as base64, where no search sees a secret.
        try:
            if type(payload) is dict and budget_left(payload, self._depth_max, TEXT_CHARS_MAX, NODES_MAX) >= 0:
                body = _encode(event)
            else:
                body = self._encode_carefully(event)
        except Exception:
            body = self._encode_carefully(event)
        if len(body) <= self._bytes_max and not self._hits(body, body.find(_PAYLOAD) if clean_head else 0):
            return body
        return wire.encode(self.careful(body))

    def _encode_carefully(self, event: Outgoing) -> bytes:
        encoded = encode_payload(event.payload, depth_max=self._settings.payload_depth_max)
        event.flags |= encoded.flags
        event.payload = msgspec.Raw(encoded.data)
        try:
            return _encode(event)
        except Exception:
            _mend(event)
            return _encode(event)

    def careful(self, body: bytes) -> Event:
        """The event in these bytes, redacted, then truncated; with its payload withheld when redaction fails."""
        flags = 0
        if self._hits(body):
            try:
                redacted = self.redactor.redact(body)
            except Exception as error:
                return self._withhold(body, error)
            if redacted.count:
                body = redacted.data
                flags |= FLAG_REDACTED
        event = wire.decode(body)
        if len(bytes(event.payload)) > self._bytes_max:
            event.payload = msgspec.Raw(
                truncate(
                    bytes(event.payload),
                    bytes_max=self._bytes_max,
                    string_bytes_min=self._settings.truncate_string_bytes_min,
                    items_max=self._settings.payload_items_max,
                    depth_max=self._settings.payload_depth_max,
                )
            )
            flags |= FLAG_TRUNCATED
        event.flags |= flags
        self._count(flags)
        return event

    def clean(self, text: str | None) -> str | None:
        """A text that goes into the head of many events, without its secrets."""
        return None if text is None else self.redactor.redact_text(text)

    def event(self, event: Event) -> Event:
        """The same care for an event that already is one, as other producers hand them in."""
        body = wire.encode(event)
        if len(body) <= self._bytes_max and not self._hits(body):
            return event
        return self.careful(body)

    def events(self, events: Sequence[Event], bodies: Sequence[bytes]) -> list[Event]:
        """The same for a batch, whose bytes the caller has encoded. May raise where `event` of one of them does."""
        safe = list(events)
        hit = self._hits_in(bodies)
        for place in {*hit, *(place for place, body in enumerate(bodies) if len(body) > self._bytes_max)}:
            safe[place] = self.careful(bodies[place])
        return safe

    def ready(self, event: Event) -> bytes:
        """The bytes of an event that already is one, with the same care."""
        try:
            body = wire.encode(event)
        except UnicodeEncodeError:
            _mend(event)
            body = wire.encode(event)
        if len(body) <= self._bytes_max and not self._hits(body):
            return body
        return wire.encode(self.careful(body))

    def _withhold(self, body: bytes, error: Exception) -> Event:
        """What remains of an event that can't be shown to be free of secrets: its ids, type, times and numbers."""
        event = wire.decode(body)
        reason = f"redaction failed ({type(error).__name__})"
        event.payload = msgspec.Raw(msgspec.json.encode({"withheld": reason}))
        for field in _TEXT_FIELDS:
            if field not in ("project", "status"):
                setattr(event, field, None)
        event.flags |= FLAG_WITHHELD
        self._count(FLAG_WITHHELD)
        return event

    def _count(self, flags: int) -> None:
        with self._lock:
            self.redacted += bool(flags & FLAG_REDACTED)
            self.truncated += bool(flags & FLAG_TRUNCATED)
            self.withheld += bool(flags & FLAG_WITHHELD)


def _mend(event: Event) -> None:
    """Put question marks where texts of the envelope itself have lone surrogates."""
    for field in (*_TEXT_FIELDS, "type", "run_id", "trace_id", "span_id", "parent_span_id"):
        value = getattr(event, field)
        if isinstance(value, str):
            setattr(event, field, value.encode("utf-8", "replace").decode("utf-8"))
