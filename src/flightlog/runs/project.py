"""Keeps the table `runs` in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.runs.fold import RunState
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
    """A Projector: one read and one write per run that a batch touches, however many events it brings."""

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take these events into their runs' rows; a run that is new gets one."""
        touched = {event.run_id: None for event in events if event.run_id is not None}
        if not touched:
            return
        known = _load(tx, list(touched))
        states = {run_id: known.get(run_id) or RunState(run_id=run_id) for run_id in touched}
        for event in events:
            if event.run_id is not None:
                states[event.run_id].take(event)
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
