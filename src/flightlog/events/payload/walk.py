"""The careful way from an object to JSON: with its own stack and with budgets, so that nothing it meets can stop it.

A value that refers back to one that is being written becomes "[cycle]"; one that is deeper than `depth_max` becomes
"[too deep: list]". Entries over the budget are left out and a note says how many. The budget of entries is shared out:
each child of a container gets an equal part of what is left, so one huge list does not starve its neighbours.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from flightlog.events.payload.clip import TextBudget
from flightlog.events.payload.entries import Entries, Instead
from flightlog.events.payload.plain import CONTAINER_NODES, ENTRY_COST_CHARS, INT_MAX, INT_MIN, NODES_MAX, budget_left
from flightlog.events.payload.shapes import shape
from flightlog.events.payload.text import said, type_name, well_formed

DECIMAL_BITS_MAX = 8_192  # longer integers are written in hexadecimal: decimal takes quadratic time
TRIAL_COST = 1_000 * ENTRY_COST_CHARS
TRIALS_MAX = 64
TURNS_MAX = 8  # how often a value may stand for another one

_encode = msgspec.json.Encoder().encode
_CONSTANTS = {None: b"null", True: b"true", False: b"false"}


class _Frame:
    """One container that is being written."""

    __slots__ = ("at", "count", "ids", "keyed", "names", "taken", "until", "values")

    def __init__(self, entries: Entries, ids: list[int], values: list[object], until: int) -> None:
        self.taken, self.keyed, self.count = entries
        self.ids = ids
        self.values = values  # held, so that no other object gets one of these ids
        self.until = until
        self.at = 0
        self.names: dict[str, int] = {}  # and how often each was asked for


class Walk:
    """One object on its way to JSON text."""

    def __init__(self, depth_max: int, items_max: int | None) -> None:
        self._cut = False
        self._budget = TextBudget()
        self._depth_max = depth_max
        self._items_max = NODES_MAX if items_max is None else items_max
        self._parts: list[bytes] = []
        self._frames: list[_Frame] = []
        self._open: set[int] = set()
        self._spent = 0
        self._trials_left = TRIALS_MAX

    @property
    def cut(self) -> bool:
        """Whether something was left out."""
        return self._cut or self._budget.cut

    def write(self, value: object) -> bytes:
        """The JSON text of the value."""
        self._place(value, NODES_MAX)
        while self._frames:
            self._fill(self._frames[-1])
        return b"".join(self._parts)

    def _fill(self, frame: _Frame) -> None:
        """Write the entries of a container until one of them opens another, or until its end."""
        opened = len(self._frames)
        while frame.at < len(frame.taken):
            entry = frame.taken[frame.at]
            if frame.at:
                self._parts.append(b",")
            if frame.keyed:
                key, entry = entry
                self._parts.append(self._name(frame, key))
            share = (frame.until - self._spent) // (len(frame.taken) - frame.at)
            frame.at += 1
            self._spent += 1
            leaf = self._leaf(entry)
            if leaf is not None:
                self._parts.append(leaf)
                continue
            self._place(entry, self._spent - 1 + share)
            if len(self._frames) > opened:
                return
        self._close(frame)

    def _place(self, value: object, until: int) -> None:
        """Write a leaf, or open a container that may spend entries up to `until`."""
        ids: list[int] = []
        values: list[object] = []
        for _ in range(TURNS_MAX):
            if (written := self._leaf(value) or self._plain(value, until)) is not None:
                self._parts.append(written)
                return
            if id(value) in self._open:
                self._parts.append(b'"[cycle]"')
                return
            if type(value) is bytes or type(value) is bytearray:
                value = self._budget.clip_bytes(value)
            ids.append(id(value))
            values.append(value)
            seen = shape(value, min(self._items_max, max(until - self._spent - CONTAINER_NODES, 0)))
            if isinstance(seen, Entries):
                self._enter(_Frame(seen, ids, values, until))
                return
            value = seen.value if isinstance(seen, Instead) else seen
        self._parts.append(self._text(said(values[0])))

    def _plain(self, value: object, until: int) -> bytes | None:
        """A part of the payload that msgspec can write in one go. Tried on small parts, and not again and again."""
        if (type(value) is not dict and type(value) is not list) or not self._trials_left:
            return None
        try:
            left = budget_left(value, self._depth_max - len(self._frames), TRIAL_COST, self._items_max)
            spent = self._spent + (TRIAL_COST - left) // ENTRY_COST_CHARS + 1
            if left >= 0 and spent <= until and self._budget.take(TRIAL_COST - left):
                written = _encode(value)
                self._spent = spent
                return written
        except Exception:  # noqa: S110  half a surrogate pair, another thread: the careful way knows what to do
            pass
        self._trials_left -= 1
        return None

    def _leaf(self, value: Any) -> bytes | None:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is int:
            return b"%d" % value if INT_MIN <= value <= INT_MAX else self._text(digits(value))
        if kind is float:
            return _encode(value) if isfinite(value) else self._text(float_name(value))
        return _CONSTANTS[value] if value is None or kind is bool else None

    def _enter(self, frame: _Frame) -> None:
        if len(self._frames) >= self._depth_max:
            self._cut = True
            self._parts.append(self._text(f"[too deep: {type_name(frame.values[0])}]"))
            return
        self._spent += CONTAINER_NODES
        self._open.update(frame.ids)
        self._frames.append(frame)
        self._parts.append(b"{" if frame.keyed else b"[")

    def _close(self, frame: _Frame) -> None:
        missing = -1 if frame.count is None else max(frame.count - len(frame.taken), 0)
        if missing:
            self._cut = True
            note = _encode(f"{missing} more left out" if missing > 0 else "more left out")
            self._parts.append(b"," if frame.taken else b"")
            self._parts.append(_encode(self._unique(frame, "[cut]")) + b":" + note if frame.keyed else note)
        self._parts.append(b"}" if frame.keyed else b"]")
        self._open.difference_update(frame.ids)
        self._frames.pop()

    def _name(self, frame: _Frame, key: object) -> bytes:
        name = self._budget.clip(key if type(key) is str else key_text(key))
        return _encode(self._unique(frame, name if name.isascii() else well_formed(name))) + b":"

    def _unique(self, frame: _Frame, name: str) -> str:
        """A name that this object does not have yet: 1 and "1" are two keys in Python and one in JSON."""
        known, unique = frame.names, name
        while unique in known:
            known[name] += 1
            unique = f"{name} ({known[name]})"
        known[unique] = 1
        return unique

    def _text(self, text: str) -> bytes:
        text = self._budget.clip(text)
        try:
            return _encode(text)
        except UnicodeEncodeError:
            return _encode(well_formed(text))


def digits(number: int) -> str:
    """An integer of any size as text, in time that grows with its size.

    >>> digits(2**64), digits(2**9000)[:4]
    ('18446744073709551616', '0x10')
    """
    return str(number) if number.bit_length() <= DECIMAL_BITS_MAX else hex(number)


def float_name(number: float) -> str:
    """The name of a float that JSON has no number for.

    >>> float_name(float("nan")), float_name(float("-inf"))
    ('NaN', '-Infinity')
    """
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def key_text(key: object) -> str:
    """What a key of any kind is called in JSON.

    >>> key_text(None), key_text(True), key_text(7), key_text(b"k"), key_text((1, 2)), key_text(ValueError("no"))
    ('null', 'true', '7', 'k', '(1, 2)', 'ValueError: no')
    """
    for _ in range(TURNS_MAX):
        kind = type(key)
        if kind is str:
            return key  # type: ignore[return-value]
        if key is None or kind is bool:
            return _CONSTANTS[key].decode()  # type: ignore[index]
        if kind is int:
            return digits(key)  # type: ignore[arg-type]
        if kind is float:
            return repr(key) if isfinite(key) else float_name(key)  # type: ignore[arg-type]
        if issubclass(kind, BaseException):
            return f"{type_name(key)}: {said(key, str)}"
        seen = shape(key, 0)
        if isinstance(seen, Entries):
            break
        key = seen.value if isinstance(seen, Instead) else seen
    return said(key)
