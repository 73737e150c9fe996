"""What both decoders do: the same with the same message, and with a bad record among good ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from flightlog.errors import BodyInvalid
from flightlog.ingest.otlp import decode_json, decode_proto
from flightlog.ingest.otlp.decoded import VALUE_DEPTH_MAX, Decoded
from tests.ingest.otlp.requests import SECOND, START, TRACE, as_json, logs, metrics, pairs, span, traces

Decode = Callable[[Any], Decoded[Any]]

SAMPLES = Path("/work/shared/samples")


def proto(request: Any) -> Decoded[Any]:
    return getattr(decode_proto, _name(request))(request.SerializeToString())


def json(request: Any) -> Decoded[Any]:
    return getattr(decode_json, _name(request))(as_json(request))


def _name(request: Any) -> str:
    signal = type(request).__name__.removeprefix("Export").removesuffix("ServiceRequest").lower()
    return "decode_traces" if signal == "trace" else f"decode_{signal}"


both = pytest.mark.parametrize("decode", [proto, json])


def only(decoded: Decoded[Any]) -> Any:
    assert not decoded.refused, decoded.reasons
    [group] = decoded.groups
    [part] = group.parts
    [record] = part.records
    return record


@both
def test_a_span_is_read_whole(decode: Decode) -> None:
    sent = span(
        7,
        {"text": "a", "empty": "", "zero": 0, "number": 5, "truth": False, "share": 0.5, "raw": b"\xff", "none": None},
        parent_span_id=bytes(7) + b"\x01",
        kind=Span.SPAN_KIND_CLIENT,
        flags=0x301,
        trace_state="a=b",
        status=Status(code=Status.STATUS_CODE_ERROR, message="timeout"),
        events=[Span.Event(name="retry", time_unix_nano=START, attributes=pairs({"n": [1, {"deep": "x"}]}))],
        links=[Span.Link(trace_id=TRACE, span_id=bytes(7) + b"\x02", attributes=pairs({"why": "batch"}))],
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    decoded = decode(traces(sent, resource={"service.name": "shop", "list": ["a", 1]}))
    found = only(decoded)
    assert msgspec.to_builtins(found) == {
        "trace_id": TRACE.hex(),
        "span_id": "0000000000000007",
        "name": "step 7",
        "start_ns": START + 7 * SECOND,
        "end_ns": START + 8 * SECOND,
        "parent_span_id": "0000000000000001",
        "kind": 3,
        "status": 2,
        "status_message": "timeout",
        "attributes": {
            "text": "a", "empty": "", "zero": 0, "number": 5, "truth": False, "share": 0.5, "raw": "/w==", "none": None,
        },
        "events": [{"name": "retry", "time_ns": START, "attributes": {"n": [1, {"deep": "x"}]}}],
        "links": [{"trace_id": TRACE.hex(), "span_id": "0000000000000002", "attributes": {"why": "batch"}}],
        "flags": 0x301,
        "trace_state": "a=b",
        "dropped": 6,
    }  # fmt: skip
    assert found.attributes["truth"] is False
    [group] = decoded.groups
    assert group.attributes == {"service.name": "shop", "list": ["a", 1]}
    assert (group.schema_url, group.parts[0].scope.label) == ("https://opentelemetry.io/schemas/1.37.0", "tests@1.0")


@both
def test_a_log_record_happened_when_it_says_else_when_it_was_seen(decode: Decode) -> None:
    told = LogRecord(
        time_unix_nano=5,
        observed_time_unix_nano=9,
        severity_number=17,
        severity_text="ERROR",
        event_name="acme.thing",
        body=pairs({"body": {"a": [1, None]}})[0].value,
        trace_id=TRACE,
        span_id=bytes(7) + b"\x01",
    )
    found = only(decode(logs(told)))
    assert (found.time_ns, found.severity, found.severity_text, found.event_name) == (5, 17, "ERROR", "acme.thing")
    assert (found.body, found.trace_id, found.span_id) == ({"a": [1, None]}, TRACE.hex(), "0000000000000001")
    seen = only(decode(logs(LogRecord(observed_time_unix_nano=9))))
    assert (seen.time_ns, seen.body, seen.trace_id, seen.span_id) == (9, None, None, None)


@both
def test_every_kind_of_metric_is_read(decode: Decode) -> None:
    gauge, total, spread, wide, summary = Metric(name="g"), Metric(name="s"), Metric(), Metric(), Metric()
    gauge.gauge.data_points.add(time_unix_nano=2, as_double=math.nan, attributes=pairs({"k": "v"}))
    total.sum.is_monotonic, total.sum.aggregation_temporality = True, 2
    total.sum.data_points.add(time_unix_nano=2, start_time_unix_nano=1, as_int=5)
    spread.histogram.aggregation_temporality = 1
    spread.histogram.data_points.add(count=3, sum=4.5, min=0, bucket_counts=[1, 2], explicit_bounds=[1.0])
    point = wide.exponential_histogram.data_points.add(count=3, scale=-2, zero_count=1, zero_threshold=0.1)
    point.positive.offset, point.positive.bucket_counts[:] = 4, [2]
    point.exemplars.add(as_int=3, time_unix_nano=9, trace_id=TRACE)
    summary.summary.data_points.add(count=1, sum=2).quantile_values.add(quantile=0.5, value=2)
    decoded = decode(metrics(gauge, total, spread, wide, summary))
    assert not decoded.reasons
    first, second, third, fourth, fifth = decoded.groups[0].parts[0].records
    assert (first.kind, first.points[0]["value"], first.points[0]["attributes"]) == ("gauge", "NaN", {"k": "v"})
    assert (second.monotonic, second.temporality, second.points[0]["value"]) == (True, "cumulative", 5)
    assert (third.temporality, third.points[0]["bucket_counts"]) == ("delta", [1, 2])
    assert (third.points[0]["min"], third.points[0]["max"], third.points[0]["sum"]) == (0, None, 4.5)
    assert fourth.points[0]["positive"] == {"offset": 4, "bucket_counts": [2]}
    assert fourth.points[0]["exemplars"][0]["value"] == 3
    assert fifth.points[0]["quantiles"] == [{"quantile": 0.5, "value": 2.0}]


@both
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (span(2, trace_id=b"\x01" * 15), "its trace id has 15 bytes, not 16"),
        (span(2, trace_id=b""), "its trace id has 0 bytes"),
        (span(2, trace_id=bytes(16)), "its trace id is all zeros"),
        (span(2, span_id=b"\x01" * 9), "its span id has 9 bytes, not 8"),
        (span(2, span_id=bytes(8)), "its span id is all zeros"),
        (span(2, parent_span_id=b"\x01"), "its parent span id has 1 bytes, not 8"),
        (span(2, end_time_unix_nano=START), "before it starts"),
        (span(2, end_time_unix_nano=0), "it has no end"),
        (span(2, start_time_unix_nano=0), "it has no start"),
        (span(2, end_time_unix_nano=2**64 - 1), "does not fit in 64 bits"),
        (span(2, events=[Span.Event(time_unix_nano=2**63)]), "does not fit in 64 bits"),
    ],
)
def test_a_bad_span_is_refused_with_its_reason_and_its_neighbours_are_kept(
    decode: Decode, bad: Span, reason: str
) -> None:
    decoded = decode(traces(span(1), bad, span(3)))
    assert [one.name for one in decoded.groups[0].parts[0].records] == ["step 1", "step 3"]
    assert (decoded.refused, decoded.count) == (1, 2)
    assert reason in decoded.reasons[0]
    assert decoded.reasons[0].startswith("span 1 of its scope: ")


@both
def test_a_parent_of_zeros_is_none(decode: Decode) -> None:
    assert only(decode(traces(span(1, parent_span_id=bytes(8))))).parent_span_id is None


@both
def test_numbers_that_json_has_not_become_their_names(decode: Decode) -> None:
    found = only(decode(traces(span(1, {"a": math.nan, "b": [math.inf, -math.inf]}))))
    assert found.attributes == {"a": "NaN", "b": ["Infinity", "-Infinity"]}
    msgspec.json.encode(found.attributes)


@both
def test_a_bomb_of_nesting_is_refused_and_its_neighbours_are_kept(decode: Decode) -> None:
    def nested(depth: int) -> Any:
        value: Any = "x"
        for level in range(depth):
            value = [value] if level % 2 else {"k": value}
        return value

    decoded = decode(
        traces(span(1, {"deep": nested(VALUE_DEPTH_MAX)}), span(2, {"deep": nested(VALUE_DEPTH_MAX + 1)}), span(3))
    )
    assert (decoded.count, decoded.refused) == (2, 1)
    assert "nested deeper" in decoded.reasons[0]


@both
def test_only_the_first_reasons_are_kept_but_all_are_counted(decode: Decode) -> None:
    decoded = decode(traces(*[span(number, trace_id=b"") for number in range(1, 100)]))
    assert (decoded.refused, len(decoded.reasons)) == (99, 20)


@both
def test_nothing_is_nothing(decode: Decode) -> None:
    assert decode(traces()).count == 0
    assert decode(metrics()).count == 0


@both
def test_a_metric_without_data_is_refused(decode: Decode) -> None:
    assert decode(metrics(Metric(name="m"))).refused == 1


# ── the two of them ──────────────────────────────────────────────────────────────────────────────────────────────────

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | text | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
attributes = st.dictionaries(text, values, max_size=4).map(pairs)
moments = st.sampled_from([0, 1, START, START + 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
ids = st.sampled_from([b"", bytes(8), bytes(16), TRACE, TRACE[:8], b"\x01"])
spans = st.builds(
    Span,
    trace_id=st.just(TRACE) | ids,
    span_id=st.binary(min_size=8, max_size=8) | ids,
    parent_span_id=ids,
    name=text,
    kind=st.integers(0, 5),
    start_time_unix_nano=st.just(1) | moments,
    end_time_unix_nano=st.just(START) | moments,
    attributes=attributes,
    status=st.builds(Status, code=st.integers(0, 2), message=text),
    events=st.lists(st.builds(Span.Event, name=text, time_unix_nano=moments, attributes=attributes), max_size=2),
    links=st.lists(st.builds(Span.Link, trace_id=ids, span_id=ids, attributes=attributes), max_size=2),
    flags=st.integers(0, 2**32 - 1),
    trace_state=text,
    dropped_events_count=st.integers(0, 2**32 - 1),
)
records = st.builds(
    LogRecord,
    time_unix_nano=moments,
    observed_time_unix_nano=moments,
    severity_number=st.integers(0, 24),
    severity_text=text,
    event_name=text,
    attributes=attributes,
    body=st.none() | values.map(lambda value: pairs({"body": value})[0].value),
    trace_id=ids,
    span_id=ids,
)
checked = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@checked
@given(st.lists(spans, max_size=4))
def test_spans_decode_alike_from_both_encodings(sent: list[Span]) -> None:
    request = traces(*sent)
    one, other = proto(request), json(request)
    assert (one.groups, one.refused) == (other.groups, other.refused)
    assert one.count + one.refused == len(sent)
    msgspec.json.encode(one)


@checked
@given(st.lists(records, max_size=4))
def test_log_records_decode_alike_from_both_encodings(sent: list[LogRecord]) -> None:
    request = logs(*sent)
    one, other = proto(request), json(request)
    assert (one.groups, one.refused) == (other.groups, other.refused)


@checked
@given(st.binary(max_size=300))
def test_garbage_is_refused_as_a_whole_or_by_record_and_never_otherwise(body: bytes) -> None:
    for decoder in (decode_proto, decode_json):
        for name in ("decode_traces", "decode_logs", "decode_metrics"):
            try:
                getattr(decoder, name)(body)
            except BodyInvalid:
                pass


@checked
@given(st.data())
def test_a_damaged_request_never_fails_otherwise(data: st.DataObject) -> None:
    for request in (traces(span(1, {"a": ["x", {"b": 1.5}]}), span(2)), logs(LogRecord(time_unix_nano=1))):
        for body, decoder in ((request.SerializeToString(), decode_proto), (as_json(request), decode_json)):
            damaged = bytearray(body)
            for _ in range(data.draw(st.integers(1, 3))):
                damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
            try:
                getattr(decoder, _name(request))(bytes(damaged))
            except BodyInvalid:
                pass


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded requests are not on this machine")
@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("otlp-*-replay/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_recorded_requests_decode_alike_from_both_encodings(path: Path) -> None:
    name = "decode_logs" if path.name.startswith("logs") else "decode_traces"
    one = getattr(decode_json, name)(path.read_bytes())
    other = getattr(decode_proto, name)(path.with_suffix(".pb").read_bytes())
    assert one == other
    assert (one.refused, one.count > 0) == (0, True)
