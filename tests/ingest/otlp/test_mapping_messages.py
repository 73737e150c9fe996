"""Messages of every shape come out in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flightlog.ingest.otlp.mapping.messages import messages_of
from tests.ingest.otlp.mapped import happened, logged, mapped

CALL = {"id": "c1", "name": "add", "arguments": {"a": 1}}

SHAPES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "OpenTelemetry, text": (
        [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}],
        [{"role": "user", "content": "Hi"}],
    ),
    "OpenTelemetry, two texts": (
        [{"role": "user", "parts": [{"type": "text", "content": "Hi"}, {"type": "text", "content": "you"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]}],
    ),
    "OpenTelemetry, thought and call": (
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "text", "content": ""},
                    {"type": "tool_call", "id": "c1", "name": "add", "arguments": '{"a": 1}'},
                ],
            }
        ],
        [{"role": "assistant", "content": [{"type": "reasoning", "text": "hm"}], "tool_calls": [CALL]}],
    ),
    "OpenTelemetry, tool answer as an object": (
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"sum": 3}}]}],
        [{"role": "tool", "content": '{"sum":3}', "tool_call_id": "c1"}],
    ),
    "OpenTelemetry, old name of a tool answer": (
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "3"}]}],
        [{"role": "tool", "content": "3", "tool_call_id": "c1"}],
    ),
    "OpenTelemetry, picture": (
        [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://x/y.png"}]}],
        [{"role": "user", "content": [{"type": "uri", "modality": "image", "uri": "https://x/y.png"}]}],
    ),
    "OpenAI, call": (
        [
            {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
            }
        ],
        [{"role": "assistant", "tool_calls": [CALL]}],
    ),
    "OpenAI, empty text beside a call": (
        [{"role": "assistant", "content": "", "tool_calls": [CALL]}],
        [{"role": "assistant", "tool_calls": [CALL]}],
    ),
    "OpenAI, tool answer": (
        [{"role": "tool", "tool_call_id": "c1", "name": "add", "content": "3"}],
        [{"role": "tool", "content": "3", "tool_call_id": "c1", "name": "add"}],
    ),
    "OpenAI, one call of old": (
        [{"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "a=1"}}],
        [{"role": "assistant", "tool_calls": [{"name": "add", "arguments": "a=1"}]}],
    ),
    "Anthropic, blocks": (
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "3"}]},
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
        [
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
            {"role": "user", "content": "and now?"},
        ],
    ),
    "AI SDK, parts": (
        [
            {
                "role": "assistant",
                "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "add", "input": {"a": 1}}],
            },
            {
                "role": "tool",
                "content": [
                    {
                        "type": "tool-result",
                        "toolCallId": "c1",
                        "toolName": "add",
                        "output": {"type": "text", "value": "3"},
                    }
                ],
            },
        ],
        [
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "content": '{"type":"text","value":"3"}', "tool_call_id": "c1", "name": "add"},
        ],
    ),
    "two tool answers in one": (
        [
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_call_response", "id": "c1", "response": "3"},
                    {"type": "tool_call_response", "id": "c2", "response": "4"},
                ],
            }
        ],
        [
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
            {"role": "tool", "content": "4", "tool_call_id": "c2"},
        ],
    ),
    "OpenAI, refusal": (
        [{"role": "assistant", "content": None, "refusal": "No."}, {"role": "user", "content": "Hi", "refusal": None}],
        [{"role": "assistant", "content": [{"type": "refusal", "text": "No."}]}, {"role": "user", "content": "Hi"}],
    ),
    "OpenAI, refusal after a text": (
        [{"role": "assistant", "content": "Well.", "refusal": "No."}],
        [{"role": "assistant", "content": [{"type": "text", "text": "Well."}, {"type": "refusal", "text": "No."}]}],
    ),
    "OpenLLMetry, refusal": (
        [{"role": "assistant", "parts": [{"type": "refusal", "content": "No."}]}],
        [{"role": "assistant", "content": [{"type": "refusal", "text": "No."}]}],
    ),
    "what nobody knows stays": (
        [{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}],
        [{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_of_this_shape_comes_out_as_every_other(shape: str) -> None:
    given, wanted = SHAPES[shape]
    assert messages_of(given) == wanted


def test_openinference_spells_out_contents_part_by_part() -> None:
    spelt = {
        "0.message.role": "user",
        "0.message.contents.0.message_content.type": "text",
        "0.message.contents.0.message_content.text": "What is this?",
        "0.message.contents.1.message_content.type": "image",
        "0.message.contents.1.message_content.image.image.url": "https://x/y.png",
        "1.message.role": "assistant",
        "1.message.contents.0.message_content.type": "reasoning",
        "1.message.contents.0.message_content.text": "hm",
        "1.message.contents.1.message_content.type": "tool_use",
        "1.message.contents.1.tool_call.id": "c1",
        "1.message.contents.1.tool_call.function.name": "add",
        "1.message.contents.1.tool_call.function.arguments": '{"a": 1}',
    }
    payload = mapped(
        {"openinference.span.kind": "LLM", **{f"llm.input_messages.{key}": value for key, value in spelt.items()}}
    )
    assert payload["request"]["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is this?"}, {"type": "image", "url": "https://x/y.png"}],
        },
        {"role": "assistant", "content": [{"type": "reasoning", "text": "hm"}], "tool_calls": [CALL]},
    ]


def test_an_indexed_list_that_does_not_fit_together_stays_as_it_is() -> None:
    broken = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.role.x": "y", "gen_ai.prompt.z.content": "?"}
    payload = mapped({"gen_ai.operation.name": "chat", **broken})
    assert payload["attributes"] == broken


def test_the_tenth_message_comes_after_the_second() -> None:
    spelt = {f"gen_ai.prompt.{number}.content": str(number) for number in (10, 9, 2, 1, 0)}
    payload = mapped({"gen_ai.operation.name": "chat", **spelt})
    assert [message["content"] for message in payload["request"]["messages"]] == ["0", "1", "2", "9", "10"]


def test_system_instructions_come_first_and_once() -> None:
    system = '[{"type":"text","content":"Be kind."}]'
    for messages in (
        '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        '[{"role":"system","parts":[{"type":"text","content":"Be kind."}]},{"role":"user","content":"Hi"}]',
    ):
        payload = mapped(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system_instructions": system,
                "gen_ai.input.messages": messages,
            }
        )
        assert payload["request"]["messages"] == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
        ]


def test_several_answers_are_choices() -> None:
    payload = mapped(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"A"}],"finish_reason":"stop"},'
            '{"role":"assistant","parts":[{"type":"text","content":"B"}],"finish_reason":"max_tokens"}]',
        }
    )
    assert payload["message"] == {"role": "assistant", "content": "A"}
    assert payload["choices"] == [payload["message"], {"role": "assistant", "content": "B"}]
    assert payload["finish_reasons"] == ["stop", "length"]


OLD_EVENTS = [
    happened("gen_ai.system.message", gen_ai__system="openai", content="Be kind.", role="system"),
    happened("gen_ai.user.message", gen_ai__event__content='{"role": "user", "content": "Add 1."}'),
    happened(
        "gen_ai.assistant.message", tool_calls='[{"id":"c1","function":{"name":"add","arguments":"{\\"a\\": 1}"}}]'
    ),
    happened("gen_ai.tool.message", id="c1", content="3"),
    happened("gen_ai.choice", index=0, finish_reason="stop", message='{"role": "assistant", "content": "3."}'),
]
OLD_MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Add 1."},
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "content": "3", "tool_call_id": "c1"},
]


def test_messages_in_span_events_are_the_call_s_messages() -> None:
    payload = mapped({"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}, events=OLD_EVENTS)
    assert payload["request"]["messages"] == OLD_MESSAGES
    assert (payload["message"], payload["finish_reasons"]) == ({"role": "assistant", "content": "3."}, ["stop"])
    assert "events" not in payload["otlp"]


def test_span_events_that_say_otherwise_than_the_attributes_stay() -> None:
    payload = mapped({"gen_ai.operation.name": "chat", "gen_ai.prompt": "Something else"}, events=OLD_EVENTS)
    assert payload["request"]["messages"] == [{"role": "user", "content": "Something else"}]
    assert len(payload["otlp"]["events"]) == 5


def test_prompt_and_completion_of_the_oldest_events_are_read() -> None:
    events = [
        happened("gen_ai.content.prompt", gen_ai__prompt='[{"role":"user","content":"Hi"}]'),
        happened("gen_ai.content.completion", gen_ai__completion='[{"role":"assistant","content":"Ho"}]'),
    ]
    payload = mapped({"gen_ai.operation.name": "chat"}, events=events)
    assert payload["request"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert payload["message"] == {"role": "assistant", "content": "Ho"}


def test_the_details_of_an_operation_may_be_a_span_event() -> None:
    details = happened(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}],
    )
    payload = mapped({"gen_ai.operation.name": "chat"}, events=[details])
    assert payload["request"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert "events" not in payload["otlp"]


def test_messages_in_log_records_are_messages() -> None:
    assert logged("gen_ai.user.message", {"content": "Hi"})["request"] == {
        "messages": [{"role": "user", "content": "Hi"}]
    }
    calls = [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
    assert logged("gen_ai.assistant.message", {"tool_calls": calls})["request"] == {
        "messages": [{"role": "assistant", "tool_calls": [CALL]}]
    }
    assert logged("gen_ai.tool.message", {"content": "3", "id": "c1"})["request"] == {
        "messages": [{"role": "tool", "content": "3", "tool_call_id": "c1"}]
    }
    choice = logged("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "Ho"}})
    assert (choice["message"], choice["finish_reasons"]) == ({"role": "assistant", "content": "Ho"}, ["stop"])
    assert "body" not in choice


def test_a_message_whose_content_was_not_captured_stays_a_plain_record() -> None:
    payload = logged("gen_ai.user.message", None, attributes={"gen_ai.system": "openai"})
    assert "request" not in payload
    assert payload["attributes"] == {"gen_ai.system": "openai"}


def test_what_a_whole_answer_says_beyond_openinferences_attributes_is_read_from_it() -> None:
    """Its attributes have one finish reason for all choices, and no refusal."""
    first, second = ({"message": {"role": "assistant", "content": said}} for said in ("Heads.", "Tails."))
    payload = mapped(
        {
            "openinference.span.kind": "LLM",
            "llm.finish_reason": "stop",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Heads.",
            "llm.output_messages.1.message.role": "assistant",
            "output.value": _json(
                {"choices": [first | {"finish_reason": "stop"}, second | {"finish_reason": "length"}]}
            ),
        }
    )
    assert payload["finish_reasons"] == ["stop", "length"]
    assert [choice["content"] for choice in payload["choices"]] == ["Heads.", "Tails."]
    assert "attributes" not in payload


def test_a_whole_answer_that_says_otherwise_than_the_attributes_stays() -> None:
    whole = _json({"choices": [{"message": {"role": "assistant", "content": "Tails."}, "finish_reason": "length"}]})
    payload = mapped(
        {
            "openinference.span.kind": "LLM",
            "llm.finish_reason": "stop",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Heads.",
            "output.value": whole,
        }
    )
    assert (payload["message"]["content"], payload["finish_reasons"]) == ("Heads.", ["stop"])
    assert payload["attributes"] == {"output.value": whole}


def test_a_question_that_is_a_message_already_is_no_input_too() -> None:
    """As OpenInference has OpenAI's Responses: messages, and the request as it was sent."""
    payload = mapped(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "Hi",
            "input.value": _json({"model": "m", "instructions": "Be brief.", "input": "Hi"}),
        }
    )
    assert payload["request"] == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    }


def _json(value: Any) -> str:
    return json.dumps(value)


def test_finish_reasons_of_the_history_are_in_the_same_words_too() -> None:
    called = {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}
    thought = {"type": "thinking", "content": "hm"}
    for parts in ([called], [called, thought]):
        history = [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]
        payload = mapped({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(history)})
        assert payload["request"]["messages"][0]["finish_reason"] == "tool_calls"


def test_the_name_of_a_log_record_may_be_an_attribute() -> None:
    by_field = logged("gen_ai.user.message", {"content": "Hi"}, attributes={"gen_ai.system": "openai"})
    as_attribute = logged(
        "", {"content": "Hi"}, attributes={"gen_ai.system": "openai", "event.name": "gen_ai.user.message"}
    )
    assert by_field == as_attribute
    assert by_field["request"] == {"messages": [{"role": "user", "content": "Hi"}]}
