"""The walk of a span: an official exporter → `flightlog up` → runs, model calls, pages, command line; whatever the encoding, the
dialect, the order, and through a crash of the server."""

from __future__ import annotations

import json
import random
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from tests.ingest.otlp.mapped import SAMPLES
from tests.ingest.otlp.requests import SECOND, START, span, traces
from tests.journeys.served import cli, serve

PROTO, JSON = "application/x-protobuf", "application/json"
DIALECTS = ("genai", "openinference", "openllmetry")
REPLAYS = [
    ("genai", "traces"),
    ("genai", "logs"),
    ("openinference", "traces"),
    ("openinference", "agent_traces"),
    ("openllmetry", "traces"),
    ("openllmetry", "agent_traces"),
]
# Where in the journal something is, and when it came: two journals never agree on these.
OF_THE_JOURNAL = {"id", "received_at", "answer_id", "request_id", "last_event_id"}


def ask(url: str, path: str, **query: Any) -> Any:
    answer = httpx.get(f"{url}{path}", params=query, timeout=20)
    answer.raise_for_status()
    return answer.json()


def post(url: str, body: bytes, media_type: str = PROTO, path: str = "/v1/traces", **headers: str) -> None:
    """Send a request; all of it was taken."""
    answer = httpx.post(f"{url}{path}", content=body, headers={"content-type": media_type, **headers}, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.content in (b"", b"{}")


def exporting(url: str) -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "flightlog.project": "till"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=20)))
    return provider


def work(provider: TracerProvider, name: str) -> str:
    """An agent that calls a model, then a tool, then fails at a second model call; its trace."""
    tracer = provider.get_tracer("acme.agent", "2.0")
    with tracer.start_as_current_span(name, attributes={"gen_ai.operation.name": "invoke_agent"}) as root:
        asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Is it paid?"}]}])
        said = json.dumps(
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "call-1", "name": "look", "arguments": {"bill": 7}}],
                    "finish_reason": "tool_call",
                }
            ]
        )
        call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
        answered = {
            "gen_ai.input.messages": asked,
            "gen_ai.output.messages": said,
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 50,
            "acme.mood": "good",
        }
        with tracer.start_as_current_span("chat gpt-4o", attributes=call | answered):
            pass
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.id": "call-1"}
        with tracer.start_as_current_span("execute_tool look", attributes=tool | {"gen_ai.tool.call.result": '"paid"'}):
            pass
        with tracer.start_as_current_span("chat gpt-4o", attributes=call) as failed:
            failed.record_exception(TimeoutError("no answer"))
            failed.set_status(Status(StatusCode.ERROR, "no answer"))
    provider.force_flush()
    return f"{root.get_span_context().trace_id:032x}"


# ── the walk ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_exporter_sends_is_a_run_with_its_calls_everywhere(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        provider = exporting(served.url)
        trace = work(provider, "settle the bill")
        provider.shutdown()

        run = ask(served.url, f"/api/runs/{trace}")
        assert (run["name"], run["status"], run["project"], run["source"]) == (
            "settle the bill",
            "succeeded",
            "till",
            "shop",
        )
        assert (run["tokens_input"], run["tokens_output"], run["models"]) == (1000, 50, ["gpt-4o"])
        assert (run["event_count"], run["error_count"]) == (4, 1)
        listed = json.loads(cli("run", "list", "--server", served.url, "--json").stdout)
        assert [each["run_id"] for each in listed["runs"]] == [trace]
        page = httpx.get(f"{served.url}/runs/{trace}", headers={"accept": "text/html"}).text
        assert "settle the bill" in page
        assert "gpt-4o" in page

        found = ask(served.url, "/api/generations", count="true", sort="started")
        assert (found["total"], found["nextCursor"]) == (2, None)
        first, failed = found["generations"]
        assert (first["model"], first["provider"], first["status"], first["finish_reason"]) == (
            "gpt-4o",
            "openai",
            "ok",
            "tool_calls",
        )
        assert first["cost_usd"] == run["cost_usd"] > 0
        assert (failed["status"], failed["error_kind"]) == ("error", "TimeoutError")
        whole = ask(served.url, f"/api/generations/{first['generation_id']}")
        assert whole["request"]["messages"] == [{"role": "user", "content": "Is it paid?"}]
        assert whole["message"]["tool_calls"] == [{"id": "call-1", "name": "look", "arguments": {"bill": 7}}]
        [answered] = whole["tool_answers"]
        assert "paid" in json.dumps(answered)
        shown = httpx.get(f"{served.url}/traces/{first['generation_id']}", headers={"accept": "text/html"})
        assert (shown.status_code, "Is it paid?" in shown.text) == (200, True)
        unmapped = ask(served.url, "/api/otlp/unmapped")["attributes"]
        assert [(each["scope"], each["key"], each["count"]) for each in unmapped] == [
            ("acme.agent@2.0", "acme.mood", 1)
        ]


