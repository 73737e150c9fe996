"""From the bytes of a POST to events in the journal. What is wrong with one event is no reason to lose the others."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.api.problems import Problem, kind_of, problem_of
from flightlog.api.services import Services
from flightlog.clock import parse_ns
from flightlog.errors import BodyInvalid, EventInvalid, FlightlogError, MediaTypeUnsupported
from flightlog.events import wire
from flightlog.events.catalogue import check_event
from flightlog.events.envelope import EMPTY_PAYLOAD, FLAG_INVALID, Event, check_envelope
from flightlog.events.payload import encode_payload

JSON_TYPE = "application/json"
MEDIA_TYPES = (JSON_TYPE, wire.MEDIA_TYPE)
FLAGS_MAX = 2**31 - 1

_ESCAPED_ASCII = re.compile(rb"\\\\(?:/|u00[2-7])")


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


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _Probe(msgspec.Struct):
    """What of a refused event can still be named."""

    event_id: Any = None


class Refusal(msgspec.Struct):
    """One event that was not stored, and why."""

    index: int
    event_id: str | None
    code: int
    title: str
    detail: str


class Receipt(msgspec.Struct):
    """What became of a batch. `ids` and `event_ids` have one entry per event, null where it was rejected."""

    accepted: int
    duplicates: int
    rejected: list[Refusal]
    ids: list[int | None]
    event_ids: list[str | None] | UnsetType = UNSET


class Taken(NamedTuple):
    """The outcome of a POST: a receipt, or the problem it is when nothing at all was stored."""

    receipt: Receipt
    problem: Problem | None


class _Read(NamedTuple):
    """A body's events in order, an error in the place of each that can't be read, and whether it is a bare event."""

    events: list[Event | FlightlogError]
    named: list[str | None]
    single: bool


def media_type_of(header: str) -> str:
    """The media type without its parameters. Raises MediaTypeUnsupported for one that is not read here."""
    media_type = header.split(";", 1)[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise MediaTypeUnsupported(media_type=header, expected=" or ".join(MEDIA_TYPES))
    return media_type


def take(services: Services, body: bytes, media_type: str) -> Taken:
    """Store the events in this body and return after their commit.

    Raises BodyInvalid where no events can be told apart, Unavailable or StoreBroken where the store did not take them.
    """
    check_text(body)
    read = _read_lines(services, body) if media_type == wire.MEDIA_TYPE else _read_json(services, body)
    if len(read.events) > services.settings.batch_events_max:
        limit = services.settings.batch_events_max
        raise BodyInvalid(reason=f"it holds {len(read.events)} events; at most {limit} are taken in one batch")
    receipt = _store(services, read)
    if media_type == JSON_TYPE:
        receipt.event_ids = [None if id_ is None else read.named[at] for at, id_ in enumerate(receipt.ids)]
    everything = bool(read.events) and len(receipt.rejected) == len(read.events)
    return Taken(receipt, _problem(read, receipt) if everything else None)


def _problem(read: _Read, receipt: Receipt) -> Problem:
    """A bare event's own problem; for a batch, one that says to look at each."""
    if read.single:
        error = next(event for event in read.events if isinstance(event, FlightlogError))
    else:
        error = EventInvalid(reason=f"none of the {len(read.events)} events could be stored; `rejected` says why")
    return problem_of(error, extra=msgspec.structs.asdict(receipt) | {"event_ids": None})


def _store(services: Services, read: _Read) -> Receipt:
    ids: list[int | None] = [None] * len(read.events)
    good = [(at, event) for at, event in enumerate(read.events) if isinstance(event, Event)]
    stored = duplicates = 0
    if good:
        appended = services.journal.append([event for _, event in good], rejects="return")
        stored, duplicates = appended.stored, appended.duplicates
        for (at, _), id_ in zip(good, appended.ids, strict=True):
            ids[at] = id_ or None
        for index, error in appended.rejected:
            read.events[good[index][0]] = error
    refused = [
        _refusal(at, read.named[at], error) for at, error in enumerate(read.events) if isinstance(error, FlightlogError)
    ]
    return Receipt(stored, duplicates, refused, ids)


def _refusal(index: int, event_id: str | None, error: FlightlogError) -> Refusal:
    kind = kind_of(type(error))
    return Refusal(index, event_id, kind.code, kind.title, error.message)


# ── application/json ─────────────────────────────────────────────────────────────────────────────────────────────────


