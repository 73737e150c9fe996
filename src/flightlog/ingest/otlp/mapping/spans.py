"""A finished span becomes one event, and each evaluation of it another."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import FIELD_CHARS_MAX, FLAG_ROOT, Event
from flightlog.ingest.otlp.mapping.draft import Draft
from flightlog.ingest.otlp.mapping.faults import error_of, says_more
from flightlog.ingest.otlp.mapping.judged import feedback_of, judgement_of
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, is_odd, moment, source_of
from flightlog.ingest.otlp.mapping.moments import Moments, shown
from flightlog.ingest.otlp.mapping.shapes import model_call, other_span, tool_result, type_of
from flightlog.ingest.otlp.model import KINDS, STATUS_ERROR, Origin, Scope, Span

_RUN_CHARS_MAX = FIELD_CHARS_MAX["run_id"]
_EVENT_CHARS_MAX = FIELD_CHARS_MAX["event_id"]
_TASK_CHARS_MAX = FIELD_CHARS_MAX["task_id"]
_ACTOR_CHARS_MAX = FIELD_CHARS_MAX["actor"]
_ACTORS = ("gen_ai.agent.name", "enduser.id", "user.id")


def map_span(span: Span, scope: Scope, origin: Origin) -> list[Event]:
    """The span's own event, and after it the feedback that its evaluations are."""
    try:
        return _mapped(span, scope, origin)
    except Exception as error:
        return [_as_it_came(span, scope, origin, error)]


def _mapped(span: Span, scope: Scope, origin: Origin) -> list[Event]:
    moments = Moments(span) if span.events else None
    attributes = moments.attributes if moments is not None else span.attributes
    draft = Draft(attributes)
    if moments is not None:
        moments.tell(draft)
    values = draft.values
    if "first_chunk_at" in values:
        _first_chunk(draft, span)

    run_id = _id_of(draft, "run_id", _RUN_CHARS_MAX) or origin.run_id
    task_id = _id_of(draft, "task_id", _TASK_CHARS_MAX) or origin.task_id
    actor = _id_of(draft, "actor", _ACTOR_CHARS_MAX)
    judged = [draft.take(field) for field in ("evaluations", "run_evaluations")] if _judged(values) else None

    kind = type_of(draft)
    correlation_id: str | None = None
    if kind == "llm_response":
        asked = draft.values.get("request_model") or draft.values.get("model")
        payload = model_call(draft)
        asked = payload.get("request", {}).get("model") or asked
        name = asked or span.name
    elif kind == "tool_result":
        payload = tool_result(draft, span.name)
        name = payload["tool"]
        correlation_id = payload.get("call_id")
    else:
        payload = other_span(draft)
        name = span.name
    error = error_of(span, draft, moments.exception.attributes if moments is not None and moments.exception else None)
    if error:
        payload["error"] = error
    if moments is not None and moments.chunks:
        payload["chunks"] = moments.chunks
    events = moments.unsaid(draft) if moments is not None else []
    rest = draft.leave()
    if rest:
        payload["attributes"] = rest
    if actor is None:
        actor = _actor(rest) or origin.actor
    otlp = source_of(scope, origin, draft.dialect)
    payload["otlp"] = otlp
    _fill(otlp, span, error, events)

    flags = FLAG_ROOT if run_id is None and span.is_root else 0
    data, more = encoded(payload, careful=_odd(attributes) or bool(events))
    own = _event(span, origin, kind, name, data, flags | more)
    own.run_id = run_id or span.trace_id
    own.actor = fitted(actor, "actor")
    own.task_id = task_id
    own.correlation_id = fitted(correlation_id, "correlation_id")
    if judged is None and (moments is None or not moments.evaluations):
        return [own]
    return [own, *_feedback(own, span, origin, judged, moments)]


