"""What SQL is asked with, and what is answered, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from flightlog.query.examples import EXAMPLES
from flightlog.query.views import ALIASES, VIEWS


class SqlGiven(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/sql`."""

    sql: Annotated[str, Meta(description="One SELECT over the documented views.")]
    format: Annotated[str, Meta(description="`json`, `csv`, `parquet` or `arrow` (a stream).")] = "json"
    rows: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Most rows; see the settings for what it is unless given.")
    ] = None
    timeout_seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Longest that it may take, below `sql_seconds_max`."),
    ] = None


class SqlColumnShape(msgspec.Struct):
    """One column of an answer."""

    name: str
    type: Annotated[str, Meta(description="The type as DuckDB calls it.")]


class SqlAnswerShape(msgspec.Struct):
    """An answer as JSON. Numbers are numbers, JSON and nested values are JSON, everything else is text."""

    columns: list[SqlColumnShape]
    rows: Annotated[list[list[Any]], Meta(description="Each as long as `columns`.")]
    row_count: int
    cut: Annotated[str | None, Meta(description="`rows` or `bytes` where a limit cut the rest off.")]


class SqlViewColumnShape(msgspec.Struct):
    """One column of a view."""

    name: str
    type: str
    says: str


class SqlViewShape(msgspec.Struct):
    """One view."""

    name: str
    says: str
    aliases: list[str]
    columns: list[SqlViewColumnShape]


class SqlExampleShape(msgspec.Struct):
    """Some SQL to begin with."""

    name: str
    sql: str


class SqlViewsShape(msgspec.Struct):
    """What SQL can be asked of."""

    views: list[SqlViewShape]
    examples: list[SqlExampleShape]


def sql_views_shape() -> SqlViewsShape:
    """The views that there are."""
    return SqlViewsShape(
        [
            SqlViewShape(
                view.name,
                view.says,
                [alias for alias, name in ALIASES.items() if name == view.name],
                [SqlViewColumnShape(column.name, column.type, column.says) for column in view.columns],
            )
            for view in VIEWS.values()
        ],
        [SqlExampleShape(name, sql) for name, sql in EXAMPLES],
    )
