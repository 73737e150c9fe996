"""The SQL page: an editor, the views beside it, and the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec

from flightlog.console import format as fmt
from flightlog.console.page import Fragment, Page, href
from flightlog.errors import (
    ArchiveExtraMissing,
    ArchiveUnavailable,
    NotOnThisStore,
    SqlBusy,
    SqlFailed,
    SqlInvalid,
    SqlRefused,
    SqlStopped,
)
from flightlog.query.asking import run_while_wanted
from flightlog.query.examples import EXAMPLES
from flightlog.query.files import WHY_NOT
from flightlog.query.runner import Runner
from flightlog.query.views import ALIASES, VIEWS
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"query"})
ROWS_SHOWN = 1_000
CELL_CHARS_MAX = 2_000
AROUND_CHARS_MAX = 60
NUMBERS = ("INT", "UINT", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT",
           "DECIMAL", "FLOAT", "DOUBLE")  # fmt: skip
# What is known elsewhere by the name of its column.
PLACES = {"run_id": "/runs/", "event_id": "/events/", "generation_id": "/traces/"}
FAULTS = (SqlInvalid, SqlRefused, SqlStopped, SqlBusy, SqlFailed, ArchiveExtraMissing, ArchiveUnavailable)


def require_sql(services: Services) -> None:
    """Raise NotOnThisStore where SQL can't be asked."""
    if services.store.dialect != "sqlite":
        raise NotOnThisStore(what="SQL", dialect=services.store.dialect, reason=WHY_NOT)


@dataclass(frozen=True, kw_only=True)
class SqlColumn:
    """One column of a view."""

    name: Annotated[str, "Its name."]
    type: Annotated[str, "Its type."]
    says: Annotated[str, "What it says."]


@dataclass(frozen=True, kw_only=True)
class SqlTable:
    """One view."""

    name: Annotated[str, "Its name."]
    says: Annotated[str, "What it has."]
    same_as: Annotated[str, "What it is called as well; may be empty."]
    columns: Annotated[list[SqlColumn], "Its columns."]
    is_open: Annotated[bool, "Whether the columns are shown."]


@dataclass(frozen=True, kw_only=True)
class SqlExample:
    """A query to begin with."""

    name: Annotated[str, "What it asks."]
    sql: Annotated[str, "The SQL."]
    href: Annotated[str, "The page with it."]


@dataclass(frozen=True, kw_only=True)
class SqlFault:
    """Why there is no answer."""

    sentence: Annotated[str, "What is wrong."]
    before: Annotated[str, "The line before what is wrong; all three are empty where it has no place."]
    marked: Annotated[str, "What is wrong in it."]
    after: Annotated[str, "The rest of the line."]
    at: Annotated[int, "Where it begins in the SQL, in characters; -1 where it has no place."]
    length: Annotated[int, "How long it is."]


@dataclass(frozen=True, kw_only=True)
class SqlHead:
    """A column of the answer."""

    name: Annotated[str, "Its name."]
    type: Annotated[str, "Its type."]
    is_number: Annotated[bool, "Whether it is aligned to the right."]


@dataclass(frozen=True, kw_only=True)
class SqlCell:
    """One value of the answer."""

    text: Annotated[str, "The value as text."]
    is_null: Annotated[bool, "Whether there is none."]
    is_number: Annotated[bool, "Whether it is aligned to the right."]
    href: Annotated[str | None, "Where it leads, if it is the id of something."]


@dataclass(frozen=True, kw_only=True)
class SqlDownload:
    """The same answer as a file."""

    word: Annotated[str, "The format."]
    href: Annotated[str, "Where it is."]


@dataclass(frozen=True, kw_only=True)
class SqlResult:
    """What came of a query."""

    fault: Annotated[SqlFault | None, "Why there is no answer, if there is none."]
    heads: Annotated[list[SqlHead], "The columns."]
    rows: Annotated[list[list[SqlCell]], "The rows."]
    counted: Annotated[str, "How many rows there are, and how long it took."]
    cut: Annotated[str, "What a limit cut off; empty when nothing was."]
    plan: Annotated[str, "The plan that EXPLAIN asked for; else empty."]
    downloads: Annotated[list[SqlDownload], "The same as files."]


@dataclass(frozen=True, kw_only=True)
class SqlPage(Page):
    """The editor and the answer."""

    template: ClassVar[str] = "sql.html"

    sql: Annotated[str, "What stands in the editor."]
    tables: Annotated[list[SqlTable], "The views."]
    examples: Annotated[list[SqlExample], "Queries to begin with."]
    result: Annotated[SqlResult | None, "The answer; None where nothing was asked, or by a page of another site."]


@dataclass(frozen=True, kw_only=True)
class SqlResultFragment(Fragment):
    """The answer alone."""

    template: ClassVar[str] = "_sql_result.html"

    result: Annotated[SqlResult | None, "The answer."]