def test_batches_before_and_after_a_crash_of_the_server_are_all_there_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serve(tmp_path, port) as served:
        provider = exporting(served.url)
        before = work(provider, "before")
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()
        # The exporter's first attempts meet nobody; it comes again until the next server is there.
        tracer = provider.get_tracer("acme.agent")
        with tracer.start_as_current_span("while nobody listens"):
            pass
    with serve(tmp_path, port) as served:
        after = work(provider, "after")
        provider.shutdown()
        runs = {run["name"]: run for run in ask(served.url, "/api/runs")["runs"]}
        assert set(runs) == {"before", "while nobody listens", "after"}
        assert (runs["before"]["run_id"], runs["after"]["run_id"]) == (before, after)
        assert [runs[name]["event_count"] for name in ("before", "while nobody listens", "after")] == [4, 1, 4]
        assert ask(served.url, "/api/generations", count="true")["total"] == 4


# ── any order, any batches, any number of times ──────────────────────────────────────────────────────────────────────


def family(trace: bytes) -> list[Any]:
    """A root, two children that call models, and a tool below each."""
    made = [span(1, {"acme.n": 1}, trace_id=trace, name="root", end_time_unix_nano=START + 60 * SECOND)]
    for number in range(2, 8):
        chat = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": f"model-{number}",
            "gen_ai.usage.input_tokens": number,
        }
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
        parent = 1 if number < 4 else number // 2
        made.append(
            span(number, chat if number < 4 else tool, trace_id=trace, parent_span_id=parent.to_bytes(8, "big"))
        )
    return made


def of_a_trace(url: str, trace: bytes) -> dict[str, Any]:
    """All that is told of a trace, with another word for its id."""
    run = trace.hex()
    told = {
        "run": ask(url, f"/api/runs/{run}"),
        "events": sorted(ask(url, f"/api/runs/{run}/events", limit=1000)["events"], key=lambda each: each["event_id"]),
        "generations": ask(url, "/api/generations", run=run, sort="started")["generations"],
    }
    plain: dict[str, Any] = without(
        json.loads(json.dumps(told).replace(run, "TRACE")), OF_THE_JOURNAL | {"payload_digest"}
    )
    return plain


def without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def all_at_once(spans: list[Any], chance: random.Random) -> Iterable[list[Any]]:
    return [spans]


def twice(spans: list[Any], chance: random.Random) -> Iterable[list[Any]]:
    return [spans, spans, spans + spans]


def children_first(spans: list[Any], chance: random.Random) -> Iterable[list[Any]]:
    return [[one] for one in reversed(spans)]


def shuffled_with_repeats(spans: list[Any], chance: random.Random) -> Iterable[list[Any]]:
    mixed = spans + chance.sample(spans, 4)
    chance.shuffle(mixed)
    return [mixed[:2], mixed[2:5], mixed[5:]]


def test_order_batches_and_repeats_change_nothing(tmp_path: Path) -> None:
    ways: list[Callable[[list[Any], random.Random], Iterable[list[Any]]]] = [
        all_at_once, twice, children_first, *[shuffled_with_repeats] * 4,
    ]  # fmt: skip
    with serve(tmp_path) as served:
        told = []
        for number, way in enumerate(ways, 1):
            trace = number.to_bytes(16, "big")
            for batch in way(family(trace), random.Random(number)):
                post(served.url, traces(*batch).SerializeToString())
            told.append(of_a_trace(served.url, trace))
        assert (told[0]["run"]["event_count"], told[0]["run"]["tokens_input"], len(told[0]["generations"])) == (7, 5, 2)
        for way, found in zip(ways, told, strict=True):
            assert found == told[0], way.__name__


# ── recorded replays ─────────────────────────────────────────────────────────────────────────────────────────────────


def sample(dialect: str, name: str, encoding: str) -> bytes:
    path = SAMPLES / f"otlp-{dialect}-replay" / f"{name}.otlp.{encoding}"
    if not path.is_file():
        pytest.skip(f"{path.name} of {dialect} is not there: the samples lie beside the repository, in shared/samples")
    return path.read_bytes()


