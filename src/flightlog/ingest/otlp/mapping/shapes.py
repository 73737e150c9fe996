"""From the fields of a span to the payload of its event: a model call, a tool, or any other span."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import FIELD_CHARS_MAX
from flightlog.ingest.otlp.mapping.draft import RAW_RANK, Draft
from flightlog.ingest.otlp.mapping.requests import answer_of, request_of
from flightlog.ingest.otlp.mapping.values import INT64_MAX, finish_reason, loose

Payload = dict[str, Any]

MODEL_OPERATIONS = frozenset(
    {
        "chat",
        "text_completion",
        "generate_content",
        "embeddings",
        "image_generation",
        "generate_image",
        "speech",
        "generate_audio",
        "transcription",
        "moderation",
    }
)
_OTHER_OPERATIONS = frozenset(
    {
        "chain",
        "create_agent",
        "create_memory",
        "delete_memory",
        "embed",
        "evaluate",
        "execute_task",
        "execute_tool",
        "guardrail",
        "invoke_agent",
        "invoke_workflow",
        "memory",
        "parse",
        "plan",
        "prompt",
        "rerank",
        "retrieval",
        "search_memory",
        "update_memory",
        "upsert_memory",
    }
)
_NAME_CHARS_MAX = FIELD_CHARS_MAX["name"]
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
_PROMPTS = "llm.prompts."  # OpenInference says LLM of chats and of completions; only these have prompts
_SPOKEN_TOO = frozenset({"asked", "parameters.instructions"})  # of a request that attributes tell as messages
_PLAIN_MIMES = frozenset({"application/json", "text/plain"})


def type_of(draft: Draft) -> str:
    """The type of the span's event. A span that names no operation is told by what it has."""
    operation = draft.values.get("operation")
    if operation in MODEL_OPERATIONS:
        return "llm_response"
    if operation == "execute_tool":
        return "tool_result"
    if operation in _OTHER_OPERATIONS:
        return "span_finished"
    values = draft.values
    if "request_model" in values or "model" in values:
        if any(field in values for field in ("messages", "output_messages", "answer_text", "input_tokens", "provider")):
            return "llm_response"
    elif operation is None and "tool" in values:
        return "tool_result"
    return "span_finished"


# ── calls of a model ─────────────────────────────────────────────────────────────────────────────────────────────────


def model_call(draft: Draft) -> Payload:
    """The payload of an `llm_response`, but for error, attributes and otlp."""
    values = draft.values
    raw_output = None
    if "input" in values:
        _unfold_input(draft)
    if "output" in values:
        raw_output = _unfold_output(draft)
    if "asked" in values and draft.sources["asked"][1] == _PROMPTS and values.get("operation") == "chat":
        values["operation"] = "text_completion"
    operation = draft.take("operation") or ("embeddings" if "vectors" in values else "chat")
    payload: Payload = {}
    for field in ("model", "provider", "response_id"):
        if field in values:
            payload[field] = values.pop(field)
    payload["operation"] = operation
    request = asked_of(draft, operation)
    if request:
        payload["request"] = request
    payload |= answered_of(draft)
    if raw_output is not None:
        payload["output"] = raw_output
    if "vectors" in values:
        payload["embeddings"] = draft.take("vectors")
    if used := usage(draft):
        payload["usage"] = used
    for field in ("cost_usd", "time_to_first_chunk_ns", "streamed"):
        if field in values:
            payload[field] = values.pop(field)
    return payload


def name_of_call(payload: Payload, otherwise: str | None) -> Any:
    """The name of the event with this payload: the model asked for, else that answered, else `otherwise`.

    The model asked for is taken out of the payload, where the name has room for all of it.
    """
    request = payload.get("request", {})
    asked = request.get("model")
    if not asked:
        return payload.get("model") or otherwise
    if len(asked) <= _NAME_CHARS_MAX:
        del request["model"]
        if not request:
            del payload["request"]
    return asked


