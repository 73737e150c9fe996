"""Keeps the table `generations` in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import asdict, astuple
from sqlalchemy import bindparam, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import ALL_ROWS
from flightlog.journal.plan import Span
from flightlog.journal.read import events_at, events_of_page
from flightlog.runs.calls import CALL_TYPES, Call
from flightlog.runs.generation_fold import GenerationState, rebuilt, row_of_span, state_of_call
from flightlog.runs.generation_table import generations
from flightlog.store.contract import DuplicateKey, Tx

LOOKUP_MAX = 500  # generations asked for in one statement

ReadCall = Callable[[StoredEvent], Call]

_COLUMNS = tuple(column.name for column in generations.columns)
_UPDATE = (
    update(generations)
    .where(generations.c.id == bindparam("key"))
    .values({name: bindparam(name) for name in _COLUMNS if name not in ("id", "generation_id")})
)


def project_calls(tx: Tx, calls: Sequence[Call], read: ReadCall) -> None:
    """Take these calls into their generations; one that is new gets a row. Each event once: the journal sees to that.

    `read` reads the calls of events from before, where one id has several requests or answers.
    """
    alone = [call for call in calls if call.own_span and call.is_answer]
    if alone:
        try:
            # A finished span is a generation by itself: there is nothing to look up.
            tx.insert_many((generations, [row_of_span(call) for call in alone]))
        except DuplicateKey:
            alone = []
    rest = [call for call in calls if not (call.own_span and call.is_answer)] if alone else list(calls)
    if rest:
        _merge(tx, rest, read)


def _merge(tx: Tx, calls: list[Call], read: ReadCall) -> None:
    known = _load(tx, list(dict.fromkeys(call.generation_id for call in calls)))
    states: dict[str, GenerationState] = dict(known)
    for call in calls:
        state = states.get(call.generation_id)
        if state is None:
            states[call.generation_id] = state_of_call(call)
        elif state.can_take(call):
            state.take(call)
        else:
            states[call.generation_id] = _rebuild(tx, state, calls, read)
    new = [astuple(state) for key, state in states.items() if key not in known]
    if new:
        tx.insert_many((generations, new))
    changed = [{"key": state.id, **asdict(state)} for key, state in states.items() if key in known]
    if changed:
        tx.sql.execute(_UPDATE, changed)


def _load(tx: Tx, keys: list[str]) -> dict[str, GenerationState]:
    found = {}
    for start in range(0, len(keys), LOOKUP_MAX):
        wanted = select(generations).where(generations.c.generation_id.in_(keys[start : start + LOOKUP_MAX]))
        for row in tx.sql.execute(wanted):
            state = GenerationState(**dict(zip(_COLUMNS, row, strict=True)))
            found[state.generation_id] = state
    return found


def _rebuild(tx: Tx, state: GenerationState, calls: Iterable[Call], read: ReadCall) -> GenerationState:
    """Producers that give one correlation id twice are wrong, and still get one row that does not depend on the order."""
    held = [read(event) for event in _events_of(tx, state)]
    fresh = [call for call in calls if call.generation_id == state.generation_id]
    every = {call.event.event_id: call for call in (*held, *fresh) if call.generation_id == state.generation_id}
    made = rebuilt(state.id, list(every.values()))
    made.covered = state.covered
    return made


def _events_of(tx: Tx, state: GenerationState) -> list[StoredEvent]:
    """The events in the journal that may belong to the generation."""
    key = state.generation_id.removeprefix(f"{state.run_id}-") if state.run_id is not None else state.generation_id
    called = EventFilter(types=tuple(sorted(CALL_TYPES)), correlation_id=key, run_id=state.run_id)
    everything = Span(None, None, backwards=False)
    by_correlation = events_of_page(tx.sql, called, everything, ALL_ROWS)
    by_id = events_at(tx.sql, [id_ for id_ in (state.answer_id, state.request_id) if id_ is not None])
    # A filter without a run asks for any: of a call without one, only others without one are meant.
    of_the_run = [event for event in by_correlation if event.run_id == state.run_id]
    return list({event.id: event for event in (*of_the_run, *by_id) if event.type in CALL_TYPES}.values())
