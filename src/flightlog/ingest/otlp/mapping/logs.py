"""A log record becomes one event; what it says of a model call is in the shapes of `llm_response`."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.events.envelope import FIELD_CHARS_MAX, Event
from flightlog.ingest.otlp.mapping.draft import Draft
from flightlog.ingest.otlp.mapping.judged import feedback_of, judgement_of
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, moment, source_of
from flightlog.ingest.otlp.mapping.moments import DETAILS, EVALUATION, said_in
from flightlog.ingest.otlp.mapping.own import OWN_KEY, own_event
from flightlog.ingest.otlp.mapping.shapes import answered_of, asked_of
from flightlog.ingest.otlp.model import LogRecord, Origin, Scope

Payload = dict[str, Any]

_RUN_CHARS_MAX = FIELD_CHARS_MAX["run_id"]


def map_log(record: LogRecord, scope: Scope, origin: Origin, ordinal: int = 0) -> list[Event]:
    """The event of a log record. `ordinal` counts equal records of one request, so that none of them is lost.

    An evaluation of a span is a `feedback` event, every other record a `log`.
    """
    if not record.event_name and type(named := record.attributes.get("event.name")) is str:
        # Where SDKs put it before records had a field for it.
        rest = {key: value for key, value in record.attributes.items() if key != "event.name"}
        record = msgspec.structs.replace(record, event_name=named, attributes=rest)
    if OWN_KEY in record.attributes and (own := own_event(record.attributes)) is not None:
        return [own]
    try:
        if record.event_name == EVALUATION and record.trace_id and record.span_id:
            return [_evaluation(record, origin, ordinal)]
        payload, dialect = _payload(record)
    except Exception as error:
        payload, dialect = _as_it_came(record), ""
        payload["mapping_failed"] = type(error).__name__
    otlp = source_of(scope, origin, dialect)
    if record.dropped > 0:
        otlp["dropped"] = record.dropped
    payload["otlp"] = otlp
    data, flags = encoded(payload)
    return [
        Event(
            event_id="log-" + digest_of((origin.digest, scope.label, scope.attributes, record, ordinal))[:40],
            type="log",
            created_at=moment(record.time_ns),
            project=origin.project,
            run_id=_run_of(record, origin),
            name=fitted(record.event_name, "name"),
            level=_level(record.severity),
            source=origin.source,
            actor=origin.actor,
            trace_id=fitted(record.trace_id, "trace_id"),
            span_id=fitted(record.span_id, "span_id"),
            task_id=origin.task_id,
            flags=flags,
            payload=data,
        )
    ]


def _payload(record: LogRecord) -> tuple[Payload, str]:
    """The payload but for otlp, and the dialects that said something in it."""
    payload = _as_it_came(record)
    if record.event_name == DETAILS:
        draft = Draft(record.attributes)
        if request := asked_of(draft):
            payload["request"] = request
        payload |= answered_of(draft)
        if rest := draft.leave():
            payload["attributes"] = rest
        else:
            payload.pop("attributes", None)
        return payload, draft.dialect
    body = record.body if type(record.body) is dict else {"content": record.body}
    said = said_in(record.event_name, body) if record.body not in (None, {}) else None
    if said is None:
        return payload, ""
    is_answer, messages = said
    if is_answer:
        draft = Draft({})
        draft.values["output_messages"] = messages
        payload |= answered_of(draft)
    else:
        payload["request"] = {"messages": messages}
    del payload["body"]
    return payload, "genai"


def _as_it_came(record: LogRecord) -> Payload:
    payload: Payload = {}
    if record.body is not None:
        payload["body"] = record.body
    if record.event_name:
        payload["event_name"] = record.event_name
    if record.severity_text:
        payload["severity"] = record.severity_text
    if record.attributes:
        payload["attributes"] = record.attributes
    return payload


def _evaluation(record: LogRecord, origin: Origin, ordinal: int) -> Event:
    judgement = judgement_of(record.attributes)
    if record.body is not None:
        judgement.setdefault("body", record.body)
    if ordinal:
        judgement.setdefault("ordinal", ordinal)
    target = f"{record.trace_id}-{record.span_id}"
    run_id, at_ns = _run_of(record, origin), moment(record.time_ns)
    return feedback_of(judgement, "span", target, at_ns, origin, run_id, record.trace_id, record.span_id)


def _run_of(record: LogRecord, origin: Origin) -> str | None:
    own = record.attributes.get("flightlog.run.id")
    if type(own) is str and 0 < len(own) <= _RUN_CHARS_MAX:
        return own
    return origin.run_id or fitted(record.trace_id, "run_id")


def _level(severity: int) -> str:
    """Ours for OpenTelemetry's number: 1–8 trace and debug, 9–12 info, 13–16 warn, from 17 error and fatal."""
    if severity >= 17:
        return "error"
    if severity >= 13:
        return "warn"
    return "debug" if 0 < severity < 9 else "info"
