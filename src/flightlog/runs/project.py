"""Keeps the tables `runs` and `generations` in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.runs.calls import CALL_TYPES, Call, read_call
from flightlog.runs.fold import RunState
from flightlog.runs.generation_project import project_calls
from flightlog.runs.pricing import PriceList, built_in_prices
from flightlog.runs.table import runs
from flightlog.store.contract import Tx

LOOKUP_RUNS_MAX = 500  # runs asked for in one statement

_encode = msgspec.json.encode
_counts = msgspec.json.Decoder(dict[str, int])
_models = msgspec.json.Decoder(list[str])

_COLUMNS = tuple(column.name for column in runs.columns)
_UPDATE = (
    update(runs)
    .where(runs.c.run_id == bindparam("key"))
    .values({name: bindparam(name) for name in _COLUMNS if name != "run_id"})
)


class RunProjector:
    """A Projector: one read and one write per run that a batch touches, however many events it brings; and a row for each
    call of a model, priced by `prices` (the built-in ones if not given) where its sender reported no cost.

    A call is read once, for its run and for its own row, so the run's total is the sum of its generations.
    """

    def __init__(self, prices: PriceList | None = None) -> None:
        self._prices = built_in_prices() if prices is None else prices

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take these events into their runs' rows and their generations'; what is new gets one."""
        calls = {event.id: self.read(event) for event in events if event.type in CALL_TYPES}
        self._apply_runs(tx, events, calls)
        if calls:
            project_calls(tx, list(calls.values()), self.read)

    def read(self, event: StoredEvent) -> Call:
        """The call that an event tells of, with its cost."""
        return self._prices.price(read_call(event))

    def _apply_runs(self, tx: Tx, events: Sequence[StoredEvent], calls: dict[int, Call]) -> None:
        touched = {event.run_id: None for event in events if event.run_id is not None}
        if not touched:
            return
        known = _load(tx, list(touched))
        states = {run_id: known.get(run_id) or RunState(run_id=run_id) for run_id in touched}
        for event in events:
            if event.run_id is not None:
                states[event.run_id].take(event, calls.get(event.id))
        _save(tx, states, known)


def _load(tx: Tx, run_ids: list[str]) -> dict[str, RunState]:
    found = {}
    for start in range(0, len(run_ids), LOOKUP_RUNS_MAX):
        wanted = select(runs).where(runs.c.run_id.in_(run_ids[start : start + LOOKUP_RUNS_MAX]))
        for row in tx.sql.execute(wanted).mappings():
            found[row["run_id"]] = state_of(dict(row))
    return found


def _save(tx: Tx, states: dict[str, RunState], known: dict[str, RunState]) -> None:
    new = [tuple(_row(state).values()) for run_id, state in states.items() if run_id not in known]
    if new:
        tx.insert_many((runs, new))
    changed = [{"key": run_id, **_row(state)} for run_id, state in states.items() if run_id in known]
    if changed:
        tx.sql.execute(_UPDATE, changed)


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
