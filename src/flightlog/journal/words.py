"""The words of an event, and what it means to look for some.

An event's text is its name with every key and string of its payload. Words are runs of letters, digits and underscores, in
any case. What is looked for is words, each of which begins a word of the text, and phrases between quotes, whose words
follow each other, the last again as a beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

WORD_CHARS_MAX = 64  # of a longer word the index holds the beginning
DEPTH_MAX = 200

_WORD = re.compile(r"\w+")
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"?|(\S+)')


def text_of(payload: bytes, name: str | None) -> str:
    """The text of an event. Never raises: what is no JSON is taken as it is.

    >>> text_of(b'{"text": "two\\\\nlines", "n": 1}', "ls")
    'ls\\ntext\\ntwo\\nlines\\nn'
    """
    try:
        found = list(_strings(msgspec.json.decode(payload), DEPTH_MAX))
    except (ValueError, RecursionError):
        found = [bytes(payload).decode("utf-8", "replace")]
    return "\n".join([name, *found] if name else found)


def _strings(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value:
            yield from _strings(inner, depth - 1)


def words_of(text: str) -> list[str]:
    """The words of a text, as the index writes them.

    >>> words_of("Disk FULL: /var/log_2")
    ['disk', 'full', 'var', 'log_2']
    """
    return _WORD.findall(text.casefold())


class Sought:
    """What is looked for. One without words finds nothing.

    >>> Sought('disk "no spa"').matches("No space on the disks.")
    True
    >>> Sought('"space no"').matches("No space")
    False
    """

    def __init__(self, text: str) -> None:
        self.phrases = [words for piece in _pieces(text) if (words := words_of(piece))]
        self._patterns = [
            re.compile(r"(?<!\w)" + r"\W+".join(re.escape(word) for word in words)) for words in self.phrases
        ]

    def matches(self, text: str) -> bool:
        """Whether all that is looked for is in this text."""
        folded = text.casefold()
        return bool(self._patterns) and all(pattern.search(folded) for pattern in self._patterns)

    def as_match(self) -> str:
        """What the index is asked for: it knows words and beginnings, and no order. More may answer than matches."""
        begun = {words[-1][:WORD_CHARS_MAX] for words in self.phrases}
        whole = {word[:WORD_CHARS_MAX] for words in self.phrases for word in words[:-1]}
        # A word cut in the index may go on, so a long one is asked for by its beginning.
        asked = [f'"{word}"' + (" *" if word in begun or len(word) == WORD_CHARS_MAX else "") for word in begun | whole]
        return " AND ".join(sorted(asked))


def _pieces(text: str) -> Iterator[str]:
    for quoted, bare in _PIECE.findall(text):
        yield bare or quoted.replace('\\"', '"').replace("\\\\", "\\")