def asked_of(draft: Draft, operation: str | None = None) -> Payload:
    """What a model was asked: model, messages or other input, parameters, tools."""
    values = draft.values
    request: Payload = {}
    if "request_model" in values:
        request["model"] = draft.take("request_model")
    messages = conversation(draft)
    if messages and operation == "embeddings" and "asked" not in values and all("content" in m for m in messages):
        texts = [message["content"] for message in messages]
        request["input"] = texts[0] if len(texts) == 1 else texts
    elif messages:
        request["messages"] = messages
    if "asked" in values:
        request["input"] = draft.take("asked")
    if parameters := [field for field in values if field[:11] == "parameters."]:
        request["parameters"] = {field[11:]: values.pop(field) for field in parameters}
    if "tools" in values:
        request["tools"] = draft.take("tools")
    return request


def conversation(draft: Draft) -> list[Payload] | None:
    """The messages, with the system's instructions first."""
    messages: list[Payload] | None = draft.take("messages")
    system = draft.take("system")
    if system is None:
        return messages
    if messages and messages[0] == system:
        return messages
    return [system, *(messages or ())]


def answered_of(draft: Draft) -> Payload:
    """What a model answered: message, choices, finish reasons."""
    answers = draft.take("output_messages")
    if not answers and ("answer_text" in draft.values or "answer_calls" in draft.values):
        answer: Payload = {"role": "assistant"}
        if text := draft.take("answer_text"):
            answer["content"] = text
        if calls := draft.take("answer_calls"):
            answer["tool_calls"] = calls
        answers = [answer]
    reasons = draft.take("finish_reasons")
    answered: Payload = {}
    if answers:
        answers, own = _without_reasons(answers)
        answered["message"] = answers[0]
        if len(answers) > 1:
            answered["choices"] = answers
        reasons = reasons or own
    if reasons:
        answered["finish_reasons"] = reasons
    return answered


def _without_reasons(answers: list[Payload]) -> tuple[list[Payload], list[str]]:
    from_messages: list[str] = []
    plain: list[Payload] = []
    for answer in answers:
        if "finish_reason" in answer:
            reason = finish_reason(answer["finish_reason"])
            if reason:
                from_messages.append(reason)
                answer = answer.copy()
                del answer["finish_reason"]
        plain.append(answer)
    return plain, from_messages


def usage(draft: Draft) -> dict[str, int]:
    """The counts, with what a sender counted beside the whole added to it.

    Cached tokens are part of the input, reasoning is part of the output. That a sender counts them beside is told by
    a total that says so, or by parts that are greater than their whole.
    """
    values = draft.values
    used = {field: values.pop(field) for field in _COUNTS if field in values}
    if not used and "total_tokens" not in values:
        return used
    cached = used.get("cached_input_tokens", 0) + used.get("cache_write_tokens", 0)
    reasoning = used.get("reasoning_tokens", 0)
    given, out, total = used.get("input_tokens"), used.get("output_tokens"), draft.values.get("total_tokens")
    if given is not None and cached and (cached > given or total == given + cached + (out or 0)):
        used["input_tokens"] = min(given + cached, INT64_MAX)
    if out is not None and reasoning > out:
        used["output_tokens"] = min(out + reasoning, INT64_MAX)
    sums = ((given or 0) + (out or 0), used.get("input_tokens", 0) + used.get("output_tokens", 0))
    if used and total in sums:
        draft.take("total_tokens")
    return used


def _unfold_input(draft: Draft) -> None:
    """What a whole request says beyond the attributes; it stays where it says something else than they do."""
    raw, key = draft.values["input"], draft.sources["input"][1]
    fields = request_of(raw)
    known = "messages" in draft.values or "asked" in draft.values
    if fields is not None:
        del draft.values["input"]
        _mime(draft, "input_mime")
        said = [message.get("content") for message in draft.values.get("messages") or ()]
        for field, value in fields.items():
            if field not in _SPOKEN_TOO or value not in said:
                draft.put(field, value, (RAW_RANK, key))
    elif not known:
        del draft.values["input"]
        _mime(draft, "input_mime")
        draft.put("asked", loose(raw), (RAW_RANK, key))
    elif raw == draft.values.get("asked") or any(
        raw == message.get("content") for message in draft.values.get("messages") or ()
    ):
        del draft.values["input"]
        _mime(draft, "input_mime")


