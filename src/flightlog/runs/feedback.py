"""Feedback: what people, programs and models think of a generation, a span or a run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, literal, select, tuple_

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FeedbackInvalid, FeedbackNotFound, LimitInvalid
from flightlog.events.envelope import Event, StoredEvent
from flightlog.events.feedback import fault_of, read_opinion
from flightlog.journal.append import Journal
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.journal.lookup import ids_of
from flightlog.journal.read import get_events_at
from flightlog.runs.feedback_filter import ALL_FEEDBACK, FeedbackFilter, conditions
from flightlog.runs.feedback_project import PENDING, id_of
from flightlog.runs.feedback_table import feedback, feedback_events
from flightlog.runs.summary import DEFAULTS
from flightlog.store.contract import Store, Tx

HISTORY_MAX = 1_000  # the newest are kept in an answer; all of them are in the journal
BESIDE_MAX = 500  # feedback that is shown with what it is about


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What holds now. `status` is linked, or pending as long as nothing in the store has the target's id; `target_id` is that
    id as it was given. `value_number` is a score, or 1 and 0 for a thumb up and down; `value_text` the word of a thumb or
    label, or a correction, as JSON where it is no text. `created_at` is in nanoseconds.
    """

    feedback_id: str
    event_id: str
    id: int
    target_id: str
    target_type: str | None
    status: str
    generation_id: str | None
    run_id: str | None
    span_id: str | None
    project: str
    kind: str
    name: str | None
    value_number: float | None
    value_text: str | None
    comment: str | None
    given_by: str | None
    actor: str | None
    source: str | None
    key: str | None
    created_at: int

    @property
    def value(self) -> float | str | None:
        """The value as it was given: a number for a score, else a text."""
        return self.value_number if self.kind == "score" and self.value_number is not None else self.value_text


class FeedbackPage(msgspec.Struct, frozen=True):
    """Feedback, the latest first, and the cursor of the next page; None on the last."""

    feedback: list[Feedback]
    next_cursor: str | None


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_given(payload: Mapping[str, Any]) -> None:
    """Raise FeedbackInvalid where this payload of a feedback event can't be taken."""
    fault = fault_of(payload)
    if fault is not None:
        raise FeedbackInvalid(reason=fault)


def give_feedback(journal: Journal, event: Event) -> Feedback:
    """Append this feedback event and give what holds after its commit: linked, or pending and told so.

    What is said again under its key, word for word, changes nothing and appends nothing. Raises FeedbackInvalid, EventInvalid,
    and what the store raises.
    """
    payload = _payload(event)
    check_given(payload)
    opinion = read_opinion(payload)
    assert opinion is not None
    feedback_id = id_of(event, opinion)

    def give(tx: Tx) -> Feedback:
        known = _find(tx.sql, feedback_id)
        if known is None or _said(known) != (*_opinion_said(opinion), event.actor):
            journal.append_in(tx, [event])
            known = _find(tx.sql, feedback_id)
        assert known is not None
        return known

    return journal.store.write(give)


def _said(known: Feedback) -> tuple[Any, ...]:
    values = known.value_number, known.value_text
    return (known.kind, known.name, *values, known.comment, known.given_by, known.actor)


def _opinion_said(opinion: Any) -> tuple[Any, ...]:
    return opinion.kind, opinion.name, opinion.number, opinion.text, opinion.comment, opinion.given_by


def _payload(event: Event) -> dict[str, Any]:
    try:
        return msgspec.json.decode(event.payload, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise FeedbackInvalid(reason=f"it can't be read: {error}") from None


# ── queries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Cursor(NamedTuple):
    created_at: int
    feedback_id: str


def list_feedback(
    store: Store,
    filter: FeedbackFilter = ALL_FEEDBACK,  # noqa: A002
    *,
    limit: int | None = None,
    cursor: str | None = None,
    settings: Settings = DEFAULTS,
) -> FeedbackPage:
    """A page of feedback, the latest first. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    limit = min(settings.page_events_default, settings.page_runs_max) if limit is None else limit
    if not 1 <= limit <= settings.page_runs_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_runs_max)
    wanted = select(feedback).where(*conditions(filter))
    if cursor is not None:
        last = _open_cursor(cursor)
        here = tuple_(feedback.c.created_at, feedback.c.feedback_id)
        wanted = wanted.where(here < tuple_(literal(last.created_at), literal(last.feedback_id)))
    order = feedback.c.created_at.desc(), feedback.c.feedback_id.desc()
    with store.read() as connection:
        found = [_of(row) for row in connection.execute(wanted.order_by(*order).limit(limit + 1)).mappings()]
    page = found[:limit]
    more = len(found) > limit
    return FeedbackPage(page, _make_cursor(_Cursor(page[-1].created_at, page[-1].feedback_id)) if more else None)


def get_feedback(store: Store, feedback_id: str) -> Feedback:
    """One feedback by its id, or by the id of any event that said it. Raises FeedbackNotFound."""
    found = None
    if is_storable(feedback_id):
        with store.read() as connection:
            found = _find(connection, feedback_id) or _find_by_event(connection, feedback_id)
    if found is None:
        raise FeedbackNotFound(feedback_id=feedback_id)
    return found


def history_of(store: Store, feedback_id: str) -> list[StoredEvent]:
    """The events that said it, the oldest first: the last one holds now, each of the others was replaced by the next."""
    newest = feedback_events.c.id.desc()
    wanted = select(feedback_events.c.id).where(feedback_events.c.feedback_id == feedback_id).order_by(newest)
    with store.read() as connection:
        ids = list(connection.execute(wanted.limit(HISTORY_MAX)).scalars())
    return sorted(get_events_at(store, ids), key=lambda event: (event.created_at, event.event_id))


def feedback_on(store: Store, *, generation_id: str | None = None, run_id: str | None = None) -> list[Feedback]:
    """What was said of a generation, or of a run with its generations and spans; the oldest first, `BESIDE_MAX` at most."""
    wanted = FeedbackFilter(generation_id=generation_id, run_id=run_id, statuses=("linked",))
    order = feedback.c.created_at, feedback.c.feedback_id
    with store.read() as connection:
        rows = connection.execute(select(feedback).where(*conditions(wanted)).order_by(*order).limit(BESIDE_MAX))
        return [_of(row) for row in rows.mappings()]


def pending_count(store: Store) -> tuple[int, int | None]:
    """How much feedback waits for its target, and since when the oldest does (nanoseconds)."""
    wanted = select(func.count(), func.min(feedback.c.created_at)).where(feedback.c.status == PENDING)
    with store.read() as connection:
        count, oldest = connection.execute(wanted).one()
    return count, oldest


def _find(connection: Connection, feedback_id: str) -> Feedback | None:
    row = connection.execute(select(feedback).where(feedback.c.feedback_id == feedback_id)).mappings().first()
    return None if row is None else _of(row)


def _find_by_event(connection: Connection, event_id: str) -> Feedback | None:
    said = feedback_events.c.feedback_id == feedback.c.feedback_id
    place = ids_of(connection, [event_id]).get(event_id)
    wanted = select(feedback).join(feedback_events, said).where(feedback_events.c.id == place)
    row = connection.execute(wanted).mappings().first()
    return None if row is None else _of(row)


def _of(row: Mapping[Any, Any]) -> Feedback:
    return Feedback(**dict(row))


def _make_cursor(last: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")


def _open_cursor(cursor: str) -> _Cursor:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.json.decode(data, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if not -INT64_MAX <= last.created_at <= INT64_MAX:
        raise CursorInvalid(cursor=cursor)
    return last
