"""Holding, committing and releasing units: append-only entries, each once, and the account that they add up to.

All of it inside a transaction of the caller, who moves a task in the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, true, update

from flightlog.errors import LedgerBroken, QuotaExceeded
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared
from flightlog.usage.table import usage_accounts, usage_ledger

HELD, COMMITTED, RELEASED = "HELD", "COMMITTED", "RELEASED"


class Entry(NamedTuple):
    """For whom and what something is held."""

    user_id: str
    task_id: str
    source: str
    units: int = 1


def hold(tx: Tx, entry: Entry, now_ns: int) -> None:
    """Set units aside. Raises QuotaExceeded where that would be more than the account has room for."""
    refused = _hold_one(tx, entry)
    if refused is not None:
        raise refused
    _enter(tx, entry, HELD, now_ns)


def hold_all(tx: Tx, held: Sequence[tuple[Entry, int]]) -> list[QuotaExceeded | None]:
    """The same for many, each at its time: for each None, or why nothing is held for it. A refusal of one
    keeps no other from theirs.
    """
    refused: list[QuotaExceeded | None] = [None] * len(held)
    of_user: dict[str, list[int]] = {}
    for place, (entry, _) in enumerate(held):
        of_user.setdefault(entry.user_id, []).append(place)
    for user_id, places in of_user.items():
        units = sum(held[place][0].units for place in places)
        if len(places) > 1 and _take(tx, Entry(user_id, "", "", units)):
            continue  # there is room for all of them
        for place in places:
            refused[place] = _hold_one(tx, held[place][0])
    rows = [
        (one.user_id, one.task_id, HELD, one.source, one.units, now_ns)
        for (one, now_ns), why in zip(held, refused, strict=True)
        if why is None
    ]
    if len(rows) == 1:
        _ENTER.run(tx, **dict(zip(_ENTERED, rows[0], strict=True)))
    elif rows:
        tx.insert_rows(usage_ledger, _ENTERED, rows)
    return refused


def _hold_one(tx: Tx, entry: Entry) -> QuotaExceeded | None:
    """Set units aside without entering it; or why not."""
    if _take(tx, entry):
        return None
    _ensure_account(tx, entry.user_id)  # the first time that this user holds anything
    if _take(tx, entry):
        return None
    found = tx.sql.execute(select(usage_accounts).where(usage_accounts.c.user_id == entry.user_id)).one()
    return QuotaExceeded(user_id=entry.user_id, units_max=found.units_max, used=found.held + found.committed)


def _take(tx: Tx, entry: Entry) -> bool:
    return bool(_TAKE.run(tx, user=entry.user_id, units=entry.units).rowcount)


def commit(tx: Tx, entry: Entry, now_ns: int) -> None:
    """What was held was used. Raises LedgerBroken where nothing is held under this source."""
    _end(tx, entry, COMMITTED, now_ns)
    _COMMIT.run(tx, user=entry.user_id, units=entry.units)


def release(tx: Tx, entry: Entry, now_ns: int) -> None:
    """What was held was not used. Raises LedgerBroken where nothing is held under this source."""
    _end(tx, entry, RELEASED, now_ns)
    _RELEASE.run(tx, user=entry.user_id, units=entry.units)


def end_all(tx: Tx, ended: Sequence[tuple[str, Entry, int]]) -> None:
    """The same for many, each COMMITTED or RELEASED at its time. Raises LedgerBroken, and then the transaction is to be undone."""
    known: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in tx.find_rows(usage_ledger, "task_id", [entry.task_id for _, entry, _ in ended]):
        said = dict(zip(_COLUMNS, row, strict=True))
        known.setdefault((said["user_id"], said["task_id"], said["source"]), {})[said["status"]] = said["units"]
    sums: dict[str, list[int]] = {}
    for status, entry, _ in ended:
        found = known.setdefault((entry.user_id, entry.task_id, entry.source), {})
        _check_held(entry, found)
        found[status] = entry.units
        total = sums.setdefault(entry.user_id, [0, 0])
        total[0] += entry.units
        total[1] += entry.units if status == COMMITTED else 0
    rows = [(one.user_id, one.task_id, status, one.source, one.units, now_ns) for status, one, now_ns in ended]
    tx.insert_rows(usage_ledger, _ENTERED, rows)
    for user_id, (units, used) in sorted(sums.items()):
        _SETTLE.run(tx, user=user_id, units=units, used=used)


def set_units_max(tx: Tx, user_id: str, units_max: int | None) -> None:
    """How much a user may hold and have used in all; None is no limit. Raises QuotaExceeded where it is more already."""
    _ensure_account(tx, user_id)
    account = usage_accounts.c
    fits = true() if units_max is None else account.held + account.committed <= units_max
    if not tx.sql.execute(
        update(usage_accounts).where(account.user_id == user_id, fits).values(units_max=units_max)
    ).rowcount:
        found = tx.sql.execute(select(usage_accounts).where(account.user_id == user_id)).one()
        raise QuotaExceeded(user_id=user_id, units_max=units_max, used=found.held + found.committed)


def _ensure_account(tx: Tx, user_id: str) -> None:
    known = select(usage_accounts.c.user_id).where(usage_accounts.c.user_id == user_id)
    if tx.sql.execute(known).first() is None:
        tx.sql.execute(insert(usage_accounts).values(user_id=user_id, units_max=None, held=0, committed=0))


def _end(tx: Tx, entry: Entry, status: str, now_ns: int) -> None:
    """Enter how it ended: once, and only what is held."""
    entries = _ENTRIES.run(tx, user_id=entry.user_id, task_id=entry.task_id, source=entry.source)
    _check_held(entry, dict(entries.fetchall()))
    _enter(tx, entry, status, now_ns)


def _check_held(entry: Entry, found: dict[str, int]) -> None:
    if found != {HELD: entry.units}:
        raise LedgerBroken(task_id=entry.task_id, source=entry.source, reason=f"it has {found or 'nothing'}")


def _enter(tx: Tx, entry: Entry, status: str, now_ns: int) -> None:
    _ENTER.run(
        tx, user_id=entry.user_id, task_id=entry.task_id, status=status, source=entry.source, units=entry.units,
        created_at=now_ns,
    )  # fmt: skip


def net_units(tx: Tx, task_id: str) -> int:
    """What a task has used: what was committed, else what is still held."""
    ledger = usage_ledger.c
    asked = select(ledger.status, func.sum(ledger.units)).where(ledger.task_id == task_id).group_by(ledger.status)
    units = {status: int(total) for status, total in tx.sql.execute(asked)}
    return units.get(COMMITTED) or max(units.get(HELD, 0) - units.get(RELEASED, 0), 0)


def _of_account(*where: ColumnElement[bool], **values: ColumnElement[int]) -> Prepared:
    return Prepared(update(usage_accounts).where(_account.user_id == bindparam("user"), *where).values(values))


_account, _entry = usage_accounts.c, usage_ledger.c
_units = bindparam("units", type_=usage_accounts.c.held.type)
_ROOM = or_(_account.units_max.is_(None), _account.held + _account.committed + _units <= _account.units_max)
_TAKE = _of_account(_ROOM, held=_account.held + _units)
_COMMIT = _of_account(held=_account.held - _units, committed=_account.committed + _units)
_RELEASE = _of_account(held=_account.held - _units)
_used = bindparam("used", type_=usage_accounts.c.committed.type)
_SETTLE = _of_account(held=_account.held - _units, committed=_account.committed + _used)
_ENTRIES = Prepared(
    select(_entry.status, _entry.units).where(
        _entry.user_id == bindparam("user_id"),
        _entry.task_id == bindparam("task_id"),
        _entry.source == bindparam("source"),
    )
)
_COLUMNS = tuple(usage_ledger.columns.keys())
_ENTERED = ("user_id", "task_id", "status", "source", "units", "created_at")
_ENTER = Prepared(insert(usage_ledger).values({name: bindparam(name) for name in _ENTERED}))


class UsageLedger:
    """The ledger as those see it who move tasks."""

    def hold(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None:
        """See `hold`."""
        hold(tx, Entry(user_id, task_id, source, units), now_ns)

    def hold_all(self, tx: Tx, held: Sequence[tuple[str, str, str, int, int]]) -> list[QuotaExceeded | None]:
        """See `hold_all`."""
        return hold_all(tx, [(Entry(user, task, source, units), now_ns) for user, task, source, units, now_ns in held])

    def commit(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None:
        """See `commit`."""
        commit(tx, Entry(user_id, task_id, source, units), now_ns)

    def release(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None:
        """See `release`."""
        release(tx, Entry(user_id, task_id, source, units), now_ns)

    def end_all(self, tx: Tx, ended: Sequence[tuple[str, str, str, str, int, int]]) -> None:
        """See `end_all`."""
        end_all(
            tx,
            [(status, Entry(user, task, source, units), now_ns) for status, user, task, source, units, now_ns in ended],
        )
