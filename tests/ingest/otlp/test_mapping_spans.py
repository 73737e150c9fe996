"""What a span's event says of it: kind, tokens, faults, ids, and whatever nobody reads."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from flightlog.events.catalogue import check_event
from flightlog.events.envelope import FLAG_ROOT
from flightlog.ingest.otlp.mapping import MAPPING_VERSION, map_log, map_metric, map_resource, map_span, origin_of
from flightlog.ingest.otlp.model import (
    PARENT_REMOTE,
    STATUS_ERROR,
    STATUS_OK,
    Link,
    LogRecord,
    Metric,
    Scope,
)
from tests.ingest.otlp.mapped import (
    ORIGIN,
    SPAN,
    START,
    TRACE,
    a_span,
    as_stored,
    events_of,
    happened,
    logged,
    mapped,
    payload_of,
)

SECOND = 10**9
CHAT = {"gen_ai.operation.name": "chat"}


def test_a_finished_span_is_one_event_that_sent_again_is_the_same() -> None:
    (event,) = events_of({}, name="handle", parent_span_id="c" * 16, kind=2)
    assert (event.event_id, event.type, event.name) == (f"{TRACE}-{SPAN}", "span_finished", "handle")
    assert (event.created_at, event.duration_ns) == (START + SECOND, SECOND)
    assert (event.trace_id, event.span_id, event.parent_span_id) == (TRACE, SPAN, "c" * 16)
    assert (event.project, event.run_id, event.source, event.status, event.level) == (
        "shop",
        TRACE,
        "shop",
        "ok",
        "info",
    )
    assert (event.producer_id, event.seq, event.flags) == (None, None, 0)
    [place] = [place for (*_, dialect), place in ORIGIN.places.items() if not dialect and place.scope.name == "tests"]
    assert as_stored(event) == {"otlp": {"resource": place.digest, "kind": "server"}}
    assert payload_of(event) == {
        "otlp": {
            "mapping": MAPPING_VERSION,
            "scope": "tests@1",
            "resource": place.digest,
            "name": "handle",
            "kind": "server",
        }
    }
    (again,) = events_of({}, name="handle", parent_span_id="c" * 16, kind=2)
    assert bytes(again.payload) == bytes(event.payload)


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"gen_ai.operation.name": "generate_content"}, "llm_response"),
        ({"gen_ai.operation.name": "my_chat", "gen_ai.request.model": "m", "gen_ai.system": "x"}, "llm_response"),
        ({"gen_ai.request.model": "m", "gen_ai.system": "x"}, "llm_response"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m", "gen_ai.system": "x"}, "span_finished"),
        ({"ai.operationId": "ai.generateText", "ai.model.id": "m", "ai.usage.promptTokens": 9}, "span_finished"),
        ({"gen_ai.tool.name": "add"}, "tool_result"),
        ({"openinference.span.kind": "RERANKER", "reranker.model_name": "m"}, "span_finished"),
        ({"http.request.method": "GET"}, "span_finished"),
    ],
)
def test_the_type_is_told_by_the_operation_else_by_what_there_is(attributes: dict[str, Any], wanted: str) -> None:
    assert [event.type for event in events_of(attributes)] == [wanted]


def test_tokens_of_an_agent_are_not_a_call_s() -> None:
    payload = mapped({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 900})
    assert "usage" not in payload
    assert payload["attributes"] == {"gen_ai.usage.input_tokens": 900}


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        # Two dialects say the same: it is said once, and never added.
        (
            {"gen_ai.usage.input_tokens": 12, "llm.token_count.prompt": 12, "ai.usage.promptTokens": 12},
            {"input_tokens": 12},
        ),
        # The parts are in the whole.
        (
            {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.cache_read.input_tokens": 10},
            {"input_tokens": 12, "cached_input_tokens": 10},
        ),
        # The parts are greater than the whole, so they are beside it.
        (
            {
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.cache_read_input_tokens": 100,
                "gen_ai.usage.cache_creation_input_tokens": 20,
            },
            {"input_tokens": 125, "cached_input_tokens": 100, "cache_write_tokens": 20},
        ),
        # The total says that they are beside it.
        (
            {
                "llm.token_count.prompt": 50,
                "llm.token_count.completion": 7,
                "llm.token_count.prompt_details.cache_read": 40,
                "llm.token_count.total": 97,
            },
            {"input_tokens": 90, "output_tokens": 7, "cached_input_tokens": 40},
        ),
        (
            {"gen_ai.usage.output_tokens": 7, "gen_ai.usage.reasoning_tokens": 30},
            {"output_tokens": 37, "reasoning_tokens": 30},
        ),
    ],
)
def test_tokens_are_counted_once(attributes: dict[str, Any], wanted: dict[str, int]) -> None:
    payload = mapped({**CHAT, **attributes})
    assert payload["usage"] == wanted
    assert "attributes" not in payload


def test_the_span_around_a_call_has_input_and_output_and_no_tokens() -> None:
    payload = mapped(
        {
            "ai.operationId": "ai.generateText",
            "ai.prompt": '{"prompt": "Hi"}',
            "ai.response.text": "Ho",
            "ai.usage.promptTokens": 9,
        }
    )
    assert (payload["operation"], payload["input"], payload["output"]) == ("invoke_agent", "Hi", "Ho")
    assert payload["attributes"] == {"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 9}


def test_one_name_for_what_two_attributes_say() -> None:
    assert mapped({"gen_ai.agent.name": "a", "agent.name": "a"})["attributes"] == {"gen_ai.agent.name": "a"}
    both = {"gen_ai.agent.name": "a", "agent.name": "b"}
    assert mapped(both)["attributes"] == both


def test_where_two_dialects_differ_the_first_counts_and_the_other_stays() -> None:
    payload = mapped({**CHAT, "llm.token_count.prompt": 13, "gen_ai.usage.input_tokens": 12, "llm.model_name": "m"})
    assert payload["usage"] == {"input_tokens": 12}
    assert payload["attributes"] == {"llm.token_count.prompt": 13}
    assert payload["otlp"]["dialect"] == "genai+openinference"


def test_a_raw_request_that_the_messages_say_is_left_out() -> None:
    said = {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hi",
        "input.mime_type": "application/json",
    }
    same = mapped({**said, "input.value": '{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 4}'})
    assert same["request"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "parameters": {"seed": 4},
    }
    assert "attributes" not in same
    other = '{"messages": [{"role": "user", "content": "Ho"}]}'
    assert mapped({**said, "input.value": other})["attributes"] == {"input.value": other}
    unread = '{"generations": [["Hi"]]}'
    kept = mapped({**said, "input.value": unread})
    assert kept["attributes"] == {"input.value": unread, "input.mime_type": "application/json"}


def test_a_raw_answer_of_anthropic_counts_its_cache_to_the_input() -> None:
    raw = (
        '{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Ho"}],'
        '"stop_reason":"end_turn","usage":{"input_tokens":150,"cache_read_input_tokens":100,"output_tokens":7}}'
    )
    payload = mapped({"mlflow.spanType": "CHAT_MODEL", "mlflow.spanOutputs": raw})
    assert payload["usage"] == {"input_tokens": 250, "output_tokens": 7, "cached_input_tokens": 100}
    assert payload["message"] == {"role": "assistant", "content": "Ho"}
    assert (payload["finish_reasons"], payload["response_id"], payload["model"]) == (["stop"], "msg_1", "claude")


def test_an_exception_is_the_error() -> None:
    raised = happened(
        "exception",
        exception__type="openai.RateLimitError",
        exception__message="slow down",
        exception__stacktrace="Traceback …",
        exception__escaped="False",
    )
    (event,) = events_of(CHAT, status=STATUS_ERROR, status_message="RateLimitError: slow down", events=[raised])
    payload = payload_of(event)
    assert (event.status, event.level) == ("error", "error")
    assert payload["error"] == {
        "kind": "RateLimitError",
        "type": "openai.RateLimitError",
        "message": "slow down",
        "stack": "Traceback …",
    }
    assert payload["otlp"].keys().isdisjoint({"events", "status_message"})


def test_a_status_without_exception_is_the_error_too() -> None:
    payload = mapped({**CHAT, "error.type": "429"}, status=STATUS_ERROR, status_message="slow down")
    assert payload["error"] == {"kind": "429", "message": "slow down"}
    assert "attributes" not in payload
    assert mapped(CHAT, status=STATUS_ERROR).get("error") is None


def test_a_status_that_says_more_than_the_exception_is_kept() -> None:
    raised = happened("exception", exception__type="KeyError", exception__message="'x'")
    payload = mapped(CHAT, status=STATUS_ERROR, status_message="step 3 failed: 'x'", events=[raised])
    assert payload["error"] == {"kind": "KeyError", "message": "'x'"}
    assert payload["otlp"]["status_message"] == "step 3 failed: 'x'"


def test_an_exception_that_was_dealt_with_is_no_error() -> None:
    raised = happened("exception", exception__type="KeyError", exception__message="'x'")
    payload = mapped(CHAT, status=STATUS_OK, events=[raised])
    assert "error" not in payload
    assert payload["otlp"]["events"] == [{"name": "exception", "time_ns": START, "attributes": raised.attributes}]


def test_chunks_are_counted_and_the_first_is_timed() -> None:
    chunks = [happened("gen_ai.content.completion.chunk", START + at * 1_000_000) for at in (250, 300, 350)]
    payload = mapped(CHAT, events=chunks)
    assert (payload["chunks"], payload["time_to_first_chunk_ns"], payload["streamed"]) == (3, 250_000_000, True)
    first = mapped(CHAT, events=[happened("First Token Stream Event", START + 5)])
    assert (first["time_to_first_chunk_ns"], first["streamed"]) == (5, True)


def test_what_nobody_reads_stays() -> None:
    payload = mapped(
        {"http.request.method": "POST", "custom": [1, 2]},
        events=[happened("retry", attempt=2)],
        links=[Link("d" * 32, "e" * 16, {"why": "batch"})],
        trace_state="vendor=1",
        dropped=4,
        status_message="fine",
    )
    assert payload["attributes"] == {"http.request.method": "POST", "custom": [1, 2]}
    otlp = payload["otlp"]
    assert otlp["events"] == [{"name": "retry", "time_ns": START, "attributes": {"attempt": 2}}]
    assert otlp["links"] == [{"trace_id": "d" * 32, "span_id": "e" * 16, "attributes": {"why": "batch"}}]
    assert (otlp["trace_state"], otlp["dropped"], otlp["status_message"]) == ("vendor=1", 4, "fine")


def test_the_root_of_a_trace_is_its_run_s_root_unless_a_run_is_named() -> None:
    flags = {
        "root": events_of({})[0].flags,
        "child": events_of({}, parent_span_id="c" * 16)[0].flags,
        "child of another process": events_of({}, parent_span_id="c" * 16, flags=0x300)[0].flags,
        "named run": events_of({"flightlog.run.id": "r"})[0].flags,
    }
    assert flags == {"root": FLAG_ROOT, "child": 0, "child of another process": FLAG_ROOT, "named run": 0}
    assert PARENT_REMOTE == 0x200
    (event,) = map_span(a_span({}), Scope(), origin_of({"flightlog.run.id": "r7", "flightlog.task.id": "t7"}, "", "p"))
    assert (event.run_id, event.task_id, event.flags) == ("r7", "t7", 0)


def test_a_run_id_that_is_too_long_stays_an_attribute() -> None:
    (event,) = events_of({"flightlog.run.id": "r" * 200})
    assert event.run_id == TRACE
    assert payload_of(event)["attributes"] == {"flightlog.run.id": "r" * 200}


def test_who_did_it_is_named_first_then_the_agent_then_the_user() -> None:
    told = {"flightlog.actor": "ann", "gen_ai.agent.name": "planner", "user.id": "u1"}
    assert events_of(told)[0].actor == "ann"
    del told["flightlog.actor"]
    assert events_of(told)[0].actor == "planner"
    del told["gen_ai.agent.name"]
    assert events_of(told)[0].actor == "u1"


def test_a_resource_says_where_its_records_belong() -> None:
    origin = origin_of({"openinference.project.name": "shop", "service.name": "agent", "user.id": "u"}, "url", "p")
    assert (origin.project, origin.source, origin.actor, origin.run_id) == ("shop", "agent", "u", None)
    canonical = json.dumps(origin.attributes, sort_keys=True, separators=(",", ":"))
    assert origin.digest == hashlib.sha256(canonical.encode()).hexdigest()[:16]
    named = {payload_of(map_span(a_span(said), scope, origin)[0])["otlp"]["resource"] for said, scope in (
        (CHAT, Scope("s", "1")), (CHAT, Scope("s", "1")), ({}, Scope("s", "1")), (CHAT, Scope("s", "1", {"a": 1})),
    )}  # fmt: skip
    places = list(origin.places.values())
    assert {place.digest for place in places} == named
    assert [place.dialect for place in places] == ["genai", "", "genai"]
    event = map_resource(origin, places[2], START)
    check_event(event)
    assert (event.event_id, event.run_id, event.project) == (f"resource-{places[2].digest}", None, "shop")
    assert payload_of(event) == {
        "digest": places[2].digest,
        "attributes": origin.attributes,
        "schema_url": "url",
        "scope": "s@1",
        "scope_attributes": {"a": 1},
        "dialect": "genai",
        "mapping": MAPPING_VERSION,
    }
    assert origin_of({"flightlog.project": "a", "openinference.project.name": "b"}, "", "p").project == "a"
    assert origin_of({}, "", "p").digest == ""


def test_evaluations_of_a_span_are_feedback_on_it() -> None:
    judged = happened(
        "gen_ai.evaluation.result",
        START + 5,
        gen_ai__evaluation__name="Relevance",
        gen_ai__evaluation__score__value=0.8,
        gen_ai__evaluation__score__label="relevant",
        gen_ai__evaluation__explanation="On topic.",
    )
    own, feedback = events_of(CHAT, events=[judged])
    assert (feedback.type, feedback.span_id, feedback.run_id, feedback.created_at) == (
        "feedback",
        SPAN,
        TRACE,
        START + 5,
    )
    assert payload_of(feedback) == {
        "target_id": own.event_id,
        "target_type": "span",
        "kind": "score",
        "value": 0.8,
        "name": "Relevance",
        "comment": "On topic.",
        "attributes": {"label": "relevant"},
    }
    record = LogRecord(
        START + 5, "gen_ai.evaluation.result", attributes=judged.attributes, trace_id=TRACE, span_id=SPAN
    )
    (from_log,) = map_log(record, Scope(), ORIGIN, 0)
    check_event(from_log)
    assert (from_log.type, payload_of(from_log)) == ("feedback", payload_of(feedback))
    without_span = map_log(
        LogRecord(START, "gen_ai.evaluation.result", attributes=judged.attributes), Scope(), ORIGIN, 0
    )
    assert [event.type for event in without_span] == ["log"]


def test_a_log_record_is_an_event_that_sent_again_is_the_same() -> None:
    record = LogRecord(START, "", 13, "WARN", "retrying", {"attempt": 2}, TRACE, SPAN)
    (event,) = map_log(record, Scope("tests", "1"), ORIGIN, 0)
    check_event(event)
    assert (event.type, event.level, event.run_id, event.span_id) == ("log", "warn", TRACE, SPAN)
    payload = payload_of(event)
    assert (payload["body"], payload["severity"], payload["attributes"]) == ("retrying", "WARN", {"attempt": 2})
    assert map_log(record, Scope("tests", "1"), ORIGIN, 0)[0].event_id == event.event_id
    assert map_log(record, Scope("tests", "1"), ORIGIN, 1)[0].event_id != event.event_id
    assert [map_log(LogRecord(1, "", at), Scope(), ORIGIN, 0)[0].level for at in (0, 1, 9, 13, 17, 24)] == [
        "info",
        "debug",
        "info",
        "warn",
        "error",
        "error",
    ]
    assert logged("x", attributes={"flightlog.run.id": "r"})["attributes"] == {"flightlog.run.id": "r"}


def test_a_metric_is_an_event_with_its_points() -> None:
    points = [{"time_ns": START, "attributes": {"gen_ai.token.type": "input"}, "value": 5}]
    metric = Metric("gen_ai.client.token.usage", "sum", "Tokens", "{token}", "delta", True, points)
    event = map_metric(metric, Scope("tests"), ORIGIN)
    check_event(event)
    assert (event.type, event.name, event.created_at, event.level) == ("metric", metric.name, START, "debug")
    payload = payload_of(event)
    del payload["otlp"]
    assert payload == {
        "metric": metric.name,
        "kind": "sum",
        "points": points,
        "description": "Tokens",
        "unit": "{token}",
        "temporality": "delta",
        "monotonic": True,
    }
    assert map_metric(metric, Scope("tests"), ORIGIN).event_id == event.event_id
