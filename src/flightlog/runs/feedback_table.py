"""The tables of feedback: what holds now, and which events said so."""

from __future__ import annotations

from sqlalchemy import REAL, Column, ForeignKey, Index, Table, Text, text

from flightlog.runs.generation_table import generations
from flightlog.runs.table import Int64
from flightlog.store.contract import metadata

feedback = Table(
    "feedback",
    metadata,
    # Of one with a key a digest of target and key, else the id of its event: the same in whatever order events come.
    Column("feedback_id", Text, primary_key=True),
    Column("event_id", Text, nullable=False),  # the event that holds now
    Column("id", Int64, nullable=False),  # its journal id
    Column("target_id", Text, nullable=False),  # as it was given
    Column("target_type", Text),  # generation, span or run: as it was given, else as it was found
    Column("status", Text, nullable=False),  # linked, pending
    # Checked when the transaction ends, so that a generation can be made anew inside one.
    Column("generation_id", Text, ForeignKey(generations.c.generation_id, deferrable=True, initially="DEFERRED")),
    Column("run_id", Text),
    Column("span_id", Text),
    Column("project", Text, nullable=False),
    Column("kind", Text, nullable=False),  # score, thumb, label, comment, correction
    Column("name", Text),
    Column("value_number", REAL),  # the score; 1 and 0 for a thumb up and down
    Column("value_text", Text),  # the word of a thumb or label, the correction
    Column("comment", Text),
    Column("given_by", Text),  # user, reviewer, model, code
    Column("actor", Text),
    Column("source", Text),
    Column("key", Text),
    Column("created_at", Int64, nullable=False),
    sqlite_strict=True,
)

Index("feedback_created_at", feedback.c.created_at, feedback.c.feedback_id)
Index("feedback_target", feedback.c.target_id)
for _column in ("generation_id", "run_id", "span_id"):
    _given = text(f"{_column} IS NOT NULL")
    Index(f"feedback_{_column}", feedback.c[_column], sqlite_where=_given, postgresql_where=_given)
_pending = text("status = 'pending'")
Index("feedback_pending", feedback.c.target_id, sqlite_where=_pending, postgresql_where=_pending)

# Every event that ever said something, also those that were replaced.
feedback_events = Table(
    "feedback_events",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),  # its journal id
    Column("feedback_id", Text, nullable=False),
    sqlite_strict=True,
)

Index("feedback_events_feedback", feedback_events.c.feedback_id, feedback_events.c.id)
