"""Secrets die here, before the first byte of an event reaches a disk.

`Redactor.hits` is one search over the encoded bytes, for every event. Only where it fires, `Redactor.redact` looks closely:
across the strings of the event, and into each string at every level of escaping. What it finds is replaced by
`[REDACTED:rule:1a2b3c4d]`; all other bytes stay as they are. The eight digits are an HMAC of the secret, so that equal
secrets can be told within one key. What can't be shown to be clean raises RedactionFailed, and is withheld.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from flightlog.config import Settings
from flightlog.errors import RedactionFailed
from flightlog.recorder.redaction.compiled import Engine, engine
from flightlog.recorder.redaction.custom import CustomFinder, checked, compile_custom, is_plain
from flightlog.recorder.redaction.escapes import Level, levels, snap, unescape
from flightlog.recorder.redaction.finder import Crowded, Finder, Found, places_max
from flightlog.recorder.redaction.findings import STRING, Finding, Strings, marks, merge
from flightlog.recorder.rules import RULES, Rule, names
from flightlog.recorder.rules.rule import ODD_ESCAPE

__all__ = ["RULES", "Redacted", "Redactor", "Rule"]

PASSES_MAX = 5
CROWDED = "crowded"
WITHHELD_TEXT = "[WITHHELD: redaction failed]"

_HARD = frozenset(rule.name for rule in RULES if rule.hard)
# Signs that somebody escaped for no reason in the outermost text. They are read first, as they could hide a key.
_WRITTEN_ODDLY = re.compile(rb"(?<!\\)(\\+)(" + ODD_ESCAPE.encode() + rb")")


class Redacted(NamedTuple):
    """What came out: the bytes, how many secrets were replaced, and the names of the rules that found them."""

    data: bytes
    count: int  # type: ignore[assignment]  # tuple.count is not missed here
    rules: tuple[str, ...]


class Redactor:
    """Takes secrets out of events.

    >>> redactor = Redactor(digest_key=b"k")
    >>> data = b'{"payload":{"password":"hunter2","note":"fine"}}'
    >>> redactor.hits(data), redactor.redact(data).data
    (True, b'{"payload":{"password":"[REDACTED:sensitive-key:0cd9cde6]","note":"fine"}}')
    """

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        patterns: Iterable[str] = (),
        allow: Iterable[str] = (),
        enabled: bool = True,
        digest_key: bytes | None = None,
    ) -> None:
        """`keys` are sensitive besides the built-in ones. `patterns` (RE2) find more secrets: all of the match, or its
        group named `secret`. A secret that one of `allow` matches in full stays. Raises SettingInvalid for a bad pattern.
        """
        self.enabled = enabled
        self._digest_key = digest_key or secrets.token_bytes(32)
        self._keys = tuple(key for key in checked(keys, "redact_keys") if names.normal(key.encode()))
        patterns = checked(patterns, "redact_patterns")
        self._custom = tuple(CustomFinder(pattern) for pattern in patterns)
        self._plain = tuple(pattern for pattern in patterns if is_plain(pattern))
        self._looks_into_all = len(self._plain) < len(patterns)
        self._allow = tuple(compile_custom("redact_allow", pattern) for pattern in checked(allow, "redact_allow"))
        self._engine: Engine
        self._bind()
        _living.add(self)

    @classmethod
    def from_settings(cls, settings: Settings, digest_key: bytes | None = None) -> Redactor:
        """The redactor that these settings describe."""
        return cls(
            keys=settings.redact_keys,
            patterns=settings.redact_patterns,
            allow=settings.redact_allow,
            enabled=settings.redact,
            digest_key=digest_key,
        )

    def hits(self, data: bytes, start: int = 0) -> bool:
        """Whether these encoded bytes may hold a secret. False means that `redact` would change nothing.

        What lies before `start` is not looked at: the caller knows that it is clean.
        """
        if self._first(data, start)[0] >= 0:
            return True
        return self._looks_into_all and self._custom_hits(data)

    def hits_in(self, texts: Sequence[bytes]) -> list[int]:
        """Which of these encoded events `hits` is true for, or may be; one search over all of them, as far as that is possible."""
        if self._looks_into_all:
            return [place for place, text in enumerate(texts) if self.hits(text)]
        # No match needs the end of its text to be there: what comes behind can only add to what is found.
        joined = b"\n".join(texts)
        found: list[int] = []
        at = self._first(joined, 0)[0]
        starts = [0, *accumulate(len(text) + 1 for text in texts)] if at >= 0 else []
        while at >= 0:
            place = bisect_right(starts, at) - 1
            found.append(place)
            at = self._first(joined, starts[place + 1])[0] if place + 1 < len(texts) else -1
        return found

    def redact(self, data: bytes) -> Redacted:
        """The event (JSON text) without its secrets. Redacting twice changes nothing. Raises RedactionFailed only."""
        if not self.enabled:
            return Redacted(data, 0, ())
        try:
            if b"\\u00" in data:
                data = _WRITTEN_ODDLY.sub(_read, data)
            return self._replace_all(data, self._in_event)
        except RedactionFailed:
            raise
        except Exception as error:
            raise RedactionFailed(reason=type(error).__name__) from None

    def redact_text(self, text: str) -> str:
        """A plain text, such as a line of a log, without its secrets. Never raises: a text that fails is withheld."""
        if not self.enabled:
            return text
        try:
            data = text.encode("utf-8", "surrogatepass")
            return self._replace_all(data, self._in_plain_text).data.decode("utf-8", "surrogatepass")
        except Exception:
            return WITHHELD_TEXT

    def clean(self, data: bytes) -> bool:
        """Whether no rule finds a secret in this event. Exact where `hits` is quick. Raises RedactionFailed as `redact`."""
        return not self.enabled or not merge(self._in_event(data), data)

    def _bind(self) -> None:
        self._engine = engine(self._keys, self._plain)
        self._first = self._engine.first if self.enabled else _nothing

    # From findings to bytes

    def _replace_all(self, data: bytes, look: Callable[[bytes], Iterable[Finding]]) -> Redacted:
        """Replace until nothing is found any more: what comes out has been checked by the same rules."""
        count, rules = 0, set[str]()
        for _ in range(PASSES_MAX):
            found = merge(look(data), data)
            if not found:
                return Redacted(data, count, tuple(sorted(rules)))
            pieces: list[bytes] = []
            position = 0
            for finding in found:
                pieces += (data[position : finding.start], self._mark(finding))
                position = finding.end
            data = b"".join((*pieces, data[position:]))
            count += len(found)
            rules.update(finding.rule for finding in found)
        raise RedactionFailed(reason=f"secrets were still found after {PASSES_MAX} passes")

    def _mark(self, finding: Finding) -> bytes:
        digest = hmac.digest(self._digest_key, finding.secret, "sha256").hex()[:8]
        return f"[REDACTED:{finding.rule}:{digest}]".encode()

    # Where to look

    def _in_event(self, data: bytes) -> Iterator[Finding]:
        strings = Strings(data)
        for finding in self._everywhere(data, strings):
            if finding.rule in _HARD or not strings.is_id(finding.start):
                yield finding

    def _everywhere(self, data: bytes, strings: Strings) -> Iterator[Finding]:
        """Findings across the strings as JSON shows them, then in each string that the first scan hits."""
        for rule, start, end in self._in_text((self._engine.structure,), data):
            start, end = snap(data, start, end)
            yield Finding(start, end, rule, unescape(data[start:end]))
        every = range(len(strings.spans))
        for index in every if self._looks_into_all else strings.hit_by(self._engine.first):
            begin, finish = strings.spans[index]
            written = Level(data[begin:finish])
            for finding in self._in_string(written.inner() or written):
                yield finding._replace(start=begin + finding.start, end=begin + finding.end)

    def _in_plain_text(self, data: bytes) -> Iterable[Finding]:
        return self._in_string(Level(data))

    def _in_string(self, said: Level) -> Iterable[Finding]:
        """Findings in what a string says, at every level of escaping. A string too full to look at all is one finding."""
        try:
            return self._at_every_level(said)
        except Crowded:
            return (Finding(*said.outer(0, len(said.text)), CROWDED, said.text),)

    def _at_every_level(self, said: Level) -> list[Finding]:
        found: list[Finding] = []
        most = places_max(said.text)
        for level in levels(said):
            if self._engine.first(level.text + b'"', 0)[0] < 0 and not self._looks_into_all:
                continue
            for rule, start, end in self._in_text((*self._engine.text, *self._custom), level.text, most):
                found.append(Finding(*level.outer(start, end), rule, level.text[start:end]))
                if len(found) > most:
                    raise Crowded
        return found

    def _in_text(
        self, finders: Iterable[Finder | CustomFinder], text: bytes, most: int | None = None
    ) -> Iterator[Found]:
        """Findings in one level of a text, without earlier redactions and what is allowed."""
        marked = marks(text)
        for finder in finders:
            for found in finder.find(text, most):
                if not marked(found.start, found.end) and not self._allowed(text[found.start : found.end]):
                    yield found

    def _allowed(self, secret: bytes) -> bool:
        return any(pattern.fullmatch(secret) for pattern in self._allow)

    def _custom_hits(self, data: bytes) -> bool:
        """What the first scan can't tell: a caller's pattern with quotes, anchors or the like, in what the strings say."""
        try:
            return self.enabled and any(
                True
                for string in STRING.finditer(data)
                for level in levels(Level(unescape(string[1])))
                for finder in self._custom
                for _ in finder.find(level.text)
            )
        except Exception:
            return True


def _read(found: re.Match[bytes]) -> bytes:
    """The sign that is meant, unless the escape is itself escaped, or the sign has to be."""
    backslashes, meant = found[1], bytes([int(found[2][3:], 16)])
    return found[0] if len(backslashes) % 2 == 0 or meant == b"\\" else backslashes[:-1] + meant


def _nothing(data: bytes, position: int) -> tuple[int, int]:
    return -1, -1


# RE2 keeps what it learns about a pattern behind locks, and searches without the GIL: a child forked meanwhile inherits a
# lock that nobody will release. It compiles its own, and leaves its parent's alone.

_living: weakref.WeakSet[Redactor] = weakref.WeakSet()
_inherited: list[Engine] = []


def _after_fork_in_child() -> None:
    redactors = list(_living)
    _inherited.extend(redactor._engine for redactor in redactors)
    engine.cache_clear()
    for redactor in redactors:
        redactor._bind()


os.register_at_fork(after_in_child=_after_fork_in_child)