def _read_json(services: Services, body: bytes) -> _Read:
    raws, single = _split(body)
    events: list[Event | FlightlogError] = []
    named: list[str | None] = []
    for raw in raws:
        try:
            event = _from_given(services, decode_given(raw))
            spell_out(event, services.settings.payload_depth_max)
            check_event(event)
            event = services.intake.event(event)
        except FlightlogError as error:
            events.append(error)
            named.append(_named(raw))
        else:
            events.append(event)
            named.append(event.event_id)
    return _Read(events, named, single)


def _split(body: bytes) -> tuple[list[msgspec.Raw], bool]:
    """The events of a body, still as text, and whether the body is one bare event."""
    try:
        first = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if "events" not in first:
            return [msgspec.Raw(body)], True
        return msgspec.json.decode(body, type=_Batch).events, False
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None


def decode_given(raw: msgspec.Raw) -> Given:
    """The event in this text. Raises EventInvalid with the field that is wrong."""
    try:
        return msgspec.json.decode(raw, type=Given)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=str(error)) from None


def _from_given(services: Services, given: Given) -> Event:
    now = services.clock.now_ns()
    created_at = _created_at(given.created_at, now)
    members = {name: getattr(given, name) for name in Given.__struct_fields__}
    members["created_at"] = created_at
    members["event_id"] = given.event_id if given.event_id is not None else services.ids.event_id(now)
    members["project"] = given.project if given.project is not None else services.settings.project
    members["payload"] = EMPTY_PAYLOAD if given.payload is UNSET else given.payload
    return Event(**members)


def _created_at(given: int | str | None, now: int) -> int:
    if given is None:
        return now
    try:
        return given if isinstance(given, int) else parse_ns(given)
    except (ValueError, OverflowError):
        raise EventInvalid(reason=f"created_at {given!r} is neither RFC 3339 nor nanoseconds since 1970") from None


# ── the recorder's own lines ─────────────────────────────────────────────────────────────────────────────────────────


def _read_lines(services: Services, body: bytes) -> _Read:
    events: list[Event | FlightlogError] = []
    named: list[str | None] = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            event = _from_line(line)
            spell_out(event, services.settings.payload_depth_max)
            check_envelope(event)
            # What the recorder flagged, it kept as well as it could; refusing it here would lose it.
            if not event.flags & FLAG_INVALID:
                check_event(event)
            event = services.intake.event(event)
        except FlightlogError as error:
            events.append(error)
            named.append(_named(line))
        else:
            events.append(event)
            named.append(event.event_id)
    return _Read(events, named, single=False)


def _from_line(line: bytes) -> Event:
    try:
        event = wire.decode(line)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=str(error)) from None
    if not 0 <= event.flags <= FLAGS_MAX:
        raise EventInvalid(reason=f"flags {event.flags} are not bits of ours")
    return event


# ── what both share ──────────────────────────────────────────────────────────────────────────────────────────────────


def check_text(body: bytes) -> None:
    """Raise BodyInvalid unless the body is UTF-8: what JSON text is made of."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None


def spell_out(event: Event, depth_max: int) -> None:
    """Make sure that the payload is a JSON object that every reader can read again. Raises EventInvalid.

    Plain characters that were written as escapes are spelled out, because a secret is looked for in the bytes.
    """
    try:
        value = msgspec.json.decode(event.payload)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=f"its payload can't be read: {error}") from None
    if not isinstance(value, dict):
        raise EventInvalid(reason="its payload is a JSON object")
    data = bytes(event.payload)
    if data.count(b"[") + data.count(b"{") > depth_max and depth_of(value) > depth_max:
        raise EventInvalid(reason=f"its payload is nested more than {depth_max} deep")
    if _ESCAPED_ASCII.search(data):
        data, flags = encode_payload(value, depth_max=depth_max)
        event.flags |= flags
    # In any case a copy, so that the event does not keep the whole body alive.
    event.payload = msgspec.Raw(data)


def depth_of(value: object) -> int:
    """How many containers lie in each other, at the deepest place.

    >>> depth_of({"a": [1, {"b": 2}]})
    3
    """
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def position_of(body: bytes, error: Exception) -> str:
    """Where and why reading the JSON stopped: by line and column, as an editor counts."""
    try:
        json.loads(body)
    except json.JSONDecodeError as found:
        return f"line {found.lineno} column {found.colno}: {found.msg}"
    except RecursionError:
        return "it is nested too deep"
    return f'send {{"events": [...]}} or one event: {error}'


def _named(text: bytes | msgspec.Raw) -> str | None:
    """The event id in a text that was refused, where it can be told."""
    try:
        event_id = msgspec.json.decode(text, type=_Probe).event_id
    except (ValueError, RecursionError):
        return None
    return event_id if isinstance(event_id, str) else None
