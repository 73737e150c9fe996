"""What a query answers is what the store holds: each event once, archived or not, in every form."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.ipc
import pyarrow.parquet
import pytest

from flightlog.config import Settings
from flightlog.journal.table import EVENT_COLUMNS
from flightlog.query.files import Stored, stored
from flightlog.query.runner import Runner
from flightlog.query.views import ALIASES, VIEWS
from flightlog.store.engine import open_store
from tests.archive.journal import fill
from tests.archive.reading import Archiving
from tests.query.conftest import InProcess


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same journal, with nothing of it archived."""
    folder = tmp_path_factory.mktemp("plain")
    fill(folder)
    return folder


def asked(here: InProcess, sql: str) -> list[list[Any]]:
    rows: list[list[Any]] = msgspec.json.decode(here.run(sql).read())["rows"]
    return rows


def in_sqlite(folder: Path, sql: str) -> list[list[Any]]:
    with sqlite3.connect(f"file:{folder / 'flightlog.db'}?mode=ro", uri=True) as connection:
        found = [list(row) for row in connection.execute(sql)]
    connection.close()
    return found


def test_each_event_is_there_once_whichever_side_of_the_line_it_is_on(here: InProcess, plain: Path) -> None:
    [[count, ids, archived]] = asked(
        here, "SELECT count(*), count(DISTINCT id), count(*) FILTER (archived) FROM events"
    )
    assert [[count]] == in_sqlite(plain, "SELECT count(*) FROM run_events")
    assert count == ids
    assert 0 < archived < count


def test_an_envelope_is_the_same_on_both_sides(here: InProcess, plain: Path) -> None:
    unlike = {"created_at"}  # as a time; its nanoseconds are beside it
    names = ["id", *(name for name in EVENT_COLUMNS if name not in unlike)]
    shown = ", ".join(names)
    theirs = in_sqlite(plain, f"SELECT {shown}, created_at FROM run_events WHERE run_id IN ('r1', 'r3') ORDER BY id")
    # Flags of an event that was erased are the same; ids of what the store said of itself differ from store to store.
    ours = asked(here, f"SELECT {shown}, created_at_ns FROM events WHERE run_id IN ('r1', 'r3') ORDER BY id")
    assert ours == theirs


