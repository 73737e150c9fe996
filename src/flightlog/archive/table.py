"""The archive's tables: how far it goes, its files, the keys that each file holds, and objects that wait for their deletion.

The archive holds a prefix of the journal: ids up to `archived_until` are in files alone, later ones in the journal's tables alone.
Files and boundary change in one transaction, so a reader finds each event exactly once in whatever snapshot it has.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

# One row.
archive_state = Table(
    "archive_state",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    # The boundary. Rows of the journal's tables that lie at or below it count no more, and are deleted up to `dropped_until`.
    Column("archived_until", Int64, nullable=False),
    Column("dropped_until", Int64, nullable=False),
    # The newest created_at that was ever archived: an event from later than this is in no file.
    Column("created_at_max", Int64, nullable=False),
    # Grows with every change of the manifest, so that what was read of it can be kept until then.
    Column("version", Int64, nullable=False),
    # The last file_id ever given, which outlives the file.
    Column("last_file_id", Int64, nullable=False),
    Column("archived_at", Int64, nullable=False),
    # Whose archive it is: what is at the same place and bears another name belongs to another store. Empty before the first file.
    Column("store_id", Text, nullable=False),
    sqlite_strict=True,
)

archive_files = Table(
    "archive_files",
    metadata,
    Column("file_id", Int64, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("date", Text, nullable=False),  # of created_at in UTC, YYYY-MM-DD
    # Of what it holds; files of several projects and dates share a stretch of ids.
    Column("first_id", Int64, nullable=False),
    Column("last_id", Int64, nullable=False),
    Column("events", Int64, nullable=False),
    Column("bytes", Int64, nullable=False),
    Column("payload_bytes", Int64, nullable=False),  # of the payloads as text
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the object's bytes
    Column("schema_version", Int64, nullable=False),
    Column("created_at_min", Int64, nullable=False),
    Column("created_at_max", Int64, nullable=False),
    Column("received_at_min", Int64, nullable=False),
    Column("received_at_max", Int64, nullable=False),
    Column("run_count", Int64, nullable=False),
    # JSON objects of counts: {"llm_request": 12, …} and {"info": 40, …}.
    Column("types", Text, nullable=False),
    Column("levels", Text, nullable=False),
    # A JSON object: how many parts the key filter of each column has (see archive/keys.py); a column without keys is not in it.
    Column("key_parts", Text, nullable=False),
    Column("stale", Int64, nullable=False),  # 1: the typed columns want to be written anew
    Column("written_at", Int64, nullable=False),
    sqlite_strict=True,
)
Index("archive_files_path", archive_files.c.path, unique=True)
Index("archive_files_project", archive_files.c.project, archive_files.c.date)
Index("archive_files_last_id", archive_files.c.last_id)

archive_keys = Table(
    "archive_keys",
    metadata,
    Column("file_id", Int64, primary_key=True, autoincrement=False),
    Column("column", Text, primary_key=True),
    Column("part", Int64, primary_key=True, autoincrement=False),
    Column("bits", LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Objects that no manifest row names any more. Readers of an older snapshot may still be at them for a while.
archive_gone = Table(
    "archive_gone",
    metadata,
    Column("path", Text, primary_key=True),
    Column("since", Int64, nullable=False),
    sqlite_strict=True,
)
