"""Attributes that spell out a list: `llm.input_messages.0.message.role`, `gen_ai.prompt.0.content`, `retrieval.documents.…`.

A family gathers all attributes under one prefix and reads them as one value. It gives None where they don't fit together; then
each stays under its own name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flightlog.ingest.otlp.mapping.messages import Message, message_of, tool_of
from flightlog.ingest.otlp.mapping.values import loose

Path = tuple[str, ...]
Pairs = list[tuple[Path, Any]]  # the steps that follow the prefix, and the value
FamilyReader = Callable[[Pairs], Any]

PARTS_MAX = 16  # levels of one name; deeper ones are not read


def entries(pairs: Pairs) -> list[Any] | None:
    """The list that these attributes spell out, each entry an object of objects.

    >>> entries([(("1", "a"), 2), (("0", "a"), 1), (("0", "b", "c"), 3)])
    [{'a': 1, 'b': {'c': 3}}, {'a': 2}]
    """
    root: dict[str, Any] = {}
    for path, value in pairs:
        if len(path) > PARTS_MAX:
            return None
        node = root
        for part in path[:-1]:
            inner = node.get(part)
            if inner is None:
                inner = node[part] = {}
            elif type(inner) is not dict:
                return None
            node = inner
        if path[-1] in node:
            return None
        node[path[-1]] = value
    return _in_order(root)


def _in_order(node: Any) -> list[Any] | None:
    if type(node) is not dict or not all(key.isascii() and key.isdigit() and len(key) < 10 for key in node):
        return None
    return [node[key] for key in sorted(node, key=int)]


def _each(pairs: Pairs, inside: str | None = None) -> list[dict[str, Any]] | None:
    found = entries(pairs)
    if not found:
        return None
    objects: list[dict[str, Any]] = []
    for entry in found:
        if inside is not None and type(entry) is dict and len(entry) == 1:
            entry = entry.get(inside)
        if type(entry) is not dict or not entry:
            return None
        objects.append(entry)
    return objects


# ── OpenInference ────────────────────────────────────────────────────────────────────────────────────────────────────


def openinference_messages(pairs: Pairs) -> list[Message] | None:
    """`llm.input_messages.<n>.message.…` and `llm.output_messages.…`."""
    found = _each(pairs, "message")
    if found is None:
        return None
    messages: list[Message] = []
    for raw in found:
        message = dict(raw)
        if "tool_calls" in message:
            calls = _in_order(message["tool_calls"])
            if calls is None:
                return None
            message["tool_calls"] = [_openinference_call(call) for call in calls]
        if "contents" in message:
            contents = _in_order(message.pop("contents"))
            if contents is None or "content" in message:
                return None
            message["content"] = [_openinference_part(part) for part in contents]
        name, given = message.pop("function_call_name", None), message.pop("function_call_arguments_json", None)
        if name is not None or given is not None:
            message["function_call"] = {"name": name, "arguments": given}
        messages += message_of(message)
    return messages


def _openinference_call(entry: Any) -> Any:
    if type(entry) is dict and len(entry) == 1 and type(entry.get("tool_call")) is dict:
        return entry["tool_call"]
    return entry


def _openinference_part(entry: Any) -> Any:
    """`message_content.type`, `.text`, `.image.image.url`, …: the part that they describe."""
    if type(entry) is not dict:
        return entry
    raw = entry.get("message_content")
    if type(raw) is not dict:
        return entry
    kind = raw.get("type")
    if kind == "tool_use" and type(entry.get("tool_call")) is dict:
        return {"type": "tool_use", **entry["tool_call"]}
    part = dict(raw)
    for medium in ("image", "audio", "video"):
        held = part.get(medium)
        if type(held) is dict:
            del part[medium]
            leaf = held.get(medium)
            part |= leaf if type(leaf) is dict else {medium: held}
    if kind == "file" or len(entry) == 1:
        return part
    return part | {key: value for key, value in entry.items() if key != "message_content"}


def openinference_tools(pairs: Pairs) -> list[Any] | None:
    """`llm.tools.<n>.tool.json_schema`, or name and description."""
    found = _each(pairs, "tool")
    if found is None:
        return None
    tools: list[Any] = []
    for raw in found:
        schema = loose(raw.get("json_schema"))
        if type(schema) is dict:
            rest = {key: value for key, value in raw.items() if key != "json_schema"}
            tools.append(tool_of({**rest, **schema}))
        else:
            tools.append(tool_of(raw))
    return tools


def documents(pairs: Pairs) -> list[dict[str, Any]] | None:
    """`retrieval.documents.<n>.document.id`, content, score, metadata."""
    found = _each(pairs, "document")
    if found is None:
        return None
    return [{key: loose(value) if key == "metadata" else value for key, value in raw.items()} for raw in found]


def inner_texts(inside: str, leaf: str = "text") -> FamilyReader:
    """A reader of `<n>.<inside>.<leaf>` alone: one text, or the list of them."""

    def read(pairs: Pairs) -> Any:
        found = _each(pairs, inside)
        if found is None or any(set(raw) != {leaf} for raw in found):
            return None
        values = [raw[leaf] for raw in found]
        return values[0] if len(values) == 1 else values

    return read


def embeddings(pairs: Pairs) -> dict[str, Any] | None:
    """`embedding.embeddings.<n>.embedding.text` and `.vector`: what was embedded, and what came out."""
    found = _each(pairs, "embedding")
    if found is None or any(not raw.keys() <= {"text", "vector"} for raw in found):
        return None
    texts = [raw["text"] for raw in found if "text" in raw]
    vectors = [raw["vector"] for raw in found if "vector" in raw]
    fields: dict[str, Any] = {}
    if texts:
        fields["asked"] = texts[0] if len(texts) == 1 else texts
    if vectors:
        fields["vectors"] = vectors
    return fields


def completions(pairs: Pairs) -> list[Message] | None:
    """`llm.choices.<n>.completion.text`."""
    found = _each(pairs, "completion")
    if found is None or any(set(raw) != {"text"} or type(raw["text"]) is not str for raw in found):
        return None
    return [{"role": "assistant", "content": raw["text"]} for raw in found]


def judgements(inside: str) -> FamilyReader:
    """A reader of `<n>.evaluation.name`, score, label, explanation; and of `annotation`."""

    def read(pairs: Pairs) -> list[dict[str, Any]] | None:
        return _each(pairs, inside)

    return read


# ── OpenLLMetry ──────────────────────────────────────────────────────────────────────────────────────────────────────


def openllmetry_messages(role: str) -> FamilyReader:
    """A reader of `gen_ai.prompt.<n>.…` and `gen_ai.completion.<n>.…`; `role` speaks where none is named."""

    def read(pairs: Pairs) -> list[Message] | None:
        found = _each(pairs)
        if found is None:
            return None
        messages: list[Message] = []
        for raw in found:
            message = dict(raw)
            if "tool_calls" in message:
                calls = _in_order(message["tool_calls"])
                if calls is None:
                    return None
                message["tool_calls"] = calls
            content = loose(message.get("content"))
            if type(content) is list and content and all(type(part) is dict and "type" in part for part in content):
                message["content"] = content
            messages += message_of(message, role)
        return messages

    return read


def functions(pairs: Pairs) -> list[Any] | None:
    """`llm.request.functions.<n>.name`, description, parameters."""
    found = _each(pairs)
    return [tool_of({key: loose(value) for key, value in raw.items()}) for raw in found] if found else None
