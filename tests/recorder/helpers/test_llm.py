"""Model calls: what is read from each SDK's answer, and what is recorded around it."""

from __future__ import annotations

import asyncio
import decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pydantic
import pytest

from flightlog.recorder.helpers.responses import read_response, read_usage

OPENAI_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "read_file", "arguments": '{"path":"a.py"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 12},
    },
}

OPENAI_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-5",
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look first."}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Reading ", "annotations": []},
                {"type": "output_text", "text": "it."},
            ],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "read_file",
            "arguments": '{"path":"a.py"}',
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    ],
    "usage": {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 70,
    },
}

ANTHROPIC_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "stop_reason": "tool_use",
    "content": [
        {"type": "thinking", "thinking": "Look first.", "signature": "c2ln"},
        {"type": "text", "text": "Reading it."},
        {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": "a.py"}},
    ],
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 9},
}

READ_FILE = {"id": "call_1", "name": "read_file", "arguments": {"path": "a.py"}}


def as_objects(value: Any) -> Any:
    """The same answer as an SDK hands it over: attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: part if key == "input" else as_objects(part) for key, part in value.items()})
    return [as_objects(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("shape", [dict, as_objects])
def test_an_openai_chat_completion_is_read(shape):
    assert read_response(shape(OPENAI_CHAT)) == {
        "model": "gpt-4o-mini-2024-07-18",
        "response_id": "chatcmpl-1",
        "message": {"role": "assistant", "content": None, "tool_calls": [READ_FILE]},
        "finish_reasons": ["tool_calls"],
        "usage": {"input_tokens": 120, "output_tokens": 30, "cached_input_tokens": 100, "reasoning_tokens": 12},
    }


@pytest.mark.parametrize("shape", [dict, as_objects])
def test_an_openai_response_is_read(shape):
    read = read_response(shape(OPENAI_RESPONSE))
    parts = read["message"].pop("parts")
    assert len(parts) == 1
    assert read == {
        "model": "gpt-5",
        "response_id": "resp_1",
        "message": {
            "role": "assistant",
            "content": "Reading it.",
            "reasoning": "Look first.",
            "tool_calls": [READ_FILE],
        },
        "finish_reasons": ["completed"],
        "usage": {"input_tokens": 50, "output_tokens": 20, "cached_input_tokens": 40, "reasoning_tokens": 8},
    }


@pytest.mark.parametrize("shape", [dict, as_objects])
def test_an_anthropic_message_is_read_and_cached_tokens_are_added_to_the_input(shape):
    assert read_response(shape(ANTHROPIC_MESSAGE)) == {
        "model": "claude-sonnet-4-5",
        "response_id": "msg_1",
        "message": {
            "role": "assistant",
            "content": "Reading it.",
            "reasoning": "Look first.",
            "tool_calls": [{**READ_FILE, "id": "toolu_1"}],
        },
        "finish_reasons": ["tool_use"],
        "usage": {
            "input_tokens": 125,
            "output_tokens": 9,
            "cached_input_tokens": 100,
            "cache_creation_input_tokens": 20,
        },
    }


def test_a_pydantic_answer_is_read_by_its_attributes():
    class Message(pydantic.BaseModel):
        role: str = "assistant"
        content: str = "hi"

    class Choice(pydantic.BaseModel):
        finish_reason: str = "stop"
        message: Message = Message()

    class Completion(pydantic.BaseModel):
        id: str = "c1"
        model: str = "m"
        choices: list[Choice] = [Choice()]

    assert read_response(Completion()) == {
        "model": "m",
        "response_id": "c1",
        "message": {"role": "assistant", "content": "hi"},
        "finish_reasons": ["stop"],
    }


def test_further_choices_of_one_answer_are_kept():
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"} for text in "ab"]
    read = read_response({"choices": choices})
    assert read["message"]["content"] == "a"
    assert read["other_messages"] == [{"role": "assistant", "content": "b"}]
    assert read["finish_reasons"] == ["stop", "stop"]


def test_arguments_that_are_no_json_stay_text():
    call = {"id": "c", "function": {"name": "f", "arguments": '{"path": "a'}}
    read = read_response({"choices": [{"message": {"tool_calls": [call]}}]})
    assert read["message"]["tool_calls"] == [{"id": "c", "name": "f", "arguments": '{"path": "a'}]


def test_an_answer_that_is_a_refusal_a_custom_tool_call_or_an_old_function_call_is_read():
    message = {
        "role": "assistant",
        "content": None,
        "refusal": "I can't.",
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "run", "input": "ls"}}],
        "function_call": {"name": "old", "arguments": "{}"},
    }
    assert read_response({"choices": [{"message": message}]})["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": "I can't.",
        "tool_calls": [{"id": "c", "name": "run", "arguments": "ls"}, {"name": "old", "arguments": {}}],
    }


def test_a_cut_or_failed_response_says_why():
    cut = {**OPENAI_RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert read_response(cut)["finish_reasons"] == ["max_output_tokens"]
    failed = {**OPENAI_RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "Sorry."}}
    assert read_response(failed)["error"] == {"kind": "server_error", "message": "Sorry."}


def test_usage_that_is_not_counted_in_whole_numbers_is_left_out():
    assert read_usage({"prompt_tokens": "12", "completion_tokens": -1, "input_tokens": True}) is None
    assert read_usage(MagicMock()) is None


@pytest.mark.parametrize("strange", [42, object(), MagicMock(), [1, 2], {"choices": 5}, b"bytes", {"choices": [None]}])
def test_a_strange_answer_is_kept_and_nothing_is_raised(rec, only, strange):
    with rec.run("r") as run, run.llm("m") as call:
        assert call.record(strange) is strange
    event, _ = only("llm_response")
    assert event.status == "ok"


def test_an_answer_whose_fields_raise_is_kept_and_nothing_is_raised(rec, only):
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError("no")

    with rec.run("r") as run, run.llm("m") as call:
        call.record(Hostile())
    event, _ = only("llm_response")
    assert event.status == "ok"


def test_request_and_response_are_a_pair_with_model_duration_and_usage(rec, only):
    with (
        rec.run("r") as run,
        run.span("think") as span,
        run.llm(
            "gpt-4o-mini",
            provider="openai",
            messages=[{"role": "user", "content": "hi"}],
            parameters={"temperature": 0.2},
            tools=[{"name": "read_file"}],
        ) as call,
    ):
        rec.clock.advance(seconds=2)
        call.record(OPENAI_CHAT)
        call.cost(decimal.Decimal("0.0125"))
    request, asked = only("llm_request")
    response, answered = only("llm_response")
    assert asked == {
        "model": "gpt-4o-mini",
        "provider": "openai",
        "operation": "chat",
        "messages": [{"role": "user", "content": "hi"}],
        "parameters": {"temperature": 0.2},
        "tools": [{"name": "read_file"}],
    }
    assert request.correlation_id == response.correlation_id == call.correlation_id
    assert request.name == response.name == "gpt-4o-mini"
    assert request.span_id == response.span_id == span.span_id
    assert (response.status, response.level, response.duration_ns) == ("ok", "info", 2_000_000_000)
    assert answered["model"] == "gpt-4o-mini-2024-07-18"
    assert answered["usage"]["input_tokens"] == 120
    assert answered["cost_usd"] == 0.0125
    assert answered["streamed"] is False


def test_a_prompt_as_text_becomes_a_message(rec, only):
    with rec.run("r") as run, run.llm("m", messages="hi") as call:
        call.record("hello")
    assert only("llm_request")[1]["messages"] == [{"role": "user", "content": "hi"}]
    assert only("llm_response")[1]["message"] == {"role": "assistant", "content": "hello"}


def test_a_call_without_an_answer_still_has_a_response(rec, only):
    with rec.run("r") as run, run.llm("m", provider="p"):
        pass
    assert only("llm_response")[1] == {"model": "m", "provider": "p", "streamed": False}


def test_the_users_exception_is_recorded_and_goes_on(rec, only):
    error = ConnectionError("no route")
    with rec.run("r") as run:
        with pytest.raises(ConnectionError) as caught, run.llm("m"):
            raise error
        assert caught.value is error
    event, payload = only("llm_response")
    assert (event.status, event.level) == ("error", "error")
    assert payload["error"]["kind"] == "ConnectionError"
    assert payload["error"]["message"] == "no route"


def test_an_error_inside_the_answer_is_an_error(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        call.record({"error": {"type": "overloaded_error", "message": "Overloaded"}, "choices": []})
    event, payload = only("llm_response")
    assert event.status == "error"
    assert payload["error"] == {"kind": "overloaded_error", "message": "Overloaded"}


@pytest.mark.parametrize("cost", ["much", None, float("nan"), float("inf"), object()])
def test_a_cost_that_is_no_number_is_left_out(rec, only, cost):
    with rec.run("r") as run, run.llm("m") as call:
        call.cost(cost)
    assert "cost_usd" not in only("llm_response")[1]


@pytest.mark.parametrize(
    "odd", [{"messages": 5}, {"parameters": "hot"}, {"tools": "all"}, {"provider": 7, "operation": 8}]
)
def test_odd_arguments_are_recorded_in_a_shape_that_a_server_takes(rec, odd):
    with rec.run("r") as run, run.llm("m", **odd):
        pass
    assert len(rec.payloads("llm_request")) == 1


def test_the_result_carries_no_signal_while_all_is_well(rec):
    with rec.run("r") as run, run.llm("m") as call:
        call.record("hello")
    assert call.persistence is None
    assert call.result() == {
        "model": "m",
        "message": {"role": "assistant", "content": "hello"},
        "streamed": False,
        "status": "ok",
        "persistence": None,
    }


def test_the_generation_succeeds_and_carries_the_signal_while_nothing_can_be_stored(rec):
    with rec.run("r") as run:
        rec.memory.trouble = "disk_full"
        with run.llm("m") as call:
            call.record("hello")
        rec.memory.trouble = None
    assert call.persistence is not None
    assert call.persistence.code == "TRACE_PERSISTENCE_DEGRADED"
    result = call.result()
    assert result["message"]["content"] == "hello"
    assert result["status"] == "ok"
    assert result["persistence"]["code"] == "TRACE_PERSISTENCE_DEGRADED"
    assert result["persistence"]["reason"] == "disk_full"
    assert result["persistence"]["lost"] == 2


def test_a_signal_that_can_not_be_asked_for_does_not_reach_the_host(rec, monkeypatch):
    monkeypatch.setattr(rec, "degradation", MagicMock(side_effect=StopIteration))
    with rec.run("r") as run, run.llm("m") as call:
        call.record("hello")
    assert call.persistence is None


def test_start_and_finish_work_without_a_block_and_count_once(rec):
    with rec.run("r") as run:
        call = run.llm("m").start().start()
        call.record("hello")
        call.finish()
        call.finish(ValueError("late"))
    assert len(rec.payloads("llm_request")) == len(rec.payloads("llm_response")) == 1


def test_an_unstarted_call_records_nothing(rec):
    with rec.run("r") as run:
        call = run.llm("m")
        call.record("hello")
        call.finish()
    assert rec.payloads("llm_response") == []


def test_calls_in_asyncio_tasks_belong_to_their_own_runs(rec):
    async def work(name: str) -> None:
        with rec.run(name):
            async with rec.llm(name) as call:
                await asyncio.sleep(0)
                call.record(name)

    async def main() -> None:
        await asyncio.gather(*(work(f"r{number}") for number in range(5)))

    asyncio.run(main())
    runs = {event.run_id: event.name for event in rec.events if event.type == "run_started"}
    answers = [event for event in rec.events if event.type == "llm_response"]
    assert len(answers) == 5
    assert all(runs[event.run_id] == event.name for event in answers)


def test_the_response_stays_in_the_run_of_its_request_when_it_ends_elsewhere(rec, only):
    with rec.run("first") as first:
        call = rec.llm("m").start()
    with rec.run("second"):
        call.record("late")
        call.finish()
    assert only("llm_response")[0].run_id == first.id


def test_a_canceled_call_is_recorded_and_the_cancellation_goes_on(rec, only):
    async def main() -> None:
        entered = asyncio.Event()

        async def work() -> None:
            with rec.run("r"):
                async with rec.llm("m"):
                    entered.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    event, payload = only("llm_response")
    assert event.status == "error"
    assert payload["error"]["kind"] == "CancelledError"
