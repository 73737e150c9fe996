"""Whoever reads events asks for them wherever they lie; who looks into the journal's tables themselves is listed here, and why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.test_floors import MODULES

TABLES = frozenset({"run_events", "event_payloads"})
PAGES = frozenset({"ids_of_page"})  # which gives the ids of what is in the tables

ALLOWED: dict[str, str] = {
    "flightlog.journal.rows": "it writes them",
    "flightlog.journal.plan": "it chooses the index for the part of a page that is in the tables",
    "flightlog.journal.lookup": "it is how the others read: tables and history together",
    "flightlog.journal.spans": "it splits at the line itself: where a span is found is a table of its own",
    "flightlog.journal.index": "what is archived leaves the text index",
    "flightlog.journal.tail": "which runs have news: it asks only after the line, and else takes any for concerned",
    "flightlog.journal.erase": "it changes rows of the tables; rows of files are changed by the archive",
    "flightlog.journal.removed": "it removes rows of the tables; rows of files are removed by the archive",
    "flightlog.seal.rows": "it is lookup with salts beside",
    "flightlog.seal.verify": "it counts what stands in the tables outside of what the journal gave out, and adds what is archived",
    "flightlog.erasure.prove": "it asks whether payloads that stay in the tables hold a piece; files are searched byte by byte",
    "flightlog.audit.known": "it asks the tables first, then the history",
    "flightlog.audit.witness": "a recorder waits here, without the server extra, for what it wrote a moment ago",
    "flightlog.runs.coverage": "calls of one trace come together, long before any of them is archived",
    "flightlog.metrics.gauges": "when the oldest row of the tables came is what it tells",
    "flightlog.metrics.tasks": "what came since somebody asked last; what is archived by then nobody has asked after for a day",
    "flightlog.analytics.hot": "it hands the rows of the tables to DuckDB, beside the files",
    "flightlog.query.hot": "it hands the rows of the tables to DuckDB, beside the files",
    "flightlog.archive.archiver": "it decides which rows of the tables are to be archived",
    "flightlog.archive.columns": "the columns of files are those of the tables",
    "flightlog.archive.drop": "it takes archived rows out of the tables",
    "flightlog.archive.rows": "it makes files of the tables' rows",
}

_SQL = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:main\.)?(run_events|event_payloads)\b")


def test_only_these_modules_look_into_the_journals_tables() -> None:
    looking = {name for name, path in MODULES.items() if any(_looks(path))}
    unknown = sorted(looking - ALLOWED.keys())
    assert not unknown, (
        f"read by journal.read or journal.lookup, which know of the archive, or write down here why not: {unknown}"
    )
    assert not sorted(ALLOWED.keys() - looking), "these do not look into the tables any more"


def _looks(path: Path) -> Iterator[bool]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("flightlog.journal"):
            yield bool({alias.name for alias in node.names} & (TABLES | PAGES))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _SQL.search(node.value) is not None
