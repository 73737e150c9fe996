"""The page of one run: how it went in a sentence, its views, and its events as a list that pages and says what happened."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flightlog.api.app import Services
from tests.api.serving import SECOND, Client, event, fill
from tests.console.markup import parsed

HTML = {"Accept": "text/html"}


def page(client: Client, path: str, **params: Any) -> str:
    answer = client.get(path, params=params or None, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def started(run_id: str, at: int, name: str) -> Any:
    return event(at, "run_started", event_id=f"s-{run_id}", run_id=run_id, name=name, payload={"name": name})


def shown(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-id="(\d+)"', html)]


def link(html: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}"[^>]* href="([^"]+)"', html)
    return found[1].replace("&amp;", "&") if found else None


# ── how it went ──────────────────────────────────────────────────────────────────────────────────────────────────────


def verdict(client: Client, run: str = "r1") -> str:
    found = re.search(r'<p class="verdict [a-z]+">([^<]*)</p>', page(client, f"/runs/{run}"))
    assert found
    return found[1]


def finished(at: int, status: str, **fields: Any) -> Any:
    return event(at, "run_finished", status=status, duration_ns=161 * SECOND, **{"payload": {}, **fields})


def test_a_run_that_failed_says_why(client: Client, services: Services) -> None:
    error = {"error": {"kind": "ValueError", "message": "no such row"}}
    services.journal.append([started("r1", 1, "n"), finished(2, "failed", payload=error)])
    assert verdict(client) == "failed after 2 m 41 s: ValueError: no such row"


def test_where_the_run_itself_does_not_say_why_its_last_error_does(client: Client, services: Services) -> None:
    services.journal.append(
        [
            started("r1", 1, "n"),
            event(2, "error", payload={"kind": "A", "message": "first"}, level="error"),
            event(3, "error", payload={"kind": "B", "message": "last"}, level="error"),
            finished(4, "failed"),
        ]
    )
    assert verdict(client) == "failed after 2 m 41 s: B: last"


def test_or_the_last_thing_that_went_wrong(client: Client, services: Services) -> None:
    result = event(2, "test_result", name="pytest", payload={"passed": 3, "failed": 1}, status="failed", level="error")
    services.journal.append([started("r1", 1, "n"), result, finished(3, "failed")])
    assert verdict(client) == "failed after 2 m 41 s: pytest failed (3 passed, 1 failed)"


def test_a_run_that_ended_well_says_what_went_wrong_on_the_way(client: Client, services: Services) -> None:
    results = [
        event(n, "test_result", payload={}, status=status)
        for n, status in ((2, "failed"), (3, "failed"), (4, "passed"))
    ]
    services.journal.append([started("r1", 1, "n"), *results])
    services.journal.append([event(5, "degraded", payload={"reason": "gap", "count": 7}), finished(6, "succeeded")])
    assert verdict(client) == "succeeded in 2 m 41 s, 2 test runs failed on the way, 7 events lost"


def test_a_silent_run_says_what_it_waits_for(client: Client, services: Services) -> None:
    services.journal.append([started("r1", 1, "n"), event(2, "llm_request", name="gpt-x", payload={})])
    assert re.fullmatch(r"no sign of life for \d+ d \d\d h, waiting for the model gpt-x", verdict(client))


# ── the views ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("view", ["timeline", "reading", "events"])
def test_a_view_has_an_address_and_its_tab_is_lit(client: Client, services: Services, view: str) -> None:
    fill(services, 3)
    html = page(client, "/runs/r1", view=view)
    assert (
        re.findall(r'<a href="[^"]*" aria-current="page">(\w+)</a>', html.split('class="tabs"')[1])[0] == view.title()
    )
    assert parsed(html).forbidden == []


def test_a_view_that_nobody_knows_is_refused(client: Client, services: Services) -> None:
    fill(services, 1)
    answer = client.get("/runs/r1", params={"view": "upside-down"}, headers=HTML)
    assert answer.status_code == 400
    assert "timeline, reading, events" in answer.text


def test_without_scripts_the_timeline_is_a_list(client: Client, services: Services) -> None:
    fill(services, 3)
    html = page(client, "/runs/r1")
    assert 'data-href="/api/runs/r1/timeline"' in html
    assert "hidden>" in html.split('id="timeline"')[1].split("\n")[0]
    assert shown(html.split("<noscript>")[-1].split("</noscript>")[0]) == [1, 2, 3]
    assert "<noscript>\n<p" not in page(client, "/runs/r1", view="events")


def test_the_scripts_that_a_timeline_asks_for_are_there(client: Client, services: Services) -> None:
    fill(services, 1)
    for script in re.findall(r'(?:href|src)="(/static/[^"]+)"', page(client, "/runs/r1")):
        assert client.get(script).status_code == 200, script


# ── its events as a list ─────────────────────────────────────────────────────────────────────────────────────────────


def test_paging_forwards_and_back_shows_every_event_once(client: Client, services: Services) -> None:
    services.journal.append([event(0, run_id="other")])
    fill(services, 250)
    pages: list[list[int]] = []
    path: str | None = "/runs/r1?view=events"
    while path:
        html = page(client, path)
        pages.append(shown(html))
        path, last = link(html, "next"), path
    assert [id_ for one in pages for id_ in one] == list(range(2, 252))
    back: list[list[int]] = []
    path = last
    while path:
        html = page(client, path)
        back.append(shown(html))
        path = link(html, "prev")
    assert [id_ for one in reversed(back) for id_ in one] == list(range(2, 252))
    assert shown(page(client, "/runs/r1", view="events", latest="true"))[-1] == 251


def test_a_page_knows_whether_news_belong_under_it(client: Client, services: Services) -> None:
    fill(services, 150)
    assert 'data-at-end="false"' in page(client, "/runs/r1", view="events")
    html = page(client, "/runs/r1", view="events", afterId=100)
    assert 'data-at-end="true"' in html
    assert 'data-more="/runs/r1?view=events&amp;afterId=150"' in html
    assert 'data-live="/api/runs/r1/stream?afterId=150&amp;payloads=false"' in html


def test_rows_say_what_happened_in_words(client: Client, services: Services) -> None:
    services.journal.append(
        [
            started("r1", 1, "n"),
            event(2, payload={"text": "thinking\nhard"}),
            event(3, "error", payload={"kind": "ValueError", "message": "no"}, level="error"),
            event(4, "test_result", payload={"passed": 3, "failed": 1}, status="failed"),
            event(
                5,
                "patch_proposed",
                payload={"files": [{"path": "a.py", "change": "modified"}], "added": 8, "deleted": 2},
            ),
            event(
                6,
                "capability_decision",
                payload={"capability": "write", "decision": "denied", "rule": "repo"},
                status="denied",
            ),
            event(
                7, "exec_result", payload={"command": ["x"], "exit_code": 2}, status="error", duration_ns=1_500_000_000
            ),
            event(8, "degraded", payload={"reason": "spool_full", "count": 4}),
        ]
    )
    html = page(client, "/runs/r1", view="events")
    for text in ("thinking hard", "ValueError: no", "3 passed, 1 failed", "+8 −2 a.py", "(rule repo)", "exit 2",
                 "1.5 s", "4 lost: spool full", "+2.00 s", "4 events of this run are lost"):  # fmt: skip
        assert text in html, text
    assert 'class="ev lost ' in html


def test_one_kind_of_events_can_be_shown_alone(client: Client, services: Services) -> None:
    services.journal.append([event(1), event(2, "error", payload={"message": "m"}), event(3, "acme.x"), event(4)])
    assert shown(page(client, "/runs/r1", view="events", types="error")) == [2]
    assert "/runs/r1?view=events&types=acme.x%2Cnote" in parsed(page(client, "/runs/r1", view="events")).links


def test_what_went_wrong_is_one_link_away(client: Client, services: Services) -> None:
    services.journal.append(
        [event(1), event(2, level="error"), event(3, "error", payload={"message": "m"}, level="error")]
    )
    assert "/runs/r1?view=events&level=error" in parsed(page(client, "/runs/r1", view="events")).links
    assert shown(page(client, "/runs/r1", view="events", level="error")) == [2, 3]


def test_a_query_narrows_the_list_and_stays_on_its_pages(client: Client, services: Services) -> None:
    fill(services, 120)
    services.journal.append([event(200, "error", payload={"message": "m"}, level="error")])
    assert shown(page(client, "/runs/r1", view="events", q="type:error")) == [121]
    html = page(client, "/runs/r1", view="events", q="type:note")
    assert link(html, "next") == "/runs/r1?view=events&q=type%3Anote&afterId=100"
    assert shown(page(client, "/runs/r1", view="events", q="level:error type:note")) == []
    assert shown(page(client, "/runs/r1", view="events", q="run:other type:error")) == []


def test_a_query_that_can_not_be_read_is_shown_with_what_is_wrong(client: Client, services: Services) -> None:
    fill(services, 1)
    for view in ("timeline", "events"):
        answer = client.get("/runs/r1", params={"view": view, "q": "nosuch:x"}, headers=HTML)
        assert answer.status_code == 400
        assert "There is no field" in answer.text
        assert shown(answer.text) == []


def test_an_event_is_opened_by_its_id_or_its_place_but_only_in_its_own_run(client: Client, services: Services) -> None:
    services.journal.append([event(1), event(2), event(3, run_id="other")])
    for opened in ({"event": "e000002"}, {"id": 2}):
        html = page(client, "/runs/r1", view="events", **opened)
        assert 'id="panel" data-id="2"' in html
        assert 'data-open="2"' in page(client, "/runs/r1", **opened)
    for missed in ({"event": "e000003"}, {"id": 3}, {"id": 99}, {"event": "gone"}):
        assert 'id="panel"' not in page(client, "/runs/r1", view="events", **missed)
    assert client.get("/runs/r1?id=x", headers=HTML).status_code == 400
