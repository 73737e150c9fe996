"""The flight recorder: it follows, it holds still for whoever reads, it goes back as far as there is anything."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from flightlog.clock import SystemClock
from flightlog.config import Settings
from tests.browser.chromium import Visits

ROWS_MAX = 2_000
SECOND = 1_000_000_000


def record(visits: Visits, count: int, first: int = 1, **fields: Any) -> None:
    """Append notes `first`, `first` + 1, …"""
    now = SystemClock().now_ns()
    notes = [
        {"type": "note", "run_id": "r", "created_at": now + n, "payload": {"text": f"note {first + n}"}, **fields}
        for n in range(count)
    ]
    for start in range(0, count, 500):
        httpx.post(
            f"{visits.url}/api/events", json={"events": notes[start : start + 500]}, timeout=30
        ).raise_for_status()


def numbers(page: Page) -> list[int]:
    """The numbers of the notes that are in the page, from top to bottom."""
    texts = page.evaluate("[...document.querySelectorAll('.event .what')].map((row) => row.textContent)")
    return [int(text.split("note ")[1]) for text in texts if "note " in text]


def to_top(page: Page) -> None:
    page.evaluate("document.getElementById('tail').scrollTop = -1e9")


def to_bottom(page: Page) -> None:
    page.evaluate("document.getElementById('tail').scrollTop = 0")


def go_to_the_beginning(page: Page) -> None:
    """Scroll up until nothing is above; each stretch is waited for."""
    while before := page.locator("#rows").get_attribute("data-before"):
        to_top(page)
        page.wait_for_function("before => document.getElementById('rows').dataset.before !== before", arg=before)


def go_to_the_end(page: Page) -> None:
    while page.locator("#rows").get_attribute("data-end") != "true":
        after = page.locator("#rows").get_attribute("data-after")
        to_bottom(page)
        page.wait_for_function("after => document.getElementById('rows').dataset.after !== after", arg=after)
    to_bottom(page)


def test_events_come_in_at_the_end_and_the_view_follows(fresh: Visits) -> None:
    page = fresh.open("/events")
    expect(page.get_by_role("heading", name="No events yet")).to_be_visible()
    record(fresh, 150)
    expect(page.locator(".event").last).to_contain_text("note 150")
    expect(page.locator(".event").last).to_be_in_viewport()
    assert numbers(page) == list(range(1, 151))
    assert page.get_by_role("heading", name="No events yet").count() == 0


def test_whoever_scrolls_up_is_left_in_peace_and_told_how_many_wait(fresh: Visits) -> None:
    record(fresh, 80)
    page = fresh.open("/events")
    expect(page.locator("#live")).to_have_text("Live")
    to_top(page)
    first = page.locator(".event").first
    expect(first).to_be_in_viewport()
    record(fresh, 132, first=81)
    button = page.get_by_role("button", name="Paused, 132 new ↓")
    expect(button).to_be_visible()
    expect(first).to_be_in_viewport()
    assert numbers(page) == list(range(1, 81))
    button.click()
    expect(page.locator(".event").last).to_be_in_viewport()
    expect(button).to_be_hidden()
    assert numbers(page) == list(range(1, 213))


def test_scrolling_up_goes_back_to_the_beginning_with_a_bounded_number_of_rows(fresh: Visits) -> None:
    record(fresh, 3_000)
    page = fresh.open("/events")
    assert numbers(page) == list(range(2_901, 3_001))
    go_to_the_beginning(page)
    shown = numbers(page)
    assert shown[0] == 1
    assert len(shown) <= ROWS_MAX
    assert shown == list(range(1, len(shown) + 1))
    go_to_the_end(page)
    shown = numbers(page)
    assert shown == list(range(3_001 - len(shown), 3_001))
    record(fresh, 1, first=3_001)
    expect(page.locator(".event").last).to_contain_text("note 3001")


def test_the_way_back_and_forth_needs_no_script(fresh: Visits) -> None:
    record(fresh, 250)
    page = fresh.open("/events", scripts=False)
    page.get_by_role("link", name="Earlier").click()
    page.get_by_role("link", name="Earlier").click()
    assert page.locator(".event").first.text_content().count("note 1") == 1
    assert page.get_by_role("link", name="Earlier").count() == 0
    page.get_by_role("link", name="Later").click()
    page.get_by_role("link", name="Later").click()
    assert "note 250" in page.locator(".event").last.text_content()
    assert page.get_by_role("link", name="Later").count() == 0


@pytest.mark.parametrize("path", ["/events?since=yesterday", "/events?afterId=-1", "/events?colour=red"])
def test_what_makes_no_sense_is_refused_in_words(empty: Visits, path: str) -> None:
    empty.expect("status of 4")
    page = empty.open(path)
    expect(page.locator("main h1")).to_be_visible()


def test_an_event_opens_beside_the_list_and_the_address_remembers_it(fresh: Visits) -> None:
    record(fresh, 30)
    page = fresh.open("/events?q=type:note")
    page.locator(".event", has_text="note 7").first.click(position={"x": 5, "y": 5})
    expect(page.locator("#panel")).to_contain_text("note 7")
    expect(page.locator(".event[aria-current]")).to_contain_text("note 7")
    fresh = fresh.open(page.url.removeprefix(fresh.url))
    expect(fresh.locator("#panel")).to_contain_text("note 7")
    fresh.keyboard.press("Escape")
    expect(fresh.locator("#panel")).to_have_count(0)
    assert "id=" not in fresh.url


def test_a_row_is_reached_and_opened_by_keys(fresh: Visits) -> None:
    record(fresh, 30)
    page = fresh.open("/events")
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("note 29")


def test_the_filter_of_the_field_and_the_facets_combine(fresh: Visits) -> None:
    record(fresh, 3, level="error", actor="bob")
    record(fresh, 3, first=4, level="error", actor="ann")
    record(fresh, 3, first=7, actor="bob")
    page = fresh.open("/events")
    page.get_by_role("link", name="error", exact=True).click()
    field = page.locator("input[name=q]")
    expect(field).to_have_value("level:error")
    assert numbers(page) == [1, 2, 3, 4, 5, 6]
    field.fill("level:error -actor:ann")
    field.press("Enter")
    expect(page).to_have_url(re.compile("q=level%3Aerror[+]-actor%3Aann"))
    expect(page.locator(".event")).to_have_count(3)
    record(fresh, 1, first=10)
    record(fresh, 1, first=11, level="error")
    expect(page.locator(".event").last).to_contain_text("note 11")
    assert numbers(page) == [1, 2, 3, 11]


def test_a_query_that_cannot_be_read_says_where(fresh: Visits) -> None:
    fresh.expect("status of 400")
    page = fresh.open("/events?q=level:error+tpye:note")
    expect(page.locator("mark")).to_have_text("tpye")
    expect(page.locator("input[name=q]")).to_have_value("level:error tpye:note")


def test_a_search_looks_further_when_asked(fresh: Visits) -> None:
    record(fresh, 1, payload={"text": "note 0 needle"})
    looked_max = Settings().search_events_max
    record(fresh, looked_max + 500)
    page = fresh.open("/events?q=needle")
    expect(page.locator("#looked")).to_contain_text(f"Looked at {looked_max:,} of {looked_max + 501:,} events, back to")
    expect(page.get_by_role("heading", name="No event matches so far")).to_be_visible()
    page.get_by_role("link", name="Look further").click()
    expect(page.locator(".event")).to_have_count(1)
    expect(page.locator("#looked")).to_be_hidden()
    record(fresh, 1, payload={"text": "another needle"})
    expect(page.locator(".event")).to_have_count(2)
