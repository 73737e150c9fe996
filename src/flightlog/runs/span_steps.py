"""What finished spans say: one event tells the request and the answer, beside ids that are never the same twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from flightlog.journal.read import get_events_at
from flightlog.runs.steps import Step
from flightlog.store.contract import Store

EVENTS_CHUNK = 500
_KINDS = frozenset({"llm", "tool"})
_ASKED = ("request", "arguments")
_ANSWERED = ("message", "choices", "result", "finish_reasons")


def with_meaning(store: Store, steps: Sequence[Step]) -> list[Step]:
    """The steps; those that are one event have the digests of what was asked and of what came instead of the payload's."""
    alone = [step.id for step in steps if _is_alone(step)]
    if not alone:
        return list(steps)
    meant = dict(_digests(store, alone))
    return [
        step._replace(digest=meant[step.id][0], answer_digest=meant[step.id][1]) if step.id in meant else step
        for step in steps
    ]


def _is_alone(step: Step) -> bool:
    return step.kind in _KINDS and step.answer_id is None and step.duration_ns is not None


def _digests(store: Store, ids: Sequence[int]) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    for some in _chunks(ids):
        for event in get_events_at(store, some):
            try:
                payload = msgspec.json.decode(event.payload, type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError):
                continue
            answer = {key: payload.get(key) for key in _ANSWERED}
            error = payload.get("error")
            answer["error"] = error.get("message") if isinstance(error, dict) else error
            yield event.id, (_digest({key: payload.get(key) for key in _ASKED}), _digest(answer))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), EVENTS_CHUNK):
        yield ids[start : start + EVENTS_CHUNK]


def _digest(told: dict[str, Any]) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(told, order="sorted"), digest_size=32).digest()
