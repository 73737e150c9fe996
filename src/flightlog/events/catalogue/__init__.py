"""The event types: the built-in ones with codes, schemas and worked examples, and the rule for your own.

Codes are for ever: a type that goes away leaves its number unused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flightlog.errors import EventInvalid, EventTypeNotFound, EventTypeUnknown, RunMissing
from flightlog.events.catalogue.changes import PATCH, TEST
from flightlog.events.catalogue.check import PayloadCheck, decoded
from flightlog.events.catalogue.declare import EventType
from flightlog.events.catalogue.letters import LETTERS
from flightlog.events.catalogue.lifecycle import RESOURCE, RUN, SPAN
from flightlog.events.catalogue.model import LLM
from flightlog.events.catalogue.records import DECISION, LOSS, NOTE, TASK
from flightlog.events.catalogue.tools import EXEC, TOOL
from flightlog.events.envelope import FIELD_CHARS_MAX, Event, check_envelope
from flightlog.events.feedback import fault_of

__all__ = [
    "CATALOGUE",
    "CUSTOM_TYPE",
    "EventType",
    "check_event",
    "check_type",
    "event_type",
    "is_custom",
    "published",
    "required_keys",
]

CATALOGUE: Mapping[str, EventType] = MappingProxyType(
    {
        kind.type: kind
        for kind in (
            *RUN,
            *SPAN,
            *RESOURCE,
            *LLM,
            *TOOL,
            *PATCH,
            *TEST,
            *EXEC,
            *NOTE,
            *DECISION,
            *TASK,
            *LETTERS,
            *LOSS,
        )
    }
)

CUSTOM_TYPE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"

_is_custom = re.compile(CUSTOM_TYPE[1:-1]).fullmatch
_checks = {name: PayloadCheck(kind) for name, kind in CATALOGUE.items()}
_needs = {name: check.needs for name, check in _checks.items()}
_NOTHING: frozenset[str] = frozenset()


def event_type(name: str) -> EventType:
    """The built-in type of this name. Raises EventTypeNotFound.

    >>> event_type("llm_request").code
    'FR-EVT-010'
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise EventTypeNotFound(type=name) from None


def is_custom(name: str) -> bool:
    """Whether this is a type of somebody's own: lower-case words with a namespace before the first dot.

    >>> is_custom("acme.reindexed"), is_custom("reindexed"), is_custom("Acme.Reindexed")
    (True, False, False)
    """
    return len(name) <= FIELD_CHARS_MAX["type"] and _is_custom(name) is not None


def required_keys(name: str) -> frozenset[str] | None:
    """The keys that a payload of this type must have; None for a type that does not exist. Cheap enough for every event.

    >>> required_keys("task_transition") == {"from", "to"}, required_keys("acme.reindexed"), required_keys("reindexed")
    (True, frozenset(), None)
    """
    needs = _needs.get(name)
    if needs is None and is_custom(name):
        return _NOTHING
    return needs


def check_type(event: Event) -> None:
    """Raise EventTypeUnknown, RunMissing or EventInvalid where the event does not fit its type.

    Of the payload, required keys and the basic types of known keys are checked. The payload of a custom type only has to
    be a JSON object.
    """
    kind = CATALOGUE.get(event.type)
    if kind is None and not is_custom(event.type):
        raise EventTypeUnknown(type=event.type)
    if kind is not None and kind.run_required and not event.run_id:
        raise RunMissing(type=event.type)
    payload = decoded(event.payload)
    if kind is not None:
        _checks[event.type](payload)
        # A schema can't say that it is the kind of feedback which decides what its value may be.
        if event.type == "feedback" and payload.get("value") is not None and (fault := fault_of(payload)):
            raise EventInvalid(reason=fault)


def check_event(event: Event) -> None:
    """Raise the EventInvalid that says why this event can't be taken: its envelope, its type or its payload."""
    check_envelope(event)
    check_type(event)


def published() -> list[dict[str, Any]]:
    """The catalogue as JSON-able data, in the order of the codes; the caller's own copy."""
    answered_by = {kind.answers: kind.type for kind in CATALOGUE.values() if kind.answers}
    return [
        {
            "code": kind.code,
            "type": kind.type,
            "title": kind.title,
            "description": kind.description,
            "run_required": kind.run_required,
            "statuses": list(kind.statuses),
            "timed": kind.timed,
            "answers": kind.answers,
            "answered_by": answered_by.get(kind.type),
            "schema": copy.deepcopy(kind.schema),
            "example": copy.deepcopy(kind.example),
        }
        for kind in CATALOGUE.values()
    ]
