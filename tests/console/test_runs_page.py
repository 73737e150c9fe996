"""The list of runs: what goes on first, filters as links, columns, numbers beside it, and pages that meet every run once."""

from __future__ import annotations

import html as markup
import re
from typing import Any

from flightlog.api.app import Services
from tests.api.serving import Client, event
from tests.console.test_pages import HTML, page, started


def ended(run_id: str, at: int, name: str, status: str = "succeeded", **fields: Any) -> list[Any]:
    finish = event(at + 1, "run_finished", event_id=f"f-{run_id}", run_id=run_id, status=status, payload={})
    return [started(run_id, at, name, **fields), finish]


def links(text: str) -> list[str]:
    return [markup.unescape(link) for link in re.findall(r'href="([^"]*)"', text)]


def names(text: str) -> list[str]:
    return re.findall(r'class="name[^"]*">(?:<div>)?<a href="[^"]*" title="([^"]*)"', text)


def test_a_query_chooses_runs_and_each_term_can_be_taken_away(client: Client, services: Services) -> None:
    services.journal.append(
        [*ended("a", 1, "one", "failed", actor="bob"), *ended("b", 3, "two"), *ended("c", 5, "three", "failed")]
    )
    found = page(client, "/", q="status:failed actor:bob")
    assert names(found) == ["one"]
    assert "/?q=actor%3Abob" in links(found)
    assert "/?q=status%3Afailed" in links(found)
    assert names(page(client, "/", q="TW")) == ["two"]
    nothing = page(client, "/", q="status:canceled actor:bob")
    assert "No run matches" in nothing
    assert "/?q=actor%3Abob" in links(nothing)


def test_a_query_that_can_not_be_read_is_told_on_the_page_at_its_place(client: Client) -> None:
    found = page(client, "/", q="login stauts:failed")
    assert "did you mean &#39;status&#39;" in found
    assert "<mark>stauts</mark>" in found
    assert 'value="login stauts:failed"' in found


def test_runs_in_flight_come_first_with_when_they_were_heard_of(client: Client, services: Services) -> None:
    services.journal.append([started("a", 1, "silent"), *ended("b", 3, "done")])
    found = page(client, "/")
    assert names(found) == ["silent", "done"]
    assert "In flight" in found
    assert 'class="st hung"' in found
    assert re.search(r'last event <time datetime="2023-11-14T22:13:21.000000000Z"[^>]*>[^<]+</time> ago', found)
    # Asked for by status, or sorted by another thing, they stand among the others.
    assert "In flight" not in page(client, "/", q="status:hung,succeeded")
    assert names(page(client, "/", sort="started")) == ["silent", "done"]


def test_more_runs_in_flight_than_are_shown_are_a_link_away(client: Client, services: Services) -> None:
    services.journal.append([started(f"r{number}", number, f"n{number}") for number in range(12)])
    found = page(client, "/")
    assert len(names(found)) == 8
    assert "/?q=status%3Arunning" in links(found)
    assert len(names(page(client, "/", q="status:running"))) == 12


def test_older_runs_are_a_link_away_and_every_run_is_met_once(client: Client, services: Services) -> None:
    for number in range(120):
        services.journal.append(ended(f"run-{number}", 2 * number, f"name-{number}"))
    for start in ("/", "/rows"):
        seen: list[str] = []
        path: str | None = start
        while path:
            found = page(client, path)
            seen += re.findall(r'data-run="([^"]+)"', found)
            older = re.search(
                r'rel="next" id="older" href="([^"]+)"' if start == "/" else r'data-more="([^"]+)"', found
            )
            path = markup.unescape(older[1]) if older else None
        assert seen == [f"run-{number}" for number in reversed(range(120))]


def test_columns_are_chosen_by_the_url_and_sort_by_their_heads(client: Client, services: Services) -> None:
    services.journal.append(ended("a", 1, "one", task_id="T-1", actor="bob"))
    found = page(client, "/", columns="task,cost,nonsense")
    assert ">T-1<" in found
    assert ">bob<" not in found
    heads = re.findall(r"<th [^>]*>(?:<a[^>]*>)?([^<]+)", found)
    assert heads == ["Status", "Run", "Task", "Cost"]
    assert "/?columns=task%2Ccost%2Cnonsense&sort=-cost" in links(found)
    turned = page(client, "/", sort="-cost")
    assert 'aria-sort="descending"' in turned
    assert "/?sort=cost" in links(turned)


def test_numbers_are_links_that_choose_and_clear(client: Client, services: Services) -> None:
    for number in range(6):
        services.journal.append(
            ended(
                f"r{number}",
                100 * number,
                f"n{number}",
                "failed" if number < 2 else "succeeded",
                actor=f"a {number % 2}",
            )
        )
    found = page(client, "/facets", q="status:failed")
    assert "2 runs" in found
    assert "/" in links(found)
    assert "/?q=status%3Afailed%2Csucceeded" in links(found)
    assert "/?q=status%3Afailed+actor%3A%22a+0%22" in links(found)
    assert "6 runs started from 2023-11-14 22:13 to 2023-11-14 22:" in page(client, "/facets")
    assert page(client, "/", facets="true").count('id="facets"') == 1
    assert client.get("/facets?q=stauts:x", headers=HTML).status_code == 400


def test_a_time_range_holds_for_the_list_and_can_be_left(client: Client, services: Services) -> None:
    services.journal.append([*ended("a", 1, "early"), *ended("b", 5_000, "late")])
    assert names(page(client, "/", since="2023-11-14T23:00:00Z")) == ["late"]
    assert names(page(client, "/", until="2023-11-14T23:00:00Z")) == ["early"]
    assert names(page(client, "/", since="15m")) == []
    assert "/?q=a" in links(page(client, "/facets", q="a", until="2023-11-14T23:00:00Z"))
