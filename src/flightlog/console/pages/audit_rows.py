"""The rows of the list of audit records, and the columns that they can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.audit.listing import Audit
from flightlog.audit.project import ADOPTED, ORPHANED
from flightlog.audit.reading import DECISION
from flightlog.console import format as fmt
from flightlog.console.page import Fragment, href
from flightlog.console.pages.columns import Column, ColumnKind, Table

COLUMNS: tuple[ColumnKind, ...] = (
    ColumnKind("status", "Outcome"),
    ColumnKind("operation", "What"),
    ColumnKind("subject", "On"),
    ColumnKind("actor", "Actor"),
    ColumnKind("reason", "Reason"),
    ColumnKind("rule", "Rule", usual=False),
    ColumnKind("approver", "Approver", usual=False),
    ColumnKind("expires", "Expires", usual=False),
    ColumnKind("level", "Level", usual=False),
    ColumnKind("source", "Source", usual=False),
    ColumnKind("project", "Project", usual=False),
    ColumnKind("task", "Task"),
    ColumnKind("run", "Run"),
    ColumnKind("when", "When", is_number=True),
)
TABLE = Table("/audit", COLUMNS, always=("status", "operation"), newest="")


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """One record in the list."""

    id: Annotated[int, "Its event's place in commit order."]
    href: Annotated[str, "Its event's page; a script opens the panel instead."]
    is_decision: Annotated[bool, "Whether it is about a permission."]
    operation: Annotated[str, "What was done, or which permission was asked for."]
    status: Annotated[str, "How it ended, or was decided; may be empty."]
    subject: Annotated[str, "What it was done to, with its type; may be empty."]
    actor: Annotated[str, "Who did it; may be empty."]
    reason: Annotated[str, "Why; may be empty."]
    rule: Annotated[str, "By which rule; may be empty."]
    approver: Annotated[str, "By whom; may be empty."]
    expires: Annotated[fmt.Moment | None, "Until when it holds, if it ends."]
    level: Annotated[str, "Its level."]
    source: Annotated[str, "What recorded it; may be empty."]
    project: Annotated[str, "Its project."]
    task: Annotated[str, "Its task's id; may be empty."]
    run: Annotated[str, "Its run's id, shortened; may be empty."]
    run_exact: Annotated[str, "The same, whole."]
    run_href: Annotated[str | None, "The run's page, where there is such a run."]
    orphan: Annotated[str, "orphaned or adopted; empty where its run and task were known."]
    orphan_words: Annotated[str, "What it waits or waited for."]
    when: Annotated[fmt.Moment, "When it was done."]


@dataclass(frozen=True, kw_only=True)
class AuditRows(Fragment):
    """A stretch of the list: what a script puts under the rows that are there."""

    template: ClassVar[str] = "_audit_rows.html"

    rows: Annotated[list[AuditRow], "The records."]
    columns: Annotated[list[Column], "The columns that are shown."]
    more: Annotated[str | None, "The rows that follow, if any do."]


def audit_rows_of(audits: Sequence[Audit], now_ns: int) -> list[AuditRow]:
    """These records as rows, seen at `now_ns`."""
    return [_row(one, now_ns) for one in audits]


def _row(one: Audit, now_ns: int) -> AuditRow:
    return AuditRow(
        id=one.id,
        href=href(f"/events/{one.event_id}"),
        is_decision=one.type == DECISION,
        operation=one.operation or one.capability or "unknown",
        status=one.status or "",
        subject=_subject(one),
        actor=one.actor or "",
        reason=one.reason or "",
        rule=one.rule or "",
        approver=one.approver or "",
        expires=fmt.moment(one.expires_at, now_ns) if one.expires_at is not None else None,
        level=one.level,
        source=one.source or "",
        project=one.project,
        task=one.task_id or "",
        run=fmt.short_id(one.run_id or ""),
        run_exact=one.run_id or "",
        run_href=href(f"/runs/{one.run_id}") if one.run_id is not None and not one.run_missing else None,
        orphan=one.orphan if one.orphan in (ORPHANED, ADOPTED) else "",
        orphan_words=_waits(one, now_ns),
        when=fmt.moment(one.created_at, now_ns),
    )


def _subject(one: Audit) -> str:
    # What a permission is about is always called a resource.
    said = (None if one.subject_type == "resource" else one.subject_type, one.subject_id)
    return ":".join(part for part in said if part)


def _waits(one: Audit, now_ns: int) -> str:
    if one.orphan == ADOPTED:
        return f"It came before its run or task; both are known since {fmt.ago(one.adopted_at or 0, now_ns)}."
    if one.orphan != ORPHANED:
        return ""
    missing = [f"run {one.run_id}"] if one.run_missing else []
    missing += [f"task {one.task_id}"] if one.task_missing else []
    return f"Nothing else in the store names {' or '.join(missing)} yet."
