"""Events as OTLP in JSON: lines of Export{Trace,Logs}ServiceRequest, as the OpenTelemetry Collector's file exporter writes them.

What has a beginning and an end is a span (a run, a span, a model's answer, a tool's result), anything else a log record. Both
say in OpenTelemetry's words what those have words for, and carry the event as it was in the attribute `flightlog.event`, so that
another Flightlog holds the same event afterwards and nothing is lost between.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from flightlog.events.envelope import StoredEvent
from flightlog.events.spans import usual_kind, usual_name
from flightlog.exports.lines import line
from flightlog.exports.otlp_genai import model_call, tool_result
from flightlog.exports.otlp_values import any_value, key_values
from flightlog.ingest.otlp.mapping.own import OWN_KEY
from flightlog.version import __version__

SPANS = frozenset({"run_finished", "span_finished", "llm_response", "tool_result"})
REQUEST_BYTES_MAX = 2 * 1024 * 1024  # of events in one line, before what surrounds them
OPEN_MAX, OPEN_BYTES_MAX = 4_096, 32 * 1024 * 1024

_OPENERS = {"llm_request": "llm_response", "tool_call": "tool_result", "span_started": "span_finished"}
_SEVERITIES = {"debug": 5, "info": 9, "warn": 13, "error": 17}
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_SCOPE = {"name": "flightlog", "version": __version__}
_HEX = frozenset("0123456789abcdef")
_encode = msgspec.json.Encoder().encode

Record = dict[str, Any]


def requests(pages: Iterable[list[StoredEvent]]) -> Iterator[bytes]:
    """The lines, each a request with about REQUEST_BYTES_MAX bytes of events at most, spans and log records apart."""
    opened = _Opened()
    for page in pages:
        made, size = _Requests(), 0
        for event in page:
            if event.type in SPANS:
                made.spans.setdefault((event.project, event.source), []).append(_span(event, opened))
            else:
                opened.keep(event)
                made.logs.setdefault((event.project, event.source), []).append(_log(event))
            size += event.payload_bytes
            if size > REQUEST_BYTES_MAX:
                yield made.lines()
                made, size = _Requests(), 0
        yield made.lines()


class _Requests:
    """The records of a stretch, by resource."""

    def __init__(self) -> None:
        self.spans: dict[tuple[str, str | None], list[Record]] = {}
        self.logs: dict[tuple[str, str | None], list[Record]] = {}

    def lines(self) -> bytes:
        lines = b""
        for records, outer, inner, kind in (
            (self.logs, "resourceLogs", "scopeLogs", "logRecords"),  # first: what began is among them
            (self.spans, "resourceSpans", "scopeSpans", "spans"),
        ):
            if records:
                groups = [
                    {"resource": _resource(*named), inner: [{"scope": _SCOPE, kind: some}]}
                    for named, some in records.items()
                ]
                lines += _encode({outer: groups}) + b"\n"
        return lines


class _Opened:
    """What began and has not ended yet, so that a span says what it was asked; the oldest are forgotten when it is too much."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str | None, str, str], bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, event: StoredEvent) -> None:
        ends_as = _OPENERS.get(event.type)
        key = self._key(event)
        if ends_as is None or key is None:
            return
        self._kept[event.run_id, ends_as, key] = payload = bytes(event.payload)
        self._bytes += len(payload)
        while len(self._kept) > OPEN_MAX or self._bytes > OPEN_BYTES_MAX:
            self._bytes -= len(self._kept.popitem(last=False)[1])

    def take(self, event: StoredEvent) -> dict[str, Any]:
        """The payload of the event that this one ends; empty where there is none."""
        payload = self._kept.pop((event.run_id, event.type, self._key(event) or ""), None)
        if payload is None:
            return {}
        self._bytes -= len(payload)
        return _object(payload)

    @staticmethod
    def _key(event: StoredEvent) -> str | None:
        return event.span_id if event.type.startswith("span_") else event.correlation_id


