"""Files of OpenTelemetry's protocol, in every form in which they are met.

JSON: one Export*ServiceRequest, or one a line, as the OpenTelemetry Collector's file exporter writes them. Protobuf: one
request, or several with the length before each, either as a varint (protobuf's own delimited form) or as four bytes, big-endian
(the file exporter's `format: proto`). Each of them may be gzip or Zstandard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from flightlog.config import MIB
from flightlog.errors import BodyInvalid, ServerExtraMissing
from flightlog.events.envelope import FLAG_IMPORTED, Event
from flightlog.ingest.importers.base import Problem
from flightlog.ingest.importers.framing import frames
from flightlog.ingest.importers.unpacking import DAMAGED, OnBytes, numbered_lines, unpacked
from flightlog.ingest.otlp import decode_json
from flightlog.ingest.otlp.decoded import Decoded
from flightlog.ingest.otlp.mapping import map_log, map_metric, map_resource, map_span, origin_of
from flightlog.ingest.otlp.mapping.own import OWN_KEY

FILE_BYTES_MAX = 512 * MIB  # of a file that is one request, and so has to be read whole
_PEEK_BYTES = 64 * 1024

Found = Iterator[Event | Problem]


class _Kinds(msgspec.Struct):
    """Which records a request in JSON holds."""

    resourceSpans: Any = msgspec.UNSET  # noqa: N815 - OTLP's own names
    resourceLogs: Any = msgspec.UNSET  # noqa: N815
    resourceMetrics: Any = msgspec.UNSET  # noqa: N815


_JSON: tuple[tuple[str, str, Callable[[bytes], Decoded[Any]]], ...] = (
    ("spans", "resourceSpans", decode_json.decode_traces),
    ("logs", "resourceLogs", decode_json.decode_logs),
    ("metrics", "resourceMetrics", decode_json.decode_metrics),
)


def read_otlp(path: Path, *, project: str = "default", on_bytes: OnBytes | None = None) -> Found:
    """The events of one file, and what could not be read of it. Raises OSError if the file can't be opened."""
    reader = _Reader(project)
    with unpacked(path, on_bytes) as file:
        try:
            head = file.peek(_PEEK_BYTES)[:_PEEK_BYTES]  # type: ignore[attr-defined]
            if head.lstrip()[:1] not in (b"{", b"\xef"):
                for where, body in frames(file, FILE_BYTES_MAX):
                    yield from [body] if isinstance(body, Problem) else reader.protobuf(where, body)
                return
            first = head.split(b"\n", 1)[0].strip()
            if first in (b"{", b"\xef\xbb\xbf{") or (b"\n" in head and not _is_whole(first)):
                body = file.read(FILE_BYTES_MAX + 1)
                if len(body) > FILE_BYTES_MAX:
                    yield Problem("file", f"one request of more than {FILE_BYTES_MAX} bytes")
                elif _is_whole(body):
                    yield from reader.json("file", body)
                else:  # no whole document: each line for itself, and the broken ones are named
                    for number, line in enumerate(body.split(b"\n"), 1):
                        if line.strip():
                            yield from reader.json(f"line {number}", line.strip())
                return
        except DAMAGED as error:
            yield Problem("file", f"it is cut off or damaged ({error or type(error).__name__})")
            return
        for found in numbered_lines(file, FILE_BYTES_MAX):
            if isinstance(found, Problem):
                yield found
            else:
                yield from reader.json(f"line {found[0]}", found[1])


def _is_whole(text: bytes) -> bool:
    try:
        msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


class _Reader:
    """Turns requests into events, and remembers which places it has described."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._described: set[str] = set()

    def json(self, where: str, body: bytes) -> Found:
        """The events of one request in JSON."""
        body = body.removeprefix(b"\xef\xbb\xbf")
        try:
            kinds = msgspec.json.decode(body, type=_Kinds)
        except (ValueError, RecursionError) as error:
            yield Problem(where, str(error) or type(error).__name__)
            return
        named = [(what, decode) for what, name, decode in _JSON if getattr(kinds, name) is not msgspec.UNSET]
        if not named:
            yield Problem(where, "it has neither resourceSpans nor resourceLogs nor resourceMetrics")
        for what, decode in named:
            yield from self._decoded(where, what, decode, body)

    def protobuf(self, where: str, body: bytes) -> Found:
        """The events of one request in protobuf, which does not say what its records are: spans have ids of 16 and 8 bytes,
        metrics have data."""
        try:
            from flightlog.ingest.otlp import decode_proto
        except ImportError:
            raise ServerExtraMissing(what="Reading OTLP in protobuf (JSON does without it)") from None
        tries = (
            ("spans", decode_proto.decode_traces),
            ("metrics", decode_proto.decode_metrics),
            ("logs", decode_proto.decode_logs),
        )
        for what, decode in tries:
            try:
                decoded: Decoded[Any] = decode(body)
            except BodyInvalid:
                continue
            if decoded.count:
                yield from self._events(where, what, decoded)
                return
        yield Problem(where, "it holds no spans, log records or metrics that can be read")

    def _decoded(self, where: str, what: str, decode: Callable[[bytes], Decoded[Any]], body: bytes) -> Found:
        try:
            yield from self._events(where, what, decode(body))
        except BodyInvalid as error:
            yield Problem(where, error.message)

    def _events(self, where: str, what: str, decoded: Decoded[Any]) -> Found:
        for reason in decoded.reasons:
            yield Problem(where, reason)
        if decoded.refused > len(decoded.reasons):
            yield Problem(where, f"and {decoded.refused - len(decoded.reasons)} more records")
        seen: dict[str, int] = {}
        for group in decoded.groups:
            origin = origin_of(group.attributes, group.schema_url, self._project)
            for part in group.parts:
                for record in part.records:
                    own = OWN_KEY in getattr(record, "attributes", ())
                    if what == "spans":
                        events = map_span(record, part.scope, origin)
                    elif what == "metrics":
                        events = [map_metric(record, part.scope, origin)]
                    else:
                        events = map_log(record, part.scope, origin, 0)
                    if what == "logs" and not own:  # equal records of one request are told apart by their number
                        first = events[0].event_id
                        ordinal = seen[first] = seen.get(first, -1) + 1
                        events = map_log(record, part.scope, origin, ordinal) if ordinal else events
                    if own:
                        yield from events
                        continue
                    for place in [place for place in origin.places.values() if place.digest not in self._described]:
                        self._described.add(place.digest)
                        yield _imported(map_resource(origin, place, events[0].created_at))
                    yield from map(_imported, events)


def _imported(event: Event) -> Event:
    event.flags |= FLAG_IMPORTED
    return event
