"""From a body's bytes to events, or to what is wrong with each: JSON as people write it, lines as the recorder writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.clock import parse_ns
from flightlog.errors import BodyInvalid, EventInvalid, FlightlogError, MediaTypeUnsupported
from flightlog.events import wire
from flightlog.events.envelope import EMPTY_PAYLOAD, Event
from flightlog.services import Services

JSON_TYPE = "application/json"
MEDIA_TYPES = (JSON_TYPE, wire.MEDIA_TYPE)
FLAGS_MAX = 2**31 - 1


class Given(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event as a person or program writes it in JSON: `type` is all it needs."""

    type: str
    event_id: str | None = None
    created_at: int | str | None = None
    run_id: str | None = None
    project: str | None = None
    name: str | None = None
    level: str = "info"
    source: str | None = None
    actor: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    task_id: str | None = None
    correlation_id: str | None = None
    status: str | None = None
    duration_ns: int | None = None
    producer_id: str | None = None
    seq: int | None = None
    payload: msgspec.Raw | UnsetType = UNSET


_Text = TypeVar("_Text", bytes, msgspec.Raw)


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _Object(msgspec.Struct, gc=False):
    """Any JSON object, with next to nothing kept of it."""


class _Count(msgspec.Struct):
    """A batch that is only to be counted, before anything is made of it."""

    events: list[_Object]


class _Probe(msgspec.Struct):
    event_id: Any = None


class Read(NamedTuple):
    """One entry of a body: an event, or why it is none. `named` is the event id that the sender gave, if any."""

    found: Event | FlightlogError
    named: str | None


class Body(NamedTuple):
    """What a body holds. `single` says that it is one bare event and no batch."""

    entries: list[Read]
    single: bool


def media_type_of(header: str) -> str:
    """The media type without its parameters. Raises MediaTypeUnsupported for one that is not read here."""
    media_type = header.split(";", 1)[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise MediaTypeUnsupported(media_type=header, expected=" or ".join(MEDIA_TYPES))
    return media_type


def decode(services: Services, body: bytes, media_type: str) -> Body:
    """What this body holds. Raises BodyInvalid where no events can be told apart, or there are too many."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    limit = services.settings.batch_events_max
    if media_type == wire.MEDIA_TYPE:
        return Body([_entry(line, _from_line) for line in lines(body, limit)], single=False)
    texts, single = _split(body, limit)
    return Body([_entry(text, lambda raw: _from_json(services, raw)) for text in texts], single)


def _entry(text: _Text, make: Callable[[_Text], Read]) -> Read:
    try:
        return make(text)
    except FlightlogError as error:
        return Read(error, _named(text))


def lines(body: bytes, count_max: int) -> Iterator[bytes]:
    """The lines of a body that are not blank. Raises BodyInvalid at the first one too many."""
    start = count = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        line = body[start:end].strip()
        start = end + 1
        if line:
            count += 1
            if count > count_max:
                raise _too_many(count_max)
            yield line


def _from_line(line: bytes) -> Read:
    try:
        event = wire.decode(line)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=str(error)) from None
    if not 0 <= event.flags <= FLAGS_MAX:
        raise EventInvalid(reason=f"flags {event.flags} are not bits of ours")
    return Read(event, event.event_id)


def _split(body: bytes, count_max: int) -> tuple[list[msgspec.Raw], bool]:
    """The events of a body, still as text, and whether the body is one bare event."""
    try:
        if "events" not in msgspec.json.decode(body, type=dict[str, msgspec.Raw]):
            return [msgspec.Raw(body)], True
        # Counted first: millions of tiny entries take far more room once each is an object of its own.
        if len(msgspec.json.decode(body, type=_Count).events) > count_max:
            raise _too_many(count_max)
        return msgspec.json.decode(body, type=_Batch).events, False
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None


def _too_many(count_max: int) -> BodyInvalid:
    return BodyInvalid(reason=f"at most {count_max} events are taken in one batch")


def _from_json(services: Services, text: msgspec.Raw) -> Read:
    try:
        given = msgspec.json.decode(text, type=Given)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=str(error)) from None
    now = services.clock.now_ns()
    members = {name: getattr(given, name) for name in Given.__struct_fields__}
    members["created_at"] = _created_at(given.created_at, now)
    members["event_id"] = given.event_id if given.event_id is not None else services.ids.event_id(now)
    members["project"] = given.project if given.project is not None else services.settings.project
    members["payload"] = EMPTY_PAYLOAD if given.payload is UNSET else given.payload
    return Read(Event(**members), given.event_id)


def _created_at(given: int | str | None, now: int) -> int:
    if given is None:
        return now
    try:
        return given if isinstance(given, int) else parse_ns(given)
    except (ValueError, OverflowError):
        raise EventInvalid(reason=f"created_at {given!r} is neither RFC 3339 nor nanoseconds since 1970") from None


def _named(text: bytes | msgspec.Raw) -> str | None:
    """The event id in a text that was refused, where it can be told."""
    try:
        event_id = msgspec.json.decode(text, type=_Probe).event_id
    except (ValueError, RecursionError):
        return None
    return event_id if isinstance(event_id, str) else None


def _refuse_constant(name: str) -> None:
    raise BodyInvalid(reason=f"{name} is not JSON")


def position_of(body: bytes, error: Exception) -> str:
    """Where and why reading the JSON stopped: by line and column, as an editor counts."""
    try:
        json.loads(body, parse_constant=_refuse_constant)
    except json.JSONDecodeError as found:
        return f"line {found.lineno} column {found.colno}: {found.msg}"
    except (ValueError, RecursionError):
        return "it is nested too deep, or holds a number with too many digits"
    if not isinstance(error, msgspec.ValidationError):
        return "a string in it has half a surrogate pair, which is no text"
    return f'send {{"events": [...]}} or one event: {error}'
