"""What failures have in common that failed of the same thing: a short digest that is blind to what differs by chance."""

from __future__ import annotations

import re
from hashlib import sha256

HEX_CHARS = 16
NORMAL_CHARS_MAX = 1_000

_QUOTED = re.compile(r'"[^"\n]*"|`[^`\n]*`|(?<![^\W_])\'[^\'\n]*\'(?!\w)')
_URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s(){}\[\],;=<>|]+")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_DIGIT = re.compile(r"\d")
_SAME_AGAIN = re.compile(r"(<\w+>)(?:[\s,;]+\1)+")


def fingerprint(kind: str, message: str, *where: str | None) -> str:
    """The digest of an error's kind, its message without what differs by chance, and where it happened.

    >>> fingerprint("OSError", "no room for file 17", "summarise", "READING")
    'aaa3307beb64805e'
    >>> fingerprint("OSError", "no room for file 18", "summarise", "READING")
    'aaa3307beb64805e'
    """
    parts = (kind, normal(message), *(part or "" for part in where))
    return sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:HEX_CHARS]


def normal(message: str) -> str:
    """The message with marks for numbers, ids, hex, quoted text, paths and URLs; several of one kind in a row are one.

    >>> normal("task 0190c5e8-7b77 failed: can't open '/srv/a.txt' (errno 2), tried /srv/b, /srv/c")
    "task <n> failed: can't open <text> (errno <n>), tried <path>"
    """
    marked = _TOKEN.sub(_mark, _URL.sub("<url>", _QUOTED.sub(" <text> ", message)))
    return _SAME_AGAIN.sub(r"\1", " ".join(marked.split()))[:NORMAL_CHARS_MAX]


def _mark(found: re.Match[str]) -> str:
    token = found[0]
    if "/" in token or "\\" in token:
        return "<path>"
    return "<n>" if _DIGIT.search(token) or _HEX.fullmatch(token) else token
