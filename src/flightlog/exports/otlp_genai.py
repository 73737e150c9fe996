"""A call of a model and a tool's answer in the words of OpenTelemetry's GenAI conventions.

Names: open-telemetry/semantic-conventions-genai, `model/gen-ai/registry.yaml`; messages as its
`gen-ai-input-messages.json` and `gen-ai-output-messages.json` have them.
`ingest/otlp/mapping/dialects/genai.py` reads the same names.
"""

from __future__ import annotations

from typing import Any

from flightlog.exports.otlp_values import as_json

Payload = dict[str, Any]

_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "max_tokens": "gen_ai.request.max_tokens",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "stop_sequences": "gen_ai.request.stop_sequences",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "n": "gen_ai.request.choice.count",
    "encoding_formats": "gen_ai.request.encoding_formats",
    "output_type": "gen_ai.output.type",
    "dimensions": "gen_ai.embeddings.dimension.count",
    "service_tier": "openai.request.service_tier",
}
_NUMBERS = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty", "top_k"})  # doubles there
_USAGE = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
_PART_KEYS = frozenset({"role", "content", "tool_calls", "tool_call_id"})


def model_call(said: Payload, asked: Payload) -> dict[str, Any]:
    """The attributes of a call: `said` is the payload of the answer, `asked` that of the request, where that is an event."""
    request = {**_dict(said.get("request")), **{key: value for key, value in asked.items() if value is not None}}
    made: dict[str, Any] = {
        "gen_ai.operation.name": said.get("operation") or request.get("operation") or "chat",
        "gen_ai.provider.name": said.get("provider") or request.get("provider"),
        "gen_ai.request.model": request.get("model"),
        "gen_ai.response.model": said.get("model"),
        "gen_ai.response.id": said.get("response_id"),
        "gen_ai.request.stream": said.get("streamed"),
        "gen_ai.usage.cost": said.get("cost_usd"),
    }
    first_ns = said.get("time_to_first_chunk_ns")
    if isinstance(first_ns, int):
        made["gen_ai.response.time_to_first_chunk"] = first_ns / 1e9
    reasons = said.get("finish_reasons")
    reasons = [reason for reason in reasons if isinstance(reason, str)] if isinstance(reasons, list) else []
    if reasons:
        made["gen_ai.response.finish_reasons"] = reasons
    for name, value in _dict(said.get("usage")).items():
        if name in _USAGE:
            made[_USAGE[name]] = value
    for name, value in _dict(request.get("parameters")).items():
        if name in _PARAMETERS:
            is_number = name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool)
            made[_PARAMETERS[name]] = float(value) if is_number else value
    if messages := _messages(request.get("messages")) or _asked(request.get("input")):
        made["gen_ai.input.messages"] = as_json(messages)
    if isinstance(request.get("tools"), list):
        made["gen_ai.tool.definitions"] = as_json(request["tools"])
    choices = said.get("choices") if isinstance(said.get("choices"), list) else None
    if answers := _messages(choices or ([said["message"]] if isinstance(said.get("message"), dict) else None)):
        for at, answer in enumerate(answers):
            answer["finish_reason"] = reasons[at] if at < len(reasons) else reasons[0] if reasons else "stop"
        made["gen_ai.output.messages"] = as_json(answers)
    return made


def tool_result(said: Payload, asked: Payload, name: str | None) -> dict[str, Any]:
    """The attributes of a tool's execution: `asked` is the payload of the call, where it is an event of its own."""
    made: dict[str, Any] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": said.get("tool") or asked.get("tool") or name,
        "gen_ai.tool.call.id": said.get("call_id") or asked.get("call_id"),
    }
    arguments = said.get("arguments", asked.get("arguments"))
    for key, value in (("arguments", arguments), ("result", said.get("result"))):
        if value is not None:
            made[f"gen_ai.tool.call.{key}"] = value if isinstance(value, str) else as_json(value)
    return made


def _messages(given: Any) -> list[Payload]:
    """Messages with parts, as the conventions have them; what is no message is left out."""
    return [_message(one) for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _message(given: Payload) -> Payload:
    role, content = given.get("role") or "user", given.get("content")
    if role == "tool" and given.get("tool_call_id") is not None:
        parts: list[Any] = [{"type": "tool_call_response", "id": given["tool_call_id"], "response": content}]
    else:
        parts = _parts(content)
    calls = given.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            parts.append({"type": "tool_call", "id": None, "name": None, "arguments": None} | call)
    return {"role": role, "parts": parts} | {key: value for key, value in given.items() if key not in _PART_KEYS}


def _parts(content: Any) -> list[Any]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return (
        [_part(part) for part in content]
        if isinstance(content, list)
        else [{"type": "text", "content": as_json(content)}]
    )


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    if isinstance(part, dict) and part.get("type") in ("text", "reasoning") and isinstance(part.get("text"), str):
        return {**{key: value for key, value in part.items() if key != "text"}, "content": part["text"]}
    return part


def _asked(given: Any) -> list[Payload]:
    """What was embedded, completed or drawn, as messages of a user."""
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts if isinstance(text, str)]


def _dict(value: Any) -> Payload:
    return value if isinstance(value, dict) else {}
