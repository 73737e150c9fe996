"""The timeline of a run in a browser: what is drawn, where the keys lead, what the address keeps, and that it follows."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

import flightlog
from tests.browser.chromium import Visits
from tests.browser.flights import Flown

ROWS = ".tl-row:visible"
SELECTED = ".tl-row.is-selected"


def timeline(visits: Visits, run: str, query: str = "") -> Page:
    page = visits.open(f"/runs/{run}{query}")
    page.locator(ROWS).first.wait_for()
    expect(page.locator("#tl-count")).not_to_contain_text("…")
    return page


def words(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(f"{ROWS} .tl-label").all_inner_texts()]


def test_what_belongs_together_is_one_row_and_lies_in_its_span(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    rows = words(page)
    assert rows[0].startswith("▾ run fix the login bug")
    assert rows[1].endswith("step 1")
    assert "model coder-large" in rows[2]
    levels = [row.get_attribute("aria-level") for row in page.locator(ROWS).all()[:4]]
    assert levels == ["1", "2", "3", "2"]
    assert sum("read_file" in row for row in rows) == 3


def test_rows_say_what_their_events_say(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    expect(page.locator(ROWS, has_text="unit tests").first).to_contain_text("41 passed, 1 failed")


def test_only_the_rows_in_view_are_there(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["long"])
    assert int(page.locator("#tl-scroll").get_attribute("aria-rowcount") or 0) > 20_000
    assert page.locator(".tl-row").count() < 120
    page.locator("#tl-scroll").focus()
    page.keyboard.press("End")
    expect(page.locator(SELECTED)).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator(SELECTED)).to_contain_text("port the parser")
    assert page.locator(".tl-row").count() < 120


def test_e_finds_the_error_in_fifty_thousand_events(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["long"])
    page.keyboard.press("e")
    expect(page.locator(SELECTED)).to_contain_text("pytest")
    expect(page.locator(SELECTED)).to_contain_text("41 passed, 1 failed")
    page.locator("#tl-scroll").focus()
    page.keyboard.press("End")
    expect(page.locator(SELECTED)).not_to_contain_text("pytest")
    page.keyboard.press("E")
    expect(page.locator(SELECTED)).to_contain_text("41 passed, 1 failed")


def test_a_query_shows_what_matches_and_what_is_wrong_with_it(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"], "?q=type:test_result")
    expect(page.locator("#tl-count")).to_have_text("2 steps match")
    visits.expect("status of 400")
    page = visits.open(f"/runs/{flown.runs['agent']}?q=nosuch:x")
    expect(page.locator("#tl-note")).to_have_text("The query can't be read.")


def test_keys_walk_fold_and_open(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    page.locator("#tl-scroll").focus()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(page.locator(SELECTED)).to_contain_text("step 1")
    before = page.locator(ROWS).count()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(SELECTED)).to_have_attribute("aria-expanded", "false")
    expect(page.locator(ROWS)).to_have_count(before - 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(SELECTED)).to_contain_text("model")
    page.keyboard.press("]")
    expect(page.locator(SELECTED)).to_contain_text("Step 2")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("llm_response")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "tl-scroll"


def test_the_panel_follows_and_is_in_the_address(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    page.locator(ROWS, has_text="decision").first.click()
    expect(page.locator("#panel")).to_contain_text("capability_decision")
    expect(page).to_have_url(re.compile(r"[?&]id=\d+"))
    before = page.url
    page.keyboard.press("j")
    expect(page.locator("#panel")).to_contain_text("test_result")
    expect(page).not_to_have_url(before)
    page.reload()
    expect(page.locator("#panel")).to_contain_text("test_result")
    expect(page.locator(SELECTED)).to_contain_text("unit tests")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile(r"[?&]id="))


def test_the_panel_is_as_wide_as_its_reader_likes(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    page.locator(ROWS).nth(3).click()
    edge = page.get_by_role("separator", name="Width of the panel")
    wide = int(edge.get_attribute("aria-valuenow") or 0)
    edge.focus()
    page.keyboard.press("ArrowLeft")
    expect(edge).to_have_attribute("aria-valuenow", str(wide + 24))
    page.reload()
    expect(edge).to_have_attribute("aria-valuenow", str(wide + 24))


def test_zoom_and_mode_are_in_the_address(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["long"])
    page.keyboard.press("t")
    expect(page.locator("#tl-count")).to_contain_text("events")
    page.keyboard.press("+")
    expect(page).to_have_url(re.compile(r"mode=flat.*from=\d+&to=\d+"))
    page.reload()
    expect(page.get_by_role("button", name="Flat")).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile(r"from=\d+"))
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile(r"from="))


def test_a_brush_on_the_strip_looks_closer(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["long"])
    box = page.locator("#tl-overview").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    page.locator("#tl-overview").dblclick(position={"x": 5, "y": 5})
    expect(page).not_to_have_url(re.compile(r"from="))


def test_one_kind_alone(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["agent"])
    page.locator("#kinds").get_by_text("decisions").click()
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page).to_have_url(re.compile("types=capability_decision"))
    page.go_back()
    expect(page.locator(ROWS, has_text="step 1").first).to_be_visible()


def test_losses_are_shown_where_they_were(visits: Visits, flown: Flown) -> None:
    page = timeline(visits, flown.runs["loss"])
    expect(page.locator(".tl-row.lost").first).to_contain_text("132 lost: queue full")


def test_a_link_to_an_event_opens_it_in_its_run(visits: Visits, flown: Flown) -> None:
    run = flown.runs["agent"]
    event = visits.get(f"/api/runs/{run}/events?types=patch_applied&limit=1")["events"][0]["event_id"]
    page = timeline(visits, run, f"?event={event}")
    expect(page.locator("#panel")).to_contain_text("patch_applied")
    expect(page.locator(SELECTED)).to_contain_text("patch")


def test_a_run_that_goes_on_is_followed_at_its_end(own: Visits, tmp_path: Path) -> None:
    with flightlog.open(tmp_path) as recorder:
        run = recorder.run("alive").start()
        run.note("first")
        assert recorder.flush(timeout=30)
        page = timeline(own, str(run.id))
        expect(page.locator(ROWS)).to_have_count(2)
        with run.span("a part"):
            run.note("inside")
        assert recorder.flush(timeout=30)
        expect(page.locator(ROWS)).to_have_count(4)
        assert words(page)[2].endswith("a part")
        run.finish()
    expect(page.locator(".verdict")).to_contain_text("succeeded")


def test_without_scripts_there_is_a_list(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/runs/{flown.runs['agent']}", scripts=False)
    expect(page.locator("a.ev").first).to_be_visible()
    expect(page.locator("#timeline")).to_be_hidden()