def replayed(folder: Path, encoding: str) -> dict[str, Any]:
    """What a server tells after it was sent all replays in this encoding, each dialect as a project of its own."""
    told: dict[str, Any] = {}
    with serve(folder) as served:
        for dialect, name in REPLAYS:
            path = "/v1/logs" if name == "logs" else "/v1/traces"
            media_type = JSON if encoding == "json" else PROTO
            post(served.url, sample(dialect, name, encoding), media_type, path, **{"x-flightlog-project": dialect})
        for dialect in DIALECTS:
            runs = ask(served.url, "/api/runs", project=dialect, limit=500)["runs"]
            calls = ask(served.url, "/api/generations", project=dialect, limit=500)["generations"]
            told[dialect] = {
                "runs": {run["run_id"]: run for run in runs},
                "generations": {
                    each["generation_id"]: ask(served.url, f"/api/generations/{each['generation_id']}")
                    for each in calls
                },
                "events": [
                    sorted(ask(served.url, f"/api/runs/{run['run_id']}/events", limit=1000)["events"], key=_named)
                    for run in sorted(runs, key=lambda run: str(run["run_id"]))
                ],
            }
    plain: dict[str, Any] = without(told, OF_THE_JOURNAL)
    return plain


def _named(event: dict[str, Any]) -> str:
    return str(event["event_id"])


@pytest.fixture(scope="module")
def from_protobuf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return replayed(tmp_path_factory.mktemp("protobuf"), "pb")


def test_json_and_protobuf_of_a_replay_are_told_the_same(from_protobuf: dict[str, Any], tmp_path: Path) -> None:
    from_json = replayed(tmp_path, "json")
    for dialect in DIALECTS:
        assert len(from_protobuf[dialect]["generations"]) >= 11
        for part in ("runs", "generations", "events"):
            assert from_json[dialect][part] == from_protobuf[dialect][part], (dialect, part)


def test_the_same_calls_are_the_same_generations_in_every_dialect(from_protobuf: dict[str, Any]) -> None:
    told = {dialect: calls_by_case(from_protobuf[dialect]) for dialect in DIALECTS}
    assert len(told["genai"]) == 5
    for dialect in DIALECTS[1:]:
        for case, calls in told["genai"].items():
            assert told[dialect][case] == calls, (dialect, case)


def calls_by_case(told: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The model calls of each recorded case but for embeddings, whose content one dialect leaves out: what was asked and
    answered, by whom, for how many tokens and how much."""
    named = {run_id: run["name"] for run_id, run in told["runs"].items()}
    found = defaultdict(list)
    for one in sorted(told["generations"].values(), key=lambda each: str(each["started_at"])):
        if one["operation"] == "embeddings" or not str(named[one["run_id"]]).startswith("case "):
            continue
        keys = ("request_model", "model", "provider", "operation", "status", "error_kind", "finish_reason", "cost_usd")
        counted = ("tokens_input", "tokens_output")
        found[named[one["run_id"]]].append(
            {key: one[key] for key in (*keys, *counted)}
            | {"messages": (one["request"] or {}).get("messages"), "message": one["message"]}
        )
    return dict(found)


def test_a_log_record_gives_its_content_to_a_span_that_has_none(tmp_path: Path) -> None:
    """As instrumentations do that put what was said into log records, and leave it out of the spans."""
    body = ExportLogsServiceRequest.FromString(sample("genai", "logs", "pb"))
    [group] = body.resource_logs
    record = group.scope_logs[0].log_records[0]
    ids = {"trace_id": record.trace_id, "span_id": record.span_id}
    bare = span(1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}, **ids)
    with serve(tmp_path) as served:
        post(served.url, body.SerializeToString(), path="/v1/logs")
        post(served.url, traces(bare).SerializeToString())
        whole = ask(served.url, f"/api/generations/{record.trace_id.hex()}-{record.span_id.hex()}")
        assert [message["role"] for message in whole["request"]["messages"]][-1] == "user"


# ── quick, and small ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_ready_soon_and_small_while_nothing_happens(tmp_path: Path) -> None:
    """Far from the bars (2.5 s, 120 MB), which `bench/footprint.py` measures in quiet: here other tests run beside it."""
    began = time.perf_counter()
    with serve(tmp_path) as served:
        assert ask(served.url, "/api/health")["status"] == "ok"
        assert time.perf_counter() - began < 15
        status = Path(f"/proc/{served.process.pid}/status")
        if status.is_file():
            [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            assert int(line.split()[1]) < 150 * 1024
