"""Streamed answers: untouched chunks, put together again, also when they end early or with an error."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.recorder.helpers.assembly import Assembly
from flightlog.recorder.helpers.responses import read_response

from .test_llm import as_objects


def chat_chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **top: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": choices, **top}


def call_piece(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": more["name"]} if "name" in more else {})
    return {"tool_calls": [{"index": index, "function": function, **{k: v for k, v in more.items() if k == "id"}}]}


CHAT = [
    chat_chunk({"role": "assistant", "content": ""}),
    chat_chunk({"content": "Read"}),
    chat_chunk({"content": "ing 😀"}),
    chat_chunk(call_piece(0, "", id="call_1", name="read_file")),
    chat_chunk(call_piece(1, "", id="call_2", name="list_files")),
    chat_chunk(call_piece(0, '{"path":')),
    chat_chunk(call_piece(1, "{}")),
    chat_chunk(call_piece(0, '"a.py"}')),
    chat_chunk({}, "tool_calls"),
    chat_chunk(None, usage={"prompt_tokens": 10, "completion_tokens": 4}),
]
CHAT_MESSAGE = {
    "role": "assistant",
    "content": "Reading 😀",
    "tool_calls": [
        {"id": "call_1", "name": "read_file", "arguments": {"path": "a.py"}},
        {"id": "call_2", "name": "list_files", "arguments": {}},
    ],
}

ANTHROPIC = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1},
        },
    },
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Look first."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Reading "}},
    {"type": "text", "text": "Reading ", "snapshot": "Reading "},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "it."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"path": '}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"a.py"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]

RESPONSES = [
    {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress", "output": []}},
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {"type": "message", "id": "msg_1", "content": []},
    },
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Reading "},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "it."},
    {
        "type": "response.output_item.added",
        "output_index": 1,
        "item": {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read_file", "arguments": ""},
    },
    {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"path":'},
    {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '"a.py"}'},
]


@pytest.mark.parametrize("shape", [dict, as_objects])
def test_openai_chunks_pass_untouched_and_are_put_together(rec, only, shape):
    chunks = [shape(chunk) for chunk in CHAT]
    with rec.run("r") as run, run.llm("gpt-4o-mini") as call:
        rec.clock.advance(seconds=1)
        seen = []
        for chunk in call.stream(iter(chunks)):
            seen.append(chunk)
            rec.clock.advance(seconds=1)
    assert all(one is other for one, other in zip(seen, chunks, strict=True))
    event, payload = only("llm_response")
    assert payload == {
        "model": "gpt-4o-mini",
        "response_id": "chatcmpl-1",
        "message": CHAT_MESSAGE,
        "finish_reasons": ["tool_calls"],
        "usage": {"input_tokens": 10, "output_tokens": 4},
        "streamed": True,
        "chunks": len(CHAT),
        "time_to_first_chunk_ns": 1_000_000_000,
    }
    assert (event.status, event.duration_ns) == ("ok", (1 + len(CHAT)) * 1_000_000_000)


@pytest.mark.parametrize("shape", [dict, as_objects])
def test_anthropic_events_are_put_together(rec, only, shape):
    with rec.run("r") as run, run.llm("claude-sonnet-4-5") as call:
        list(call.stream([shape(event) for event in ANTHROPIC]))
    payload = only("llm_response")[1]
    assert payload["message"] == {
        "role": "assistant",
        "content": "Reading it.",
        "reasoning": "Look first.",
        "tool_calls": [{"id": "toolu_1", "name": "read_file", "arguments": {"path": "a.py"}}],
    }
    assert payload["usage"] == {"input_tokens": 105, "output_tokens": 15, "cached_input_tokens": 100}
    assert payload["finish_reasons"] == ["tool_use"]
    assert payload["response_id"] == "msg_1"


def test_a_block_that_the_sdk_lets_grow_itself_is_not_told_twice():
    block = {"type": "text", "text": ""}
    assembly = Assembly()
    assembly.add({"type": "content_block_start", "index": 0, "content_block": block})
    block["text"] = "hello"
    assembly.add({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}})
    assert read_response(assembly.response())["message"]["content"] == "hello"


def test_responses_events_are_put_together_from_deltas_until_the_last_one_has_it_all(rec):
    assembly = Assembly()
    for event in RESPONSES:
        assembly.add(event)
    read = read_response(assembly.response())
    assert read["message"] == {
        "role": "assistant",
        "content": "Reading it.",
        "tool_calls": [{"id": "call_1", "name": "read_file", "arguments": {"path": "a.py"}}],
    }
    assert (read["response_id"], read["model"]) == ("resp_1", "gpt-5")
    whole = {
        "object": "response",
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "content": [{"text": "All."}]}],
    }
    assembly.add({"type": "response.completed", "response": whole})
    assert read_response(assembly.response())["message"]["content"] == "All."


def test_texts_are_joined(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        assert "".join(call.stream(["a", "b"])) == "ab"
    assert only("llm_response")[1]["message"]["content"] == "ab"


def test_errors_inside_a_stream_make_the_response_an_error(rec):
    endings = [
        (ANTHROPIC[:8], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        (RESPONSES[:3], {"type": "error", "code": "overloaded_error", "message": "Overloaded"}),
    ]
    with rec.run("r") as run:
        for chunks, last in endings:
            with run.llm("m") as call:
                list(call.stream([*chunks, last]))
    assert [event.status for event in rec.events if event.type == "llm_response"] == ["error", "error"]
    for payload in rec.payloads("llm_response"):
        assert payload["error"] == {"kind": "overloaded_error", "message": "Overloaded"}
        assert payload["message"]["content"] == "Reading "


def test_a_stream_that_raises_keeps_the_partial_message_and_passes_the_error_on(rec, only):
    def breaking():
        yield from CHAT[:3]
        raise ConnectionResetError("gone")

    with rec.run("r") as run, pytest.raises(ConnectionResetError), run.llm("m") as call:
        list(call.stream(breaking()))
    event, payload = only("llm_response")
    assert (event.status, payload["error"]["kind"]) == ("error", "ConnectionResetError")
    assert payload["message"]["content"] == "Reading 😀"
    assert payload["chunks"] == 3


def test_an_error_of_the_stream_that_the_host_handles_is_still_recorded(rec, only):
    def breaking():
        yield "par"
        raise ConnectionResetError("gone")

    with rec.run("r") as run, run.llm("m") as call:
        try:
            list(call.stream(breaking()))
        except ConnectionResetError:
            pass
    assert only("llm_response")[0].status == "error"
    assert only("llm_response")[1]["message"]["content"] == "par"


def test_a_retry_in_the_same_block_counts_as_the_answer(rec, only):
    def breaking():
        yield "par"
        raise ConnectionResetError("gone")

    with rec.run("r") as run, run.llm("m") as call:
        first = call.stream(breaking())
        with pytest.raises(ConnectionResetError):
            list(first)
        second = call.stream(["whole"])
        del first
        gc.collect()
        assert list(second) == ["whole"]
    event, payload = only("llm_response")
    assert event.status == "ok"
    assert payload["message"]["content"] == "whole"
    assert payload["chunks"] == 1
    assert "stopped_early" not in payload


def test_a_consumer_that_stops_early_leaves_a_partial_message(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        for chunk in call.stream(CHAT):
            if chunk is CHAT[1]:
                break
    event, payload = only("llm_response")
    assert event.status == "ok"
    assert (payload["message"]["content"], payload["chunks"], payload["stopped_early"]) == ("Read", 2, True)


def test_a_stream_that_is_kept_but_not_read_to_its_end_is_recorded_at_the_end_of_the_block(rec, only):
    with rec.run("r") as run:
        with run.llm("m") as call:
            stream = call.stream(["a", "b", "c"])
            next(stream)
        assert only("llm_response")[1]["message"]["content"] == "a"
        assert list(stream) == ["b", "c"]
    assert only("llm_response")[1]["stopped_early"] is True


def test_a_stream_that_is_returned_from_the_block_is_recorded_when_it_ends(rec, only):
    def ask(run):
        with run.llm("m") as call:
            return call.stream(["a", "b"])

    with rec.run("r") as run:
        stream = ask(run)
    assert rec.payloads("llm_response") == []
    assert list(stream) == ["a", "b"]
    event, payload = only("llm_response")
    assert (event.run_id, payload["message"]["content"]) == (run.id, "ab")
    assert "stopped_early" not in payload


def test_a_returned_stream_that_nobody_reads_is_recorded_when_it_is_let_go(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        stream = call.stream(["a"])
    del stream
    gc.collect()
    assert only("llm_response")[1] == {"model": "m", "streamed": True, "chunks": 0, "stopped_early": True}


def test_an_empty_stream_in_the_block_is_a_response(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        assert list(call.stream([])) == []
    assert only("llm_response")[1]["chunks"] == 0


def test_a_generator_around_the_call_that_is_closed_is_no_error(rec, only):
    def answer(run):
        with run.llm("m") as call:
            yield from call.stream(["a", "b", "c"])

    with rec.run("r") as run:
        reader = answer(run)
        assert next(reader) == "a"
        reader.close()
    event, payload = only("llm_response")
    assert (event.status, payload["message"]["content"], payload["stopped_early"]) == ("ok", "a", True)


def test_closing_the_stream_closes_the_sdks_stream_and_what_else_it_offers_is_reached():
    class Recorded:
        response = "raw"
        closed = False

        def __iter__(self):
            return iter("ab")

        def close(self):
            self.closed = True

    from flightlog.testing import MemoryRecorder

    rec, source = MemoryRecorder(), Recorded()
    with rec.run("r") as run, run.llm("m") as call:
        with call.stream(source) as stream:
            assert next(stream) == "a"
            assert stream.response == "raw"
            with pytest.raises(AttributeError):
                _ = stream.missing
        assert source.closed
    assert rec.payloads("llm_response")[0]["stopped_early"] is True


def test_chunks_of_no_known_shape_are_counted_and_the_first_are_kept(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        assert len(list(call.stream(itertools.repeat({"strange": 1}, 50)))) == 50
    payload = only("llm_response")[1]
    assert payload["chunks"] == 50
    assert payload["response"] == {"parts": [{"strange": 1}] * 16}


def test_what_is_no_stream_raises_what_it_would_raise_anyway(rec, only):
    with rec.run("r") as run, pytest.raises(TypeError), run.llm("m") as call:
        call.stream(5)
    assert only("llm_response")[0].status == "error"


def test_async_streams_are_watched_the_same_way(rec, only):
    async def source():
        for chunk in CHAT:
            yield chunk

    async def main():
        with rec.run("r"):
            async with rec.llm("m") as call:
                return [chunk async for chunk in call.astream(source())]

    assert asyncio.run(main()) == CHAT
    assert only("llm_response")[1]["message"] == CHAT_MESSAGE


def test_async_streams_that_break_stop_early_or_are_closed_are_recorded(rec):
    closed = []

    class Source:
        def __init__(self):
            self.left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise ConnectionResetError("gone")
            return "a"

        async def close(self):
            closed.append(True)

    async def main():
        async def read_on(call):
            async for _ in call.astream(Source()):
                pass

        with rec.run("r") as run:
            with pytest.raises(ConnectionResetError):
                async with run.llm("breaks") as call:
                    await read_on(call)
            async with run.llm("stops") as call:
                async for _ in call.astream(Source()):
                    break
            async with run.llm("closes") as call, call.astream(Source()) as stream:
                await anext(stream)

    asyncio.run(main())
    events = [event for event in rec.events if event.type == "llm_response"]
    assert [(event.name, event.status) for event in events] == [("breaks", "error"), ("stops", "ok"), ("closes", "ok")]
    assert [payload["message"]["content"] for payload in rec.payloads("llm_response")] == ["aa", "a", "a"]
    assert [payload.get("stopped_early") for payload in rec.payloads("llm_response")] == [None, True, True]
    assert closed == [True]


def test_a_stream_read_in_another_thread_belongs_to_the_run_of_its_request(rec, only):
    with rec.run("r") as run, run.llm("m") as call:
        stream = call.stream(["a", "b"])
    thread = threading.Thread(target=list, args=(stream,))
    thread.start()
    thread.join()
    assert only("llm_response")[0].run_id == run.id


@given(
    text=st.text(max_size=40),
    arguments=st.text(max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_however_an_answer_is_cut_into_chunks_it_comes_out_whole(text, arguments, cuts):
    def pieces(whole: str) -> list[str]:
        edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
        return [whole[a:b] for a, b in itertools.pairwise(edges)]

    assembly = Assembly()
    for piece in pieces(text):
        assembly.add(chat_chunk({"content": piece}))
    assembly.add(chat_chunk(call_piece(0, "", id="c", name="f")))
    for piece in pieces(arguments):
        assembly.add(chat_chunk(call_piece(0, piece)))
    (choice,) = assembly.response()["choices"]
    assert choice["message"].get("content", "") == text
    assert choice["message"]["tool_calls"] == [{"id": "c", "name": "f", "arguments": arguments}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "choices", "delta", "index", "content", "usage", "error", "message", "output", "text"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(chunks=st.lists(JSON, max_size=5))
def test_no_chunk_and_no_answer_makes_reading_raise(chunks):
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
        read_response(chunk)
    read_response(assembly.response())
    assert assembly.chunks == len(chunks)
