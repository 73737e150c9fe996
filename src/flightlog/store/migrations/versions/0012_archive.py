"""The archive: how far it goes, its files, their keys, and what waits for its deletion; and a count of changes to the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, INT64, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, INT64, primary_key=True, autoincrement=False)


def upgrade() -> None:
    op.create_table("journal_changes", _key("one"), _number("changes"), sqlite_strict=True)
    op.execute("INSERT INTO journal_changes VALUES (1, 0)")
    op.create_table(
        "archive_state",
        _key("one"),
        *map(_number, ("archived_until", "dropped_until", "created_at_max", "version", "last_file_id", "archived_at")),
        _text("store_id"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO archive_state VALUES (1, 0, 0, 0, 0, 0, 0, '')")
    op.create_table(
        "archive_files",
        _key("file_id"),
        *map(_text, ("path", "project", "date")),
        *map(_number, ("first_id", "last_id", "events", "bytes", "payload_bytes")),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *map(
            _number,
            (
                "schema_version",
                "created_at_min",
                "created_at_max",
                "received_at_min",
                "received_at_max",
                "run_count",
            ),
        ),
        *map(_text, ("types", "levels", "key_parts")),
        *map(_number, ("stale", "written_at")),
        sqlite_strict=True,
    )
    op.create_index("archive_files_path", "archive_files", ["path"], unique=True)
    op.create_index("archive_files_project", "archive_files", ["project", "date"])
    op.create_index("archive_files_last_id", "archive_files", ["last_id"])
    op.create_table(
        "archive_keys",
        _key("file_id"),
        sa.Column("column", sa.Text, primary_key=True),
        _key("part"),
        sa.Column("bits", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archive_gone",
        sa.Column("path", sa.Text, primary_key=True),
        _number("since"),
        sqlite_strict=True,
    )
    answered = sa.text("answer_id IS NOT NULL")
    op.create_index(
        "generations_answer", "generations", ["answer_id"], sqlite_where=answered, postgresql_where=answered
    )
