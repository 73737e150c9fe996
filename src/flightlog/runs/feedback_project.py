"""Keeps the tables of feedback in step with the journal, inside the append's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, select, update

from flightlog.events.envelope import Event, StoredEvent
from flightlog.events.feedback import Opinion, read_opinion
from flightlog.journal.catchup import catch_up
from flightlog.journal.lookup import rows_at
from flightlog.runs.feedback_table import feedback, feedback_events
from flightlog.runs.feedback_targets import LOOKUP_MAX, Named, Place, find_places, ids_brought
from flightlog.store.contract import Store, Tx
from flightlog.store.prepared import Prepared

LINKED, PENDING = "linked", "pending"
WAITING_FEW = 200  # so many targets that are waited for are compared one by one with what a batch brings

_COLUMNS = tuple(column.name for column in feedback.columns)
_UPDATE = (
    update(feedback)
    .where(feedback.c.feedback_id == bindparam("which"))
    .values({name: bindparam(name) for name in _COLUMNS if name != "feedback_id"})
)
_LINK = (
    update(feedback)
    .where(feedback.c.feedback_id == bindparam("which"))
    .values({name: bindparam(name) for name in ("status", "target_type", "generation_id", "run_id", "span_id")})
)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Given(NamedTuple):
    """A feedback event and what it says."""

    event: StoredEvent
    opinion: Opinion


class FeedbackProjector:
    """A Projector that comes after those of runs and generations: what they made of a batch is what feedback can be about.

    A batch without feedback costs one look at what is waited for.
    """

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take in what was said, and link what waited for something in these events."""
        waiting = _waited_for(tx)
        given = [event for event in events if event.type == "feedback"]
        if given:
            take_feedback(tx, given)
        if waiting:
            adopt(tx, ids_brought(events), waiting)

    def catch_up(self, store: Store, generations_made: int = 0) -> int:
        """Take in what was said before there was a table for it, and link what waits for generations that were made since;
        how many events there were. Comes after the catch-up of generations.
        """
        found = catch_up(store, "feedback", ("feedback",), take_feedback)
        if found or generations_made:
            store.write(link_pending)
        return found


def take_feedback(tx: Tx, events: Iterable[StoredEvent]) -> None:
    """Each event once: under a key the latest decides, whatever the order they come in; without one each stands alone."""
    latest: dict[str, Given] = {}
    said: list[tuple[int, str]] = []
    for event in events:
        opinion = read_opinion(_payload(event))
        if opinion is None:
            continue
        feedback_id = id_of(event, opinion)
        said.append((event.id, feedback_id))
        before = latest.get(feedback_id)
        if before is None or _moment(before.event) < _moment(event):
            latest[feedback_id] = Given(event, opinion)
    if not said:
        return
    known = _moments(tx, list(latest))
    news = {which: one for which, one in latest.items() if which not in known or known[which] < _moment(one.event)}
    places = find_places(tx, map(_named, news.values()))
    rows = {which: _row(which, one, places.get(_named(one))) for which, one in news.items()}
    tx.insert_many(
        (feedback, [tuple(row.values()) for which, row in rows.items() if which not in known]),
        (feedback_events, said),
    )
    changed = [{"which": which, **row} for which, row in rows.items() if which in known]
    if changed:
        tx.sql.execute(_UPDATE, changed)


def adopt(tx: Tx, ids: set[str], waiting: list[str] | None = None) -> None:
    """Link what waits for one of these ids and is there now."""
    waiting = _waited_for(tx) if waiting is None else waiting
    wanted = sorted(ids if len(waiting) > WAITING_FEW else ids.intersection(waiting))
    for start in range(0, len(wanted), LOOKUP_MAX):
        chunk = wanted[start : start + LOOKUP_MAX]
        _link(tx, feedback.c.target_id.in_(chunk))


def link_pending(tx: Tx) -> None:
    """Look for everything that is waited for once more; for rows that came by another way than an append."""
    _link(tx, feedback.c.target_id.is_not(None))


def id_of(event: Event, opinion: Opinion) -> str:
    """The id of a feedback: its event's own, or, under a key, the same for everything said there under that key."""
    if opinion.key is None:
        return event.event_id
    told = "\0".join((opinion.target_type or "", opinion.target_id, opinion.key))
    return "key-" + hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _waited_for(tx: Tx) -> list[str]:
    """Some of the targets that are waited for: all of them when they are few."""
    return [target_id for (target_id,) in _WAITED_FOR.run(tx).fetchall()]


_WAITED_FOR = Prepared(select(feedback.c.target_id).where(feedback.c.status == PENDING).limit(WAITING_FEW + 1))


def _moments(tx: Tx, ids: list[str]) -> dict[str, tuple[int, str]]:
    found = {}
    for start in range(0, len(ids), LOOKUP_MAX):
        wanted = select(feedback.c.feedback_id, feedback.c.created_at, feedback.c.event_id).where(
            feedback.c.feedback_id.in_(ids[start : start + LOOKUP_MAX])
        )
        for row in tx.sql.execute(wanted):
            found[row.feedback_id] = (row.created_at, row.event_id)
    return found


def _moment(event: StoredEvent) -> tuple[int, str]:
    return event.created_at, event.event_id


def _named(one: Given) -> Named:
    event, opinion = one
    return Named(opinion.target_id, opinion.target_type, event.run_id, event.trace_id)


def _row(feedback_id: str, one: Given, place: Place | None) -> dict[str, Any]:
    event, opinion = one
    return {
        "feedback_id": feedback_id,
        "event_id": event.event_id,
        "id": event.id,
        "target_id": opinion.target_id,
        **_linked(opinion.target_type, event.run_id, place),
        "project": event.project,
        "kind": opinion.kind,
        "name": opinion.name,
        "value_number": opinion.number,
        "value_text": opinion.text,
        "comment": opinion.comment,
        "given_by": opinion.given_by,
        "actor": event.actor,
        "source": event.source,
        "key": opinion.key,
        "created_at": event.created_at,
    }


def _linked(target_type: str | None, run_id: str | None, place: Place | None) -> dict[str, Any]:
    """The columns that say what the target is, in their order."""
    return {
        "target_type": target_type if place is None else place.target_type,
        "status": PENDING if place is None else LINKED,
        "generation_id": None if place is None else place.generation_id,
        "run_id": run_id if place is None else place.run_id,
        "span_id": None if place is None else place.span_id,
    }


def _link(tx: Tx, which: Any) -> None:
    columns = (feedback.c.feedback_id, feedback.c.target_id, feedback.c.target_type, feedback.c.id)
    waiting = tx.sql.execute(select(*columns).where(feedback.c.status == PENDING, which)).all()
    around = {row[0]: row[1:] for row in rows_at(tx.sql, ("id", "run_id", "trace_id"), {row.id for row in waiting})}
    named = {
        row.feedback_id: Named(row.target_id, row.target_type, *around[row.id]) for row in waiting if row.id in around
    }
    places = find_places(tx, named.values())
    found = [
        {"which": which, **_linked(one.target_type, one.run_id, places[one])}
        for which, one in named.items()
        if one in places
    ]
    if found:
        tx.sql.execute(_LINK, found)


def _payload(event: StoredEvent) -> dict[str, Any]:
    try:
        return _decode(event.payload)
    except (msgspec.DecodeError, RecursionError):
        return {}
