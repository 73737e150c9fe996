"""Legal holds: what nobody may remove, whatever the rules say, until the hold is released.

A hold is placed and released by an audit event in the same transaction. What it covers is an EventFilter, so it also covers events
that come later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, update

from flightlog.errors import EventsHeld, FilterInvalid, HoldNotFound
from flightlog.journal.condition import Condition
from flightlog.journal.filter import EVERYTHING, EventFilter
from flightlog.journal.lookup import rows_at
from flightlog.journal.table import EVENT_COLUMNS
from flightlog.retention.table import retention_holds
from flightlog.store.contract import Tx

HOLD, RELEASE = "retention.hold", "retention.release"
REASON_CHARS_MAX = 2_000

# What is read of an event to tell whether it is held, or due: the envelope, and what the store knows of it.
COLUMNS: tuple[str, ...] = ("id", *EVENT_COLUMNS, "received_at", "payload_bytes", "payload_digest")
_AT = {name: at for at, name in enumerate(COLUMNS)}

# Appends the audit event of what is done inside its transaction and gives the event's journal id.
Say = Callable[[Tx, str, dict[str, Any]], int]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One hold. `selection` says in words what it covers; times are nanoseconds since 1970."""

    hold_id: str
    selection: dict[str, Any]
    filter: EventFilter
    reason: str
    actor: str
    placed_at: int
    placed_id: int
    released_at: int | None = None
    released_by: str | None = None
    release_reason: str | None = None
    released_id: int | None = None


def place(
    tx: Tx,
    hold_id: str,
    wanted: EventFilter,
    selection: dict[str, Any],
    *,
    reason: str,
    actor: str,
    now_ns: int,
    say: Say,
) -> Hold:
    """Hold what passes the filter. Raises FilterInvalid for a filter that can't be held, or a reason that is none."""
    wanted.check()
    if wanted.text is not None:
        raise FilterInvalid(reason="what is held is chosen by fields, not by a text that is looked for")
    if wanted == EVERYTHING:
        raise FilterInvalid(reason="a hold says what it covers: a run, a task, an actor, a project or a query")
    reason = _checked(reason)
    placed_id = say(tx, HOLD, {"hold_id": hold_id, **selection, "reason": reason})
    made = Hold(
        hold_id=hold_id,
        selection=selection,
        filter=wanted,
        reason=reason,
        actor=actor,
        placed_at=now_ns,
        placed_id=placed_id,
    )
    values = msgspec.structs.asdict(made) | {
        "selection": msgspec.json.encode(selection).decode(),
        "filter": msgspec.json.encode(wanted).decode(),
    }
    tx.sql.execute(insert(retention_holds).values(values))
    return made


def release(tx: Tx, hold_id: str, *, reason: str, actor: str, now_ns: int, say: Say) -> Hold:
    """Let go of what is held. Raises HoldNotFound where no such hold stands, FilterInvalid without a reason."""
    held = next((hold for hold in holds(tx.sql) if hold.hold_id == hold_id), None)
    if held is None:
        raise HoldNotFound(hold_id=hold_id)
    reason = _checked(reason)
    released_id = say(tx, RELEASE, {"hold_id": hold_id, **held.selection, "reason": reason})
    changes = {"released_at": now_ns, "released_by": actor, "release_reason": reason, "released_id": released_id}
    tx.sql.execute(update(retention_holds).where(retention_holds.c.hold_id == hold_id).values(changes))
    return msgspec.structs.replace(held, **changes)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_CHARS_MAX:
        raise FilterInvalid(
            reason=f"say why, in at most {REASON_CHARS_MAX:,} characters; it is kept in the audit trail"
        )
    return reason


def holds(connection: Connection, *, released: bool = False) -> list[Hold]:
    """The holds that stand, the oldest first; with `released` those that do not any more as well."""
    asked = select(retention_holds).order_by(retention_holds.c.placed_at, retention_holds.c.hold_id)
    if not released:
        asked = asked.where(retention_holds.c.released_at.is_(None))
    return [_hold(row) for row in connection.execute(asked).mappings()]


