"""What a caller adds to redaction: patterns for secrets of their own, and what is allowed to stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import re2

from flightlog.errors import SettingInvalid
from flightlog.recorder.redaction.finder import Found

CUSTOM = "custom"

_PLAIN_CLASS = r"\[(?:[A-Za-z0-9_.:@#~]|[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|\\[dw._-])+-?\]"
_PLAIN = re.compile(rf"(?:[A-Za-z0-9_ :@#%~,;!|()?*+-]|\\[dw._-]|\{{[0-9,]+\}}|{_PLAIN_CLASS})+")


def is_plain(pattern: str) -> bool:
    """Whether a match holds only letters that JSON never escapes, so that the scan of encoded bytes finds it as it is.

    >>> is_plain("acme_[a-z0-9]{20}"), is_plain("^acme"), is_plain('name="[^"]+"')
    (True, False, False)
    """
    return _PLAIN.fullmatch(pattern.replace("(?P<secret>", "(")) is not None


class CustomFinder:
    """A pattern of a caller's, found like ours. The secret is the group named `secret`, or all of the match."""

    def __init__(self, pattern: str) -> None:
        self._compiled = compile_custom("redact_patterns", pattern)
        self._group = dict(self._compiled.groupindex).get("secret", 0)

    def find(self, text: bytes, places_max: int | None = None) -> Iterator[Found]:
        for match in self._compiled.finditer(text):
            start, end = match.span(self._group)
            if start < end:
                yield Found(CUSTOM, start, end)


def compile_custom(setting: str, pattern: str) -> Any:
    """The pattern, compiled. Raises SettingInvalid with the pattern in it."""
    chosen = re2.Options()
    chosen.log_errors = False
    try:
        compiled = re2.compile(pattern, chosen)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise SettingInvalid(name=setting, value=pattern, reason=f"it is no RE2 pattern: {reason}") from None
    if compiled.fullmatch(b""):
        raise SettingInvalid(name=setting, value=pattern, reason="it matches the empty text")
    return compiled


def checked(patterns: Iterable[str], setting: str) -> tuple[str, ...]:
    """The patterns as a tuple of texts; a single text is a likely mistake and refused."""
    if isinstance(patterns, str):
        raise SettingInvalid(name=setting, value=patterns, reason="give a list of texts")
    return tuple(patterns)