def _unfold_output(draft: Draft) -> Any:
    """The same for a whole answer. Gives what is no answer that we can read, where there is no other."""
    raw, key = draft.values["output"], draft.sources["output"][1]
    fields = answer_of(raw)
    known = any(field in draft.values for field in ("output_messages", "answer_text", "vectors"))
    if fields is not None:
        del draft.values["output"]
        _mime(draft, "output_mime")
        for field, value in fields.items():
            if _says_more(value, draft.values.get(field)):
                draft.values[field] = value
            else:
                draft.put(field, value, (RAW_RANK, key))
    elif not known:
        del draft.values["output"]
        _mime(draft, "output_mime")
        whole = loose(raw)
        if type(whole) is not str:
            return whole
        draft.put("answer_text", whole, (RAW_RANK, key))
    elif any(raw == message.get("content") for message in draft.values.get("output_messages") or ()):
        del draft.values["output"]
        _mime(draft, "output_mime")
    return None


def _says_more(whole: Any, part: Any) -> bool:
    """Whether an answer has all that the attributes say of it, and more: a reason for each choice, a refusal."""
    if type(whole) is not list or type(part) is not list or not part or whole == part:
        return False
    if len(whole) == len(part) and all(type(one) is dict for one in (*whole, *part)):
        return all(less.items() <= more.items() for less, more in zip(part, whole, strict=True))
    return whole[: len(part)] == part and type(part[0]) is str


def _mime(draft: Draft, field: str) -> None:
    if draft.values.get(field) in _PLAIN_MIMES:
        draft.take(field)


# ── tools, and the rest ──────────────────────────────────────────────────────────────────────────────────────────────


def tool_result(draft: Draft, span_name: str) -> Payload:
    """The payload of a `tool_result`, but for error, attributes and otlp."""
    draft.take("operation")
    tool = draft.take("tool")
    if tool is None:
        entity = draft.rest.get("traceloop.entity.name")
        tool = entity if type(entity) is str and entity else span_name
    payload: Payload = {"tool": tool}
    for field, raw in (("arguments", "input"), ("result", "output")):
        value = draft.take(field)
        if raw in draft.values:
            other = _opened(draft, raw)
            if value is None or other == value:
                value = other
                draft.take(raw)
                _mime(draft, raw + "_mime")
        if value is not None:
            payload[field] = value
    call_id = draft.take("call_id") or _answered_call(payload.get("result"))
    if call_id:
        payload["call_id"] = call_id
    return payload


def other_span(draft: Draft) -> Payload:
    """The payload of a `span_finished`, but for error, attributes and otlp."""
    values = draft.values
    payload: Payload = {}
    if "operation" in values:
        payload["operation"] = draft.take("operation")
    for field, told in (("input", _told), ("output", _said)):
        if field in values:
            payload[field] = _opened(draft, field)
            draft.take(field)
            _mime(draft, field + "_mime")
        elif (value := told(draft)) is not None:
            payload[field] = value
    if "documents" in values:
        payload["documents"] = draft.take("documents")
    return payload


def _told(draft: Draft) -> Any:
    """What a span was given, where it has no input of its own: the conversation, or what was asked."""
    return draft.take("asked") if "asked" in draft.values else conversation(draft)


def _said(draft: Draft) -> Any:
    """What came out of a span, where it has no output of its own: messages, or a text."""
    if "output_messages" in draft.values:
        return draft.take("output_messages")
    if "answer_calls" in draft.values:
        return answered_of(draft)["message"]
    return draft.take("answer_text")


def _opened(draft: Draft, field: str) -> Any:
    """An input or output, decoded unless it is said to be plain text."""
    value = draft.values.get(field)
    return value if draft.values.get(field + "_mime") == "text/plain" else loose(value)


def _answered_call(result: Any) -> str | None:
    """The tool call that LangChain's tool message answers, where a tool's result is one."""
    for path in (("tool_call_id",), ("data",), ("kwargs",), ("output", "kwargs"), ("output", "data"), ("output",)):
        node = result
        for part in path:
            if part != "tool_call_id":
                node = node.get(part) if type(node) is dict else None
        call_id = node.get("tool_call_id") if type(node) is dict else None
        if type(call_id) is str and call_id:
            return call_id
    return None
