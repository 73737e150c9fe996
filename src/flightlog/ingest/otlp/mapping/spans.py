"""A finished span becomes one event, and each evaluation of it another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flightlog.events.envelope import FIELD_CHARS_MAX, FLAG_ROOT, Event
from flightlog.events.spans import usual_kind, usual_name
from flightlog.ingest.otlp.mapping.draft import Draft
from flightlog.ingest.otlp.mapping.faults import error_of, says_more
from flightlog.ingest.otlp.mapping.judged import feedback_of, judgement_of
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, is_odd, moment, plainly, source_of
from flightlog.ingest.otlp.mapping.moments import Moments, shown
from flightlog.ingest.otlp.mapping.own import OWN_KEY, own_event
from flightlog.ingest.otlp.mapping.shapes import model_call, name_of_call, other_span, tool_result, type_of
from flightlog.ingest.otlp.model import KINDS, STATUS_ERROR, Origin, Scope, Span

_EVENT_CHARS_MAX = FIELD_CHARS_MAX["event_id"]
_ACTORS = ("gen_ai.agent.name", "enduser.id", "user.id")


class Mapped(NamedTuple):
    """The events of a record. `payload` is that of the first as objects, where its bytes hold just this; else None."""

    events: Sequence[Event]
    payload: dict[str, Any] | None = None


def map_span(span: Span, scope: Scope, origin: Origin) -> Sequence[Event]:
    """The span's own event, and after it the feedback that its evaluations are."""
    return mapped_span(span, scope, origin).events


def mapped_span(span: Span, scope: Scope, origin: Origin) -> Mapped:
    """The same, with the payload of its own event."""
    if OWN_KEY in span.attributes and (own := own_event(span.attributes)) is not None:
        return Mapped([own])
    try:
        return _mapped(span, scope, origin)
    except Exception as error:
        return Mapped([_as_it_came(span, scope, origin, error)])


def _mapped(span: Span, scope: Scope, origin: Origin) -> Mapped:
    moments = Moments(span) if span.events else None
    attributes = moments.attributes if moments is not None else span.attributes
    draft = Draft(attributes)
    values = draft.values
    if moments is not None:
        moments.tell(draft)
    if "first_chunk_at" in values:
        _first_chunk(draft, span)
    run_id = (_id_of(draft, "run_id") if "run_id" in values else None) or origin.run_id
    task_id = (_id_of(draft, "task_id") if "task_id" in values else None) or origin.task_id
    actor = _id_of(draft, "actor") if "actor" in values else None
    judged = _judged(draft) if "evaluations" in values or "run_evaluations" in values else []

    kind, name, payload = _shaped(draft, span)
    error = error_of(span, draft, moments.exception.attributes if moments is not None and moments.exception else None)
    if error:
        payload["error"] = error
    unsaid: list[dict[str, Any]] = []
    if moments is not None:
        unsaid = moments.unsaid(draft)
        if moments.chunks:
            payload["chunks"] = moments.chunks
    rest = draft.leave()
    if rest:
        payload["attributes"] = rest
    payload["otlp"] = otlp = source_of(scope, origin, draft.dialect)
    _fill(otlp, span, error, unsaid)
    _name(otlp, span, kind, name, payload)

    careful = bool(unsaid or span.links or scope.attributes) or _odd(attributes)
    plain = None if careful else plainly(payload)
    data, flags = encoded(payload) if plain is None else (plain, 0)
    if run_id is None and span.is_root:
        flags |= FLAG_ROOT
    own = _event(span, origin, kind, name, data, flags)
    own.run_id = run_id or span.trace_id
    own.actor = fitted(actor or _actor(rest) or origin.actor, "actor")
    own.task_id = task_id
    if kind == "tool_result":
        own.correlation_id = fitted(payload.get("call_id"), "correlation_id")
    if moments is not None:
        judged += [(judgement_of(event.attributes), "span", moment(event.time_ns)) for event in moments.evaluations]
    events = [own, *(_feedback(own, origin, *each) for each in judged)] if judged else [own]
    return Mapped(events, None if plain is None else payload)


def _shaped(draft: Draft, span: Span) -> tuple[str, str, dict[str, Any]]:
    """The event's type, name and payload."""
    kind = type_of(draft)
    if kind == "llm_response":
        payload = model_call(draft)
        return kind, name_of_call(payload, span.name), payload
    if kind == "tool_result":
        payload = tool_result(draft, span.name)
        return kind, payload["tool"], payload
    return kind, span.name, other_span(draft)


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


def _name(otlp: dict[str, Any], span: Span, kind: str, name: str, payload: dict[str, Any]) -> None:
    """The span's name and kind, where they are not the usual ones."""
    if span.name != usual_name(kind, fitted(name, "name"), payload.get("operation")):
        otlp["name"] = span.name
    named = KINDS[span.kind] if 0 < span.kind < len(KINDS) else KINDS[0]
    if named != usual_kind(kind):
        otlp["kind"] = named


def _first_chunk(draft: Draft, span: Span) -> None:
    at_ns = draft.values["first_chunk_at"]
    if at_ns >= span.start_ns and "time_to_first_chunk_ns" not in draft.values:
        draft.take("first_chunk_at")
        draft.put("time_to_first_chunk_ns", at_ns - span.start_ns, draft.sources["first_chunk_at"])


def _id_of(draft: Draft, field: str) -> str | None:
    """An id can't be cut without becoming another; one that is too long stays an attribute."""
    value: str = draft.values[field]
    if len(value) > FIELD_CHARS_MAX[field]:
        return None
    draft.take(field)
    return value


def _judged(draft: Draft) -> list[tuple[Any, str, int | None]]:
    """What attributes say somebody thinks of the span, and of its run."""
    found: list[tuple[Any, str, int | None]] = []
    for about, field in (("span", "evaluations"), ("run", "run_evaluations")):
        found += [(judgement, about, None) for judgement in draft.take(field) or ()]
    return found


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


def _feedback(own: Event, origin: Origin, judgement: Any, about: str, at_ns: int | None) -> Event:
    target = own.event_id if about == "span" else str(own.run_id)
    given_at = own.created_at if at_ns is None else at_ns
    return feedback_of(judgement, about, target, given_at, origin, own.run_id, own.trace_id, own.span_id)


def _as_it_came(span: Span, scope: Scope, origin: Origin, error: Exception) -> Event:
    """The span without any reading of its attributes: what is left when reading itself fails."""
    otlp = source_of(scope, origin, "") | {"mapping_failed": type(error).__name__}
    _fill(otlp, span, None, [shown(event) for event in span.events])
    _name(otlp, span, "span_finished", span.name, {})
    data, flags = encoded({"attributes": span.attributes, "otlp": otlp})
    if origin.run_id is None and span.is_root:
        flags |= FLAG_ROOT
    event = _event(span, origin, "span_finished", span.name, data, flags)
    event.run_id = origin.run_id or span.trace_id
    return event
