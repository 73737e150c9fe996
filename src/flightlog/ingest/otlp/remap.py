"""Reading stored events once more, as the newest mapping would have read the records that they came from.

What is stored has two parts: fields that the mapping of its day understood, and attributes that it left over. The newest
mapping reads what was left over, and what was understood then stays as it was. The journal's row is never changed; what this
gives is for the tables that are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from flightlog.events.envelope import Event, StoredEvent
from flightlog.ingest.otlp.leftover import not_understood
from flightlog.ingest.otlp.mapping import MAPPING_VERSION, map_span
from flightlog.ingest.otlp.mapping.draft import Draft
from flightlog.ingest.otlp.mapping.draft import Source as SaidBy
from flightlog.ingest.otlp.mapping.faults import error_of
from flightlog.ingest.otlp.mapping.making import encoded
from flightlog.ingest.otlp.mapping.moments import DETAILS, Moments
from flightlog.ingest.otlp.mapping.shapes import answered_of, asked_of, model_call, other_span, tool_result, type_of
from flightlog.ingest.otlp.model import KINDS, STATUS_ERROR, STATUS_UNSET, Origin, Scope, Span, SpanEvent
from flightlog.ingest.otlp.sources import Source, Sources, digest_in, say_in_full
from flightlog.store.contract import Store

Payload = dict[str, Any]

SPAN_TYPES = ("llm_response", "span_finished", "tool_result")
TYPES = (*SPAN_TYPES, "log")  # what has attributes that may be left over

_AS_STORED: SaidBy = (-1, "")  # comes before every attribute, and is none
_LLM_KEYS = (
    "model",
    "provider",
    "response_id",
    "operation",
    "finish_reasons",
    "cost_usd",
    "time_to_first_chunk_ns",
    "streamed",
)
_decode = msgspec.json.Decoder(Payload).decode


class Reading(NamedTuple):
    """An event as the newest mapping reads it.

    `left` are the attributes that it does not understand either, `understood` those that it does and the mapping of its day
    did not. `event` has the new type, name and payload; None where nothing more was understood. `feedback` are the events of
    evaluations among them.
    """

    scope: str
    left: tuple[str, ...]
    understood: tuple[str, ...] = ()
    event: StoredEvent | None = None
    feedback: tuple[Event, ...] = ()


Look = Callable[[str], Source]


def look_in(connection: Connection, sources: Sources) -> Look:
    """Looks sources up as they are needed."""
    return lambda digest: sources.find(connection, [digest])[digest]


def read_again(event: StoredEvent, look: Look, version: int = MAPPING_VERSION) -> Reading | None:
    """The newest reading; None for what did not come by OpenTelemetry. Never raises for anything in the event.

    `look` finds the source that an event names by its digest.
    """
    try:
        payload = _decode(event.payload)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    otlp = payload.get("otlp")
    if type(otlp) is not dict:
        return None
    stored = payload.get("attributes")
    attributes: Payload = stored if type(stored) is dict else {}
    if (digest := digest_in(otlp)) is not None:
        otlp = say_in_full(event, payload, look(digest))
    named = otlp.get("scope")
    scope = named if type(named) is str else ""
    plain = Reading(scope, not_understood(attributes))
    mapping = otlp.get("mapping")
    if type(mapping) is not int or mapping >= version or not (attributes or otlp.get("events")):
        return plain
    try:
        if event.type in SPAN_TYPES:
            return _span(event, payload, otlp, attributes, scope)
        if event.type == "log" and payload.get("event_name") == DETAILS:
            return _details(attributes, scope)
    except Exception:
        return plain  # what can't be read anew stays as it was read
    return plain


def as_understood(store: Store) -> Callable[[StoredEvent], StoredEvent]:
    """Gives an event with its payload as the newest mapping reads it; what did not come by OpenTelemetry as it is."""
    sources = Sources()

    def look(digest: str) -> Source:
        with store.read() as connection:
            return sources.find(connection, [digest])[digest]

    def read(event: StoredEvent) -> StoredEvent:
        reading = read_again(event, look)
        return event if reading is None or reading.event is None else reading.event

    return read


def _span(event: StoredEvent, payload: Payload, otlp: Payload, attributes: Payload, scope: str) -> Reading:
    span = _span_of(event, otlp, attributes)
    moments = Moments(span) if span.events else None
    draft = Draft(moments.attributes if moments is not None else attributes)
    for field, value in _fields_of(event.type, payload):
        draft.put(field, value, _AS_STORED)
    if moments is not None:
        moments.tell(draft)
    values = draft.values
    if "first_chunk_at" in values and "time_to_first_chunk_ns" not in values:
        values["time_to_first_chunk_ns"] = max(0, values["first_chunk_at"] - span.start_ns)
        draft.sources["time_to_first_chunk_ns"] = draft.sources["first_chunk_at"]
        draft.take("first_chunk_at")
    judged = "evaluations" in values or "run_evaluations" in values or bool(moments and moments.evaluations)
    feedback = _feedback(event, span, scope) if judged else ()
    if feedback:
        draft.take("evaluations")
        draft.take("run_evaluations")
    kind = type_of(draft)
    if kind == "llm_response":
        shaped = model_call(draft)
        name = shaped.get("request", {}).get("model") or shaped.get("model") or event.name
    elif kind == "tool_result":
        shaped = tool_result(draft, span.name)
        name = shaped["tool"]
    else:
        shaped, name = other_span(draft), event.name
    if "error" not in payload:
        exception = moments.exception.attributes if moments is not None and moments.exception else None
        if error := error_of(span, draft, exception):
            shaped["error"] = error
    rest = draft.leave()
    understood = tuple(key for key in attributes if key not in rest)
    made = {**payload, **shaped, "attributes": rest}
    if (
        not understood
        and kind == event.type
        and not feedback
        and all(payload.get(key) == shaped[key] for key in shaped)
    ):
        return Reading(scope, not_understood(rest))
    data, _ = encoded(made)
    return Reading(
        scope,
        not_understood(rest),
        understood,
        msgspec.structs.replace(event, type=kind, name=name, payload=data),
        feedback,
    )


def _span_of(event: StoredEvent, otlp: Payload, attributes: Payload) -> Span:
    """The span again, with the attributes and span events that nobody understood."""
    kind = otlp.get("kind")
    moments = otlp.get("events")
    return Span(
        trace_id=event.trace_id or "",
        span_id=event.span_id or "",
        name=str(otlp.get("name") or event.name or ""),
        start_ns=max(0, event.created_at - (event.duration_ns or 0)),
        end_ns=event.created_at,
        parent_span_id=event.parent_span_id,
        kind=KINDS.index(kind) if kind in KINDS else 0,
        status=STATUS_ERROR if event.status == "error" else STATUS_UNSET,
        status_message=str(otlp.get("status_message") or ""),
        attributes=attributes,
        events=[
            SpanEvent(str(one.get("name")), int(one.get("time_ns") or 0), dict(one.get("attributes") or {}))
            for one in (moments if type(moments) is list else ())
            if type(one) is dict
        ],
    )


def _fields_of(kind: str, payload: Payload) -> Iterable[tuple[str, Any]]:
    """What a payload says, as the fields that its shape was made of."""
    if kind == "llm_response":
        yield from ((key, payload[key]) for key in _LLM_KEYS if payload.get(key) is not None)
        yield from _parts(payload.get("usage"))
        request = payload.get("request")
        if type(request) is dict:
            renamed = {"model": "request_model", "messages": "messages", "input": "asked", "tools": "tools"}
            yield from ((renamed[key], value) for key, value in request.items() if key in renamed)
            yield from ((f"parameters.{key}", value) for key, value in _parts(request.get("parameters")))
        answers = payload.get("choices") or ([payload["message"]] if payload.get("message") else None)
        if answers:
            yield "output_messages", answers
        if payload.get("embeddings"):
            yield "vectors", payload["embeddings"]
    elif kind == "tool_result":
        yield "operation", "execute_tool"
        yield from (
            (key, payload[key]) for key in ("tool", "arguments", "result", "call_id") if payload.get(key) is not None
        )
    else:
        yield from ((key, payload[key]) for key in ("operation", "documents") if payload.get(key) is not None)
        for key in ("input", "output"):
            if payload.get(key) is not None:
                yield key, payload[key]
                if type(payload[key]) is str:
                    yield f"{key}_mime", "text/plain"  # it was opened when it was stored


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if type(value) is dict else ()


def _feedback(event: StoredEvent, span: Span, scope: str) -> tuple[Event, ...]:
    origin = Origin(project=event.project, source=event.source, run_id=event.run_id)
    return tuple(map_span(span, Scope(scope), origin)[1:])


def _details(attributes: Payload, scope: str) -> Reading:
    """A log record with the content of a model call: readers join it to its span by themselves, so only its rest counts."""
    draft = Draft(attributes)
    asked_of(draft)
    answered_of(draft)
    rest = draft.leave()
    return Reading(scope, not_understood(rest), tuple(key for key in attributes if key not in rest))
