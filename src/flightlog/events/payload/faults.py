"""An exception as data: its kind, what it said, where it came from and what led to it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from flightlog.events.payload.text import said, type_name

STACK_CHARS_MAX = 8_000
STACK_FRAMES_MAX = 64  # per exception; the innermost are kept
CHAIN_MAX = 16
GROUP_ERRORS_MAX = 16
GROUP_DEPTH_MAX = 3
NOTES_MAX = 16
GROUP_PIECES_MAX = 200  # of the stacks of a group's members, all together

_BRIDGES = {
    "cause": "\nThe above exception was the direct cause of the following exception:\n\n",
    "context": "\nDuring handling of the above exception, another exception occurred:\n\n",
}


def describe_error(error: BaseException, stack_chars_max: int = STACK_CHARS_MAX) -> dict[str, Any]:
    """`{kind, message, stack}`; with `causes` where others led to it, and `errors` where it is a group. Never raises.

    The stack reads as Python prints it and is cut by whole frames and whole messages, never inside one: half a secret
    would not be recognised by redaction. `message` is whole. Something else than an exception is described too.

    >>> describe_error(ValueError("no such file"))
    {'kind': 'ValueError', 'message': 'no such file', 'stack': 'ValueError: no such file\\n'}
    """
    fault: dict[str, Any] = {"kind": type_name(error), "message": said(error, str)}
    if not issubclass(type(error), BaseException):
        return fault
    try:
        chain = _chain(error)
        fault["stack"] = _fit(list(_stack(chain)), stack_chars_max)
        if len(chain) > 1:
            fault["causes"] = [{**_brief(one), "relation": relation} for relation, one in chain[1:]]
        if members := _members(error):
            fault["errors"] = [_brief(one) for one in members]
    except Exception as failure:
        fault.setdefault("stack", f"[no stack: {type_name(failure)}]")
    return fault


def _brief(error: BaseException) -> dict[str, Any]:
    return {"kind": type_name(error), "message": said(error, str)}


def _linked(error: BaseException, link: str) -> Any:
    # From BaseException itself: a subclass may have put something else under this name.
    return BaseException.__dict__[link].__get__(error)


def _chain(error: BaseException) -> list[tuple[str, BaseException]]:
    """The error, then what led to it, nearest first; each with how it led there ("" for the error itself)."""
    chain: list[tuple[str, BaseException]] = [("", error)]
    seen = {id(error)}
    while len(chain) < CHAIN_MAX:
        relation, before = "cause", _linked(chain[-1][1], "__cause__")
        if before is None and not _linked(chain[-1][1], "__suppress_context__"):
            relation, before = "context", _linked(chain[-1][1], "__context__")
        if before is None or id(before) in seen:
            break
        seen.add(id(before))
        chain.append((relation, before))
    return chain


def _members(error: BaseException) -> tuple[BaseException, ...]:
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    members = BaseExceptionGroup.__dict__["exceptions"].__get__(error)
    return tuple(members[:GROUP_ERRORS_MAX])


def _notes(error: BaseException) -> list[object]:
    try:
        return list(islice(error.__notes__, NOTES_MAX))
    except Exception:
        return []


def _stack(chain: list[tuple[str, BaseException]], depth: int = 0) -> Iterator[str]:
    """Pieces that are kept or left out whole, oldest exception first, as Python prints them."""
    for relation, error in reversed(chain):
        yield from _pieces(error)
        if depth < GROUP_DEPTH_MAX:
            yield from islice(_member_pieces(error, depth), GROUP_PIECES_MAX)
        if relation:
            yield _BRIDGES[relation]


def _pieces(error: BaseException) -> Iterator[str]:
    trace = _linked(error, "__traceback__")
    if isinstance(trace, TracebackType):
        yield "Traceback (most recent call last):\n"
        yield from traceback.extract_tb(trace, limit=-STACK_FRAMES_MAX).format()
    message = said(error, str)
    yield f"{type_name(error)}: {message}\n" if message else f"{type_name(error)}\n"
    for note in _notes(error):
        yield f"{said(note, str)}\n"


def _member_pieces(group: BaseException, depth: int) -> Iterator[str]:
    for number, member in enumerate(_members(group), 1):
        yield f"  +---------------- {number} ----------------\n"
        for piece in _stack(_chain(member), depth + 1):
            yield "".join(f"  | {line}" for line in piece.splitlines(keepends=True))


def _fit(pieces: list[str], chars_max: int) -> str:
    """The first and last pieces that fit, the last ones (where it broke) with two thirds of the room."""
    if sum(map(len, pieces)) <= chars_max:
        return "".join(pieces)
    chars_max -= 40  # for the note about what is left out
    pieces = [p if len(p) <= chars_max // 4 else f"[{len(p)} characters left out]\n" for p in pieces]
    tail: list[str] = []
    room = chars_max * 2 // 3
    while pieces and len(pieces[-1]) <= room:
        tail.append(pieces.pop())
        room -= len(tail[-1])
    head: list[str] = []
    room = chars_max - sum(map(len, tail))
    for piece in pieces:
        if len(piece) > room:
            break
        head.append(piece)
        room -= len(piece)
    left_out = len(pieces) - len(head)
    gap = [f"  [{left_out} more parts left out]\n"] if left_out else []
    return "".join(head + gap + tail[::-1])
