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
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from flightlog.config import Settings
from flightlog.errors import RedactionFailed
from flightlog.recorder.redaction.compiled import Engine, engine
from flightlog.recorder.redaction.custom import CustomFinder, checked, compile_custom, is_plain
from flightlog.recorder.redaction.escapes import Level, levels, snap, unescape
from flightlog.recorder.redaction.finder import Crowded, Finder, Found, places_max
from flightlog.recorder.rules import RULES, Rule, names
from flightlog.recorder.rules.rule import ODD_ESCAPE

__all__ = ["RULES", "Redacted", "Redactor", "Rule"]

PASSES_MAX = 5
CROWDED = "crowded"
WITHHELD_TEXT = "[WITHHELD: redaction failed]"

_HARD = frozenset(rule.name for rule in RULES if rule.hard)
_MARK = re.compile(rb"\[REDACTED:[a-z0-9-]+:[0-9a-f]{8}\]")
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"?', re.DOTALL)
_IDS = b"event_id|run_id|trace_id|span_id|parent_span_id|producer_id|created_at|type"
_ID_BEFORE = re.compile(rb'"(?:' + _IDS + rb')"\s*:\s*"$')
# Signs that somebody escaped for no reason in the outermost text. They are read first, as they could hide a key.
_WRITTEN_ODDLY = re.compile(rb"(?<!\\)(\\+)(" + ODD_ESCAPE.encode() + rb")")
_RANK = {rule.name: rank for rank, rule in enumerate(RULES)}


class Redacted(NamedTuple):
    """What came out: the bytes, how many secrets were replaced, and the names of the rules that found them."""

    data: bytes
    count: int  # type: ignore[assignment]  # tuple.count is not missed here
    rules: tuple[str, ...]


class _Finding(NamedTuple):
    """A secret at its place in the outermost bytes. `secret` is what it says once escapes are read."""

    start: int
    end: int
    rule: str
    secret: bytes


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
        return not self.enabled or not _merge(self._in_event(data), data)

    def _bind(self) -> None:
        self._engine = engine(self._keys, self._plain)
        self._first = self._engine.first if self.enabled else _nothing

    # From findings to bytes

    def _replace_all(self, data: bytes, look: Callable[[bytes], Iterable[_Finding]]) -> Redacted:
        """Replace until nothing is found any more: what comes out has been checked by the same rules."""
        count, rules = 0, set[str]()
        for _ in range(PASSES_MAX):
            found = _merge(look(data), data)
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

    def _mark(self, finding: _Finding) -> bytes:
        digest = hmac.digest(self._digest_key, finding.secret, "sha256").hex()[:8]
        return f"[REDACTED:{finding.rule}:{digest}]".encode()

    # Where to look

    def _in_event(self, data: bytes) -> Iterator[_Finding]:
        strings = _Strings(data)
        for finding in self._everywhere(data, strings):
            if finding.rule in _HARD or not strings.is_id(finding.start):
                yield finding

    def _everywhere(self, data: bytes, strings: _Strings) -> Iterator[_Finding]:
        """Findings across the strings as JSON shows them, then in each string that the first scan hits."""
        for rule, start, end in self._in_text((self._engine.structure,), data):
            start, end = snap(data, start, end)
            yield _Finding(start, end, rule, unescape(data[start:end]))
        every = range(len(strings.spans))
        for index in every if self._looks_into_all else strings.hit_by(self._engine.first):
            begin, finish = strings.spans[index]
            written = Level(data[begin:finish])
            for finding in self._in_string(written.inner() or written):
                yield finding._replace(start=begin + finding.start, end=begin + finding.end)

    def _in_plain_text(self, data: bytes) -> Iterable[_Finding]:
        return self._in_string(Level(data))

    def _in_string(self, said: Level) -> Iterable[_Finding]:
        """Findings in what a string says, at every level of escaping. A string too full to look at all is one finding."""
        try:
            return self._at_every_level(said)
        except Crowded:
            return (_Finding(*said.outer(0, len(said.text)), CROWDED, said.text),)

    def _at_every_level(self, said: Level) -> list[_Finding]:
        found: list[_Finding] = []
        most = places_max(said.text)
        for level in levels(said):
            if self._engine.first(level.text + b'"', 0)[0] < 0 and not self._looks_into_all:
                continue
            for rule, start, end in self._in_text((*self._engine.text, *self._custom), level.text, most):
                found.append(_Finding(*level.outer(start, end), rule, level.text[start:end]))
                if len(found) > most:
                    raise Crowded
        return found

    def _in_text(
        self, finders: Iterable[Finder | CustomFinder], text: bytes, most: int | None = None
    ) -> Iterator[Found]:
        """Findings in one level of a text, without earlier redactions and what is allowed."""
        marked = _marks(text)
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
                for string in _STRING.finditer(data)
                for level in levels(Level(unescape(string[1])))
                for finder in self._custom
                for _ in finder.find(level.text)
            )
        except Exception:
            return True


