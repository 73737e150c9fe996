"""Keeps the tables `runs` and `generations` in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.journal.catchup import catch_up
from flightlog.runs.calls import CALL_TYPES, INT64_MAX, Call, CallLooker, read_call, stored
from flightlog.runs.coverage import Coverage, Totals
from flightlog.runs.fold import RunState
from flightlog.runs.generation_project import project_calls
from flightlog.runs.pricing import PriceBook
from flightlog.runs.table import runs
from flightlog.store.contract import Store, Tx
from flightlog.store.prepared import Prepared

_encode = msgspec.json.encode
_counts = msgspec.json.Decoder(dict[str, int])
_models = msgspec.json.Decoder(list[str])

_COLUMNS = tuple(column.name for column in runs.columns)
_RUN_ID = _COLUMNS.index("run_id")
_WRITTEN = ("run_id", *(name for name in _COLUMNS if name != "run_id"))
_ONE = Prepared(select(runs).where(runs.c.run_id == bindparam("key")))
_UPDATE_ONE = Prepared(
    update(runs)
    .where(runs.c.run_id == bindparam("key"))
    .values({name: bindparam(name) for name in _COLUMNS if name != "run_id"})
)


class RunProjector(CallLooker):
    """A Projector: one read and one write per run that a batch touches, however many events it brings; and a row for each
    call of a model, priced by the book (of the built-in prices if none is given) where its sender reported no cost.

    A call is read once, for its run and for its own row, so the run's total is the sum of its generations.
    """

    def __init__(self, prices: PriceBook | None = None) -> None:
        self._prices = PriceBook() if prices is None else prices

    def apply(self, tx: Tx, events: Sequence[StoredEvent], looks: Sequence[Call | None] | None = None) -> None:
        """Take these events into their runs' rows and their generations'; what is new gets one."""
        if looks is None:
            looks = [self.look(event) for event in events]
        price = self._prices.current.price
        calls = {
            event.id: price(stored(look, event)) for event, look in zip(events, looks, strict=True) if look is not None
        }
        touched = {event.run_id: None for event in events if event.run_id is not None}
        known = _load(tx, list(touched)) if touched else {}
        told: dict[str, Totals] = {}
        if calls or known:
            coverage = Coverage(tx, events, list(calls.values()), known)
            coverage.mark_new()
            if calls:
                project_calls(tx, list(calls.values()), self.read)
            told = coverage.mark_stored()
        if touched:
            _apply_runs(tx, events, calls, list(touched), known, told)

    def take_earlier(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take calls from before there were generations. Their runs have all but the costs that nobody reported."""
        calls = [self.read(event) for event in events if event.type in CALL_TYPES]
        project_calls(tx, calls, self.read)
        priced: dict[str, int] = {}
        for call in calls:
            if call.cost_source == "priced" and call.cost_nano_usd and call.event.run_id is not None:
                priced[call.event.run_id] = priced.get(call.event.run_id, 0) + call.cost_nano_usd
        add_costs(tx, priced)

    def read(self, event: StoredEvent) -> Call:
        """The call that an event tells of, with its cost."""
        return self._prices.current.price(read_call(event))


def _apply_runs(
    tx: Tx,
    events: Sequence[StoredEvent],
    calls: Mapping[int, Call],
    touched: Sequence[str],
    known: dict[str, RunState],
    told: Mapping[str, Totals],
) -> None:
    states = {run_id: known.get(run_id) or RunState(run_id=run_id) for run_id in touched}
    for event in events:
        if event.run_id is not None:
            states[event.run_id].take(event, calls.get(event.id))
    for run_id, totals in told.items():
        states[run_id].uncount(totals)
    _save(tx, states, known)


def add_costs(tx: Tx, nano_usd: Mapping[str, int]) -> None:
    """Add to the costs of runs, or take away what is below zero. A run's cost stays at the largest integer."""
    for run_id, change in nano_usd.items():
        known = tx.sql.execute(select(runs.c.cost_nano_usd).where(runs.c.run_id == run_id)).scalar()
        if known is not None and change:
            new = min(max(0, known + change), INT64_MAX)
            tx.sql.execute(update(runs).where(runs.c.run_id == run_id).values(cost_nano_usd=new))


def catch_up_generations(store: Store, projector: RunProjector) -> int:
    """Give a store from before there were generations its rows; return how many events were taken in."""
    return catch_up(store, "generations", sorted(CALL_TYPES), projector.take_earlier)


def _load(tx: Tx, run_ids: list[str]) -> dict[str, RunState]:
    if len(run_ids) == 1:  # the usual batch of a recorder
        row = _ONE.run(tx, key=run_ids[0]).fetchone()
        found = [] if row is None else [row]
    else:
        found = tx.find_rows(runs, "run_id", run_ids)
    return {row[_RUN_ID]: state_of(dict(zip(_COLUMNS, row, strict=True))) for row in found}


def _save(tx: Tx, states: dict[str, RunState], known: dict[str, RunState]) -> None:
    new = [tuple(_row(state).values()) for run_id, state in states.items() if run_id not in known]
    if new:
        tx.insert_many((runs, new))
    changed = [_row(state) for run_id, state in states.items() if run_id in known]
    if len(changed) == 1:
        _UPDATE_ONE.run(tx, key=changed[0]["run_id"], **changed[0])
    elif changed:
        tx.update_rows(runs, _WRITTEN, [tuple(map(row.__getitem__, _WRITTEN)) for row in changed])


def state_of(row: dict[str, Any]) -> RunState:
    """A row of the table as a state."""
    row["counts"] = _counts.decode(row["counts"])
    row["models"] = _models.decode(row["models"])
    return RunState(**row)


def _row(state: RunState) -> dict[str, Any]:
    row = msgspec.structs.asdict(state)
    row["counts"] = _encode(state.counts).decode()
    row["models"] = _encode(state.models).decode()
    return row
