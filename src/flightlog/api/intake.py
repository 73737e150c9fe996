"""From decoded events into the journal. What is wrong with one event is no reason to lose the others."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.api.decode import JSON_TYPE, Body, Read, decode
from flightlog.api.problems import Problem, kind_of, problem_of
from flightlog.errors import EventInvalid, FlightlogError
from flightlog.events.catalogue import check_type
from flightlog.events.envelope import FLAG_INVALID, Event, check_envelope
from flightlog.events.payload import encode_payload
from flightlog.services import Services


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
    """The outcome of a POST: a receipt, and the problem that it is when nothing at all was stored."""

    receipt: Receipt
    problem: Problem | None


def take(services: Services, data: bytes, media_type: str) -> Taken:
    """Store the events in this body and return after their commit.

    Raises BodyInvalid where no events can be told apart, Unavailable or StoreBroken where the store did not take them.
    """
    body = decode(services, data, media_type)
    lenient = media_type != JSON_TYPE
    outcomes = [admit(services, read, lenient) for read in body.entries]
    receipt = _store(services, body, outcomes)
    if media_type == JSON_TYPE:
        receipt.event_ids = [one.event_id if isinstance(one, Event) else None for one in outcomes]
    nothing = bool(outcomes) and len(receipt.rejected) == len(outcomes)
    return Taken(receipt, _problem(body, outcomes, receipt) if nothing else None)


def admit(services: Services, read: Read, lenient: bool) -> Event | FlightlogError:
    """The event as it may be stored, or why it may not."""
    event = read.found
    if isinstance(event, FlightlogError):
        return event
    try:
        make_readable(event, services.settings.payload_depth_max)
        check_envelope(event)
    except FlightlogError as error:
        return error
    try:
        check_type(event)
    except EventInvalid as error:
        # A recorder keeps what breaks a rule of its type, and flags it. What its host was told is recorded is not refused.
        if not lenient:
            return error
        event.flags |= FLAG_INVALID
    return services.intake.prepare(event)


def make_readable(event: Event, depth_max: int) -> None:
    """Make sure that every reader can read the payload again. Raises EventInvalid where nobody can.

    What is nested too deep is cut there, as the recorder does.
    """
    try:
        value = msgspec.json.decode(event.payload)
    except (ValueError, RecursionError) as error:
        raise EventInvalid(reason=f"its payload can't be read: {error}") from None
    if not isinstance(value, dict):
        raise EventInvalid(reason="its payload is a JSON object")
    data = bytes(event.payload)
    if data.count(b"[") + data.count(b"{") > depth_max and depth_of(value) > depth_max:
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


def _store(services: Services, body: Body, outcomes: list[Event | FlightlogError]) -> Receipt:
    """Append what may be stored; what the journal itself refuses is put into `outcomes`."""
    receipt = Receipt(0, 0, [], [None] * len(outcomes))
    good = [(at, outcome) for at, outcome in enumerate(outcomes) if isinstance(outcome, Event)]
    if good:
        appended = services.journal.append([event for _, event in good], rejects="return")
        receipt.accepted, receipt.duplicates = appended.stored, appended.duplicates
        for (at, _), id_ in zip(good, appended.ids, strict=True):
            receipt.ids[at] = id_ or None
        for index, error in appended.rejected:
            outcomes[good[index][0]] = error
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, FlightlogError):
            kind = kind_of(type(outcome))
            refusal = Refusal(at, body.entries[at].named, kind.code, kind.title, outcome.message)
            receipt.rejected.append(refusal)
    return receipt


def _problem(body: Body, outcomes: list[Event | FlightlogError], receipt: Receipt) -> Problem:
    """A bare event's own problem; for a batch, one that says to look at each."""
    error = outcomes[0]
    if not body.single or not isinstance(error, FlightlogError):
        error = EventInvalid(reason=f"none of the {len(outcomes)} events could be stored; `rejected` says why")
    extra = {"accepted": receipt.accepted, "duplicates": receipt.duplicates, "rejected": receipt.rejected}
    return problem_of(error, extra=extra)
