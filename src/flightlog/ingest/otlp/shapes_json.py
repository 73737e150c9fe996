"""The shapes of OTLP in JSON, one for each message. Everything may be missing, and null stands for that.

A record stays text at first, so that what is wrong with one is no trouble for the others.
"""

from __future__ import annotations

import msgspec

Whole = int | str | None
Real = float | int | str | None


class _Shape(msgspec.Struct, rename="camel", gc=False):
    pass


class Value(_Shape):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Whole = None
    double_value: Real = None
    bytes_value: str | None = None
    array_value: Values | None = None
    kvlist_value: KeyValues | None = None


class Values(_Shape):
    values: list[Value | None] | None = None


class KeyValue(_Shape):
    key: str | None = None
    value: Value | None = None


class KeyValues(_Shape):
    values: list[KeyValue] | None = None


class Resource(_Shape):
    attributes: list[KeyValue] | None = None


class Scope(_Shape):
    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None


class _Part(_Shape):
    scope: Scope | None = None
    schema_url: str | None = None


class SpanPart(_Part):
    records: list[msgspec.Raw] | None = msgspec.field(name="spans", default=None)


class LogPart(_Part):
    records: list[msgspec.Raw] | None = msgspec.field(name="logRecords", default=None)


class MetricPart(_Part):
    records: list[msgspec.Raw] | None = msgspec.field(name="metrics", default=None)


class _Group(_Shape):
    resource: Resource | None = None
    schema_url: str | None = None


class SpanGroup(_Group):
    parts: list[SpanPart] | None = msgspec.field(name="scopeSpans", default=None)


class LogGroup(_Group):
    parts: list[LogPart] | None = msgspec.field(name="scopeLogs", default=None)


class MetricGroup(_Group):
    parts: list[MetricPart] | None = msgspec.field(name="scopeMetrics", default=None)


class Traces(_Shape):
    groups: list[SpanGroup] | None = msgspec.field(name="resourceSpans", default=None)


class Logs(_Shape):
    groups: list[LogGroup] | None = msgspec.field(name="resourceLogs", default=None)


class Metrics(_Shape):
    groups: list[MetricGroup] | None = msgspec.field(name="resourceMetrics", default=None)


class Status(_Shape):
    code: Whole = None
    message: str | None = None


class Event(_Shape):
    name: str | None = None
    time_unix_nano: Whole = None
    attributes: list[KeyValue] | None = None


class Link(_Shape):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[KeyValue] | None = None


class Span(_Shape):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    trace_state: str | None = None
    flags: Whole = None
    name: str | None = None
    kind: Whole = None
    start_time_unix_nano: Whole = None
    end_time_unix_nano: Whole = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Whole = None
    events: list[Event] | None = None
    dropped_events_count: Whole = None
    links: list[Link] | None = None
    dropped_links_count: Whole = None
    status: Status | None = None


class LogRecord(_Shape):
    time_unix_nano: Whole = None
    observed_time_unix_nano: Whole = None
    severity_number: Whole = None
    severity_text: str | None = None
    event_name: str | None = None
    body: Value | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: Whole = None
    trace_id: str | None = None
    span_id: str | None = None


class Exemplar(_Shape):
    time_unix_nano: Whole = None
    as_int: Whole = None
    as_double: Real = None
    filtered_attributes: list[KeyValue] | None = None
    trace_id: str | None = None
    span_id: str | None = None


class Buckets(_Shape):
    offset: Whole = None
    bucket_counts: list[Whole] | None = None


class Quantile(_Shape):
    quantile: Real = None
    value: Real = None


class Point(_Shape):
    """A data point of any kind: the kinds share most of their fields, and none means two things."""

    start_time_unix_nano: Whole = None
    time_unix_nano: Whole = None
    attributes: list[KeyValue] | None = None
    flags: Whole = None
    exemplars: list[Exemplar] | None = None
    as_int: Whole = None
    as_double: Real = None
    count: Whole = None
    sum: Real = None
    min: Real = None
    max: Real = None
    bucket_counts: list[Whole] | None = None
    explicit_bounds: list[Real] | None = None
    scale: Whole = None
    zero_count: Whole = None
    zero_threshold: Real = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    quantile_values: list[Quantile] | None = None


class Data(_Shape):
    data_points: list[Point] | None = None
    aggregation_temporality: Whole = None
    is_monotonic: bool | None = None


class Metric(_Shape):
    name: str | None = None
    description: str | None = None
    unit: str | None = None
    gauge: Data | None = None
    sum: Data | None = None
    histogram: Data | None = None
    exponential_histogram: Data | None = None
    summary: Data | None = None


traces = msgspec.json.Decoder(Traces)
logs = msgspec.json.Decoder(Logs)
metrics = msgspec.json.Decoder(Metrics)
span = msgspec.json.Decoder(Span)
log_record = msgspec.json.Decoder(LogRecord)
metric = msgspec.json.Decoder(Metric)

SPAN_KINDS = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
TEMPORALITIES = {
    f"AGGREGATION_TEMPORALITY_{name}": number for number, name in enumerate(("UNSPECIFIED", "DELTA", "CUMULATIVE"))
}
SEVERITIES = {"SEVERITY_NUMBER_UNSPECIFIED": 0} | {
    f"SEVERITY_NUMBER_{name}{step or ''}": 4 * place + max(step, 1)
    for place, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"))
    for step in (0, 2, 3, 4)
}


def enum(given: int | str | None, names: dict[str, int]) -> int:
    """The number of an enum's value; what is not known is kept as its number. Raises ValueError for an unknown name."""
    if isinstance(given, str):
        if given not in names:
            raise ValueError(f"{given!r:.80} is not one of {', '.join(names)}")
        return names[given]
    return given or 0
