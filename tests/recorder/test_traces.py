"""Traces come in by a header and go out by one; an event that is one already is recorded as it is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import flightlog
from flightlog.events.envelope import FLAG_REDACTED, FLAG_TRUNCATED, Event
from flightlog.recorder.traces import extract
from flightlog.testing import MemoryRecorder
from tests.recorder.spools import ListSink, drain_all
from tests.recorder.spools import drain as drain_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{SPAN}-01"


def test_a_run_goes_on_in_the_trace_that_the_headers_name() -> None:
    rec = MemoryRecorder()
    run = rec.run("answer", traceparent={"Accept": "*/*", "Traceparent": HEADER})
    assert (run.trace_id, run.parent_span_id) == (TRACE, SPAN)
    with rec.run("answer", traceparent=HEADER):
        pass
    assert [(one.trace_id, one.parent_span_id) for one in rec.events] == [(TRACE, SPAN)] * 2


def test_what_the_call_says_counts_more_than_the_headers() -> None:
    run = MemoryRecorder().run("answer", traceparent=HEADER, trace_id="f" * 32)
    assert (run.trace_id, run.parent_span_id) == ("f" * 32, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more",
    ],
)  # fmt: skip
def test_a_header_that_says_nothing_is_as_good_as_none(text: str) -> None:
    assert extract(text) is None
    assert MemoryRecorder().run("answer", traceparent=text).parent_span_id is None


def test_headers_of_all_kinds_are_read() -> None:
    for headers in ({b"traceparent": HEADER.encode()}, {"TRACEPARENT": [HEADER]}, {1: 2, "traceparent": f" {HEADER} "}):
        assert str(extract(headers)) == HEADER  # type: ignore[arg-type]
    assert str(extract(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings")) == HEADER
    assert extract({"traceparent": 7}) is None


def test_the_innermost_span_goes_out() -> None:
    rec = MemoryRecorder()
    assert rec.inject({}) == {}
    with rec.run("ask") as run:
        assert rec.inject({"a": "b"}) == {"a": "b", "traceparent": f"00-{run.trace_id}-{run.span_id}-01"}
        with run.span("call") as span:
            expected = {"traceparent": f"00-{run.trace_id}-{span.span_id}-01"}
            assert rec.inject({}) == run.inject({}) == span.inject({}) == expected
    assert run.inject({}) == {"traceparent": f"00-{run.trace_id}-{run.span_id}-01"}


def test_ids_that_no_header_can_hold_do_not_go_out() -> None:
    assert MemoryRecorder().run("ask", trace_id="mine").inject({}) == {}


def made(**fields: object) -> Event:
    given = {"event_id": "mine", "type": "note", "created_at": 5, "run_id": "r9", "trace_id": TRACE, "name": "n"}
    return msgspec.convert({**given, **fields}, Event)


def test_a_ready_made_event_keeps_its_id_times_and_run_and_is_numbered(tmp_path: Path) -> None:
    rec = flightlog.open(tmp_path, drain=False)
    with rec.run("another"):
        assert rec.take(made())
    rec.close()
    sink = ListSink()
    drain_all(drain_of(tmp_path / "spool", sink))
    event = sink.events["mine"]
    assert (event.created_at, event.run_id, event.trace_id, event.name) == (5, "r9", TRACE, "n")
    assert (event.producer_id, event.seq) == (rec.health().producer_id, 2)


def test_a_ready_made_event_is_redacted_and_truncated_as_every_other() -> None:
    rec = MemoryRecorder()
    key = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 4
    rec.take(made(payload=msgspec.Raw(msgspec.json.encode({"text": f"my key is {key}", "long": "x" * 200_000}))))
    [event] = rec.events
    assert event.flags == FLAG_REDACTED | FLAG_TRUNCATED
    assert key.encode() not in bytes(event.payload)
    assert len(bytes(event.payload)) <= rec.settings.payload_bytes_max


def test_text_that_is_none_is_mended() -> None:
    rec = MemoryRecorder()
    event = made()
    event.name = "half \ud83d"
    assert rec.take(event)
    assert rec.events[0].name == "half ?"


def test_a_ready_made_event_that_is_broken_is_counted_as_lost() -> None:
    rec = MemoryRecorder()
    event = made()
    event.name = object()  # type: ignore[assignment]
    assert not rec.take(event)
    assert rec.health().dropped == {"encode_failed": 1}
