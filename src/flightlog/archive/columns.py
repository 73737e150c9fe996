"""The columns of an archive file, in their order, as data: what is in here is what the files have.

Times are nanoseconds since 1970. A file is written with `flightlog.schema` in its metadata; a reader that meets a higher number
than SCHEMA_VERSION was made before the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text

from flightlog.journal.table import EVENT_COLUMNS, run_events

if TYPE_CHECKING:
    import pyarrow

SCHEMA_KEY = b"flightlog.schema"
SCHEMA_VERSION = 1

# The envelope as it was, and the payload. `payload_digest` is null where it is the SHA-256 of the payload that is there; `payload`
# and `salt` are null once the payload was erased, `salt` also where nothing was sealed.
STORED: tuple[tuple[str, str], ...] = (
    ("id", "int64"),
    *((name, "string" if isinstance(run_events.c[name].type, Text) else "int64") for name in EVENT_COLUMNS),
    ("received_at", "int64"),
    ("payload_bytes", "int64"),
    ("payload_digest", "binary"),
    ("salt", "binary"),
    ("payload", "string"),
)

# What people aggregate, from the generation whose answer the event is; `tool` from the event itself. Null where it does not apply.
GENERATION_COLUMNS = (
    "provider",
    "model",
    "operation",
    "tokens_input",
    "tokens_output",
    "tokens_cached_input",
    "tokens_cache_write",
    "tokens_reasoning",
    "cost_nano_usd",
    "time_to_first_chunk_ns",
    "error_kind",
    "finish_reason",
)
_ADDED_UP = frozenset(name for name in GENERATION_COLUMNS if name.startswith(("tokens_", "cost_")))


def generation_columns(table: str) -> str:
    """GENERATION_COLUMNS as SQL. What is added up is null in a call that another call tells again: so each counts once."""
    return ", ".join(
        f"CASE WHEN {table}.covered IS NULL THEN {table}.{name} END AS {name}"
        if name in _ADDED_UP
        else f"{table}.{name}"
        for name in GENERATION_COLUMNS
    )


TYPED: tuple[tuple[str, str], ...] = (
    ("provider", "string"),
    ("model", "string"),
    ("operation", "string"),
    ("tool", "string"),
    ("tokens_input", "int64"),
    ("tokens_output", "int64"),
    ("tokens_cached_input", "int64"),
    ("tokens_cache_write", "int64"),
    ("tokens_reasoning", "int64"),
    ("cost_nano_usd", "int64"),
    ("time_to_first_chunk_ns", "int64"),
    ("error_kind", "string"),
    ("finish_reason", "string"),
)

COLUMNS = STORED + TYPED
NAMES = tuple(name for name, _ in COLUMNS)

# Never null in any file.
REQUIRED = frozenset(
    {"id", "event_id", "type", "created_at", "project", "level", "flags", "received_at", "payload_bytes"}
)

# Few values, many rows: written as a dictionary and numbers into it. The others are as good as all different.
DICTIONARY = (
    "type",
    "run_id",
    "project",
    "name",
    "level",
    "source",
    "actor",
    "trace_id",
    "task_id",
    "correlation_id",
    "status",
    "producer_id",
    "provider",
    "model",
    "operation",
    "tool",
    "error_kind",
    "finish_reason",
)

# By which of its fields an event is looked for by value: these have key filters.
KEYED = ("event_id", "run_id", "trace_id", "span_id", "task_id", "correlation_id")

# Whose name says which tool.
TOOL_TYPES = ("tool_call", "tool_result")


def schema() -> pyarrow.Schema:
    """The same for pyarrow, without metadata. Imports it."""
    import pyarrow

    kinds = {"int64": pyarrow.int64(), "string": pyarrow.string(), "binary": pyarrow.binary()}
    return pyarrow.schema([pyarrow.field(name, kinds[kind], nullable=name not in REQUIRED) for name, kind in COLUMNS])
