"""Where events came from: the instrumentation, its dialect, the mapping that read it. They name it by a digest, and a `resource`
event says what that stands for. Events of the first mapping say it themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection

from flightlog.events.envelope import StoredEvent
from flightlog.events.spans import usual_kind, usual_name
from flightlog.journal import rows
from flightlog.journal.lookup import named
from flightlog.store.contract import Store

FIRST_SHARED = 2  # the first mapping whose events name their source by a digest
KNOWN_MAX = 10_000  # sources that are remembered; senders choose them
_SPAN_TYPES = ("llm_response", "span_finished", "tool_result")

Payload = dict[str, Any]


class Source(msgspec.Struct, frozen=True, gc=False):
    """What a digest stands for. `mapping` is the least that it can be where nobody can tell any more."""

    scope: str = ""
    scope_attributes: dict[str, Any] = {}
    dialect: str = ""
    mapping: int = FIRST_SHARED


class _Described(Source, frozen=True, gc=False):
    digest: str = ""


UNKNOWN = Source()
_decode = msgspec.json.Decoder(_Described).decode
_decode_any = msgspec.json.Decoder(Payload).decode


class Sources:
    """The sources of a journal's events, each looked up once. One per store; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[str, Source] = {}

    def learn(self, events: Iterable[StoredEvent]) -> None:
        """Take what `resource` events say."""
        for event in events:
            if event.type != "resource":
                continue
            try:
                found = _decode(event.payload)
            except (msgspec.MsgspecError, RecursionError, ValueError):
                continue
            # What a digest says does not change: an event that is not committed after all has told the truth.
            if event.event_id == f"resource-{found.digest}":
                if len(self._known) >= KNOWN_MAX:
                    self._known.clear()
                self._known[found.digest] = found

    def find(self, connection: Connection, digests: Collection[str]) -> dict[str, Source]:
        """What each of these stands for; UNKNOWN where no event says it."""
        missing = [digest for digest in digests if digest not in self._known]
        if missing:
            found = named(connection, rows.WHOLE, [f"resource-{digest}" for digest in missing])
            self.learn(rows.from_row(row) for row in found)
        return {digest: self._known.get(digest, UNKNOWN) for digest in digests}


def digest_in(otlp: Payload) -> str | None:
    """The digest that this `payload.otlp` names its source by; None where it says the source itself, or has none."""
    digest = otlp.get("resource")
    return digest if type(digest) is str and digest and "mapping" not in otlp else None


def say_in_full(event: StoredEvent, payload: Payload, source: Source) -> Payload:
    """Have this event's payload, which names its source by a digest, say everything itself, as the first mapping did; its
    `otlp`: mapping, dialect, scope, name, kind."""
    said: Payload = {"mapping": source.mapping}
    for key in ("dialect", "scope", "scope_attributes"):
        if value := getattr(source, key):
            said[key] = value
    if event.type in _SPAN_TYPES:
        said["name"] = usual_name(event.type, event.name, payload.get("operation")) or ""
        said["kind"] = usual_kind(event.type)
    said |= payload["otlp"]
    payload["otlp"] = said
    request = payload.get("request", {})
    # A call is named after the model asked for, else after that which answered, else after the span.
    named_after = (None, "", payload.get("model"), said.get("name"))
    if event.type == "llm_response" and type(request) is dict and event.name not in named_after:
        payload["request"] = {"model": event.name, **request}
    return said


def told_in_full(store: Store, event: StoredEvent) -> StoredEvent:
    """The event with all in `payload.otlp` that it leaves to others to say; any other event as it is."""
    if b'"otlp"' not in bytes(event.payload):
        return event
    try:
        payload = _decode_any(event.payload)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return event
    otlp = payload.get("otlp")
    if type(otlp) is not dict or (digest := digest_in(otlp)) is None:
        return event
    with store.read() as connection:
        source = Sources().find(connection, [digest])[digest]
    say_in_full(event, payload, source)
    return msgspec.structs.replace(event, payload=msgspec.Raw(msgspec.json.encode(payload)))
