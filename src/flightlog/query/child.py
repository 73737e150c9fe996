"""The process that a query runs in: started for it, or waiting for it, used once and gone.

It is told one query on standard input, gives up all rights that the query does not need, answers on standard output with one
line of JSON about how it went, and writes the answer itself into a file that it was handed open. It ends when standard input does.
"""

from __future__ import annotations

import io
import os
import select
import sqlite3
import sys
import threading
import time
import warnings
from typing import Any, BinaryIO

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from flightlog.query import render, sandbox
from flightlog.query.check import EXPLAIN, Fault, check, fault_of
from flightlog.query.hot import Hot
from flightlog.query.views import ALIASES, VIEWS, View, view_of

MEMORY_SHARE = 0.6  # of what the process may take: DuckDB goes beyond what it is given, and the answer wants room too
ADDRESS_SPARE_BYTES = 3 * 1024**3  # libraries, stacks and what allocators set aside without touching it
CPU_SPARE_SECONDS = 5
BLOCKED_MS = 5_000
NICE = 5
HOT = "_hot_"  # so the names begin under which the rows in SQLite are known to DuckDB


class Question(msgspec.Struct, kw_only=True):
    """What is asked, of what, and within which limits."""

    sql: str
    form: str
    database: str | None
    files: list[str] = []
    archived_until: int = 0
    version: int = 0
    folder: str
    rows_max: int
    bytes_max: int
    memory_bytes_max: int
    spill_bytes_max: int
    seconds_max: float
    threads: int


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How it went. `state` is done, invalid, refused, stopped, again (what was handed in is out of date) or failed."""

    state: str
    reason: str = ""
    at: int | None = None
    length: int = 0
    columns: list[tuple[str, str]] = []
    rows: int = 0
    cut: str | None = None
    guards: list[str] = []


def main() -> None:
    """Wait for the question, answer it, end. The arguments say how many seconds to wait, and where to put the answer."""
    warnings.simplefilter("ignore")
    # DuckDB draws a progress bar on standard output; what is said there is for the parent alone.
    says = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warm()
    line = _read_line(float(sys.argv[1]))
    if line is None:
        os._exit(0)
    os.write(says, b"\n")  # from here on the time counts
    question = msgspec.json.decode(line, type=Question)
    threading.Thread(target=_end_with_parent, args=(question.seconds_max,), daemon=True).start()
    with open(int(sys.argv[2]), "wb", closefd=False) as out:
        outcome = answer(question, out)
    os.write(says, msgspec.json.encode(outcome) + b"\n")
    os._exit(0)


def warm() -> None:
    """Have the libraries load and set up what they do at the first use: no query waits for it, and later no file can be read."""
    connection = duckdb.connect(":memory:", config={"threads": "1", "async_threads": "1"})
    connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    connection.sql("SELECT 1 AS a").to_arrow_reader(1).read_all()
    connection.close()
    batch = pa.record_batch([pa.array([1], pa.timestamp("us")), pa.array(["a"])], names=["a", "b"])
    batch.filter((pc.field("b") == "a") & pc.field("a").is_valid())
    for form in ("json", "csv", "parquet", "arrow"):
        reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
        render.write(reader, [("a", "TIMESTAMP"), ("b", "VARCHAR")], form, io.BytesIO(), rows_max=1, bytes_max=1000)


def _read_line(seconds: float) -> bytes | None:
    """The line on standard input; None when nobody says anything for so long, or nobody is there any more."""
    read = b""
    deadline = time.monotonic() + seconds
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([0], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        piece = os.read(0, 1 << 20)
        if not piece:
            return None
        read += piece
    return read


def _end_with_parent(seconds_max: float) -> None:
    """End when whoever asked is gone, and, should nobody else see to it, some time after the limit."""
    select.select([0], [], [], seconds_max + 2.0)
    os._exit(1)


def answer(question: Question, out: BinaryIO) -> Outcome:
    """The outcome; the answer is in `out`."""
    guards: list[str] = []
    try:
        store = Snapshot(question)
        os.nice(NICE)
        guards = sandbox.give_up(question.files, question.folder)
        sandbox.limit(
            question.memory_bytes_max + ADDRESS_SPARE_BYTES,
            int(question.seconds_max * max(question.threads, 1)) + CPU_SPARE_SECONDS,
            max(question.bytes_max * 2, question.spill_bytes_max),
            len(question.files),
        )
        outcome = run_query(question, store, out)
    except Fault as fault:
        outcome = Outcome(state=fault.state, reason=fault.reason, at=fault.at, length=fault.length)
    except (duckdb.OutOfMemoryException, MemoryError):
        outcome = _stopped("it wants more memory than the {memory_bytes_max} bytes that a query may take")
    except duckdb.Error as error:
        outcome = _of_error(error, question)
    except (OSError, pa.ArrowException) as error:
        outcome = _of_file(error)
    except Exception as error:  # what we did not foresee ends in one sentence too, and in no traceback
        outcome = Outcome(state="failed", reason=f"{type(error).__name__}: {error}"[:500])
    outcome.guards = guards
    return outcome


def _stopped(reason: str) -> Outcome:
    return Outcome(state="stopped", reason=reason)


def _of_error(error: duckdb.Error, question: Question) -> Outcome:
    text = str(error)
    if "Out of Memory" in text or "max_temp_directory_size" in text or "failed to offload" in text:
        return _stopped("it wants more memory than the {memory_bytes_max} bytes that a query may take")
    if isinstance(error, duckdb.PermissionException):
        return Outcome(state="refused", reason="it reaches for something outside the views")
    if isinstance(error, duckdb.IOException):
        return Outcome(state="again", reason="a file of the archive is gone")
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        return Outcome(state="failed", reason="DuckDB failed on it")
    if "Python exception" in text:
        return Outcome(state="failed", reason="the store could not be read")
    fault = fault_of(error, question.sql)
    return Outcome(state=fault.state, reason=fault.reason, at=fault.at, length=fault.length)


def _of_file(error: Exception) -> Outcome:
    if isinstance(error, FileNotFoundError):
        return Outcome(state="again", reason="a file of the archive is gone")
    if isinstance(error, pa.ArrowMemoryError):
        return _stopped("it wants more memory than the {memory_bytes_max} bytes that a query may take")
    return _stopped(f"its answer can't be written: {getattr(error, 'strerror', None) or type(error).__name__}")


class Snapshot:
    """The SQLite side: one snapshot, taken before any right is given up."""

    def __init__(self, question: Question) -> None:
        self.lock = threading.Lock()
        self.archived_until = question.archived_until
        self.connection: sqlite3.Connection | None = None
        if question.database is None:
            return
        self.connection = sqlite3.connect(
            f"file:{_quoted(question.database)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self.connection.execute(f"PRAGMA busy_timeout = {BLOCKED_MS}")
        self.connection.execute("PRAGMA query_only = ON")
        self.connection.execute("PRAGMA temp_store = MEMORY")
        self.connection.execute("BEGIN")
        # The first read is what takes the snapshot, and opens the last file that SQLite needs: before any right is given up.
        if self._boundary() != (question.archived_until, question.version):
            raise Fault("again", "the archive went on meanwhile")

    def _boundary(self) -> tuple[int, int]:
        assert self.connection is not None
        there = self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'archive_state'").fetchone()
        if there is None:
            return 0, 0
        row = self.connection.execute("SELECT archived_until, version FROM archive_state").fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def run_query(question: Question, store: Snapshot, out: BinaryIO) -> Outcome:
    """The outcome of a query that was answered. Raises Fault and what DuckDB and Arrow raise."""
    connection = connect(question)
    checked = check(connection, question.sql)
    for name in sorted(checked.views):
        make_view(connection, name, question.files, store)
    lock(connection)
    try:
        relation = connection.sql(_listed() if checked.lists_views else checked.statement)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise _placed(connection, error, question.sql) from None
    if relation is None:
        raise Fault("refused", "it answers with no rows")
    return _write(relation, question, out)


def _placed(connection: Any, error: duckdb.Error, sql: str) -> Fault:
    """The same fault with its place in the query, which DuckDB says only where a statement is handed in as text."""
    before = "" if EXPLAIN.match(sql) else "EXPLAIN "
    try:
        connection.execute(before + sql)
    except duckdb.Error as again:
        fault = fault_of(again, before + sql)
        if fault.at is not None and fault.at >= len(before):
            fault.at -= len(before)
            return fault
    return fault_of(error, sql)


def _write(relation: Any, question: Question, out: BinaryIO) -> Outcome:
    columns = [(str(name), str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    reader = relation.project(render.projection([kind for _, kind in columns], question.form)).to_arrow_reader(
        render.ROWS_A_BATCH
    )
    written = render.write(
        reader, columns, question.form, out, rows_max=question.rows_max, bytes_max=question.bytes_max
    )
    out.flush()
    return Outcome(state="done", columns=columns, rows=written.rows, cut=written.cut)


def connect(question: Question) -> Any:
    """A database of its own in memory, told its limits."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": str(max(question.threads, 1)),
        "async_threads": "1",
        "memory_limit": f"{int(question.memory_bytes_max * MEMORY_SHARE)}B",
        "temp_directory": question.folder,
        "max_temp_directory_size": f"{question.spill_bytes_max}B",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_unsigned_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        "errors_as_json": "true",
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def make_view(connection: Any, name: str, files: list[str], store: Snapshot) -> None:
    """The view of this name or alias."""
    view = view_of(name)
    assert view is not None
    hidden = f"{HOT}{name}"
    parts = []
    if store.connection is not None:
        connection.register(hidden, Hot(view, store.connection, store.archived_until, store.lock))
        parts.append(f"SELECT {_hot_columns(view)} FROM temp.{hidden}")  # noqa: S608 (our own words)
    if view.archived and files:
        connection.execute(f"SET allowed_paths = {_list(files)}")
        cold = ", ".join(f"CAST({column.cold} AS {column.type}) AS {column.name}" for column in view.columns)
        parts.insert(0, f"SELECT {cold} FROM read_parquet({_list(files)}, hive_partitioning = false)")  # noqa: S608
    if not parts:
        empty = ", ".join(f"CAST(NULL AS {column.type}) AS {column.name}" for column in view.columns)
        parts.append(f"SELECT {empty} LIMIT 0")
    connection.execute(f"CREATE VIEW main.{name} AS {' UNION ALL '.join(parts)}")


def _hot_columns(view: View) -> str:
    return ", ".join(
        f"CAST({column.name} AS JSON) AS {column.name}" if column.type == "JSON" else column.name
        for column in view.columns
    )


def _list(paths: list[str]) -> str:
    return "[" + ", ".join(_text(path) for path in paths) + "]"


def lock(connection: Any) -> None:
    """From now on nothing outside is opened but what was named, and no setting is changed."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _listed() -> str:
    rows: list[tuple[str, str, str | None]] = [(name, view.says, None) for name, view in VIEWS.items()]
    rows += [(alias, VIEWS[name].says, name) for alias, name in ALIASES.items()]
    texts = ["(" + ", ".join("NULL::VARCHAR" if one is None else _text(one) for one in row) + ")" for row in rows]
    return f"SELECT * FROM (VALUES {', '.join(texts)}) t(name, says, same_as)"  # noqa: S608 (our own words)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
