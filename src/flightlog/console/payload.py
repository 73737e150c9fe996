"""A payload as text to read: indented, with what was done to it marked as what it is; and as values, whatever they are."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

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


def pieces(text: str, json: bool = True) -> list[Piece]:
    """The text, split at the marks that redaction and truncation leave, and in `json` with each `\\n` at the end of a line."""
    made: list[Piece] = []
    at = 0
    for found in _MARKS.finditer(text):
        if found["eol"] and not json:
            continue
        if found.start() > at:
            made.append(Piece(text[at : found.start()]))
        made.append(_mark(found))
        at = found.end()
    if at < len(text) or not made:
        made.append(Piece(text[at:]))
    return made


def done_to(text: str) -> tuple[dict[str, int], list[str]]:
    """What the marks in a text tell: how many secrets each rule took out, and each cut in its own words with its digest.

    >>> done_to("[REDACTED:github:3f9a] a…[cut 5 of 9 bytes, sha256:ab]…b")
    ({'github': 1}, ['5 of 9 bytes, sha256:ab'])
    """
    rules: dict[str, int] = {}
    cuts: list[str] = []
    for found in _MARKS.finditer(text):
        if found["rule"]:
            rules[found["rule"]] = rules.get(found["rule"], 0) + 1
        elif found["cut"]:
            cuts.append(found["cut"] + (f", {found['sum']}" if found["sum"] else ""))
    return rules, cuts


# ── values, which may be anything ────────────────────────────────────────────────────────────────────────────────────


def decoded(data: bytes) -> dict[str, Any]:
    """The payload as an object; an empty one where it is none."""
    try:
        return entries(msgspec.json.decode(data))
    except (ValueError, RecursionError):
        return {}


def entries(value: object) -> dict[str, Any]:
    """An object as it is; anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """A list as it is; anything else as an empty one."""
    return value if isinstance(value, list) else []


def number(value: object) -> int:
    """A whole number as it is; anything else as 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def words(value: object) -> str:
    """A text as it is; nothing as nothing; parts of a message's content put together; anything else as JSON.

    >>> words("a"), words(None), words({"a": 1}), words([{"type": "text", "text": "hello"}])
    ('a', '', '{"a":1}', 'hello')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and value and all(isinstance(entries(part).get("text"), str) for part in value):
        return "\n".join(part["text"] for part in value)
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, RecursionError, TypeError, OverflowError):
        return repr(value)


def _mark(found: re.Match[str]) -> Piece:
    if found["eol"]:
        return Piece(found["eol"] + "\n", "eol")
    if found["rule"]:
        same = f"; equal secrets have the same digest, {found['digest']}" if found["digest"] else ""
        return Piece(f"redacted: {found['rule']}", "redacted", f"A secret was taken out before it touched a disk{same}")
    digest = f"; the whole is {found['sum']}" if found["sum"] else ""
    return Piece(f"cut: {found['cut']}", "cut", f"Only a preview was kept{digest}")
