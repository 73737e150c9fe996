"""Reading audit records: page by page, one with all that belongs to it, orphans counted, decisions added up."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func, literal, select, tuple_

from flightlog.audit.filter import ALL_AUDITS, AuditFilter, conditions
from flightlog.audit.project import ORPHANED
from flightlog.audit.reading import DECISION, DECISIONS
from flightlog.audit.table import audits
from flightlog.config import Settings
from flightlog.errors import AuditNotFound, CursorInvalid, LimitInvalid
from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.journal.lookup import ids_of
from flightlog.journal.read import get_events_at
from flightlog.store.contract import Store

PAIRED_MAX = 100  # records beside one, such as the decision beside the request
CAPABILITIES_MAX = 1_000  # rows of the matrix; the most frequent are kept
DEFAULTS = Settings()


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """One record. `orphan` is known, orphaned (as long as nothing else in the store names its run or task) or adopted, with
    when and by which event's journal id. Of a decision, `operation` is the capability and `status` the decision. Times are in
    nanoseconds; `run_id` and `task_id` are as they were given.
    """

    id: int
    event_id: str
    created_at: int
    project: str
    run_id: str | None
    task_id: str | None
    type: str
    level: str
    subject_type: str | None
    subject_id: str | None
    actor: str | None
    source: str | None
    operation: str | None
    status: str | None
    capability: str | None
    decision: str | None
    rule: str | None
    approver: str | None
    reason: str | None
    expires_at: int | None
    action_digest: str | None
    correlation_id: str | None
    orphan: str
    run_missing: int
    task_missing: int
    adopted_at: int | None
    adopted_by: int | None


class AuditPage(msgspec.Struct, frozen=True):
    """Records, the latest first, and the cursor of the next page; None on the last."""

    audits: list[Audit]
    next_cursor: str | None


class AuditDetail(msgspec.Struct, frozen=True):
    """One record, its event, and the records of the same correlation id (a request and its decision), oldest first."""

    audit: Audit
    event: StoredEvent
    paired: list[Audit]


class CapabilityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often a capability was asked for, and how that was decided; `other` are words that are no decision."""

    capability: str | None
    requested: int
    granted: int
    denied: int
    other: int
    last_at: int


class Decisions(msgspec.Struct, frozen=True):
    """The matrix of capabilities and decisions, the most frequent capability first, and its column sums."""

    rows: list[CapabilityCounts]
    total: dict[str, int]


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """How many records wait for a run or a task, since when the oldest does (nanoseconds), and for which ids, at most a few."""

    count: int
    oldest_at: int | None
    runs: list[str]
    tasks: list[str]


class _Cursor(NamedTuple):
    created_at: int
    id: int


def list_audits(
    store: Store,
    filter: AuditFilter = ALL_AUDITS,  # noqa: A002
    *,
    limit: int | None = None,
    cursor: str | None = None,
    settings: Settings = DEFAULTS,
) -> AuditPage:
    """A page of records, the latest first. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    limit = min(settings.page_events_default, settings.page_events_max) if limit is None else limit
    if not 1 <= limit <= settings.page_events_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_events_max)
    wanted = select(audits).where(*conditions(filter))
    if cursor is not None:
        last = _open_cursor(cursor)
        here = tuple_(audits.c.created_at, audits.c.id)
        wanted = wanted.where(here < tuple_(literal(last.created_at), literal(last.id)))
    wanted = wanted.order_by(audits.c.created_at.desc(), audits.c.id.desc()).limit(limit + 1)
    with store.read() as connection:
        found = [_of(row) for row in connection.execute(wanted).mappings()]
    page = found[:limit]
    more = len(found) > limit
    return AuditPage(page, _make_cursor(_Cursor(page[-1].created_at, page[-1].id)) if more else None)


def get_audit(store: Store, event_id: str) -> Audit:
    """One record by its event's id. Raises AuditNotFound."""
    found = find_audit(store, event_id)
    if found is None:
        raise AuditNotFound(event_id=event_id)
    return found


