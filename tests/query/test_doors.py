"""The doors to SQL: over HTTP, on the page, by the verb; and that the reference says what the views are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.api.app import Services
from flightlog.query.allowed import TABLE_FUNCTIONS
from flightlog.query.examples import EXAMPLES
from flightlog.query.views import ALIASES, VIEWS
from tests.api.serving import Client, Server, client_of, event, fill, open_services
from tests.cli.terminal import flightlog
from tests.console.markup import parsed

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "sql.md"
COUNT = "SELECT type, count(*) AS n FROM events GROUP BY ALL ORDER BY n"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with open_services(tmp_path_factory.mktemp("doors")) as opened:
        fill(opened, 30)
        opened.journal.append([event(31, "error", run_id="<b>", payload={"kind": "<i>", "message": "no"})])
        yield opened


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[Client]:
    made = client_of(services)
    yield made
    made.app.state.sql.close()


def test_the_answer_over_http_is_json_or_a_file(client: Client) -> None:
    answer = client.post("/api/sql", json={"sql": COUNT})
    assert answer.status_code == 200
    assert answer.json()["rows"] == [["error", 1], ["note", 30]]
    assert answer.json()["columns"] == [{"name": "type", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}]
    file = client.get("/api/sql", params={"query": COUNT, "format": "csv", "rows": 1})
    assert list(csv.reader(io.StringIO(file.text, newline=""))) == [["type", "n"], ["error", "1"]]
    assert file.headers["flightlog-rows"] == "1"
    assert file.headers["flightlog-cut"] == "rows"
    assert file.headers["content-disposition"] == 'attachment; filename="flightlog.csv"'


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT nosuch FROM events", 400, 40019),
        ("COPY (SELECT 1) TO '/tmp/x'", 403, 40308),
        ("SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c", 422, 42208),
    ],
)
def test_what_is_not_answered_is_a_problem(client: Client, sql: str, status: int, code: int) -> None:
    answer = client.post("/api/sql", json={"sql": sql, "timeout_seconds": 1.0})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "body", [{"sql": 1}, {"sql": "SELECT 1", "rows": 0}, {"sql": "SELECT 1", "format": "xml"}, {"query": "SELECT 1"}]
)
def test_a_body_that_is_no_question_is_refused(client: Client, body: dict[str, object]) -> None:
    assert client.post("/api/sql", json=body).status_code == 400


@pytest.mark.parametrize("path", ["/api/sql?query=SELECT+1", "/sql/result?query=SELECT+1"])
def test_pages_of_other_sites_run_no_queries(client: Client, path: str) -> None:
    assert client.get(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    shown = client.get("/sql?query=SELECT+42", headers={"sec-fetch-site": "cross-site", "accept": "text/html"})
    assert "SELECT 42" in shown.text
    assert 'class="answered"' not in shown.text


def test_the_views_are_listed_with_their_columns(client: Client) -> None:
    found = client.get("/api/sql/views").json()
    assert [view["name"] for view in found["views"]] == list(VIEWS)
    assert found["views"][0]["aliases"] == ["run_events"]
    assert {"name": "id", "type": "BIGINT"}.items() <= found["views"][0]["columns"][0].items()


def test_the_page_shows_the_answer_with_links_and_text_stays_text(client: Client) -> None:
    html = client.get(
        "/sql", params={"query": "SELECT run_id, event_id, '<script>x</script>' AS s FROM events WHERE type = 'error'"}
    ).text
    found = parsed(html)
    assert found.forbidden == []
    assert "<script>x" not in html
    assert {"/runs/%3Cb%3E", "/events/e000031"} <= set(found.links)
    assert any(link.startswith("/api/sql?") and "format=parquet" in link for link in found.links)


def test_the_page_points_at_what_is_wrong(client: Client) -> None:
    html = client.get("/sql/result", params={"query": "SELECT id,\n  nosuch FROM events"}).text
    assert '<code class="mono">  <mark>nosuch</mark> FROM events</code>' in html
    assert 'data-at="13"' in html


def test_a_client_that_hangs_up_ends_its_query(services: Services) -> None:
    import httpx

    with Server(services) as server:
        runner = server.app.state.sql
        endless = "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c"
        with httpx.Client(timeout=1.5) as impatient, pytest.raises(httpx.ReadTimeout):
            impatient.post(f"{server.url}/api/sql", json={"sql": endless})
        for _ in range(500):
            if not runner.children:
                break
            services.store.commits().wait(services.store.commits().seen, 0.02)
        assert not runner.children
        runner.close()


# ── the verb ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_verb_asks_a_folder(services: Services, tmp_path: Path) -> None:
    where = ["--dir", str(services.store.path.parent)]  # type: ignore[attr-defined]
    done = flightlog("query", *where, COUNT)
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [["TYPE", "N"], ["error", "1"], ["note", "30"]]
    refused = flightlog("query", *where, "DROP VIEW events")
    assert (refused.code, refused.out) == (4, "")
    wrong = flightlog("query", *where, "SELECT id,\n  nosuch FROM events")
    assert wrong.code == 2
    assert wrong.err.splitlines()[-2:] == ["    nosuch FROM events", "    ^^^^^^"]
    file = tmp_path / "a.csv"
    cut = flightlog("query", *where, "SELECT id FROM events", "--format", "csv", "--output", str(file), "--rows", "2")
    assert (cut.code, file.read_bytes()) == (0, b"id\r\n1\r\n2\r\n")
    assert "cut after 2 rows" in cut.err


def test_the_verb_asks_a_server_and_a_query_that_was_stopped_is_no_success(services: Services) -> None:
    with Server(services) as server:
        done = flightlog("query", "--server", server.url, COUNT, "--json")
        assert done.code == 0
        assert '"row_count":2' in done.out
        slow = "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c"
        assert flightlog("query", "--server", server.url, slow, "--timeout", "0.5").code == 7
        server.app.state.sql.close()


def test_the_verb_lists_the_views() -> None:
    done = flightlog("query")
    assert done.code == 0
    assert all(name in done.out for name in (*VIEWS, *ALIASES))


# ── the reference ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_reference_has_every_view_and_every_column_with_its_type() -> None:
    page = REFERENCE.read_text("utf-8")
    for view in VIEWS.values():
        part = page.split(f"\n## {view.name}\n", 1)[1].split("\n## ", 1)[0]
        assert view.says in part
        assert all(f"`{alias}`" in part for alias, name in ALIASES.items() if name == view.name)
        rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", part, re.MULTILINE)
        assert rows == [(column.name, column.type, column.says) for column in view.columns]
    assert all(f"`{name}`" in page for name in TABLE_FUNCTIONS)


def test_the_examples_run(client: Client) -> None:
    together = " UNION ALL ".join(f"SELECT count(*) FROM ({sql})" for _, sql in EXAMPLES)
    answer = client.post("/api/sql", json={"sql": together})
    assert answer.status_code == 200, answer.text
    assert answer.json()["row_count"] == len(EXAMPLES)
