"""A payload as text to read: indented, with what was done to it marked as what it is."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

# As the recorder writes them in place of a secret and of the middle of a long string.
_MARKS = re.compile(
    r"\[REDACTED:(?P<rule>[a-z0-9_.-]+)(?::(?P<digest>[0-9a-f]+))?\]"
    r"|(?P<eol>(?<!\\)(?:\\\\)*\\n)"
    r"|…?\[cut (?P<cut>(?:after )?[0-9][^\[\]\"\\]{0,120}?)(?:, (?P<sum>sha256:[0-9a-f]+))?\]…?"
)


class Piece(NamedTuple):
    """A stretch of the text. `mark` is empty for plain text, else redacted, cut or eol; `title` may tell more."""

    text: str
    mark: str = ""
    title: str = ""


def pretty(data: bytes) -> list[Piece]:
    """The JSON text, indented by two, in pieces. Text that is not JSON comes as it is.

    >>> [piece.mark for piece in pretty(b'{"key":"[REDACTED:github-token:3f9a1c2b]"}')]
    ['', 'redacted', '']
    """
    try:
        data = msgspec.json.format(data, indent=2)
    except (ValueError, RecursionError):
        pass  # shown as it is: a reader can still make something of it
    return pieces(data.decode("utf-8", "replace"))


def pieces(text: str) -> list[Piece]:
    """The text, split at the marks that redaction and truncation leave, and with each `\\n` at the end of a line."""
    made: list[Piece] = []
    at = 0
    for found in _MARKS.finditer(text):
        if found.start() > at:
            made.append(Piece(text[at : found.start()]))
        made.append(_mark(found))
        at = found.end()
    if at < len(text) or not made:
        made.append(Piece(text[at:]))
    return made


def _mark(found: re.Match[str]) -> Piece:
    if found["eol"]:
        return Piece(found["eol"] + "\n", "eol")
    if found["rule"]:
        same = f"; equal secrets have the same digest, {found['digest']}" if found["digest"] else ""
        return Piece(f"redacted: {found['rule']}", "redacted", f"A secret was taken out before it touched a disk{same}")
    digest = f"; the whole is {found['sum']}" if found["sum"] else ""
    return Piece(f"cut: {found['cut']}", "cut", f"Only a preview was kept{digest}")
