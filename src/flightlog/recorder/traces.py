"""Where a trace comes from and goes to, in headers: `traceparent` of W3C Trace Context, version 00."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

from flightlog.recorder.context import current_scope

HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class TraceParent(NamedTuple):
    """The trace that a caller is in, and the span of his that ours hang under."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.is_sampled else 0:02x}"


def extract(carrier: Mapping[str, object] | str | None) -> TraceParent | None:
    """What the headers, or the header's own text, say; None where they say nothing that can be read.

    >>> extract({"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}).span_id
    'b7ad6b7169203331'
    >>> extract("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
    True
    """
    text = carrier if isinstance(carrier, str) else _header(carrier)
    found = _FORM.fullmatch(text.strip()) if text is not None else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def inject(headers: MutableMapping[str, str], trace_id: str | None, span_id: str | None) -> MutableMapping[str, str]:
    """Put the header in, where these ids are such that it can hold them; gives the headers back."""
    parent = extract(f"00-{trace_id}-{span_id}-01")
    if parent is not None:
        headers[HEADER] = str(parent)
    return headers


def trace_to_join(
    carrier: Mapping[str, object] | str | None, parent_span_id: str | None
) -> tuple[str | None, str | None]:
    """The trace that a run which begins here is part of, and the span that it hangs under: as the headers say, else as it is
    in the calling code. None where it begins a trace of its own."""
    parent = extract(carrier)
    if parent is not None:
        return parent.trace_id, parent_span_id or parent.span_id
    scope = current_scope()
    if scope is not None and (trace_id := scope.trace) is not None:
        return trace_id, parent_span_id or scope.span_id
    return None, parent_span_id


def _header(carrier: object) -> str | None:
    """The header in whatever holds headers: the names of some are bytes, of some in capitals, the values of some lists."""
    if not isinstance(carrier, Mapping):
        return None
    for name, value in carrier.items():
        word = name.decode("latin-1") if isinstance(name, bytes) else name
        if isinstance(word, str) and word.lower() == HEADER:
            one = value[0] if isinstance(value, list | tuple) and value else value
            return one.decode("latin-1") if isinstance(one, bytes) else one if isinstance(one, str) else None
    return None