def test_what_people_add_up_is_the_same_on_both_sides(here: InProcess, plain: Path) -> None:
    ours = asked(
        here,
        "SELECT model, provider, count(*), sum(tokens_input), sum(tokens_output), sum(cost_nano_usd) FROM events "
        "WHERE type = 'llm_response' GROUP BY ALL ORDER BY ALL",
    )
    theirs = in_sqlite(
        plain,
        "SELECT model, provider, count(*), sum(tokens_input), sum(tokens_output), sum(cost_nano_usd) FROM generations "
        "WHERE answer_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert ours == theirs
    tools = "SELECT tool, count(*) FROM events WHERE tool IS NOT NULL GROUP BY ALL ORDER BY ALL"
    same = "SELECT name, count(*) FROM run_events WHERE type IN ('tool_call', 'tool_result') GROUP BY 1 ORDER BY 1"
    assert asked(here, tools) == in_sqlite(plain, same)


def test_payloads_are_json_and_null_once_they_are_erased(here: InProcess, plain: Path) -> None:
    ours = asked(here, "SELECT payload->>'$.text', count(*) FROM events WHERE type = 'note' GROUP BY 1 ORDER BY 1, 2")
    theirs = in_sqlite(
        plain,
        "SELECT payload ->> '$.text', count(*) FROM run_events LEFT JOIN event_payloads USING (id) WHERE type = 'note' "
        "GROUP BY 1 ORDER BY 1 NULLS LAST, 2",
    )
    assert ours == theirs
    assert ours[-1][0] is None
    [[payload]] = asked(here, "SELECT payload FROM events WHERE type = 'run_started' AND run_id = 'r1'")
    assert payload == {"name": "run r1"}


@pytest.mark.parametrize("name", [*VIEWS, *ALIASES])
def test_every_view_has_its_columns_in_their_types(here: InProcess, name: str) -> None:
    view = VIEWS[ALIASES.get(name, name)]
    answer = here.run(f"SELECT * FROM {name} LIMIT 3")
    answer.file.close()
    assert answer.columns == [(column.name, column.type) for column in view.columns]


def test_filters_find_the_same_on_both_sides(here: InProcess, plain: Path) -> None:
    for condition in (
        "level = 'error' AND id > 20",
        "run_id IN ('r2', 'r4') AND name IS NOT NULL",
        "created_at_ns BETWEEN 1700000050000000000 AND 1700000150000000000",
        "type LIKE 'tool%' OR duration_ns IS NULL",
        "NOT (status = 'ok') AND seq IS NULL",
    ):
        there = condition.replace("created_at_ns", "created_at")
        ours = asked(here, f"SELECT id FROM events WHERE ({condition}) AND type <> 'audit' ORDER BY id")
        assert ours == in_sqlite(plain, f"SELECT id FROM run_events WHERE ({there}) AND type <> 'audit' ORDER BY id")


def test_times_compare_with_now_and_with_texts(here: InProcess) -> None:
    [[all_, later, day]] = asked(
        here,
        "SELECT count(*), count(*) FILTER (created_at > now() - INTERVAL 1 DAY), min(created_at)::DATE "
        "FROM events WHERE created_at < '2024-01-01' AND type <> 'audit'",
    )
    assert all_ > 0
    assert (later, day) == (0, "2023-11-11")


def test_the_other_views_are_what_the_tables_are(here: InProcess, plain: Path) -> None:
    assert asked(here, "SELECT run_id, status, event_count, tokens_input FROM runs ORDER BY 1") == in_sqlite(
        plain, "SELECT run_id, status, event_count, tokens_input FROM runs ORDER BY 1"
    )
    assert asked(here, "SELECT count(*) FROM feedback") == in_sqlite(plain, "SELECT count(*) FROM feedback")
    assert asked(here, "SELECT operation, orphan, count(*) FROM audit GROUP BY ALL ORDER BY ALL") == in_sqlite(
        plain, "SELECT operation, orphan, count(*) FROM audits GROUP BY 1, 2 ORDER BY 1, 2"
    )
    joined = (
        "SELECT count(*) FROM feedback f JOIN generations g USING (generation_id) JOIN runs r ON r.run_id = g.run_id"
    )
    assert asked(here, joined) == in_sqlite(plain, joined)


ODD = (
    "SELECT 1 AS a, 2 AS a, 'x,\"y\"' AS t, NULL AS n, [1, 2] AS l, {'k': 'v'} AS s, MAP {'m': 1} AS m, "
    "1.50::DECIMAL(5, 2) AS d, sum(9223372036854775807::HUGEINT) AS h, 'nan'::DOUBLE AS f, true AS b, "
    "INTERVAL 1 DAY AS i, '101'::BIT AS bits, TIMESTAMP '290000-01-01 00:00:00' AS far, '\\xAA'::BLOB AS blob, "
    "'a'::ENUM ('a', 'b') AS e, '{\"j\": [1]}'::JSON AS j, TIME '10:00' AS c, now() > TIMESTAMP '2020-01-01' AS z, "
    "1::UNION (num INTEGER) AS u, uuid() IS NOT NULL AS id, '10:00:00+01'::TIMETZ AS tz"
)


def test_every_type_has_a_form_in_json(here: InProcess) -> None:
    found = msgspec.json.decode(here.run(ODD).read())
    row = dict(zip([column["name"] for column in found["columns"]], found["rows"][0], strict=True))
    assert [column["name"] for column in found["columns"]][:2] == ["a", "a"]
    assert (row["t"], row["n"], row["l"], row["s"], row["m"]) == ('x,"y"', None, [1, 2], {"k": "v"}, {"m": 1})
    assert (row["d"], row["h"], row["f"], row["b"]) == (1.5, 9223372036854775807, None, True)
    assert (row["i"], row["bits"], row["blob"], row["e"]) == ("1 day", "101", "\\xAA", "a")
    assert (row["j"], row["c"], row["z"]) == ({"j": [1]}, "10:00:00", True)
    assert "290000" in row["far"]


def test_every_form_says_the_same(here: InProcess) -> None:
    sql = "SELECT id, type, name, created_at, cost_usd, archived FROM events WHERE id < 40 ORDER BY id"
    rows = asked(here, sql)
    lines = list(csv.reader(io.StringIO(here.run(sql, "csv").read().decode(), newline="")))
    assert lines[0] == ["id", "type", "name", "created_at", "cost_usd", "archived"]
    assert [line[:3] for line in lines[1:]] == [[str(row[0]), row[1], row[2] or ""] for row in rows]
    parquet = pyarrow.parquet.read_table(io.BytesIO(here.run(sql, "parquet").read()))
    arrow = pyarrow.ipc.open_stream(here.run(sql, "arrow").read()).read_all()
    assert parquet.equals(arrow)
    assert [[row["id"], row["type"]] for row in arrow.to_pylist()] == [row[:2] for row in rows]


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("sql", [ODD, "SELECT id, payload FROM events WHERE false"], ids=["odd", "empty"])
def test_every_form_takes_every_type_and_no_rows(here: InProcess, form: str, sql: str) -> None:
    answer = here.run(sql, form)
    assert answer.rows == (1 if sql is ODD else 0)
    data = answer.read()
    if form == "parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(data)).num_rows == answer.rows
    elif form == "arrow":
        assert pyarrow.ipc.open_stream(data).read_all().num_rows == answer.rows


def test_the_order_that_was_asked_for_is_kept(here: InProcess) -> None:
    rows = asked(here, "SELECT range AS n FROM range(50000) ORDER BY n DESC")
    assert [row[0] for row in rows] == list(range(49_999, 39_999, -1))


def test_a_query_that_meets_a_new_manifest_is_asked_again_with_it(flown: Path) -> None:
    settings = Settings()
    store = open_store(flown, settings=settings, writable=False, migrate=False)
    Archiving(store, flown)
    looks = []

    @contextmanager
    def late() -> Iterator[Stored]:
        with stored(store) as now:
            looks.append(now)
            yield now._replace(version=now.version - 1, archived_until=0, files=[]) if len(looks) == 1 else now

    runner = Runner(late, settings, reserve=False)
    try:
        [[count]] = msgspec.json.decode(runner.run("SELECT count(*) - count(DISTINCT id) FROM events").read())["rows"]
    finally:
        runner.close()
        store.close()
    assert (count, len(looks)) == (0, 2)
