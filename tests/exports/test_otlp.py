"""OTLP says to others what a run did, and to another Flightlog what its events were."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import Parse, ParseDict
from hypothesis import given, settings
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.events.envelope import FLAG_IMPORTED, Event, StoredEvent
from flightlog.exports.otlp import requests
from flightlog.exports.stream import export_events
from flightlog.ingest.otlp import decode_json
from flightlog.journal.ready import prepare
from flightlog.journal.rows import as_stored
from flightlog.runs.generation_content import read_content
from flightlog.runs.generations import Generation, list_generations
from flightlog.runs.listing import list_runs
from flightlog.wiring import Keeper
from tests.exports.making import contents, events, everything, flight, imported, wanted_of

SAMPLES = Path("/work/shared/samples")
TOOLS = [{"type": "function", "name": "grep", "parameters": {"type": "object"}}]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recorder with a bit of everything, with the file of its export beside."""
    place = tmp_path_factory.mktemp("otlp")
    with wiring.open(place / "a", project="shop", source="agent") as recorder:
        with recorder.run("mend the till", actor="ann", task_id="T-1", input="it counts wrong") as run:
            asked = [{"role": "system", "content": "mend"}, {"role": "user", "content": "how?"}]
            parameters = {"temperature": 0.5, "max_tokens": 99}
            with (
                run.span("plan", depth=2),
                run.llm("m-1", provider="p", messages=asked, tools=TOOLS, parameters=parameters) as call,
            ):
                function = {"name": "grep", "arguments": '{"pattern": "till"}'}
                message = {"content": "so", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
                usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
                call.record(
                    {
                        "id": "r9",
                        "model": "m-1-2026",
                        "usage": usage,
                        "choices": [{"message": message, "finish_reason": "tool_calls"}],
                    }
                )
            with run.tool_call("grep", {"pattern": "till"}) as tool:
                tool.result("till.py:3")
            run.note("done")
        with pytest.raises(ValueError), recorder.run("break it"):
            raise ValueError("no till")
        assert recorder.flush(30)
    keeper = Keeper(place / "a", Settings(), writable=False)
    try:
        (place / "e.otlp.jsonl").write_bytes(b"".join(export_events(wanted_of(keeper), "otlp")))
    finally:
        keeper.close()
    return place


@pytest.fixture
def before(recorded: Path) -> Iterator[Keeper]:
    keeper = Keeper(recorded / "a", Settings(), writable=False)
    yield keeper
    keeper.close()


def by_id(keeper: Keeper) -> dict[str, dict[str, Any]]:
    """The events; spans and log records travel apart, so their order is another."""
    return {one["event_id"]: one for one in contents(everything(keeper))}


def told(keeper: Keeper) -> list[dict[str, Any]]:
    """The runs, without what is the journal's own."""
    found = [msgspec.structs.asdict(run) for run in list_runs(keeper.store).runs]
    return [{key: value for key, value in run.items() if key not in ("last_event_id", "started_id")} for run in found]


def test_another_flightlog_has_the_same_events_runs_and_calls_afterwards(
    recorded: Path, before: Keeper, tmp_path: Path
) -> None:
    with flight(tmp_path / "b") as keeper:
        report = imported(keeper, recorded / "e.otlp.jsonl")
        assert (report.problems, report.files[0].format) == (0, "otlp")
        assert by_id(keeper) == by_id(before)
        assert told(keeper) == told(before)
        assert [said(keeper, one) for one in list_generations(keeper.store).generations] == [
            said(before, one) for one in list_generations(before.store).generations
        ]
        assert imported(keeper, recorded / "e.otlp.jsonl").stored == 0


NUMBERS = ("model", "request_model", "provider", "operation", "status", "finish_reason", "tokens_input", "tokens_output",
           "tokens_cached_input", "tokens_cache_write", "tokens_reasoning", "started_at", "ended_at", "duration_ns")  # fmt: skip


def said(keeper: Keeper, one: Generation) -> dict[str, Any]:
    """What a call was and what was said in it."""
    content = read_content(keeper.store, one)
    return {name: getattr(one, name) for name in NUMBERS} | {
        "run_id": one.run_id, "request": content.request, "message": content.message, "error": content.error
    }  # fmt: skip


def test_who_knows_opentelemetry_alone_reads_the_same_call_out_of_it(
    recorded: Path, before: Keeper, tmp_path: Path
) -> None:
    lines = []
    for line in (recorded / "e.otlp.jsonl").read_bytes().splitlines():
        document = json.loads(line)
        for group in document.get("resourceSpans", []):
            for span in group["scopeSpans"][0]["spans"]:
                span["attributes"] = [one for one in span["attributes"] if not one["key"].startswith("flightlog.")]
            lines.append(json.dumps({"resourceSpans": [group]}))
    (tmp_path / "plain.jsonl").write_text("\n".join(lines))
    with flight(tmp_path / "c") as keeper:
        assert imported(keeper, tmp_path / "plain.jsonl").problems == 0
        (call,) = list_generations(keeper.store).generations
        (ours,) = list_generations(before.store).generations
        # A span begins so long before its end as it took; the request was recorded a little earlier. The trace is the run.
        apart = dict.fromkeys(("started_at", "run_id"))
        assert said(keeper, call) | apart == said(before, ours) | apart
        tool = next(event for event in everything(keeper) if event.type == "tool_result")
        assert msgspec.json.decode(tool.payload)["result"] == "till.py:3"
        assert tool.flags & FLAG_IMPORTED
        assert {run.name: run.status for run in list_runs(keeper.store).runs} == {
            "mend the till": "succeeded",
            "break it": "failed",
        }


def test_protobufs_own_reader_takes_every_line(recorded: Path) -> None:
    # Its ids come out as other bytes: OTLP writes hex where protobuf's JSON has base64, and hex is that too.
    spans = logs = 0
    for line in (recorded / "e.otlp.jsonl").read_text().splitlines():
        if line.startswith('{"resourceSpans"'):
            spans += len(Parse(line, ExportTraceServiceRequest()).resource_spans[0].scope_spans[0].spans)
        else:
            logs += len(Parse(line, ExportLogsServiceRequest()).resource_logs[0].scope_logs[0].log_records)
    assert (spans, logs) == (5, 6)


def test_a_receiver_takes_it_too(recorded: Path, before: Keeper, tmp_path: Path) -> None:
    from flightlog.ingest.otlp.receive import Receiver
    from flightlog.wiring import make_intake

    with flight(tmp_path / "d") as keeper:
        receiver = Receiver(keeper.journal, make_intake(keeper.folder, keeper.settings), keeper.settings)
        for _ in range(2):
            for line in (recorded / "e.otlp.jsonl").read_bytes().splitlines():
                if line.startswith(b'{"resourceSpans"'):
                    receiver.traces(decode_json.decode_traces(line))
                else:
                    receiver.logs(decode_json.decode_logs(line))
        assert by_id(keeper) == by_id(before)


@settings(max_examples=40)
@given(events())
def test_whatever_an_event_holds_its_record_is_one_that_can_be_read(event: Event) -> None:
    before = as_stored([prepare(event)], 7, 8)
    for line in b"".join(requests([before])).splitlines():
        if line.startswith(b'{"resourceSpans"'):
            decoded: Any = decode_json.decode_traces(line)
        else:
            decoded = decode_json.decode_logs(line)
        assert (decoded.count, decoded.reasons) == (1, [])


def test_what_was_asked_is_forgotten_when_too_much_is_open() -> None:
    asked = [opened(number) for number in range(5_000)]
    answers = [StoredEvent(event_id=f"a{number}", type="tool_result", created_at=2, correlation_id=f"c{number}",
                           payload=msgspec.Raw(b'{"tool":"t"}')) for number in (0, 4_999)]  # fmt: skip
    lines = b"".join(requests([asked, answers])).splitlines()
    first, last = json.loads(lines[-1])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert ["gen_ai.tool.call.arguments" in str(span) for span in (first, last)] == [False, True]


def opened(number: int) -> StoredEvent:
    payload = msgspec.Raw(b'{"tool":"t","arguments":{"a":1}}')
    return StoredEvent(
        event_id=f"q{number}", type="tool_call", created_at=1, correlation_id=f"c{number}", payload=payload
    )


# ── files of others ──────────────────────────────────────────────────────────────────────────────────────────────────


def request(number: int) -> ExportTraceServiceRequest:
    span = {"traceId": "qrvM3e7/ABEiM0RVZneImQ==", "spanId": f"AAAAAAAAAA{number}=", "name": f"s{number}",
            "startTimeUnixNano": "1", "endTimeUnixNano": "2"}  # fmt: skip
    made = ExportTraceServiceRequest()
    ParseDict({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}, made)
    return made


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


@pytest.mark.parametrize("form", ["one", "varint", "four bytes"])
def test_protobuf_is_read_in_every_framing_and_what_is_cut_is_said(form: str, tmp_path: Path) -> None:
    bodies = [request(number).SerializeToString() for number in range(1, 4)]
    if form == "one":
        data, bodies = bodies[0], bodies[:1]
    elif form == "varint":
        data = b"".join(varint(len(body)) + body for body in bodies)
    else:
        data = b"".join(struct.pack(">I", len(body)) + body for body in bodies)
    (tmp_path / "a.pb").write_bytes(data)
    (tmp_path / "b.pb").write_bytes(data[:-5])
    with flight(tmp_path / "f") as keeper:
        report = imported(keeper, tmp_path / "a.pb")
        assert (report.files[0].format, report.files[0].types["span_finished"]) == ("otlp", len(bodies))
        again = imported(keeper, tmp_path / "b.pb")
        assert (again.stored, again.problems) == (0, 1)


def test_a_broken_line_of_otlp_is_named_and_costs_its_neighbours_nothing(recorded: Path, tmp_path: Path) -> None:
    lines = (recorded / "e.otlp.jsonl").read_bytes().splitlines()
    (tmp_path / "e.jsonl").write_bytes(b"\n".join([lines[0], lines[1][:-20], b'{"other":1}', *lines[1:]]))
    with flight(tmp_path / "f") as keeper:
        report = imported(keeper, tmp_path / "e.jsonl")
        assert [problem.where for problem in report.files[0].problems] == ["line 2", "line 3"]
        assert report.stored == 11


@pytest.mark.parametrize(
    "name", ["otlp-genai-replay", "otlp-openinference-replay", "otlp-openllmetry-replay", "otlp-proto-examples"]
)
def test_real_files_are_read_the_same_in_json_and_in_protobuf(name: str, tmp_path: Path) -> None:
    files = sorted(path for path in (SAMPLES / name).glob("*") if path.suffix in (".json", ".pb"))
    if not files:
        pytest.skip(f"there are no samples in {SAMPLES / name}")
    with flight(tmp_path / "f") as keeper:
        first = imported(keeper, *[path for path in files if path.suffix == ".json"])
        again = imported(keeper, *[path for path in files if path.suffix == ".pb"])
        assert first.stored > 0
        assert (first.problems, again.problems, again.stored) == (0, 0, 0)
