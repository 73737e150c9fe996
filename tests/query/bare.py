"""A process that runs attempts with only some of the walls up, and says what came of each. Run by name, see test_escapes.py.

It reads {"guards": bool, "locks": bool, "folder", "database", "attempts": {name: sql}} on standard input and prints
{name: outcome}, an outcome being the rows as text, or the error.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import Any

import duckdb

from flightlog.query import child, sandbox

MEMORY_BYTES = 512 * 1024**2


def main() -> None:
    asked = json.load(sys.stdin)
    with sqlite3.connect(asked["database"]) as connection:
        until, version = connection.execute("SELECT archived_until, version FROM archive_state").fetchone()
    connection.close()
    question = child.Question(
        sql="",
        form="json",
        database=asked["database"],
        archived_until=until,
        version=version,
        folder=asked["folder"],
        rows_max=10,
        bytes_max=10_000,
        memory_bytes_max=MEMORY_BYTES,
        spill_bytes_max=MEMORY_BYTES,
        seconds_max=30,
        threads=1,
    )
    child.warm()
    store = child.Snapshot(question)
    guards = sandbox.give_up([], asked["folder"]) if asked["guards"] else []
    outcomes: dict[str, Any] = {"guards": guards}
    connection = None
    for name, sql in asked["attempts"].items():
        connection = connection or database(question, store, asked["locks"])
        try:
            outcomes[name] = str([statement(connection, one) for one in connection.extract_statements(sql)])
            connection = None  # it may have changed something: the next one gets its own
        except (duckdb.Error, RuntimeError, TypeError, ValueError) as error:
            outcomes[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(outcomes), flush=True)
    os._exit(0)


def database(question: child.Question, store: child.Snapshot, locks: bool) -> Any:
    """As a query has it."""
    connection = child.connect(question)
    for view in ("events", "runs"):
        child.make_view(connection, view, [], store)
    if locks:
        child.lock(connection)
    return connection


def statement(connection: Any, one: Any) -> Any:
    return connection.execute(one).fetchall()


if __name__ == "__main__":
    main()
