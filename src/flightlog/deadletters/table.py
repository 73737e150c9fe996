"""The tables of dead letters, of plans to replay them, of what became of each letter of a plan, and of alerts."""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Column, Index, Integer, Table, Text, text

from flightlog.store.contract import metadata

# Conditions of partial indexes have names: a query is answered by one only if it asks in the same words.
Int64 = BigInteger().with_variant(Integer, "sqlite")

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("letter_id", Text, primary_key=True),  # `<task id>.<round no>`, or `<event id>.<how often it died>`
    Column("source", Text, nullable=False),  # task, outbox
    Column("cause", Text, nullable=False),  # error, unrecoverable, poison, deadline, undelivered
    Column("task_id", Text, nullable=False),
    Column("event_id", Text),  # the message of the outbox that died
    Column("topic", Text),  # what that message was to tell
    Column("round_no", Int64, nullable=False),  # of the task; of a message, how often it died
    Column("pipeline", Text),  # null for a message whose task is not known
    Column("queue", Text),
    Column("state", Text),  # where it failed
    Column("user_id", Text),
    Column("project", Text, nullable=False),
    Column("kind", Text, nullable=False),  # of the error, such as ValueError
    Column("message", Text, nullable=False),  # without secrets
    Column("fingerprint", Text, nullable=False),
    Column("attempts", Int64, nullable=False),
    Column("tries", Int64, nullable=False),
    Column("deaths", Int64, nullable=False),
    Column("worker_id", Text),  # who had it last
    Column("input_digest", Text),
    Column("failed_at", Int64, nullable=False),
    Column("replay_of", Text),  # the letter of the round before
    Column("replays", Int64, nullable=False),  # how many letters came before it in this chain
    Column("status", Text, nullable=False),  # OPEN, REPLAYED, RESOLVED
    Column("changed_at", Int64, nullable=False),  # of the status
    Column("plan_id", Text),  # that replayed it
    sqlite_strict=True,
)
IS_OPEN = text("status = 'OPEN'")
Index("dead_letters_failed_at", dead_letters.c.failed_at, dead_letters.c.letter_id)
Index("dead_letters_open", dead_letters.c.failed_at, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN)
Index("dead_letters_fingerprint", dead_letters.c.fingerprint, dead_letters.c.failed_at)
Index("dead_letters_task", dead_letters.c.task_id, dead_letters.c.round_no)

replay_plans = Table(
    "replay_plans",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("filter", Text, nullable=False),  # as JSON, with times and not with ages
    Column("hash", Text, nullable=False),  # SHA-256 of the ids, one a line
    Column("letters", Int64, nullable=False),
    Column("concurrency", Int64, nullable=False),  # most tasks of the plan under way at once
    Column("is_high", Int64, nullable=False),  # whether that is high concurrency
    Column("delete_after_replay", Int64, nullable=False),
    Column("stop_failures_ratio", REAL, nullable=False),
    Column("warnings", Text, nullable=False),  # a JSON array
    Column("created_at", Int64, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("applied_at", Int64),
    Column("applied_by", Text),
    Column("reason", Text),  # why it was applied
    Column("stage_at", Int64),  # when the present stage began
    Column("finished_at", Int64),
    Column("because", Text),  # why it was stopped or refused
    Column("holder", Text),  # the process that runs it
    Column("held_until", Int64),
    sqlite_strict=True,
)
IS_RUNNING = text("state IN ('CANARY_1', 'CANARY_10', 'REST')")
Index("replay_plans_created_at", replay_plans.c.created_at, replay_plans.c.plan_id)
Index("replay_plans_running", replay_plans.c.applied_at, sqlite_where=IS_RUNNING, postgresql_where=IS_RUNNING)

replay_items = Table(
    "replay_items",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("letter_no", Int64, primary_key=True),  # its place in the plan, from 1
    Column("letter_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("event_id", Text),
    Column("round_no", Int64, nullable=False),  # of the letter
    Column("replays", Int64, nullable=False),
    Column("expected", Text, nullable=False),  # the outcome, as far as one could know when it was planned
    Column("stage", Text),  # of the plan, when it was its turn
    Column("outcome", Text),
    Column("detail", Text),
    Column("replayed_at", Int64),
    Column("next_round_no", Int64),  # the round of the task that the replay began
    Column("ended", Text),  # how that round ended: SUCCEEDED, FAILED, CANCELED
    Column("ended_at", Int64),
    sqlite_strict=True,
)
IS_WAITING = text("outcome IS NULL")
IS_REPLAYED = text("outcome = 'replayed'")
IS_UNDER_WAY = text("outcome = 'replayed' AND ended IS NULL")
Index("replay_items_letter", replay_items.c.letter_id)
Index(
    "replay_items_waiting",
    replay_items.c.plan_id,
    replay_items.c.letter_no,
    sqlite_where=IS_WAITING,
    postgresql_where=IS_WAITING,
)
Index(
    "replay_items_replayed",  # with all that a stage is judged by
    replay_items.c.plan_id,
    replay_items.c.stage,
    replay_items.c.ended,
    replay_items.c.replayed_at,
    replay_items.c.ended_at,
    sqlite_where=IS_REPLAYED,
    postgresql_where=IS_REPLAYED,
)
Index(
    "replay_items_under_way",
    replay_items.c.task_id,
    sqlite_where=IS_UNDER_WAY,
    postgresql_where=IS_UNDER_WAY,
)

dead_letter_alerts = Table(
    "dead_letter_alerts",
    metadata,
    Column("name", Text, primary_key=True),  # ratio, age
    Column("raised", Int64, nullable=False),  # 0 or 1
    Column("value", REAL, nullable=False),  # when it changed last
    Column("changed_at", Int64, nullable=False),
    sqlite_strict=True,
)