class _Strings:
    """The strings of an event: where their contents stand."""

    def __init__(self, data: bytes) -> None:
        self.spans = [found.span(1) for found in _STRING.finditer(data)]
        self._starts = [start for start, _ in self.spans]
        self._data = data

    def hit_by(self, first: Callable[[bytes, int], tuple[int, int]]) -> Iterator[int]:
        """The strings that a scan hits, each once."""
        position = index = 0
        while True:
            begin, end = first(self._data, position)
            if begin < 0:
                return
            index = max(bisect_right(self._starts, begin) - 1, index)
            if index < len(self.spans) and self.spans[index][1] < begin:
                index += 1
            position = max(end, begin + 1)
            while index < len(self.spans) and self._starts[index] - 1 < end:
                yield index
                position = self.spans[index][1]
                index += 1

    def is_id(self, position: int) -> bool:
        """Whether the value of one of the event's own ids stands here, at its top level."""
        index = bisect_right(self._starts, position) - 1
        start = self._starts[index] if index >= 0 else 0
        if not _ID_BEFORE.search(self._data[max(start - 64, 0) : start]):
            return False
        depth = behind = 0
        for begin, end in self.spans[:index]:
            between = self._data[behind : begin - 1]
            depth += between.count(b"{") + between.count(b"[") - between.count(b"}") - between.count(b"]")
            behind = end + 1
        return depth == 1


def _read(found: re.Match[bytes]) -> bytes:
    """The sign that is meant, unless the escape is itself escaped, or the sign has to be."""
    backslashes, meant = found[1], bytes([int(found[2][3:], 16)])
    return found[0] if len(backslashes) % 2 == 0 or meant == b"\\" else backslashes[:-1] + meant


def _nothing(data: bytes, position: int) -> tuple[int, int]:
    return -1, -1


def _merge(findings: Iterable[_Finding], data: bytes) -> list[_Finding]:
    """Findings that overlap become one, named after the widest; of equal ones after the rule that comes first."""
    merged: list[_Finding] = []
    for finding in sorted((f for f in findings if f.start < f.end), key=lambda f: (f.start, -f.end)):
        last = merged[-1] if merged else None
        if last is None or finding.start >= last.end:
            merged.append(finding)
            continue
        best = max(last, finding, key=lambda found: (found.end - found.start, -_RANK.get(found.rule, 0)))
        if finding[:2] == last[:2]:
            # Found again at a deeper level, where it says what it means.
            merged[-1] = best._replace(secret=finding.secret)
            continue
        end = max(last.end, finding.end)
        whole = best.start == last.start and best.end == end
        merged[-1] = best if whole else _Finding(last.start, end, best.rule, unescape(data[last.start : end]))
    return merged


def _marks(text: bytes) -> Callable[[int, int], bool]:
    """A function that tells whether a span lies in an earlier redaction."""
    spans = [found.span() for found in _MARK.finditer(text)] if b"[REDACTED:" in text else []
    starts = [start for start, _ in spans]

    def marked(start: int, end: int) -> bool:
        index = bisect_right(starts, start) - 1
        return index >= 0 and end <= spans[index][1]

    return marked


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
