"""`flightlog query`: one SELECT over documented views, of a folder or a server."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.output import Cell
from flightlog.errors import BadInput, SqlInvalid, SqlRefused
from flightlog.query.views import ALIASES, VIEWS

FORMATS = ("table", "json", "csv", "parquet", "arrow")
BINARY = frozenset({"parquet", "arrow"})
ANSWER_SECONDS = 15.0  # how much longer than a query may take its answer may


class Got(NamedTuple):
    """An answer: its bytes, how many rows, which limit cut it off."""

    file: IO[bytes]
    rows: int
    cut: str | None


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("query")(query)


def query(
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="One SELECT; - reads it from standard input.")
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json, csv, parquet or arrow (a stream).")
    ] = "table",
    file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the answer here instead of standard output.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", metavar="N", min=1, help="Most rows.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0.01, help="Longest that it may take.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask with SQL. Without SQL it lists the views; `DESCRIBE events` lists the columns of one."""
    form = "json" if as_json and format_ == "table" else format_
    if form not in FORMATS:
        raise BadInput(reason=f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    if sql is None:
        _print_views(form)
        return
    text = sys.stdin.read() if sql == "-" else sql
    if form in BINARY and file is None and output.is_terminal(sys.stdout):
        raise BadInput(reason=f"{form} is not for reading: give --output FILE")
    with _placing(text), _asked(folder, server, text, "json" if form == "table" else form, rows, timeout) as got:
        if form == "table" and file is None:
            _print_table(msgspec.json.decode(got.file.read()))
        else:
            _copy(got.file, file)
        if got.cut is not None:
            most = "--rows N asks for more" if got.cut == "rows" else "sql_result_bytes_max says how much it may be"
            output.hint(f"cut after {got.rows:,} {'row' if got.rows == 1 else 'rows'}: {most}")


@contextmanager
def _asked(
    folder: Path | None, server: str | None, sql: str, form: str, rows: int | None, timeout: float | None
) -> Iterator[Got]:
    if server is not None:
        options.chosen_folder(folder, server)
        from flightlog.cli.remote import ServerSource

        document = {"sql": sql, "format": form, "rows": rows, "timeout_seconds": timeout}
        source = ServerSource(server)
        with source.answer_of("/api/sql", document, seconds=(timeout or 3_600.0) + ANSWER_SECONDS) as response:
            count = int(response.headers.get("Flightlog-Rows") or 0)
            yield Got(response, count, response.headers.get("Flightlog-Cut"))
        return
    with _runner(options.chosen_folder(folder)) as runner:
        answer = runner.run(sql, form, rows_max=rows, seconds_max=timeout)
        with answer.file:
            yield Got(answer.file, answer.rows, answer.cut)


@contextmanager
def _runner(folder: Path) -> Iterator[Any]:
    """What runs queries over a folder's store, beside whoever writes it."""
    from flightlog.cli.local import hint_at_spool
    from flightlog.config import Settings
    from flightlog.query.files import stored
    from flightlog.query.runner import Runner
    from flightlog.wiring import Keeper

    settings = Settings.load(folder)
    keeper = Keeper(folder, settings, writable=False)
    try:
        hint_at_spool(folder, keeper.journal.position)
        runner = Runner(lambda: stored(keeper.store), settings, reserve=False)
        try:
            yield runner
        finally:
            runner.close()
    finally:
        keeper.close()


@contextmanager
def _placing(sql: str) -> Iterator[None]:
    """What is wrong in the SQL is shown in its line."""
    try:
        yield
    except (SqlInvalid, SqlRefused) as error:
        at = error.facts.get("at")
        if isinstance(at, int) and 0 <= at <= len(sql):
            start = sql.rfind("\n", 0, at) + 1
            end = sql.find("\n", at)
            error.facts.update(query=sql[start : len(sql) if end < 0 else end], at=at - start)
        raise


def _print_table(found: dict[str, Any]) -> None:
    columns = [str(column["name"]) for column in found["columns"]]
    if any("plan" in str(row[0]) for row in found["rows"]) and columns == ["explain_key", "explain_value"]:
        for row in found["rows"]:
            output.print_text(str(row[1]))
        return
    numbers = {
        name for at, name in enumerate(columns) if any(isinstance(row[at], int | float) for row in found["rows"])
    }
    rows: list[list[Cell]] = [[_cell(value) for value in row] for row in found["rows"]]
    output.print_table(columns, rows, right=sorted(numbers))


def _cell(value: Any) -> Cell:
    if value is None:
        return ("", "dim")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _copy(answer: IO[bytes], file: Path | None) -> None:
    """Whole or not at all where it goes into a file."""
    if file is None:
        sys.stdout.flush()
        shutil.copyfileobj(answer, sys.stdout.buffer)
        return
    unborn = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with unborn.open("wb") as out:
            shutil.copyfileobj(answer, out)
        unborn.replace(file)
    except OSError as error:
        raise BadInput(reason=f"{file} can't be written: {error.strerror}") from None
    finally:
        unborn.unlink(missing_ok=True)


def _print_views(form: str) -> None:
    names = {view: [alias for alias, name in ALIASES.items() if name == view] for view in VIEWS}
    if form == "json":
        output.print_json(
            {"views": [{"name": name, "aliases": names[name], "says": view.says} for name, view in VIEWS.items()]}
        )
        return
    rows: list[list[Cell]] = [[name, ", ".join(names[name]), view.says] for name, view in VIEWS.items()]
    output.print_table(["view", "same as", "says"], rows, shrinks="says")
