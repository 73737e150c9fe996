"""What a run was asked, and what came of it: from the run itself, else from its root span, else from its model calls."""

from __future__ import annotations

from typing import Any

from flightlog.console.payload import decoded, entries, listed, words
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import get_events_at
from flightlog.reports import tell
from flightlog.reports.gather import Gathered
from flightlog.reports.model import Said
from flightlog.store.contract import Store

Doc = dict[str, Any]
BY_ROOT, BY_CALL, BY_ANSWER = "its root span", "its first model call", "the model's last answer"


def asked_of(store: Store, found: Gathered) -> Said | None:
    """What the run was asked to do; None where nothing tells."""
    started, root, call = _at(store, found.started), _at(store, found.root), _at(store, found.first_call)
    facts = entries(_payload(started).get("attributes"))
    if started is not None and _payload(started).get("input") not in _EMPTY:
        return tell.said(started, _payload(started)["input"], facts)
    given = _payload(root).get("input")
    if root is not None and isinstance(given, str) and given:
        return tell.said(root, given, facts, BY_ROOT)
    question = _question(_payload(call))
    if call is not None and question:
        return tell.said(call, question, facts, BY_CALL)
    if root is not None and given not in _EMPTY:
        return tell.said(root, given, facts, BY_ROOT)
    return tell.said(started, "", facts) if started is not None and facts else None


def outcome_of(store: Store, found: Gathered) -> Said | None:
    """What came of the run: what it says itself, and where that is nothing in words, the model's last answer."""
    finished, root, answer = _at(store, found.finished), _at(store, found.root), _at(store, found.last_answer)
    output = _payload(finished).get("output")
    if finished is not None and output not in _EMPTY:
        facts = entries(output)
        plain = facts and not any(isinstance(value, dict | list) for value in facts.values())
        return tell.said(finished, "", facts) if plain else tell.said(finished, output, {})
    given = _payload(root).get("output")
    if root is not None and isinstance(given, str) and given:
        return tell.said(root, given, {}, BY_ROOT)
    told = words(entries(_payload(answer).get("message")).get("content"))
    if answer is not None and told:
        return tell.said(answer, told, {}, BY_ANSWER)
    return tell.said(root, given, {}, BY_ROOT) if root is not None and given not in _EMPTY else None


_EMPTY: tuple[object, ...] = (None, "", [], {})


def _question(payload: Doc) -> str:
    """What the user said last in a call, or what it was given where it is no conversation."""
    asked = entries(payload.get("request")) or payload
    said = [entries(message) for message in listed(asked.get("messages"))]
    from_user = [words(message.get("content")) for message in said if message.get("role") == "user"]
    return (from_user[-1] if from_user else "") or words(asked.get("input"))


def _at(store: Store, row_id: int | None) -> StoredEvent | None:
    return next(iter(get_events_at(store, [row_id])), None) if row_id is not None else None


def _payload(event: StoredEvent | None) -> Doc:
    return decoded(bytes(event.payload)) if event is not None else {}
