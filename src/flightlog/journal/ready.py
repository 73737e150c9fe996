"""What can be done for events before they are stored, by whom and wherever: payloads measured and hashed, and what the
projectors want to know of them read.

It may be done in another process of the same version; then it travels packed, a batch at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec
from msgspec.structs import astuple

from flightlog.errors import EventInvalid, FlightlogError
from flightlog.events.envelope import ENVELOPE_FIELDS, Event
from flightlog.journal.projector import Looker, Payload

# An event with what can be worked out before it has an id: the payload as text, its size, its digest, and what the lookers saw of
# it, in their order.
Ready = tuple[Event, str, int, bytes, Sequence[Any]]
# The same, or why it can't be stored.
Item = Ready | FlightlogError

_PAYLOAD = len(ENVELOPE_FIELDS)


def prepare(event: Event, looks: Sequence[Any] = ()) -> Ready:
    """Raises EventInvalid where the payload is not text."""
    payload = event.payload
    try:
        return event, str(payload, "utf-8"), len(payload), hashlib.sha256(payload).digest(), looks
    except (UnicodeDecodeError, TypeError) as error:
        raise EventInvalid(reason=f"the payload is not UTF-8 text ({error})") from error


class _Sent(Event, array_like=True, kw_only=True, gc=False):
    """An event as it travels: the fields of the envelope in their order, the payload as text, its digest."""

    payload: Any = ""
    digest: bytes = b""


assert _Sent.__struct_fields__ == (*ENVELOPE_FIELDS, "payload", "digest")


class _Packed(msgspec.Struct, array_like=True, gc=False):
    events: list[_Sent]
    refused: dict[int, str]  # by place in the batch
    looks: dict[str, bytes]  # by the name of a looker


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


class Preparation:
    """Makes events ready for a journal with these lookers among its projectors."""

    def __init__(self, lookers: Iterable[Looker]) -> None:
        self.lookers = list(lookers)
        self._looks = [each.look for each in self.lookers]

    def ready(self, events: Iterable[Event], payloads: Iterable[Payload | None] = repeat(None)) -> list[Item]:
        """Each event with what can be worked out before it has an id; `payloads` as `Looker.look` takes them."""
        made: list[Item] = []
        looks = self._looks
        for event, payload in zip(events, payloads, strict=False):
            try:
                made.append(prepare(event, [look(event, payload) for look in looks]))
            except FlightlogError as error:
                made.append(error)
        return made

    def pack(self, items: Sequence[Item]) -> bytes:
        """The batch for another process. It is not to be used here any more."""
        sent: list[list[Any]] = []
        refused: dict[int, str] = {}
        looks: list[Sequence[Any]] = []
        for place, item in enumerate(items):
            if isinstance(item, FlightlogError):
                refused[place] = str(item.facts.get("reason", item.message))
                continue
            event, text, _, digest, seen = item
            fields: list[Any] = list(astuple(event))
            fields[_PAYLOAD] = text
            fields.append(digest)
            sent.append(fields)
            looks.append(seen)
        packed = {each.looks_for: each.pack([seen[at] for seen in looks]) for at, each in enumerate(self.lookers)}
        return _encode((sent, refused, packed))

    def unpack(self, data: bytes) -> list[Item]:
        """What `pack` packed. Raises msgspec.MsgspecError."""
        packed = _decode(data)
        ready: list[tuple[Event, str, int, bytes]] = []
        for event in packed.events:
            text = event.payload
            raw = text.encode()
            event.payload = msgspec.Raw(raw)
            ready.append((event, text, len(raw), event.digest))
        columns = [self._seen(each, packed) for each in self.lookers]
        looks = zip(*columns, strict=True) if columns else [()] * len(ready)
        items: list[Item] = [(*item, seen) for item, seen in zip(ready, looks, strict=True)]
        for place in sorted(packed.refused):
            items.insert(place, EventInvalid(reason=packed.refused[place]))
        return items

    def _seen(self, looker: Looker, packed: _Packed) -> Sequence[Any]:
        """What the other process saw, or, where it has no such looker, what is seen here."""
        data = packed.looks.get(looker.looks_for)
        return [looker.look(event) for event in packed.events] if data is None else looker.unpack(data)
