"""The words that the event types are declared with: the type itself, JSON Schema in short, and one worked flight.

An optional key may be null, which says the same as leaving it out. Keys that no schema names are always allowed and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flightlog.clock import format_ns, parse_ns
from flightlog.ids import uuid7

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One built-in event type.

    `answers` names the type of the event that this one answers, under the same correlation id. `statuses` are the values
    of the envelope's status, none where it has no meaning. `timed` types carry the envelope's duration_ns.
    """

    code: str
    type: str
    title: str
    description: str
    schema: Schema
    example: dict[str, Any]
    run_required: bool = True
    answers: str | None = None
    statuses: tuple[str, ...] = ()
    timed: bool = False


# ── JSON Schema in short ─────────────────────────────────────────────────────────────────────────────────────────────


def payload(type_: str, keys: Mapping[str, Schema], needs: Sequence[str] = (), either: Sequence[str] = ()) -> Schema:
    """The schema of a type's payload. `needs` are required, and so is at least one of `either`."""
    schema: Schema = {"$schema": DIALECT, "$id": f"urn:flightlog:payload:{type_}", "title": f"Payload of {type_}"}
    schema |= record("", keys, needs)
    del schema["description"]
    if either:
        schema["anyOf"] = [{"required": [key]} for key in either]
    return schema


def record(description: str, keys: Mapping[str, Schema], needs: Sequence[str] = ()) -> Schema:
    """An object with these keys, and any others."""
    schema: Schema = {"type": "object", "description": description}
    schema["properties"] = {key: part if key in needs else _optional(part) for key, part in keys.items()}
    if needs:
        schema["required"] = list(needs)
    return schema


def _optional(part: Schema) -> Schema:
    if "type" not in part:
        return part
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    optional = {**part, "type": [*types, "null"]}
    if "enum" in part:
        optional["enum"] = [*part["enum"], None]
    return optional


def text(description: str) -> Schema:
    return {"type": "string", "description": description}


def one_of(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def integer(description: str) -> Schema:
    return {"type": "integer", "description": description}


def count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def number(description: str) -> Schema:
    return {"type": "number", "description": description}


def yes_no(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def anything(description: str) -> Schema:
    return {"description": description}


def free(description: str) -> Schema:
    return {"type": "object", "description": description}


def many(description: str, item: Schema | None = None) -> Schema:
    return {"type": "array", "description": description} | ({"items": item} if item else {})


ATTRIBUTES = free("What else is known, by names of your own or of OpenTelemetry.")
COMMAND = many("The program and its arguments.", text("One word of the command."))
ERROR = record(
    "What went wrong.",
    {
        "kind": text("Its class, such as ValueError."),
        "message": text("What it said."),
        "stack": text("Where it came from, as Python prints it; cut in the middle when long."),
        "causes": many("What led to it, nearest first.", free("Kind, message and relation (cause or context).")),
        "errors": many("What a group of errors holds.", free("Kind and message.")),
    },
)

OTLP = record(
    "Where a finished OpenTelemetry span, log record or metric came from, and what had no other place.",
    {
        "resource": text("The digest of the resource event that says where it came from."),
        "name": text("The span's own name, where it is not the usual one."),
        "kind": text("internal, server, client, producer, consumer or unspecified, where it is not the usual one."),
        "scope": text("Of the first mapping: the instrumentation that made it, as name@version."),
        "dialect": text("Of the first mapping: the conventions that its attributes were read by."),
        "mapping": count("Of the first mapping: its version, 1."),
        "status_message": text("What the span said about its status."),
        "trace_state": text("The W3C tracestate."),
        "events": many("The span's events that no other key holds.", free("Name, time and attributes.")),
        "links": many("Other spans that it has to do with.", free("trace_id, span_id and attributes.")),
        "dropped": count("Attributes, events and links that the sender left out."),
    },
)

# ── the worked flight ────────────────────────────────────────────────────────────────────────────────────────────────

_TAKE_OFF_NS = parse_ns("2026-03-02T09:14:07.000482113Z")
PRODUCER_ID = uuid7(_TAKE_OFF_NS, 0x1F2E3D4C5B6A7988)
RUN_ID = uuid7(_TAKE_OFF_NS, 0x2A4B6C8D0E1F3A5B)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT_SPAN = "00f067aa0ba902b7"
FIX_SPAN = "53995c3f42cd8ad8"


def example(seq: int, type_: str, at_ms: int, body: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """An event of the worked flight: an agent that fixes a failing test. It can be posted as it stands."""
    at_ns = _TAKE_OFF_NS + at_ms * 1_000_000
    event = {
        "event_id": uuid7(at_ns, 0x3C00000000000000 + seq * 0x9E3779B97F4A),
        "type": type_,
        "created_at": format_ns(at_ns),
        "project": "shop",
        "run_id": RUN_ID,
        "level": "info",
        "source": "agent",
        "actor": "agent-7",
        "trace_id": TRACE_ID,
        "producer_id": PRODUCER_ID,
        "seq": seq,
    }
    event |= envelope
    return {key: value for key, value in event.items() if value is not None} | {"payload": body}
