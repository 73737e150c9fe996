"""The frame in a browser: the filter bar, the palette, the keys, saved views, time ranges, and live updates that can be paused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import flightlog
from tests.browser.chromium import Visits, visiting
from tests.journeys.served import Served, serve


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[flightlog.Recorder]:
    """Of a folder with a run in each of two projects."""
    with recording(tmp_path) as opened:
        yield opened


@contextmanager
def recording(folder: Path) -> Iterator[flightlog.Recorder]:
    with flightlog.open(folder, project="site", drain=False) as other, other.run("write the docs") as run:
        run.note("hello")
    with flightlog.open(folder, project="shop", drain=False) as opened:
        with opened.run("fix the login bug") as run:
            run.note("hello")
        assert opened.flush(timeout=20)
        yield opened


@pytest.fixture(scope="module")
def framed_server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on such a folder, for all tests that record no more."""
    folder = tmp_path_factory.mktemp("framed")
    with serve(folder) as running, recording(folder):
        yield running


@pytest.fixture
def framed(browser: Browser, framed_server: Served) -> Iterator[Visits]:
    """Pages of that server."""
    with visiting(browser, framed_server.url) as opened:
        yield opened


def run_id(visits: Visits, name: str) -> str:
    return next(str(run["run_id"]) for run in visits.get("/api/runs")["runs"] if run["name"] == name)


def offers(page: Page) -> Locator:
    return page.locator(".offers, .palette").get_by_role("option")


def bar(page: Page) -> Page:
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name=re.compile("Filter the"))).to_be_focused()
    return page


