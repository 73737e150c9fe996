"""What was said in a model call: read from its events, wherever its producer put it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import get_events_at, read_events
from flightlog.runs.generations import Generation
from flightlog.store.contract import Store

LOGS_MAX = 200  # log records of one span that are looked through for content
TOOL_CALLS_MAX = 50  # of one answer, whose results are looked for
TOOL_EVENTS_MAX = 200  # after the call that are looked through for them
_REQUEST_KEYS = ("model", "messages", "input", "parameters", "tools")


Read = Callable[[StoredEvent], StoredEvent]


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool gave to a call that the model asked for."""

    call_id: str
    event_id: str
    name: str | None
    status: str | None
    created_at: int
    duration_ns: int | None
    result: Any
    error: Any


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and answered, in the shapes of the payloads of llm_request and llm_response; None where nobody kept it.

    `event` is the answer, else the request; `request_event` the request, where it is an event of its own. `from_logs` says
    that the content came from log records of the same span.
    """

    event: StoredEvent | None
    request_event: StoredEvent | None
    request: dict[str, Any] | None
    message: dict[str, Any] | None
    choices: list[Any] | None
    error: Any
    tool_answers: list[ToolAnswer]
    from_logs: bool = False


def read_content(store: Store, generation: Generation, read: Read = lambda event: event) -> Content:
    """The content of a generation. What can't be read in a payload is left out.

    `read` gives an event as it is understood today, where that is more than on the day when it was stored.
    """
    places = [place for place in (generation.answer_id, generation.request_id) if place is not None]
    events = {event.id: event for event in get_events_at(store, places)}
    answer, asked = events.get(generation.answer_id or 0), events.get(generation.request_id or 0)
    said = _object(None if answer is None else read(answer))
    request, message = _request(generation, said, _object(asked)), _dict(said.get("message"))
    choices = said.get("choices") if isinstance(said.get("choices"), list) else None
    from_logs = False
    if not (request and {"messages", "input"} & request.keys()) or (message is None and choices is None):
        logged_request, logged_message = _from_logs(store, generation)
        from_logs = bool(logged_request or logged_message)
        request = {**logged_request, **(request or {})} or None
        if message is None and choices is None:
            message = logged_message
    return Content(
        event=answer or asked,
        request_event=asked,
        request=request,
        message=message,
        choices=choices,
        error=said.get("error"),
        tool_answers=_tool_answers(store, generation, message, choices),
        from_logs=from_logs,
    )


def _request(generation: Generation, said: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | None:
    """What was asked: of an event of its own first, then of the answer; the model also where only the answer's name says it."""
    own = {key: asked[key] for key in _REQUEST_KEYS if asked.get(key) is not None}
    told = {**(_dict(said.get("request")) or {}), **own}
    if told and generation.request_model and generation.request_model != generation.name:
        told = {"model": generation.request_model} | told
    return told or None


def _from_logs(store: Store, generation: Generation) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What log records of the call's own span say: its messages in their order, and its answer."""
    if generation.span_id is None or generation.trace_id is None:
        return {}, None
    wanted = EventFilter(types=("log",), trace_id=generation.trace_id, span_id=generation.span_id)
    request: dict[str, Any] = {}
    message: dict[str, Any] | None = None
    events = sorted(
        read_events(store, wanted, after_id=0, limit=LOGS_MAX).events, key=lambda event: (event.created_at, event.id)
    )
    for event in events:
        body = _object(event)
        for key, value in (_dict(body.get("request")) or {}).items():
            if key == "messages" and isinstance(value, list) and isinstance(request.get(key), list):
                request[key] = [*request[key], *value]
            else:
                request.setdefault(key, value)
        message = message or _dict(body.get("message"))
    return request, message


def _tool_answers(
    store: Store, generation: Generation, message: dict[str, Any] | None, choices: list[Any] | None
) -> list[ToolAnswer]:
    """The tool_result events of the run that answer the calls which the model asked for, in the order of the calls.

    OpenTelemetry's carry the call's id as their correlation id; a recorder's say it in the payload, and come after the call.
    """
    calls = list(dict.fromkeys(_call_ids([message, *(choices or [])])))[:TOOL_CALLS_MAX]
    if not calls or generation.run_id is None:
        return []
    found: dict[str, ToolAnswer] = {}
    for call_id in calls:
        asked = EventFilter(run_id=generation.run_id, types=("tool_result",), correlation_id=call_id)
        for event in read_events(store, asked, after_id=0, limit=1).events:
            found[call_id] = _tool_answer(call_id, event)
    if len(found) < len(calls):
        asked = EventFilter(run_id=generation.run_id, types=("tool_result",))
        for event in read_events(store, asked, after_id=generation.answer_id or 0, limit=TOOL_EVENTS_MAX).events:
            said = _object(event).get("call_id")
            if isinstance(said, str) and said in calls:
                found.setdefault(said, _tool_answer(said, event))
    return [found[call_id] for call_id in calls if call_id in found]


def _tool_answer(call_id: str, event: StoredEvent) -> ToolAnswer:
    body = _object(event)
    return ToolAnswer(
        call_id=call_id,
        event_id=event.event_id,
        name=event.name,
        status=event.status,
        created_at=event.created_at,
        duration_ns=event.duration_ns,
        result=body.get("result"),
        error=body.get("error"),
    )


def _call_ids(messages: Iterable[Any]) -> Iterable[str]:
    for message in messages:
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("id"), str):
                yield call["id"]


def _object(event: StoredEvent | None) -> dict[str, Any]:
    if event is None:
        return {}
    try:
        return _dict(msgspec.json.decode(event.payload)) or {}
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
