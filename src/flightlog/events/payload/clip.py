"""The budget of text in one payload: what is over it is cut to its beginning, with the size and digest of the whole.

This is the outer bound that keeps one payload from taking the host's memory and time. What is kept on disk is far less
and is cut later, after redaction; so a cut here falls between words, because half a secret would not be recognised.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

TEXT_CHARS_MAX = 8 * 1024 * 1024  # in one payload; short texts are always kept
SHORT_CHARS_MAX = 1_024
PREVIEW_CHARS_MAX = 1024 * 1024  # kept of a text that is over the budget
DIGEST_CHARS_MAX = 64 * 1024 * 1024  # hashed for one payload; a text beyond it is cut without a digest
WORD_CHARS_MAX = 4_096  # no secret that could be recognised is longer

_PART_CHARS = 1024 * 1024
_LAST_WORD = re.compile(r"[^\s\"',;&<>(){}\[\]]*\Z")


class TextBudget:
    """What is left for one payload. `cut` says whether something was cut."""

    def __init__(self) -> None:
        self.cut = False
        self._chars_left = TEXT_CHARS_MAX
        self._digest_chars_left = DIGEST_CHARS_MAX

    def clip(self, text: str) -> str:
        """The text if it fits, else its beginning and a note."""
        if len(text) <= SHORT_CHARS_MAX:
            return text
        if len(text) > self._chars_left:
            head = whole_words(text[: self._room()])
            text = self._noted(head, len(text), "characters", lambda: _digest_of_text(text))
        self._chars_left -= len(text)
        return text

    def take(self, chars: int) -> bool:
        """Take this much of the budget, if it is there."""
        if chars > self._chars_left:
            return False
        self._chars_left -= chars
        return True

    def clip_bytes(self, data: bytes | bytearray) -> bytes | bytearray | str:
        """The bytes if they fit, else their beginning as text and a note."""
        if len(data) <= self._chars_left or len(data) <= SHORT_CHARS_MAX:
            return data
        head = whole_words(bytes(data[: self._room()]).decode("utf-8", "backslashreplace"))
        return self._noted(head, len(data), "bytes", lambda: hashlib.sha256(data).hexdigest())

    def _room(self) -> int:
        return min(PREVIEW_CHARS_MAX, max(self._chars_left, 0))

    def _noted(self, head: str, size: int, unit: str, digest: Callable[[], str]) -> str:
        self.cut = True
        if size > self._digest_chars_left:
            return f"{head}…[cut after {len(head)} of {size} {unit}]"
        self._digest_chars_left -= size
        return f"{head}…[cut after {len(head)} of {size} {unit}, sha256:{digest()}]"


def whole_words(head: str) -> str:
    """The text without its last word (or the last 4,096 characters of it), which may go on behind the cut.

    >>> whole_words("token=abc key=sk-12")
    'token=abc '
    """
    found = _LAST_WORD.search(head, max(len(head) - WORD_CHARS_MAX, 0))
    return head[: found.start()] if found else head


def _digest_of_text(text: str) -> str:
    """SHA-256 over the UTF-8 of the text, part by part so that no second copy of it is made."""
    digest = hashlib.sha256()
    for at in range(0, len(text), _PART_CHARS):
        digest.update(text[at : at + _PART_CHARS].encode("utf-8", "backslashreplace"))
    return digest.hexdigest()