def find_audit(store: Store, event_id: str) -> Audit | None:
    """One record by its event's id, if there is one."""
    if not is_storable(event_id):
        return None
    with store.read() as connection:
        place = ids_of(connection, [event_id]).get(event_id)
        found = connection.execute(select(audits).where(audits.c.id == place)).mappings().first()
    return None if found is None else _of(found)


def get_audit_detail(store: Store, event_id: str) -> AuditDetail:
    """One record with its event and what it is paired with. Raises AuditNotFound."""
    found = get_audit(store, event_id)
    paired: list[Audit] = []
    if found.correlation_id is not None:
        wanted = AuditFilter(correlation_id=found.correlation_id)
        page = list_audits(store, wanted, limit=PAIRED_MAX)
        paired = [each for each in reversed(page.audits) if each.id != found.id]
    (event,) = get_events_at(store, [found.id])
    return AuditDetail(found, event, paired)


def count_decisions(store: Store, filter: AuditFilter = ALL_AUDITS) -> Decisions:  # noqa: A002
    """How every capability was decided, over the records that pass the filter. Raises FilterInvalid."""
    capability, decision = audits.c.capability, audits.c.decision
    wanted = (
        select(capability, decision, func.count(), func.max(audits.c.created_at))
        .where(audits.c.type == DECISION, *conditions(filter))
        .group_by(capability, decision)
    )
    counts: dict[str | None, dict[str, int]] = {}
    latest: dict[str | None, int] = {}
    with store.read() as connection:
        for name, said, count, last_at in connection.execute(wanted):
            row = counts.setdefault(name, dict.fromkeys((*DECISIONS, "other"), 0))
            row[said if said in DECISIONS else "other"] += count
            latest[name] = max(latest.get(name, 0), last_at)
    total = {word: sum(row[word] for row in counts.values()) for word in (*DECISIONS, "other")}
    rows = [CapabilityCounts(capability=name, last_at=latest[name], **row) for name, row in counts.items()]
    rows.sort(key=lambda row: (-(row.requested + row.granted + row.denied + row.other), row.capability or ""))
    return Decisions(rows[:CAPABILITIES_MAX], total)


def count_orphans(store: Store, shown_max: int = 5) -> Orphans:
    """How many records wait, and for what."""
    is_orphan = audits.c.orphan == ORPHANED
    names: dict[str, list[str]] = {}
    with store.read() as connection:
        count, oldest = connection.execute(select(func.count(), func.min(audits.c.created_at)).where(is_orphan)).one()
        for what in ("run", "task"):
            column, missing = audits.c[f"{what}_id"], audits.c[f"{what}_missing"]
            asked = select(column).where(missing == 1).distinct().order_by(column).limit(shown_max)
            names[what] = list(connection.execute(asked).scalars()) if count else []
    return Orphans(count=count, oldest_at=oldest, runs=names["run"], tasks=names["task"])


_COUNTED = ("actor", "operation", "capability", "rule", "approver", "subject_type", "status", "source", "project")


def count_audit_values(store: Store, field: str, values_max: int = 100) -> dict[str, int]:
    """The most frequent values of a column, for those that have few; nothing for the others."""
    if field not in _COUNTED:
        return {}
    column = audits.c[field]
    wanted = select(column, func.count()).where(column.is_not(None))
    wanted = wanted.group_by(column).order_by(func.count().desc(), column).limit(values_max)
    with store.read() as connection:
        return {str(value): count for value, count in connection.execute(wanted)}


def _of(row: Mapping[Any, Any]) -> Audit:
    return Audit(**dict(row))


def _make_cursor(last: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")


def _open_cursor(cursor: str) -> _Cursor:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.json.decode(data, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if not (-INT64_MAX <= last.created_at <= INT64_MAX and -INT64_MAX <= last.id <= INT64_MAX):
        raise CursorInvalid(cursor=cursor)
    return last