def _event(span: Span, origin: Origin, kind: str, name: str, data: Any, flags: int) -> Event:
    end = moment(span.end_ns or span.start_ns)
    failed = span.status == STATUS_ERROR
    event_id = f"{span.trace_id}-{span.span_id}"
    if len(event_id) > _EVENT_CHARS_MAX:
        event_id = digest_of(event_id)
    return Event(
        event_id=event_id,
        type=kind,
        created_at=end,
        project=origin.project,
        run_id=span.trace_id,
        name=fitted(name, "name"),
        level="error" if failed else "info",
        source=origin.source,
        actor=origin.actor,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        task_id=origin.task_id,
        status="error" if failed else "ok",
        duration_ns=max(0, end - moment(span.start_ns)) if span.start_ns > 0 else 0,
        flags=flags,
        payload=data,
    )


def _fill(otlp: dict[str, Any], span: Span, error: dict[str, Any] | None, events: list[dict[str, Any]]) -> None:
    """What the span says of itself that has no other place."""
    otlp["name"] = span.name
    if 0 < span.kind < len(KINDS):
        otlp["kind"] = KINDS[span.kind]
    if span.status_message and says_more(span.status_message, error):
        otlp["status_message"] = span.status_message
    if span.trace_state:
        otlp["trace_state"] = span.trace_state
    if events:
        otlp["events"] = events
    if span.links:
        otlp["links"] = [
            {"trace_id": link.trace_id, "span_id": link.span_id}
            | ({"attributes": link.attributes} if link.attributes else {})
            for link in span.links
        ]
    if span.dropped > 0:
        otlp["dropped"] = span.dropped


def _first_chunk(draft: Draft, span: Span) -> None:
    at_ns = draft.values["first_chunk_at"]
    if at_ns >= span.start_ns and "time_to_first_chunk_ns" not in draft.values:
        draft.take("first_chunk_at")
        draft.put("time_to_first_chunk_ns", at_ns - span.start_ns, draft.sources["first_chunk_at"])


def _id_of(draft: Draft, field: str, chars_max: int) -> str | None:
    """An id can't be cut without becoming another; one that is too long stays an attribute."""
    value = draft.values.get(field)
    if value is None or len(value) > chars_max:
        return None
    draft.take(field)
    return str(value)


def _judged(values: dict[str, Any]) -> bool:
    return "evaluations" in values or "run_evaluations" in values


def _actor(rest: dict[str, Any]) -> str | None:
    for key in _ACTORS:
        value = rest.get(key)
        if type(value) is str and value:
            return value
    return None


def _odd(attributes: dict[str, Any]) -> bool:
    for value in [value for value in attributes.values() if type(value) is not str and type(value) is not int]:
        if type(value) is list:
            if any(is_odd(entry) for entry in value):
                return True
        elif is_odd(value):
            return True
    return False


def _feedback(own: Event, span: Span, origin: Origin, judged: Any, moments: Moments | None) -> list[Event]:
    found: list[tuple[Any, str, str, int]] = []
    for about, target, judgements in zip(("span", "run"), (own.event_id, str(own.run_id)), judged or (), strict=False):
        found += [(judgement, about, target, own.created_at) for judgement in judgements or ()]
    for event in moments.evaluations if moments is not None else ():
        found.append((judgement_of(event.attributes), "span", own.event_id, moment(event.time_ns)))
    return [
        feedback_of(judgement, about, target, at_ns, origin, own.run_id, span.trace_id, span.span_id)
        for judgement, about, target, at_ns in found
    ]


def _as_it_came(span: Span, scope: Scope, origin: Origin, error: Exception) -> Event:
    """The span without any reading of its attributes: what is left when reading itself fails."""
    otlp = source_of(scope, origin, "") | {"mapping_failed": type(error).__name__}
    _fill(otlp, span, None, [shown(event) for event in span.events])
    data, flags = encoded({"attributes": span.attributes, "otlp": otlp}, careful=True)
    if origin.run_id is None and span.is_root:
        flags |= FLAG_ROOT
    event = _event(span, origin, "span_finished", span.name, data, flags)
    event.run_id = origin.run_id or span.trace_id
    return event
