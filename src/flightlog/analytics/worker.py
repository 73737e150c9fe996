"""The process that reads archive files with DuckDB, apart from the server: `python -m flightlog.analytics.worker`.

It answers one question at a time: a line of JSON with `sql` and `parameters` comes in, a line with `rows` or with
`error` and `kind` goes out. It ends with its standard input, and when nobody has asked for a while; its memory goes with it.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

MEMORY_LIMIT = "400MB"
THREADS_MAX = 4
IDLE_SECONDS = 60.0


def open_database() -> Any:
    """A database in memory that only reads files, within limits. Imports DuckDB; raises ImportError."""
    import duckdb

    connection = duckdb.connect(":memory:")
    threads = min(THREADS_MAX, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    for name, value in (
        ("memory_limit", f"'{MEMORY_LIMIT}'"),
        ("threads", str(threads)),
        ("temp_directory", "''"),  # what does not fit is refused, not spilled
        ("preserve_insertion_order", "false"),
        ("parquet_metadata_cache", "true"),  # files never change
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {name} = {value}")
    return connection


def answer(connection: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """The rows, or what went wrong: `kind` is missing (a file is gone), much (more memory than allowed) or broken."""
    import duckdb

    try:
        return {"rows": connection.execute(asked["sql"], asked["parameters"]).fetchall()}
    except duckdb.OutOfMemoryException as error:
        return {"kind": "much", "error": str(error)}
    except duckdb.IOException as error:
        return {"kind": "missing" if _is_gone(str(error)) else "broken", "error": str(error)}
    except duckdb.Error as error:
        return {"kind": "broken", "error": str(error)}


def _is_gone(text: str) -> bool:
    return "No files found" in text or "No such file" in text


def main() -> None:
    """Answer until the input ends or nobody asks."""
    connection = open_database()
    source = sys.stdin.buffer
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        line = source.readline()
        if not line:
            return
        sys.stdout.write(json.dumps(answer(connection, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