# ── the filter bar ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_filter_is_written_with_the_keyboard_alone(framed: Visits) -> None:
    page = bar(framed.open("/"))
    field = page.get_by_role("combobox", name="Filter the runs")
    page.keyboard.type("stat")
    expect(offers(page)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(offers(page)).to_have_attribute("aria-selected", "true")
    active = field.get_attribute("aria-activedescendant")
    assert active == offers(page).get_attribute("id")
    page.keyboard.press("Tab")
    expect(field).to_have_value("status:")
    page.keyboard.type("succ")
    expect(offers(page).first).to_contain_text("succeeded")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("status:succeeded ")
    page.keyboard.type("login")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=status%3Asucceeded+login")
    expect(page.locator("main")).to_contain_text("fix the login bug")
    expect(page.locator("main")).not_to_contain_text("write the docs")


def test_escape_closes_the_list_then_takes_back_what_was_written_then_leaves(framed: Visits) -> None:
    page = bar(framed.open("/?q=login"))
    field = page.get_by_role("combobox", name="Filter the runs")
    page.keyboard.press("End")
    page.keyboard.type(" st")
    expect(offers(page).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(offers(page)).to_have_count(0)
    expect(field).to_have_value("login st")
    page.keyboard.press("Escape")
    expect(field).to_have_value("login")
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()


def test_what_is_wrong_is_underlined_until_it_is_changed(framed: Visits) -> None:
    framed.expect("status of 400")
    page = framed.open("/?q=%F0%9F%9B%A9+colour%3Ared")  # a character of two units stands before it
    wrong = page.locator(".ink .q-wrong")
    assert "".join(wrong.all_text_contents()) == "colour"
    field = page.get_by_role("combobox", name="Filter the runs")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("colour")
    expect(wrong).to_have_count(0)
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_the_coloured_text_is_the_text(framed: Visits) -> None:
    page = framed.open("/")
    field = page.get_by_role("combobox", name="Filter the runs")
    for text in ('status:failed,hung -model:"a b" cost:>=0.1 1..5  x', '"open \\" <b>', "a:b:c,,", "🛩 ü:*", " "):
        field.fill(text)
        assert page.locator(".ink").text_content() == text


# ── project and time ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_project_and_time_are_in_the_address_and_go_along_to_the_events(framed: Visits) -> None:
    page = framed.open("/")
    page.get_by_role("combobox", name="Project").select_option("shop")
    page.wait_for_url("**/?project=shop")
    page.locator("#since").select_option("24h")
    page.wait_for_url("**/?project=shop&since=24h")
    expect(page.locator("main")).to_contain_text("fix the login bug")
    expect(page.locator("main")).not_to_contain_text("write the docs")
    page.locator("#rail").get_by_role("link", name="Events", exact=True).click()
    page.wait_for_url("**/events?project=shop&since=24h")
    expect(page.locator("#since")).to_have_value("24h")


def test_a_range_of_ones_own_is_asked_for_and_refused_backwards(framed: Visits) -> None:
    page = framed.open("/", timezone_id="Europe/Helsinki")
    choice = page.locator("#since")
    choice.select_option("custom")
    page.get_by_label("From", exact=True).fill("2024-01-03T02:00:00")
    page.get_by_label("Until", exact=True).fill("2024-01-02T02:00:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_have_text("It ends before it begins.")
    page.keyboard.press("Escape")
    expect(choice).to_have_value("")
    choice.select_option("custom")
    page.get_by_label("From", exact=True).fill("2024-01-02T02:00:00")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**/?since=2024-01-02T00%3A00%3A00.000Z")
    choice.select_option("")
    page.wait_for_url(re.compile(r"/$"))


# ── the palette and the keys ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_palette_finds_a_run_and_gives_the_focus_back(framed: Visits) -> None:
    page = framed.open("/events")
    page.locator("#theme").focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(page.locator("#theme")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("login bug")
    expect(offers(page).first).to_contain_text("fix the login bug")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/**")
    expect(page.locator("main h1")).to_contain_text("fix the login bug")
    page.go_back()
    page.keyboard.press("Control+k")
    expect(offers(page).filter(has_text="recent run")).to_be_visible()


def test_a_pasted_id_leads_to_its_run(framed: Visits) -> None:
    page = framed.open("/events")
    wanted = run_id(framed, "write the docs")
    page.get_by_role("button", name="Go to a page, a run or an action").click()
    page.keyboard.insert_text(wanted)
    expect(offers(page).filter(has_text="write the docs")).to_be_visible()
    offers(page).filter(has_text="write the docs").click()
    page.wait_for_url(f"**/runs/{wanted}")


def test_two_keys_lead_to_the_pages_and_a_field_takes_its_letters(framed: Visits) -> None:
    page = framed.open("/")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/events")
    bar(page)
    page.keyboard.type("gr?")
    expect(page.get_by_role("combobox", name="Filter the events")).to_have_value("gr?")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.url.endswith("/events")


def test_enter_on_a_button_is_the_buttons(framed: Visits) -> None:
    page = framed.open("/")
    page.keyboard.press("j")
    page.locator("#pause").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#pause")).to_have_text("Resume")
    assert page.url.endswith("/")


def test_the_keys_are_listed(framed: Visits) -> None:
    page = framed.open("/")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys on this page")
    for text in ("Go to the events", "Pause or resume live updates", "Filter, or find a run"):
        expect(keys).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)


# ── saved views ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_saved_opened_from_the_rail_and_deleted_after_a_second_thought(framed: Visits) -> None:
    page = framed.open("/?q=login&since=7d")
    page.keyboard.press("Control+k")
    page.keyboard.type("save this")
    page.keyboard.press("Enter")
    page.get_by_label("Save what is shown now as").fill("<b>Logins</b>")
    page.keyboard.press("Enter")
    link = page.locator("#rail").get_by_role("link", name="<b>Logins</b>")
    expect(link).to_have_attribute("aria-current", "true")
    page.goto("/events")
    link.click()
    page.wait_for_url("**/?q=login&since=7d")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Delete <b>Logins</b>").click()
    expect(link).to_have_count(1)
    page.get_by_role("button", name="Really delete <b>Logins</b>?").click()
    expect(link).to_have_count(0)
    assert framed.get("/api/views") == {"views": []}


def test_what_the_server_says_against_a_name_is_shown(framed: Visits) -> None:
    framed.expect("status of 422")
    page = framed.open("/")
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save what is shown now as").fill("  ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("a name has 1 to 80 characters")


# ── live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_page_counts_what_comes_and_shows_it_when_it_goes_on(
    own: Visits, recorder: flightlog.Recorder
) -> None:
    page = own.open("/events")
    expect(page.locator("#live")).to_have_text("Live")
    page.keyboard.press("p")
    expect(page.locator("#live")).to_have_text("Paused")
    with recorder.run("while it was paused") as run:
        run.note("not yet")
    assert recorder.flush(timeout=20)
    expect(page.locator("#live")).to_have_text("Paused, 3 new")
    expect(page.get_by_text("not yet")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("not yet")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")


def test_a_page_without_network_says_so_and_catches_up(own: Visits, recorder: flightlog.Recorder) -> None:
    own.expect("ERR_INTERNET_DISCONNECTED|ERR_INCOMPLETE_CHUNKED")
    page = own.open("/events")
    expect(page.locator("#live")).to_have_text("Live")
    page.context.set_offline(True)
    expect(page.locator("#live")).to_have_text("Offline")
    with recorder.run("meanwhile") as run:
        run.note("said in the dark")
    assert recorder.flush(timeout=20)
    page.context.set_offline(False)
    expect(page.get_by_text("said in the dark")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
