"""The words that dialects are declared with: which attribute says what, and who reads its value.

A field is what an attribute is about, whatever the dialect: `provider`, `input_tokens`, `messages`. `parameters.<name>` is a
parameter of a model call; `attributes.<key>` gives an attribute the name by which OpenTelemetry knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from flightlog.ingest.otlp.mapping.indexed import FamilyReader
from flightlog.ingest.otlp.mapping.values import Reader

MANY = "*"  # the reader gives an object of fields: one attribute says several things


class Take(NamedTuple):
    """An attribute's field, and the reader of its value."""

    field: str
    read: Reader


class Family(NamedTuple):
    """All attributes under one prefix: their field, and the reader of all of them together."""

    field: str
    read: FamilyReader


class Dialect(NamedTuple):
    """One set of conventions. Earlier keys come before later ones where both say the same field."""

    name: str
    title: str
    version: str
    keys: dict[str, Take]
    prefixes: Mapping[str, Family] = MappingProxyType({})


Fields = dict[str, Any]

# What a field becomes, by the type of event; other places are said in the reference.
FIELDS: dict[str, str] = {
    "operation": "`operation`; it decides the type of the event",
    "provider": "`provider`",
    "request_model": "the event's name; `request.model` of log records",
    "model": "`model`",
    "response_id": "`response_id`",
    "finish_reasons": "`finish_reasons`",
    "input_tokens": "`usage.input_tokens`",
    "output_tokens": "`usage.output_tokens`",
    "cached_input_tokens": "`usage.cached_input_tokens`",
    "cache_write_tokens": "`usage.cache_write_tokens`",
    "reasoning_tokens": "`usage.reasoning_tokens`",
    "total_tokens": "left out where it is the sum of input and output",
    "cost_usd": "`cost_usd`",
    "time_to_first_chunk_ns": "`time_to_first_chunk_ns`",
    "first_chunk_at": "`time_to_first_chunk_ns`, counted from the span's start",
    "streamed": "`streamed`",
    "messages": "`request.messages`; `input` of other spans",
    "system": "the first of `request.messages`",
    "output_messages": "`message`, and `choices` where there are more; `output` of other spans",
    "answer_text": "`message.content`; `output` of other spans",
    "answer_calls": "`message.tool_calls`; `output` of other spans",
    "tools": "`request.tools`",
    "asked": "`request.input`; `input` of other spans",
    "input": "`input`; `arguments` of tools; of model calls what `request` has no other word of",
    "output": "`output`; `result` of tools; of model calls what `message` has no other word of",
    "input_mime": "left out where it says what is seen",
    "output_mime": "left out where it says what is seen",
    "documents": "`documents`",
    "tool": "`tool` and the event's name",
    "call_id": "`call_id` and the event's correlation id",
    "arguments": "`arguments`",
    "result": "`result`",
    "error_kind": "`error.kind`",
    "error_message": "`error.message`",
    "evaluations": "`feedback` events on the span",
    "run_evaluations": "`feedback` events on the run",
    "run_id": "the event's run",
    "task_id": "the event's task",
    "actor": "the event's actor",
    MANY: "several of these",
}
