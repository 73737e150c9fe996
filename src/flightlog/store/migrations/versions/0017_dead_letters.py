"""Dead letters, plans to replay them, and the alerts about them; which tasks succeeded lately is found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _letters()
    _plans()
    _items()
    op.create_table(
        "dead_letter_alerts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("raised", INT64, nullable=False),
        sa.Column("value", sa.REAL, nullable=False),
        sa.Column("changed_at", INT64, nullable=False),
        sqlite_strict=True,
    )
    _create_index("tasks_succeeded", "tasks", ["state", "finished_at"], "state = 'SUCCEEDED'")


def _letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("topic", sa.Text),
        sa.Column("round_no", INT64, nullable=False),
        sa.Column("pipeline", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("state", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("attempts", INT64, nullable=False),
        sa.Column("tries", INT64, nullable=False),
        sa.Column("deaths", INT64, nullable=False),
        sa.Column("worker_id", sa.Text),
        sa.Column("input_digest", sa.Text),
        sa.Column("failed_at", INT64, nullable=False),
        sa.Column("replay_of", sa.Text),
        sa.Column("replays", INT64, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("changed_at", INT64, nullable=False),
        sa.Column("plan_id", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("dead_letters_failed_at", "dead_letters", ["failed_at", "letter_id"])
    _create_index("dead_letters_open", "dead_letters", ["failed_at"], "status = 'OPEN'")
    op.create_index("dead_letters_fingerprint", "dead_letters", ["fingerprint", "failed_at"])
    op.create_index("dead_letters_task", "dead_letters", ["task_id", "round_no"])


def _plans() -> None:
    op.create_table(
        "replay_plans",
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("filter", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("letters", INT64, nullable=False),
        sa.Column("concurrency", INT64, nullable=False),
        sa.Column("is_high", INT64, nullable=False),
        sa.Column("delete_after_replay", INT64, nullable=False),
        sa.Column("stop_failures_ratio", sa.REAL, nullable=False),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("applied_at", INT64),
        sa.Column("applied_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("stage_at", INT64),
        sa.Column("finished_at", INT64),
        sa.Column("because", sa.Text),
        sa.Column("holder", sa.Text),
        sa.Column("held_until", INT64),
        sqlite_strict=True,
    )
    op.create_index("replay_plans_created_at", "replay_plans", ["created_at", "plan_id"])
    _create_index("replay_plans_running", "replay_plans", ["applied_at"], "state IN ('CANARY_1', 'CANARY_10', 'REST')")


def _items() -> None:
    op.create_table(
        "replay_items",
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("letter_no", INT64, primary_key=True),
        sa.Column("letter_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("round_no", INT64, nullable=False),
        sa.Column("replays", INT64, nullable=False),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("stage", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("replayed_at", INT64),
        sa.Column("next_round_no", INT64),
        sa.Column("ended", sa.Text),
        sa.Column("ended_at", INT64),
        sqlite_strict=True,
    )
    op.create_index("replay_items_letter", "replay_items", ["letter_id"])
    _create_index("replay_items_waiting", "replay_items", ["plan_id", "letter_no"], "outcome IS NULL")
    _create_index(
        "replay_items_replayed", "replay_items", ["plan_id", "stage", "ended", "replayed_at", "ended_at"],
        "outcome = 'replayed'",
    )  # fmt: skip
    _create_index("replay_items_under_way", "replay_items", ["task_id"], "outcome = 'replayed' AND ended IS NULL")


def _create_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
