"""What only JSON can say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flightlog.errors import BodyInvalid
from flightlog.ingest.otlp import decode_json
from flightlog.ingest.otlp.model import Span

SAMPLES = Path("/work/shared/samples/otlp-proto-examples")
GOOD: dict[str, Any] = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "name": "n",
    "startTimeUnixNano": "1544712660000000000",
    "endTimeUnixNano": 1544712661000000000,
}


def body(*spans: object) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def one(**fields: Any) -> Span:
    decoded = decode_json.decode_traces(body({**GOOD, **fields}))
    assert not decoded.reasons
    return decoded.groups[0].parts[0].records[0]


def reason(**fields: Any) -> str:
    decoded = decode_json.decode_traces(body(GOOD, {**GOOD, **fields}, GOOD))
    assert (decoded.count, decoded.refused) == (2, 1)
    return decoded.reasons[0]


def test_ids_are_hex_of_either_case_and_times_texts_or_numbers() -> None:
    found = one()
    assert (found.trace_id, found.span_id) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    assert (found.start_ns, found.end_ns) == (1544712660000000000, 1544712661000000000)


def test_enums_are_numbers_or_names() -> None:
    assert (one(kind=3).kind, one(kind="SPAN_KIND_CLIENT").kind) == (3, 3)
    assert one(status={"code": "STATUS_CODE_ERROR"}).status == one(status={"code": 2}).status == 2
    assert "SPAN_KIND_SERVER" in reason(kind="SERVER")


def test_unknown_keys_and_nulls_are_passed_over() -> None:
    found = one(fromTheFuture={"a": [1]}, attributes=None, status=None, events=None, parentSpanId=None, kind=None)
    assert (found.attributes, found.events, found.parent_span_id) == ({}, [], None)


def test_whole_numbers_and_reals_come_as_texts_too() -> None:
    sent = [
        {"key": "a", "value": {"intValue": "9007199254740993"}},
        {"key": "b", "value": {"intValue": 7}},
        {"key": "c", "value": {"doubleValue": "NaN"}},
        {"key": "d", "value": {"doubleValue": "1.5"}},
        {"key": "e", "value": {"doubleValue": 2}},
        {"key": "f", "value": {"bytesValue": "_-8"}},
    ]
    found = one(attributes=sent).attributes
    assert found == {"a": 9007199254740993, "b": 7, "c": "NaN", "d": 1.5, "e": 2.0, "f": "/+8="}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"startTimeUnixNano": -5}, "negative"),
        ({"startTimeUnixNano": "-5"}, "negative"),
        ({"endTimeUnixNano": 2**64}, "does not fit in 64 bits"),
        ({"endTimeUnixNano": "soon"}, "not a whole number"),
        ({"traceId": "xyz"}, "not hex"),
        ({"traceId": 5}, "Expected"),
        ({"spanId": "eee1"}, "its span id has 2 bytes"),
        ({"attributes": [{"key": "a", "value": {"intValue": "99999999999999999999"}}]}, "does not fit in 64 bits"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "much"}}]}, "not a number"),
        ({"attributes": [{"key": "a", "value": {"bytesValue": "?"}}]}, "base64"),
        ({"attributes": {"a": 1}}, "Expected"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_with_its_reason(fields: dict[str, Any], why: str) -> None:
    assert why in reason(**fields)


def test_half_a_letter_becomes_a_mark_and_whole_ones_stay() -> None:
    text = body({**GOOD, "name": "cut here: \ud83d"}, {**GOOD, "name": "\ude80\U0001f680 \\ud83d"})
    first, second = decode_json.decode_traces(text).groups[0].parts[0].records
    assert (first.name, second.name) == ("cut here: \ufffd", "\ufffd\U0001f680 \\ud83d")


def test_a_text_that_is_not_utf8_refuses_its_record_alone() -> None:
    text = body(GOOD, {**GOOD, "name": "HERE"}, GOOD).replace(b"HERE", b"\xff\xfe")
    decoded = decode_json.decode_traces(text)
    assert (decoded.count, decoded.refused) == (2, 1)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"resourceSpans": 5}', body(GOOD)[:-5], b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_refused_as_a_whole(text: bytes) -> None:
    with pytest.raises(BodyInvalid, match="OTLP in JSON"):
        decode_json.decode_traces(text)


def test_a_bomb_of_brackets_in_a_record_is_refused() -> None:
    bomb = b'{"arrayValue":{"values":[' * 50_000 + b"]}}" * 50_000
    text = body(GOOD, {**GOOD, "attributes": [{"key": "a", "value": "HERE"}]}).replace(b'"HERE"', bomb)
    with pytest.raises(BodyInvalid, match="recursion"):
        decode_json.decode_traces(text)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the canonical examples are not on this machine")
def test_the_canonical_examples_are_read() -> None:
    [span] = decode_json.decode_traces((SAMPLES / "trace.json").read_bytes()).groups[0].parts[0].records
    assert (span.name, span.parent_span_id, span.kind) == ("I'm a server span", "eee19b7ec3c1b173", 2)
    assert span.attributes == {"my.span.attr": "some value"}
    [record] = decode_json.decode_logs((SAMPLES / "logs.json").read_bytes()).groups[0].parts[0].records
    assert record.body == "Example log record"
    assert record.attributes["map.attribute"] == {"some.map.key": "some value"}
    [event] = decode_json.decode_logs((SAMPLES / "events.json").read_bytes()).groups[0].parts[0].records
    assert (event.event_name, event.body["type"]) == ("browser.page_view", 0)
    found = decode_json.decode_metrics((SAMPLES / "metrics.json").read_bytes())
    kinds = [metric.kind for metric in found.groups[0].parts[0].records]
    assert kinds == ["sum", "gauge", "histogram", "exponential_histogram"]
    assert not found.reasons