def _resource(project: str, source: str | None) -> Record:
    return {"attributes": key_values({"service.name": source, "flightlog.project": project})}


def _span(event: StoredEvent, opened: _Opened) -> Record:
    said, asked = _object(event.payload), opened.take(event)
    otlp: dict[str, Any] | None = said["otlp"] if isinstance(said.get("otlp"), dict) else None
    # A recorder's call and tool name the span that they happened in; every other names its own.
    own = otlp is not None or event.type in ("run_finished", "span_finished")
    named = otlp or {}
    end = max(event.created_at, 1)
    made: Record = {
        "traceId": trace_id_of(event),
        "spanId": _span_id(event.span_id, event) if own else _digest(event.event_id, 16),
        "name": str(named.get("name") or usual_name(event.type, event.name, _operation(said, asked)) or event.type),
        "kind": _KINDS.get(named.get("kind") or usual_kind(event.type), 1),
        "startTimeUnixNano": str(max(end - (event.duration_ns or 0), 1)),
        "endTimeUnixNano": str(end),
    }
    parent = event.parent_span_id if own else event.span_id
    if parent:
        made["parentSpanId"] = _span_id(parent, event)
    attributes = _attributes(said, asked)
    if event.type == "llm_response":
        attributes |= model_call(said, asked)
        if attributes.get("gen_ai.request.model") is None and event.name != named.get("name"):
            attributes["gen_ai.request.model"] = event.name  # the event is named after it, and so does not repeat it
    elif event.type == "tool_result":
        attributes |= tool_result(said, asked, event.name)
    error = said.get("error")
    failed = event.status in ("error", "failed")
    if isinstance(error, dict):
        attributes["error.type"] = error.get("kind") or error.get("type") or "_OTHER"
    if failed or error:
        message = error.get("message") if isinstance(error, dict) else error
        made["status"] = {"code": 2} | ({"message": message} if isinstance(message, str) else {})
    made["attributes"] = key_values(attributes | _ours(event))
    return made


def _operation(said: dict[str, Any], asked: dict[str, Any]) -> Any:
    return said.get("operation") or asked.get("operation") or "chat"


def _log(event: StoredEvent) -> Record:
    made: Record = {
        "timeUnixNano": str(event.created_at),
        "observedTimeUnixNano": str(event.received_at),
        "severityNumber": _SEVERITIES.get(event.level, 9),
        "severityText": event.level,
        "eventName": f"flightlog.{event.type}",
        "body": any_value(_object(event.payload)),
        "attributes": key_values(_ours(event)),
    }
    if event.trace_id or event.run_id:
        made["traceId"] = trace_id_of(event)
        if event.span_id:
            made["spanId"] = _span_id(event.span_id, event)
    return made


def _attributes(said: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The attributes that a span was given at its start and at its end."""
    made: dict[str, Any] = {}
    for payload in (asked, said):
        if isinstance(payload.get("attributes"), dict):
            made |= payload["attributes"]
    return made


def _ours(event: StoredEvent) -> dict[str, Any]:
    return {
        "flightlog.run.id": event.run_id,
        "flightlog.task.id": event.task_id,
        "flightlog.actor": event.actor,
        OWN_KEY: line(event).decode(),
    }


def trace_id_of(event: StoredEvent) -> str:
    """The trace's id; where the event has none, or one that is not OpenTelemetry's, one made of what it has."""
    return _id(event.trace_id, 32) or _digest(event.trace_id or event.run_id or event.event_id, 32)


def _span_id(given: str | None, event: StoredEvent) -> str:
    return _id(given, 16) or _digest(given or event.event_id, 16)


def _id(given: str | None, digits: int) -> str | None:
    if given is None or len(given) != digits or not _HEX.issuperset(given) or given.strip("0") == "":
        return None
    return given


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]


def _object(payload: Any) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
