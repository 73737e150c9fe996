"""Where secrets stand in an event: its strings, the places of earlier redactions, and findings that overlap."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from flightlog.recorder.redaction.escapes import unescape
from flightlog.recorder.redaction.finder import Span
from flightlog.recorder.rules import RULES

STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"?', re.DOTALL)
_MARK = re.compile(rb"\[REDACTED:[a-z0-9-]+:[0-9a-f]{8}\]")
_IDS = b"event_id|run_id|trace_id|span_id|parent_span_id|producer_id|created_at|type"
_ID_BEFORE = re.compile(rb'"(?:' + _IDS + rb')"\s*:\s*"$')
_RANK = {rule.name: rank for rank, rule in enumerate(RULES)}


class Finding(NamedTuple):
    """A secret at its place in the outermost bytes. `secret` is what it says once escapes are read."""

    start: int
    end: int
    rule: str
    secret: bytes


class Strings:
    """The strings of an event: where their contents stand."""

    def __init__(self, data: bytes) -> None:
        self.spans = [found.span(1) for found in STRING.finditer(data)]
        self._starts = [start for start, _ in self.spans]
        self._data = data

    def hit_by(self, first: Callable[[bytes, int], Span]) -> Iterator[int]:
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


def merge(findings: Iterable[Finding], data: bytes) -> list[Finding]:
    """Findings that overlap become one, named after the widest; of equal ones after the rule that comes first."""
    merged: list[Finding] = []
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
        merged[-1] = best if whole else Finding(last.start, end, best.rule, unescape(data[last.start : end]))
    return merged


def marks(text: bytes) -> Callable[[int, int], bool]:
    """A function that tells whether a span lies in an earlier redaction."""
    spans = [found.span() for found in _MARK.finditer(text)] if b"[REDACTED:" in text else []
    starts = [start for start, _ in spans]

    def marked(start: int, end: int) -> bool:
        index = bisect_right(starts, start) - 1
        return index >= 0 and end <= spans[index][1]

    return marked
