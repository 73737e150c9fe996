"""The frame around every page: the rail with its saved views, the filter bar, project and time, and what is wrong with a query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flightlog.api.app import Services
from flightlog.console.page import QueryFault
from flightlog.console.render import STATIC
from flightlog.errors import QueryInvalid
from flightlog.runs.projects import PROJECTS_MAX, list_projects
from flightlog.views.save import save_view
from tests.api.serving import Client, event, fill

HTML = {"Accept": "text/html"}
NASTY = "</script><script>alert(1)</script>\"'&"


def page(client: Client, path: str, **params: Any) -> str:
    answer = client.get(path, params=params or None, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def rail(html: str) -> str:
    found = re.search(r'<nav class="rail".*?</nav>', html, re.DOTALL)
    assert found is not None
    return found[0]


def form(html: str) -> str:
    found = re.search(r'<form class="asking".*?</form>', html, re.DOTALL)
    assert found is not None
    return found[0]


# ── the rail ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("path", "lit"), [("/", "Runs"), ("/events", "Events"), ("/runs/r1", "Runs")])
def test_the_rail_lights_the_page_that_is_shown(client: Client, services: Services, path: str, lit: str) -> None:
    fill(services, 1)
    assert re.findall(r'aria-current="page">(\w+)<', rail(page(client, path))) == [lit]


def test_project_and_time_stay_from_page_to_page(client: Client, services: Services) -> None:
    fill(services, 1, project="shop")
    for path in ("/", "/events"):
        html = rail(page(client, path, project="shop", since="24h", q="type:note"))
        assert 'href="/?project=shop&amp;since=24h"' in html
        assert 'href="/events?project=shop&amp;since=24h"' in html
        assert 'href="/compare"' in html


def test_saved_views_stand_under_their_page_and_the_one_that_is_shown_is_lit(
    client: Client, services: Services
) -> None:
    save_view(services.store, name="Bad ones", page="runs", query="q=status%3Afailed&since=24h")
    save_view(services.store, name="Tools", page="events", query="q=type%3Atool_call")
    html = rail(page(client, "/", since="24h", q="status:failed"))
    order = [html.index(text) for text in (">Runs<", ">Bad ones<", ">Events<", ">Tools<", ">Compare<")]
    assert order == sorted(order)
    assert re.findall(r'aria-current="true">([^<]+)<', html) == ["Bad ones"]
    assert 'href="/?q=status%3Afailed&amp;since=24h"' in html
    assert 'aria-current="true"' not in rail(page(client, "/", q="status:failed"))


def test_the_name_of_a_view_stays_text(client: Client, services: Services) -> None:
    save_view(services.store, name=NASTY, page="runs", query="q=" + NASTY)
    assert "<script>alert" not in page(client, "/")


# ── the bar ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("path", "scope"), [("/", "runs"), ("/events", "events")])
def test_without_scripts_the_bar_is_a_form_that_keeps_what_is_shown(client: Client, path: str, scope: str) -> None:
    html = form(page(client, path, q='"a b" type:note', since="24h", project="gone"))
    assert f'action="{path}"' in html
    assert f'data-scope="{scope}"' in html
    assert 'value="&#34;a b&#34; type:note"' in html
    assert '<option value="24h" selected>Last 24 h</option>' in html
    assert "<option selected>gone</option>" in html
    assert "<noscript><button" in html


def test_where_there_is_nothing_to_filter_the_bar_finds_runs(client: Client, services: Services) -> None:
    fill(services, 1)
    html = form(page(client, "/events/e000001"))
    assert 'action="/"' in html
    assert "Find a run" in html
    assert "<select" not in html
    assert 'id="views"' not in html


def test_a_time_range_of_ones_own_is_shown_and_kept(client: Client) -> None:
    html = form(page(client, "/", since="2024-01-02T03:04:05Z", until="2024-01-03T00:00:00Z"))
    assert re.search(r"<option[^>]*selected>2024-01-02 03:04 – 2024-01-03 00:00</option>", html)
    assert '<input type="hidden" name="until" value="2024-01-03T00:00:00Z">' in html


def test_projects_can_be_chosen_where_there_is_more_than_one(client: Client, services: Services) -> None:
    fill(services, 1, project="a")
    assert 'name="project"' not in form(page(client, "/"))
    fill(services, 1, first=2, project="b", run_id="r2")
    assert re.findall(r"<option(?: selected)?>(\w+)<", form(page(client, "/", project="b"))) == ["a", "b"]


def test_projects_are_found_in_order_and_there_is_an_end_to_them(services: Services) -> None:
    names = [f"p{number:04d}" for number in range(PROJECTS_MAX + 5)]
    services.journal.append(
        [
            event(n, event_id=f"e{n}-{k}", run_id=f"r{n}-{k}", project=name)
            for n, name in enumerate(names)
            for k in (0, 1)
        ]
    )
    assert list_projects(services.store) == names[:PROJECTS_MAX]


def test_what_is_wrong_with_a_query_is_marked(client: Client) -> None:
    for path in ("/", "/events"):
        answer = client.get(path, params={"q": 'status:ok colour:<red> "x"'}, headers=HTML)
        assert answer.status_code in (200, 400)
        assert "<mark>colour</mark>:&lt;red&gt;" in answer.text
        assert 'role="alert" id="query-error" data-at="10" data-length="6"' in answer.text


def test_a_fault_says_where_and_ends_as_a_sentence() -> None:
    fault = QueryFault.of(QueryInvalid(reason="there is no end", at=3, length=2))
    assert (fault.at, fault.length, fault.sentence) == (3, 2, "There is no end.")


# ── scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/events"])
def test_what_needs_scripts_is_hidden_until_they_run(client: Client, path: str) -> None:
    html = page(client, path)
    for name in ("live", "pause", "palette", "theme", "views"):
        found = re.search(rf'<[a-z]+ [^>]*id="{name}"[^>]*>', html)
        assert found is not None, name
        assert "hidden" in found[0], name


def test_every_module_that_is_imported_is_there() -> None:
    for script in STATIC.rglob("*.js"):
        for target in re.findall(r'^(?:import|export) .*?"(\.[^"]+)";', script.read_text("utf-8"), re.MULTILINE):
            assert Path(script.parent, target).is_file(), f"{script.name} imports {target}"
