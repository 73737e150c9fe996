"""A payload that is too large becomes a preview of itself: what is small stays, what is big is cut, and each cut says so.

The size is shared out from the top down, on the encoded bytes. What fits into its share is never decoded; a string that
does not is cut in its middle, a list or object that does not is opened and its share divided among its members, smallest
first, so that the room the small ones leave goes to the big ones. Time is linear in the size, for each level opened.

Secrets are out by then (redaction comes first), so the digests that the cuts name give nothing away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

REST = "…"  # the key under which an object says what was cut from it

_raw = msgspec.json.Decoder(msgspec.Raw)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode

_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_MARK_BYTES_MAX = 80  # the longest `[REDACTED:rule:digest]`


class Limits(NamedTuple):
    """How a payload is cut. `string_bytes_min`: strings shorter than this stay whole as long as there is room."""

    string_bytes_min: int
    items_max: int
    depth_max: int


def truncate(data: bytes, *, bytes_max: int, string_bytes_min: int, items_max: int, depth_max: int) -> bytes:
    """The JSON object in `data`, in at most `bytes_max` bytes (2 at least). What fits comes back as it is.

    Keys and their order stay, strings stay strings, lists stay lists. Where the size has to shrink, lists and objects keep
    at most `items_max` items, and nesting ends at `depth_max`.

    >>> truncate(b'{"a":1,"b":[' + b"2," * 99 + b"3]}", bytes_max=110, string_bytes_min=9, items_max=4, depth_max=9).decode()
    '{"a":1,"b":[2,2,"…[cut 96 of 100 items]…",2,3]}'
    """
    if len(data) <= bytes_max:
        return data
    limits = Limits(string_bytes_min, items_max, depth_max)
    try:
        made = _cut_object(data, bytes_max, limits, 1)
    except _ERRORS:
        # Nested so deep that no decoder follows, or no JSON at all: the text of it is all that can be shown.
        made = _one_key(data, bytes_max)
    return made if len(made) <= bytes_max else b"{}"


def _cut(value: bytes, room: int, limits: Limits, depth: int) -> bytes:
    """A JSON value in at most `room` bytes (2 at least)."""
    kind = value[:1]
    if kind == b'"':
        return _cut_string(value, room)
    if depth > limits.depth_max and kind in b"[{" and len(value) > 2:
        note = _encode(f"…[cut {len(value)} bytes, nested deeper than {limits.depth_max} levels]…")
        return _cut_string(note, room)
    if kind == b"{":
        return value if _fits(value, room, limits, depth) else _cut_object(value, room, limits, depth)
    if kind == b"[":
        return value if _fits(value, room, limits, depth) else _cut_list(value, room, limits, depth)
    return value if len(value) <= room else b"0"  # a number with more digits than room


def _fits(value: bytes, room: int, limits: Limits, depth: int) -> bool:
    """Whether a list or object can stay as it is: small, and without a way to be too wide or too deep."""
    return (
        len(value) <= room
        and value.count(b",") < limits.items_max
        and value.count(b"{") + value.count(b"[") <= limits.depth_max - depth + 1
    )


# Objects and lists: open, choose what stays, share the room


def _cut_object(value: bytes, room: int, limits: Limits, depth: int) -> bytes:
    opened = _object.decode(value)
    members = [(_cut_string(_encode(key), 192), bytes(raw)) for key, raw in islice(opened.items(), limits.items_max)]
    costs = [len(key) + 2 for key, _ in members]  # with a colon and a comma
    floors = _floors([raw for _, raw in members], limits, room - 2 - sum(costs))
    kept: Sequence[int] = range(len(members))
    if len(members) < len(opened) or 2 + sum(costs) + sum(floors) > room:
        kept = _smallest(
            [cost + floor for cost, floor in zip(costs, floors, strict=True)],
            room - 2 - len(_cut_keys(opened, len(opened))),
        )
    note = b"" if len(kept) == len(opened) else _cut_keys(opened, len(opened) - len(kept))
    left = room - 2 - len(note) - (1 if note else 0) - sum(costs[i] for i in kept)
    made = _shared([members[i][1] for i in kept], [floors[i] for i in kept], left, limits, depth)
    parts = [members[i][0] + b":" + text for i, text in zip(kept, made, strict=True)] + ([note] if note else [])
    text = b"{" + b",".join(parts) + b"}"
    return text if len(text) <= room else _noted_object(f"[cut {len(opened)} keys]", room)


def _cut_list(value: bytes, room: int, limits: Limits, depth: int) -> bytes:
    opened = _list.decode(value)
    first = (limits.items_max + 1) // 2
    if len(opened) > limits.items_max:
        items = [bytes(raw) for raw in (*opened[:first], *opened[len(opened) - limits.items_max + first :])]
    else:
        items = [bytes(raw) for raw in opened]
    # Few items with something in them say more than many that are cut to nothing.
    floors = [min(len(item), max(limits.string_bytes_min, _MARKER_BYTES)) for item in items]
    head, tail = len(items), 0
    if len(opened) > len(items) or 2 + sum(floors) + len(items) > room:
        head, tail = _ends([floor + 1 for floor in floors], room - 2 - _NOTE_BYTES)
    kept = [*range(head), *range(len(items) - tail, len(items))]
    note = b"" if len(kept) == len(opened) else _encode(f"…[cut {len(opened) - len(kept)} of {len(opened)} items]…")
    left = room - 2 - len(note) - (1 if note else 0) - len(kept)
    made = _shared([items[i] for i in kept], [floors[i] for i in kept], left, limits, depth)
    parts = [*made[:head], note, *made[head:]] if note else made
    text = b"[" + b",".join(parts) + b"]"
    return text if len(text) <= room else _noted_list(f"…[cut {len(opened)} items]…", room)


def _floors(values: Sequence[bytes], limits: Limits, room: int) -> list[int]:
    """How small each value of an object may get: as large as the room allows for all of them."""
    floors: list[int] = []
    for most in (max(limits.string_bytes_min, _MARKER_BYTES), _MARKER_BYTES, _NOTE_BYTES):
        floors = [min(len(value), most) for value in values]
        if sum(floors) <= room:
            break
    return floors


def _smallest(costs: Sequence[int], room: int) -> list[int]:
    """Which fit when the smallest go first; in their own order."""
    kept = []
    for index in sorted(range(len(costs)), key=costs.__getitem__):
        room -= costs[index]
        if room < 0:
            break
        kept.append(index)
    return sorted(kept)


def _ends(costs: Sequence[int], room: int) -> tuple[int, int]:
    """How many fit from the front and from the back, taken in turns."""
    head = tail = 0
    while head + tail < len(costs):
        room -= costs[head] if head <= tail else costs[-1 - tail]
        if room < 0:
            break
        head, tail = (head + 1, tail) if head <= tail else (head, tail + 1)
    return head, tail


def _shared(values: Sequence[bytes], floors: Sequence[int], room: int, limits: Limits, depth: int) -> list[bytes]:
    """The values in `room` bytes together, each in its floor at least. What a small one leaves is for the larger ones."""
    made: list[bytes] = [b""] * len(values)
    owed = sum(floors)
    order = sorted(range(len(values)), key=lambda i: len(values[i]))
    for done, index in enumerate(order):
        owed -= floors[index]
        share = max(floors[index], min(room // (len(order) - done), room - owed))
        made[index] = _cut(values[index], share, limits, depth + 1)
        room -= len(made[index])
    return made


# Strings and notes


def _cut_string(raw: bytes, room: int) -> bytes:
    """A JSON string in at most `room` bytes: head, what was cut, tail."""
    if len(raw) <= room:
        return raw
    whole = _said(raw)
    digest = hashlib.sha256(whole).hexdigest()
    spare = room - 2 - len(_mark(len(whole), len(whole), digest))
    if spare < 0:
        short = _encode(f"…[cut {len(whole)} bytes]…")
        return short if len(short) <= room else (b'""' if room < 5 else _encode("…"))
    head = _before(raw, 1 + (spare + 1) // 2)
    tail = _behind(raw, max(len(raw) - 1 - spare // 2, head))
    kept = len(_said(b'"' + raw[1:head] + b'"')) + len(_said(b'"' + raw[tail:]))
    return raw[:head] + _mark(len(whole) - kept, len(whole), digest) + raw[tail:]


def _mark(cut: int, whole: int, digest: str) -> bytes:
    return f"…[cut {cut} of {whole} bytes, sha256:{digest}]…".encode()


def _said(raw: bytes) -> bytes:
    """What a JSON string says, in UTF-8. Half of a surrogate pair has no UTF-8: such a string is taken as written."""
    try:
        return _string.decode(raw).encode()
    except _ERRORS:
        return raw[1:-1]


def _note(key: str, text: str) -> bytes:
    return _encode(key) + b":" + _encode(text)


def _cut_keys(opened: dict[str, msgspec.Raw], count: int) -> bytes:
    return _note(REST, f"[cut {count} of {len(opened)} keys]")


def _noted_object(text: str, room: int) -> bytes:
    made = b"{" + _note(REST, text) + b"}"
    return made if len(made) <= room else b"{}"


def _noted_list(text: str, room: int) -> bytes:
    made = b"[" + _encode(text) + b"]"
    return made if len(made) <= room else b"[]"


def _one_key(data: bytes, room: int) -> bytes:
    """An object with nothing but the text of the data."""
    frame = len(_note(REST, "")) + 2
    if room < frame:
        return b"{}"
    text = _cut_string(_encode(data.decode("utf-8", "replace")), room - frame + 2)
    return b"{" + _encode(REST) + b":" + text + b"}"


_MARKER_BYTES = 2 + len(_mark(10**9, 10**9, "0" * 64))
_NOTE_BYTES = len(_note(REST, "[cut 1000000000 of 1000000000 items]")) + 8

# Where a string may be cut: not in a letter of UTF-8, not in an escape or a pair of them, not in an earlier redaction.

_UNIT = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)
_REDACTED = re.compile(rb"\[REDACTED:[a-z0-9-]+:[0-9a-f]{8}\]")


def _before(raw: bytes, position: int) -> int:
    """The last place up to this one where the string can be cut."""
    first, _ = _whole(raw, position)
    return first


def _behind(raw: bytes, position: int) -> int:
    """The first place from this one on where the string can be cut."""
    _, last = _whole(raw, position)
    return last


def _whole(raw: bytes, position: int) -> tuple[int, int]:
    """What must not be parted around this place: its beginning and end, or twice the place itself."""
    start = raw.rfind(b"[REDACTED:", max(position - _MARK_BYTES_MAX, 1), position + 9)
    mark = _REDACTED.match(raw, start) if 0 <= start < position else None
    if mark is not None and mark.end() > position:
        return mark.span()
    for begin in range(max(position - 11, 1), position):
        if raw[begin] == 0x5C and _is_first(raw, begin):
            unit = _UNIT.match(raw, begin)
            if unit is not None and unit.end() > position:
                return unit.span()
    first = last = position
    while raw[first] & 0xC0 == 0x80:
        first -= 1
    while raw[last] & 0xC0 == 0x80:
        last += 1
    return first, last


def _is_first(raw: bytes, position: int) -> bool:
    """Whether this backslash begins an escape, and is not escaped itself."""
    first = position
    while raw[first - 1] == 0x5C:
        first -= 1
    return (position - first) % 2 == 0
