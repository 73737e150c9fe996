"""Spans, log records and metrics as OTLP carries them, whatever their encoding: what decoders make and mappings read.

Ids are lower-case hex, times nanoseconds since 1970. Attribute values are plain Python: str, bool, int, float, None, lists
and dicts of these; bytes have become base64 text. Field meanings: opentelemetry-proto 1.10, `trace.proto`, `logs.proto`,
`metrics.proto`.
"""

from __future__ import annotations

from typing import Any

import msgspec

# Span.flags of OTLP: whether it is known that the parent is in another process, and whether it is.
PARENT_REMOTE_KNOWN = 0x100
PARENT_REMOTE = 0x200

STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2
KINDS: tuple[str, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")


class Scope(msgspec.Struct, gc=False):
    """The instrumentation that made a batch of records."""

    name: str = ""
    version: str = ""
    attributes: dict[str, Any] = {}
    schema_url: str = ""

    @property
    def label(self) -> str:
        """Name and version as one text.

        >>> Scope("openinference.instrumentation.openai", "0.1.66").label
        'openinference.instrumentation.openai@0.1.66'
        """
        return f"{self.name}@{self.version}" if self.version else self.name


class Place(msgspec.Struct, frozen=True):
    """Where events come from that have this in common; `digest` is what they name it by."""

    digest: str
    scope: Scope
    dialect: str


class Origin(msgspec.Struct):
    """Where records come from: the resource, and what is derived from it once for all of its records.

    `digest` is of its attributes; empty where it has none. `places` are those that its events have named so far, by scope and
    dialect, in the order in which they came up.
    """

    project: str = "default"
    source: str | None = None
    actor: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    digest: str = ""
    attributes: dict[str, Any] = {}
    schema_url: str = ""
    places: dict[tuple[str, ...], Place] = {}


class Link(msgspec.Struct, gc=False):
    """Another span that a span has to do with."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any] = {}


class SpanEvent(msgspec.Struct, gc=False):
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: dict[str, Any] = {}


class Span(msgspec.Struct, gc=False):
    """One finished span."""

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str | None = None
    kind: int = 0
    status: int = STATUS_UNSET
    status_message: str = ""
    attributes: dict[str, Any] = {}
    events: list[SpanEvent] = []
    links: list[Link] = []
    flags: int = 0
    trace_state: str = ""
    dropped: int = 0  # attributes, events and links that the sender left out

    @property
    def is_root(self) -> bool:
        """Whether the work of its process begins with it: it has no parent, or one elsewhere."""
        return self.parent_span_id is None or self.flags & PARENT_REMOTE != 0


class LogRecord(msgspec.Struct, gc=False):
    """One log record. `time_ns` is when it happened, else when it was seen, else 0."""

    time_ns: int
    event_name: str = ""
    severity: int = 0  # 1–24, as OpenTelemetry counts
    severity_text: str = ""
    body: Any = None
    attributes: dict[str, Any] = {}
    trace_id: str | None = None
    span_id: str | None = None
    dropped: int = 0


class Metric(msgspec.Struct):
    """One metric with its data points, each a dict: `start_ns`, `time_ns`, `attributes`, and `value` or the distribution."""

    name: str
    kind: str  # gauge, sum, histogram, exponential_histogram, summary
    description: str = ""
    unit: str = ""
    temporality: str | None = None  # delta, cumulative
    monotonic: bool | None = None
    points: list[dict[str, Any]] = []
