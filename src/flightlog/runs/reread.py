"""Model calls that are read otherwise than when they came: their rows, and the totals of their runs, follow.

The difference to what a row has is what changes a total, so the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import asdict, astuple
from sqlalchemy import Connection, bindparam, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.journal.history import outdate
from flightlog.runs.calls import CALL_TYPES, INT64_MAX, Call
from flightlog.runs.fold import MODELS_MAX
from flightlog.runs.generation_fold import GenerationState, state_of_call
from flightlog.runs.generation_table import generations
from flightlog.runs.project import state_of
from flightlog.runs.table import runs
from flightlog.store.contract import Tx

LOOKUP_MAX = 500  # rows asked for in one statement

_COLUMNS = tuple(column.name for column in generations.columns)
_TOTALS = ("tokens_input", "tokens_output", "tokens_cached_input", "tokens_reasoning", "cost_nano_usd")
_PRICED_BY = (
    "model", "request_model", "provider", "tokens_input", "tokens_output", "tokens_cached_input", "tokens_cache_write",
)  # fmt: skip
_UPDATE = (
    update(generations)
    .where(generations.c.id == bindparam("key"))
    .values({name: bindparam(name) for name in _COLUMNS if name not in ("id", "generation_id")})
)
_encode = msgspec.json.encode


class Change(msgspec.Struct):
    """A generation before, None where there was none, and after."""

    before: GenerationState | None
    after: GenerationState


def changes(connection: Connection, events: Sequence[StoredEvent], read: Callable[[StoredEvent], Call]) -> list[Change]:
    """What is another generation, read from these events, than its row says; or has none. Only finished spans count: whatever
    else tells of a call comes from our own recorder, and is read as it was."""
    calls = [read(event) for event in events if event.type in CALL_TYPES]
    fresh = {state.generation_id: state for state in (state_of_call(call) for call in calls if call.own_span)}
    known = _load(connection, list(fresh))
    found = []
    for key, state in fresh.items():
        before = known.get(key)
        if before is not None:
            _keep_cost(before, state)
            state.covered = before.covered
        if before is None:
            found.append(Change(None, state))
        elif before.answer_id == state.answer_id and before != state:
            found.append(Change(before, state))
    return found


def _keep_cost(before: GenerationState, after: GenerationState) -> None:
    """The cost changes only with what it is of: prices that changed meanwhile are for who asks for that."""
    if after.cost_source != "reported" and all(getattr(before, name) == getattr(after, name) for name in _PRICED_BY):
        after.cost_nano_usd, after.cost_source, after.price_id = (
            before.cost_nano_usd,
            before.cost_source,
            before.price_id,
        )


def apply_changes(tx: Tx, found: Sequence[Change]) -> set[str]:
    """Write them, with the totals of their runs; the ids of these runs."""
    new = [astuple(one.after) for one in found if one.before is None]
    if new:
        tx.insert_many((generations, new))
    changed = [{"key": one.after.id, **asdict(one.after)} for one in found if one.before is not None]
    if changed:
        tx.sql.execute(_UPDATE, changed)
    outdate(tx, [one.after.answer_id for one in found if one.after.answer_id is not None])
    by_run: dict[str, list[Change]] = {}
    for one in found:
        if one.after.run_id is not None:
            by_run.setdefault(one.after.run_id, []).append(one)
    for run_id, some in by_run.items():
        _change_run(tx, run_id, some)
    return set(by_run)


def _change_run(tx: Tx, run_id: str, some: Sequence[Change]) -> None:
    row = tx.sql.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
    if row is None:
        return
    state = state_of(dict(row))
    values: dict[str, object] = {}
    for name in _TOTALS:
        more = sum(
            (getattr(one.after, name) or 0) - (getattr(one.before, name, None) or 0)
            for one in some
            if not one.after.covered
        )
        values[name] = min(max(0, getattr(state, name) + more), INT64_MAX)
    added = {one.after.request_model or one.after.model for one in some} - {None}
    gone = {one.before.request_model or one.before.model for one in some if one.before is not None} - added - {None}
    if gone:
        still = select(generations.c.request_model).where(
            generations.c.run_id == run_id, generations.c.request_model.in_(sorted(map(str, gone)))
        )
        gone -= set(tx.sql.execute(still).scalars())
    models = sorted({*state.models, *map(str, added)} - gone)[:MODELS_MAX]
    values["models"] = _encode(models).decode()
    tx.sql.execute(update(runs).where(runs.c.run_id == run_id).values(values))


def _load(connection: Connection, keys: Sequence[str]) -> dict[str, GenerationState]:
    found = {}
    for start in range(0, len(keys), LOOKUP_MAX):
        wanted = select(generations).where(generations.c.generation_id.in_(keys[start : start + LOOKUP_MAX]))
        for row in connection.execute(wanted):
            state = GenerationState(**dict(zip(_COLUMNS, row, strict=True)))
            found[state.generation_id] = state
    return found
