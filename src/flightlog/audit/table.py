"""The table of audit records and decisions on permissions."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from flightlog.journal.table import Int64
from flightlog.store.contract import metadata

audits = Table(
    "audits",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),  # its event's journal id
    Column("event_id", Text, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("project", Text, nullable=False),
    Column("run_id", Text),  # as they were given, whether or not there are such
    Column("task_id", Text),
    Column("type", Text, nullable=False),  # audit, capability_decision
    Column("level", Text, nullable=False),
    Column("subject_type", Text),
    Column("subject_id", Text),
    Column("actor", Text),
    Column("source", Text),
    Column("operation", Text),  # of a decision: the capability
    Column("status", Text),  # the outcome, or the decision
    Column("capability", Text),
    Column("decision", Text),  # requested, granted, denied
    Column("rule", Text),
    Column("approver", Text),
    Column("reason", Text),
    Column("expires_at", Int64),
    Column("action_digest", Text),
    Column("correlation_id", Text),
    Column("orphan", Text, nullable=False),  # known, orphaned, adopted
    Column("run_missing", Int64, nullable=False),  # 1 as long as nothing but such records names the run
    Column("task_missing", Int64, nullable=False),
    Column("adopted_at", Int64),  # when the last of what was missing came
    Column("adopted_by", Int64),  # the journal id of the event that brought it
    sqlite_strict=True,
)

Index("audits_created_at", audits.c.created_at, audits.c.id)
Index("audits_operation", audits.c.operation, audits.c.created_at, audits.c.id)
for _column in ("run_id", "task_id", "actor", "subject_id", "capability", "correlation_id"):
    _given = text(f"{_column} IS NOT NULL")
    Index(
        f"audits_{_column}",
        audits.c[_column],
        audits.c.created_at,
        audits.c.id,
        sqlite_where=_given,
        postgresql_where=_given,
    )
for _what in ("run", "task"):
    _missing = text(f"{_what}_missing = 1")
    Index(f"audits_{_what}_missing", audits.c[f"{_what}_id"], sqlite_where=_missing, postgresql_where=_missing)
_orphaned = text("orphan = 'orphaned'")
Index("audits_orphaned", audits.c.created_at, audits.c.id, sqlite_where=_orphaned, postgresql_where=_orphaned)
