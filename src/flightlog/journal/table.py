"""The journal's tables.

`run_events` holds envelopes, `event_payloads` the payloads, so that a list or a timeline never touches a payload's page
and retention can remove payloads alone. Rows are inserted by position: a column's place is part of the schema.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from flightlog.events.envelope import Event
from flightlog.store.contract import metadata

# SQLite knows one integer of up to 64 bits, and makes the key of that kind the row's own address.
Int64 = BigInteger().with_variant(Integer, "sqlite")

run_events = Table(
    "run_events",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),
    # From here to `flags`: the fields of Event in their order.
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("run_id", Text),
    Column("project", Text, nullable=False),
    Column("name", Text),
    Column("level", Text, nullable=False),
    Column("source", Text),
    Column("actor", Text),
    Column("trace_id", Text),
    Column("span_id", Text),
    Column("parent_span_id", Text),
    Column("task_id", Text),
    Column("correlation_id", Text),
    Column("status", Text),
    Column("duration_ns", Int64),
    Column("producer_id", Text),
    Column("seq", Int64),
    Column("flags", Int64, nullable=False),
    Column("received_at", Int64, nullable=False),
    Column("payload_bytes", Int64, nullable=False),
    Column("payload_digest", LargeBinary, nullable=False),
    sqlite_strict=True,
)

EVENT_COLUMNS: tuple[str, ...] = Event.__struct_fields__[:-1]  # all but the payload


def _index(name: str, *columns: str, unique: bool = False, where: str | None = None) -> Index:
    condition = None if where is None else text(where)
    return Index(
        name,
        *(run_events.c[column] for column in columns),
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


# Each ends in `id`, so that a page is read in order and stops when it is full.
_index("run_events_event_id", "event_id", unique=True)
_index("run_events_run", "run_id", "id", where="run_id IS NOT NULL")
_index("run_events_run_type", "run_id", "type", "id", where="run_id IS NOT NULL")
# Most traces are a run of the same id, and are found by that.
TRACED_ELSEWHERE = "trace_id <> coalesce(run_id, '')"
_index("run_events_trace", "trace_id", "id", where=TRACED_ELSEWHERE)
_index("run_events_task", "task_id", "id", where="task_id IS NOT NULL")
_index("run_events_correlation", "correlation_id", "id", where="correlation_id IS NOT NULL")
_index("run_events_created_at", "created_at", "id")
_index("run_events_type", "type", "id")
_index("run_events_actor", "actor", "id", where="actor IS NOT NULL")
_index("run_events_level", "level", "id", where="level IN ('warn', 'error')")

event_payloads = Table(
    "event_payloads",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("payload", Text, nullable=False),
    sqlite_strict=True,
)

# One row: the last id ever given, which outlives the event that had it.
journal_head = Table(
    "journal_head",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    Column("last_id", Int64, nullable=False),
    sqlite_strict=True,
)

spool_positions = Table(
    "spool_positions",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("position", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    sqlite_strict=True,
)

# One row once there is a text index: the stretch of ids that it holds, without gaps.
search_range = Table(
    "search_range",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    Column("first_id", Int64, nullable=False),
    Column("last_id", Int64, nullable=False),
    sqlite_strict=True,
)

# One row per projection that was added when the journal already had events: those up to `until_id` are taken in afterwards,
# and `position` says how far that has come.
projections = Table(
    "projections",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", Int64, nullable=False),
    Column("until_id", Int64, nullable=False),
    sqlite_strict=True,
)

# One row: how often rows that were stored before were changed or removed (an erasure, retention). Whoever works on what it read a
# while ago, as the archiver does, can tell that it is not the same any more.
journal_changes = Table(
    "journal_changes",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    Column("changes", Int64, nullable=False),
    sqlite_strict=True,
)

# The events whose payload was erased, and the journal id of the audit event that says why and by whom.
erased_payloads = Table(
    "erased_payloads",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("erasure_id", Int64, nullable=False),
    sqlite_strict=True,
)

# Where a span is found by its id alone: the events that say how it began or ended. An OpenTelemetry span is one of these,
# whatever its kind.
OF_A_SPAN = "span_id IS NOT NULL AND type IN ('span_started', 'span_finished', 'llm_response', 'tool_result')"

# The ids of spans are random, and an index of them on every event would write a page of its own for each. So the events up to
# `last_id` are here, entered thousands at a time in the order of the index; later ones are looked for in the journal.
span_places = Table(
    "span_places",
    metadata,
    Column("span_id", Text, primary_key=True),
    Column("id", Int64, primary_key=True, autoincrement=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
span_range = Table(
    "span_range",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    Column("last_id", Int64, nullable=False),
    sqlite_strict=True,
)
