"""The page of all events: which rows, where it goes on, and what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flightlog.console.pages.events import EVENTS_SHOWN, EventRows, event_rows, events_page
from flightlog.services import Services
from tests.api.serving import SECOND, START, Client, event, fill, open_services


def rows(services: Services, **params: str) -> EventRows:
    return event_rows(services, params)


def ids(part: EventRows) -> list[int]:
    return [row.id for row in part.rows]


def test_without_a_cursor_the_newest_come_oldest_first_and_are_the_end(services: Services) -> None:
    fill(services, 250)
    part = rows(services)
    assert ids(part) == list(range(151, 251))
    assert (part.before_id, part.after_id, part.at_end) == (151, 250, True)


def test_going_back_page_by_page_meets_every_event_once_and_ends(services: Services) -> None:
    fill(services, 250)
    seen: list[int] = []
    part = rows(services)
    while True:
        seen = ids(part) + seen
        if part.before_id is None:
            break
        part = rows(services, beforeId=str(part.before_id))
        assert not part.at_end
    assert seen == list(range(1, 251))


def test_going_forward_meets_every_event_once_and_says_when_it_is_at_the_end(services: Services) -> None:
    fill(services, 2 * EVENTS_SHOWN)
    seen: list[int] = []
    part = rows(services, afterId="0")
    while True:
        seen += ids(part)
        if part.at_end:
            break
        part = rows(services, afterId=str(part.after_id))
    assert seen == list(range(1, 201))
    assert ids(rows(services, afterId=str(part.after_id))) == []


def test_an_empty_journal_is_at_its_end_and_what_comes_next_is_found_from_there(services: Services) -> None:
    part = rows(services)
    assert (part.rows, part.before_id, part.at_end) == ([], None, True)
    fill(services, 3)
    assert ids(rows(services, afterId=str(part.after_id))) == [1, 2, 3]


def test_where_a_filter_lets_little_through_the_next_question_skips_what_was_looked_at(services: Services) -> None:
    fill(services, 5, project="mine")
    fill(services, 50, first=6)
    part = rows(services, project="mine")
    assert (ids(part), part.after_id) == ([1, 2, 3, 4, 5], 55)


def test_the_links_keep_the_filters(services: Services) -> None:
    fill(services, 250, project="mine")
    page = events_page(services, {"project": "mine", "since": "2020-01-01T00:00:00Z"}, "http://here")
    assert page.earlier == "/events?project=mine&since=2020-01-01T00%3A00%3A00Z&beforeId=151"
    assert (page.later, page.newest) == (None, None)
    back = events_page(services, {"project": "mine", "beforeId": "151"}, "http://here")
    assert back.later == "/events?project=mine&afterId=150"
    assert back.newest == "/events?project=mine"
    assert page.rows_href == "/events/rows?project=mine&since=2020-01-01T00%3A00%3A00Z"


def test_a_row_says_what_happened_in_which_run(services: Services) -> None:
    services.journal.append(
        [
            event(1, "run_started", run_id="r1", name="fix it", payload={"name": "fix it"}),
            event(2, run_id="r1", payload={"text": "hello"}),
            event(3, "tool_call", run_id=None, payload={"tool": "x", "arguments": {}}),
        ]
    )
    first, note, alone = rows(services).rows
    assert (note.run, note.summary) == ("fix it", "hello")
    assert note.run_href.startswith("/runs/r1?event=")
    assert (alone.run, alone.run_href) == ("", "")
    assert re.fullmatch(r"11-14 22:13:2\d\.\d{3}", first.at)
    assert first.exact.startswith("2023-11-14 22:13:2")
    assert START % SECOND == 0


def test_all_filters_of_the_page_hold_together(services: Services) -> None:
    fill(services, 3, project="mine", level="error")
    fill(services, 3, first=4, project="mine")
    fill(services, 3, first=7, level="error")
    assert ids(rows(services, q="level:error", project="mine")) == [1, 2, 3]
    assert ids(rows(services, q="-level:error type:no*,note", since="2020-01-01T00:00:00Z")) == [4, 5, 6]
    assert ids(rows(services, q="since:1h")) == []


def test_a_facet_adds_its_terms_and_takes_them_out_again(services: Services) -> None:
    page = events_page(services, {"q": "actor:bob", "since": "24h"}, "http://here")
    tools = next(facet for facet in page.facets if facet.word == "tools")
    assert (tools.href, tools.is_set) == (
        "/events?q=actor%3Abob+type%3Atool_call%2Ctool_result&since=24h", False
    )  # fmt: skip
    page = events_page(services, {"q": "actor:bob type:tool_call,tool_result", "since": "24h"}, "http://here")
    tools = next(facet for facet in page.facets if facet.word == "tools")
    assert (tools.href, tools.is_set) == ("/events?q=actor%3Abob&since=24h", True)


def test_a_query_that_cannot_be_read_is_shown_with_what_is_wrong_in_it(services: Services) -> None:
    page = events_page(services, {"q": "level:error tpye:note"}, "http://here")
    assert page.query_error is not None
    assert (page.query, page.query_error.at, page.query_error.length) == ("level:error tpye:note", 12, 4)
    assert "did you mean 'type'" in page.query_error.sentence
    assert (page.rows, page.live) == ([], None)


def test_a_search_says_how_far_it_has_looked_and_goes_on_from_there(tmp_path: Path) -> None:
    with open_services(tmp_path, search_events_max=20) as services:
        fill(services, 5, payload={"text": "needle"})
        fill(services, 45, first=6)
        part = rows(services, q="needle")
        assert (part.rows, part.at_end, part.after_id) == ([], True, 50)
        assert part.looked.startswith("Looked at 20 of 50 events, back to 2023-11-14 22:13:")
        while part.before_id is not None:
            part = rows(services, q="needle", beforeId=str(part.before_id))
        assert (ids(part), part.looked) == ([1, 2, 3, 4, 5], "")
        forward = rows(services, q="needle", afterId="20")
        assert (forward.rows, forward.at_end, forward.after_id) == ([], False, 40)


def test_the_stream_is_asked_for_what_the_page_shows_but_for_text(services: Services) -> None:
    live = events_page(services, {"q": "level:error", "project": "mine"}, "http://here").live
    assert live == "/api/events/stream?project=mine&q=level%3Aerror&afterId=0&payloads=false"
    assert "q=" not in str(events_page(services, {"q": "level:error parser"}, "http://here").live)


@pytest.mark.parametrize("query", ["afterId=-1", "beforeId=x", "since=yesterday", "colour=red"])
@pytest.mark.parametrize("path", ["/events", "/events/rows"])
def test_what_makes_no_sense_is_refused(client: Client, path: str, query: str) -> None:
    assert client.get(f"{path}?{query}", headers={"Accept": "text/html"}).status_code in (400, 422)
