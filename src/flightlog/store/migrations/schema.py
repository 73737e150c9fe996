"""The schema of a new SQLite store in one piece: what all migrations together make, so that a first start need not run them.

`newest.sql` is written from the migrations by `make schema`, and a test holds the two together. A statement ends where a line
begins with two dashes; the first line names the migration that it stands for.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from flightlog.store.migrations import FOLDER, HEAD

FILE = FOLDER / "newest.sql"
_END = "\n--\n"
_HEAD = "-- "


def dump(connection: Connection) -> str:
    """All that a database holds, as statements."""
    made = connection.execute(
        text(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
    ).all()
    statements = [row.sql for row in made if row.type == "table"]
    for row in made:
        if row.type == "table":
            statements += _rows(connection, row.name)
    statements += [row.sql for row in made if row.type != "table"]
    return f"{_HEAD}{HEAD}\n" + "".join(statement + _END for statement in statements)


def _rows(connection: Connection, table: str) -> list[str]:
    names = [row.name for row in connection.execute(text(f"PRAGMA table_info({table})"))]
    quoted = " || ', ' || ".join(f'quote("{name}")' for name in names)
    found = connection.execute(text(f"SELECT {quoted} FROM {table}")).scalars()  # noqa: S608 (our own names)
    return [f"INSERT INTO {table} VALUES ({values})" for values in found]  # noqa: S608 (quoted by SQLite)


def load(connection: Connection) -> bool:
    """Make the schema in an empty SQLite database; False where there is no file that stands for the newest migration."""
    if connection.dialect.name != "sqlite" or not FILE.exists():
        return False
    head, _, statements = FILE.read_text("utf-8").partition("\n")
    if head != f"{_HEAD}{HEAD}":
        return False
    for statement in statements.split(_END):
        if statement:
            connection.exec_driver_sql(statement)
    return True