def _hold(row: Any) -> Hold:
    return Hold(
        **{
            **row,
            "selection": msgspec.json.decode(row["selection"]),
            "filter": msgspec.json.decode(row["filter"], type=EventFilter),
        }
    )


class Held:
    """The holds that stand, ready to be asked of many events."""

    def __init__(self, standing: Sequence[Hold]) -> None:
        self.holds = tuple(standing)
        self._asked = [(hold, _Wanted(hold.filter)) for hold in standing]

    def by(self, row: Sequence[Any]) -> Hold | None:
        """The hold that this event (read as COLUMNS) is under, if any."""
        for hold, wanted in self._asked:
            if wanted.has(row):
                return hold
        return None

    @property
    def runs(self) -> set[str]:
        """The runs that a hold names."""
        return {hold.filter.run_id for hold in self.holds if hold.filter.run_id is not None}


def guard_of(connection: Connection) -> Callable[[Sequence[int]], None] | None:
    """What raises EventsHeld where one of some events is under a hold in this snapshot; None where nothing is held."""
    held = Held(holds(connection))
    if not held.holds:
        return None

    def check(ids: Sequence[int]) -> None:
        by = [hold for row in rows_at(connection, COLUMNS, ids) if (hold := held.by(row)) is not None]
        if by:
            count = sum(hold.hold_id == by[0].hold_id for hold in by)
            raise EventsHeld(count=count, hold=by[0].hold_id, reason=by[0].reason)

    return check


def asking(connection: Connection) -> Callable[[Mapping[str, Any]], Hold | None] | None:
    """What tells by its envelope which hold an event is under, or would be if it were still there; None where nothing is held.

    A hold that names the event's run or task is on it whatever else it asks for.
    """
    held = Held(holds(connection))
    if not held.holds:
        return None
    names = {
        name: hold for hold in held.holds for name in (hold.filter.run_id, hold.filter.task_id) if name is not None
    }

    def hold_of(said: Mapping[str, Any]) -> Hold | None:
        named = names.get(said["run_id"]) or names.get(said["task_id"])
        return named or held.by([said.get(name) for name in COLUMNS])

    return hold_of


# ── a filter, asked of a row in memory ───────────────────────────────────────────────────────────────────────────────


class _Like(NamedTuple):
    """A condition with its patterns made ready."""

    at: int
    condition: Condition
    patterns: tuple[re.Pattern[str], ...]


class _Wanted:
    """An EventFilter without its text, for rows read as COLUMNS."""

    def __init__(self, wanted: EventFilter) -> None:
        one = ("project", "run_id", "trace_id", "span_id", "task_id", "correlation_id", "name")
        many = {"types": "type", "levels": "level", "sources": "source", "actors": "actor", "statuses": "status"}
        self._sets = [(_AT[name], frozenset({value})) for name in one if (value := getattr(wanted, name)) is not None]
        self._sets += [
            (_AT[name], frozenset(values)) for field, name in many.items() if (values := getattr(wanted, field))
        ]
        self._since, self._until = wanted.since, wanted.until
        self._also = [
            _Like(_AT[condition.field], condition, tuple(map(_pattern, condition.patterns)))
            for condition in wanted.also
        ]

    def has(self, row: Sequence[Any]) -> bool:
        created_at = row[_AT["created_at"]]
        if self._since is not None and created_at < self._since:
            return False
        if self._until is not None and created_at >= self._until:
            return False
        return all(row[at] in values for at, values in self._sets) and all(_passes(row, like) for like in self._also)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL | re.IGNORECASE)


def _passes(row: Sequence[Any], like: _Like) -> bool:
    value, wanted = row[like.at], like.condition
    if value is None:
        return wanted.negated
    found = value in wanted.values or any(pattern.fullmatch(str(value)) for pattern in like.patterns)
    if not found and (wanted.low is not None or wanted.high is not None):
        low, high = wanted.low, wanted.high
        found = (low is None or value > low or (value == low and not wanted.low_open)) and (
            high is None or value < high or (value == high and not wanted.high_open)
        )
    return found != wanted.negated
