"""A protobuf request that its parser does not take, taken apart: what is sound stays, record by record.

The parser refuses a message as a whole for one text that is not UTF-8, or one value nested too deep. The frames around the
records (request, resource, scope) have to be sound: where they are not, nobody knows where a record begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from flightlog.errors import BodyInvalid

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# In all three kinds of request: groups are field 1 of the request, parts field 2 of a group, records field 2 of a part.
# Field 1 of a group and of a part is the resource or the scope, field 3 its schema's URL.
_FIRST, _SECOND = 1, 2


class Frame(NamedTuple):
    """One field of a message: its number, its bytes with the tag before them, and, where it has a length, its content."""

    number: int
    whole: bytes
    content: bytes | None


def frames(data: bytes) -> Iterator[Frame]:
    """The fields of a message, not looked into. Raises BodyInvalid where they do not add up."""
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        kind, content = tag & 7, None
        if kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            length, begin = _varint(data, position)
            position = begin + length
            content = data[begin:position]
        else:
            raise _cut(f"a field of wire type {kind} at byte {start}")
        if position > len(data) or not tag >> 3:
            raise _cut(f"it is cut short, or damaged, at byte {start} of {len(data)}")
        yield Frame(tag >> 3, data[start:position], content)


def sound_part(kind: Any, body: bytes, refuse: Callable[[str], None]) -> Any:
    """The request without the records that can't be read; each of these is refused with a reason. Raises BodyInvalid."""
    request = kind()
    group_kind = _member(kind, _FIRST)
    part_kind = _member(group_kind, _SECOND)
    record_kind = _member(part_kind, _SECOND)

    def part_of(data: bytes) -> bytes:
        sound: list[bytes] = []
        for frame in frames(data):
            why = _why_not(record_kind, frame.content) if frame.number == _SECOND and frame.content is not None else ""
            if why:
                refuse(why)
            else:
                sound.append(frame.whole)
        return b"".join(sound)

    for outer in frames(body):
        if outer.number != _FIRST or outer.content is None:
            continue
        group = group_kind()
        for frame in frames(outer.content):
            if frame.number == _SECOND and frame.content is not None:
                _merge(group, framed(_SECOND, part_of(frame.content)), "a scope")
            else:
                _merge(group, frame.whole, "a resource")
        list_of(request).append(group)
    return request


def list_of(request: Any) -> Any:
    """The groups of a request."""
    return getattr(request, request.DESCRIPTOR.fields_by_number[_FIRST].name)


def _member(kind: Any, number: int) -> Any:
    """The class of the messages in this field."""
    return kind.DESCRIPTOR.fields_by_number[number].message_type._concrete_class


def _why_not(kind: Any, data: bytes) -> str:
    try:
        kind.FromString(data)
    except DecodeError:
        return "it can't be parsed: a text that is not UTF-8, a value nested too deep, or damage"
    return ""


def _merge(message: Message, data: bytes, what: str) -> None:
    try:
        message.MergeFromString(data)
    except DecodeError:
        raise BodyInvalid(reason=f"{what} in it can't be parsed as protobuf") from None


def framed(number: int, data: bytes) -> bytes:
    """The field `number` with this content."""
    head = bytearray([number << 3 | _BYTES])
    length = len(data)
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + data


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
        shift += 7
    raise _cut(f"it is cut short, or damaged, at byte {position} of {len(data)}")


def _cut(reason: str) -> BodyInvalid:
    return BodyInvalid(reason=f"it is not a protobuf message of OTLP: {reason}")