async def sql_page(
    runner: Runner, params: Mapping[str, str], is_gone: Callable[[], Awaitable[bool]], *, runs: bool
) -> SqlPage:
    """The page, with the answer if `runs`."""
    sql = params.get("query", "")
    result = await _result(runner, sql, is_gone) if sql.strip() and runs else None
    return SqlPage(
        title="SQL",
        place="sql",
        version=__version__,
        sql=sql,
        tables=[_table(name, sql) for name in VIEWS],
        examples=[SqlExample(name=name, sql=text, href=href("/sql", {"query": text})) for name, text in EXAMPLES],
        result=result,
    )


async def sql_result(
    runner: Runner, params: Mapping[str, str], is_gone: Callable[[], Awaitable[bool]]
) -> SqlResultFragment:
    """The answer alone."""
    return SqlResultFragment(result=await _result(runner, params.get("query", ""), is_gone))


async def _result(runner: Runner, sql: str, is_gone: Callable[[], Awaitable[bool]]) -> SqlResult:
    try:
        answer = await run_while_wanted(runner, is_gone, sql, "json", ROWS_SHOWN)
    except FAULTS as error:
        at = error.facts.get("at")
        sentence = error.message
        return _nothing(_fault(sentence, sql, at if isinstance(at, int) else None, int(error.facts.get("length") or 0)))
    found: dict[str, Any] = msgspec.json.decode(answer.read())
    heads = [
        SqlHead(name=column["name"], type=column["type"], is_number=_is_number(column["type"]))
        for column in found["columns"]
    ]
    took = fmt.duration(int(answer.elapsed_ms * 1e6))
    plans = [str(row[1]) for row in found["rows"]] if _is_plan(found["columns"]) else []
    cuts = {
        "rows": f"Only the first {fmt.count(answer.rows)} rows are shown; a file has more.",
        "bytes": f"Cut after {fmt.counted(answer.rows, 'row', 'rows')}: the answer would be larger than an answer may be.",
    }
    return SqlResult(
        fault=None,
        heads=heads,
        rows=[] if plans else [_cells(heads, row) for row in found["rows"]],
        counted=f"{fmt.counted(answer.rows, 'row', 'rows')} in {took}",
        cut=cuts.get(answer.cut or "", ""),
        plan="\n".join(plans),
        downloads=[
            SqlDownload(word=word, href=href("/api/sql", {"query": sql, "format": form}))
            for word, form in (("CSV", "csv"), ("JSON", "json"), ("Parquet", "parquet"), ("Arrow", "arrow"))
        ],
    )


def _nothing(fault: SqlFault) -> SqlResult:
    return SqlResult(fault=fault, heads=[], rows=[], counted="", cut="", plan="", downloads=[])


def _fault(sentence: str, sql: str, at: int | None, length: int) -> SqlFault:
    if at is None or not 0 <= at <= len(sql):
        return SqlFault(sentence=sentence, before="", marked="", after="", at=-1, length=0)
    first = sql.rfind("\n", 0, at) + 1
    last = sql.find("\n", at)
    line_end = len(sql) if last < 0 else last
    end = min(max(at + length, at + 1), line_end)
    return SqlFault(
        sentence=sentence,
        before=sql[max(first, at - AROUND_CHARS_MAX) : at],
        marked=sql[at:end] or " ",
        after=sql[end : min(line_end, end + AROUND_CHARS_MAX)],
        at=at,
        length=length,
    )


def _cells(heads: list[SqlHead], row: list[Any]) -> list[SqlCell]:
    return [_cell(head, value) for head, value in zip(heads, row, strict=True)]


def _cell(head: SqlHead, value: Any) -> SqlCell:
    if value is None:
        return SqlCell(text="null", is_null=True, is_number=head.is_number, href=None)
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, float):
        text = f"{value:,.10g}"
    elif isinstance(value, str):
        text = value
    else:
        text = msgspec.json.encode(value).decode()
    place = PLACES.get(head.name) if isinstance(value, str) else None
    return SqlCell(
        text=text if len(text) <= CELL_CHARS_MAX else f"{text[:CELL_CHARS_MAX]}…",
        is_null=False,
        is_number=head.is_number,
        href=href(place + value) if place and value else None,
    )


def _is_number(kind: str) -> bool:
    return kind.startswith(NUMBERS) and not kind.endswith("]")


def _is_plan(columns: list[dict[str, str]]) -> bool:
    return [column["name"] for column in columns] == ["explain_key", "explain_value"]


def _table(name: str, sql: str) -> SqlTable:
    view = VIEWS[name]
    also = [alias for alias, same in ALIASES.items() if same == name]
    lower = sql.lower()
    return SqlTable(
        name=name,
        says=view.says,
        same_as=", ".join(also),
        columns=[SqlColumn(name=one.name, type=one.type, says=one.says.replace("`", "")) for one in view.columns],
        is_open=any(one in lower for one in (name, *also)) if sql.strip() else name == "events",
    )
