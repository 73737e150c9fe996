"""Numbers in a browser: a chart leads to what it counts, by pointer and by keys, and tables say the same without scripts."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.chromium import Visits
from tests.browser.flights import Flown


def calls_on(page: Page) -> int:
    """What the tile says."""
    return int(page.locator(".tiles div", has_text="Model calls").locator("strong").inner_text().replace(",", ""))


def test_a_bar_leads_to_the_calls_that_it_counts(visits: Visits, flown: Flown) -> None:
    page = visits.open("/stats")
    chart = page.locator("#calls .plot")
    expect(chart.locator("canvas")).to_be_visible()
    expect(page.locator("#calls details")).not_to_have_attribute("open", "")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    # From the newest bar back to one that has something.
    while "answered 0" in page.locator("#calls [role=status]").inner_text():
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/traces\?.*since=.*until="))
    expect(page.locator("#traces tbody tr").first).to_be_visible()


def test_a_tool_that_fails_leads_to_its_failures(visits: Visits, flown: Flown) -> None:
    page = visits.open("/stats", width=375)
    page.locator("#failing td.bad a").first.click()
    page.wait_for_url(re.compile(r"/events\?q=.*status"))
    expect(page.locator("main")).to_contain_text("tool_result")


def test_without_scripts_the_numbers_are_tables_with_the_same_links(visits: Visits, flown: Flown) -> None:
    page = visits.open("/stats", scripts=False)
    expect(page.locator("#calls details table")).to_be_visible()
    expect(page.locator("#calls .plot")).to_be_hidden()
    with_scripts = visits.open("/stats")
    assert calls_on(page) == calls_on(with_scripts) > 0
    page.locator("#calls td a").first.click()
    expect(page.locator("#traces tbody tr").first).to_be_visible()
