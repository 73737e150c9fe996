"""What people come for: watch a run as it flies, find what failed, hand on a link, lose the network and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import flightlog
from tests.browser.chromium import LOADED, Visits
from tests.browser.flights import FAILING_TEST, Flown
from tests.journeys.served import ENVIRON, serve

# The browser says so on its console, and it is what the test is about.
NETWORK_GONE = (
    "ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET"
)


def exec_in(folder: Path, *command: str) -> subprocess.Popen[str]:
    """`flightlog exec` as somebody runs it in another terminal."""
    arguments = ["-m", "flightlog.cli.main", "exec", "--dir", str(folder), "--run-name", "nightly", "--", *command]
    return subprocess.Popen(
        [sys.executable, *arguments], env=ENVIRON, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def notes_on(page: Page) -> list[int]:
    """The numbers of the notes that the page shows, in order."""
    rows = page.locator(".event, .ev").all_text_contents()
    return [int(row.split("note number ")[1].split()[0].rstrip(".")) for row in rows if "note number " in row]


def test_a_run_that_is_recorded_by_the_command_line_is_watched_as_it_flies(own: Visits, tmp_path: Path) -> None:
    runs, events = own.open("/"), own.open("/events")
    expect(runs.get_by_text("No runs yet")).to_be_visible()
    with exec_in(tmp_path, "cat") as process:
        row = runs.get_by_role("row", name="nightly")
        expect(row).to_contain_text("running", timeout=15_000)
        expect(events.locator(".event", has_text="exec_started")).to_be_visible()
        row.get_by_role("link", name="nightly").click()
        expect(runs.locator("main h1")).to_contain_text("nightly")
        expect(runs.locator("main")).to_contain_text("running")
        process.communicate("")
    assert process.returncode == 0
    expect(events.locator(".event", has_text="run_finished")).to_be_visible(timeout=15_000)
    expect(runs.locator("main")).to_contain_text("succeeded")


@pytest.fixture
def recorder(tmp_path: Path) -> flightlog.Recorder:
    return flightlog.open(tmp_path, drain=False)


def places(run: flightlog.Run) -> list[str]:
    """Where the events of a run are followed."""
    return ["/events", f"/runs/{run.id}?view=events"]


def test_nothing_is_missed_and_nothing_comes_twice_while_the_server_is_away(
    browser: Browser, recorder: flightlog.Recorder, tmp_path: Path
) -> None:
    run = recorder.run("long flight").start()
    numbers = iter(range(1, 1_000))

    def notes(count: int) -> None:
        for _ in range(count):
            run.note(f"note number {next(numbers)}")
        recorder.flush(timeout=0)

    with serve(tmp_path) as served:
        visits = Visits(browser, served.url)
        visits.expect(NETWORK_GONE)
        notes(20)
        assert recorder.flush(timeout=20)
        pages = [visits.open(place) for place in places(run)]
        for page in pages:
            expect(page.locator("#live")).to_have_text("Live")
        notes(5)
        for page in pages:
            expect(page.get_by_text("note number 25", exact=True)).to_be_visible()
        served.process.terminate()
        served.process.wait()
    for page in pages:
        expect(page.locator("#live")).not_to_have_text("Live")
    notes(30)
    port = int(served.url.rsplit(":", 1)[1])
    with serve(tmp_path, port):
        for page in pages:
            expect(page.get_by_text("note number 55", exact=True)).to_be_visible(timeout=40_000)
        notes(5)
        for page in pages:
            expect(page.get_by_text("note number 60", exact=True)).to_be_visible()
            assert notes_on(page) == list(range(1, 61))
        visits.close()
    recorder.close()
    assert not visits.wrong()


def test_nothing_is_missed_and_nothing_comes_twice_when_the_network_is_away_for_ten_seconds(
    own: Visits, recorder: flightlog.Recorder
) -> None:
    own.expect(NETWORK_GONE)
    run = recorder.run("long flight").start()
    for number in range(1, 21):
        run.note(f"note number {number}")
    assert recorder.flush(timeout=20)
    pages = [own.open(place) for place in places(run)]
    for page in pages:
        expect(page.locator("#live")).to_have_text("Live")
        page.context.set_offline(True)
    for number in range(21, 61):
        run.note(f"note number {number}")
        if number % 4 == 0:
            pages[0].wait_for_timeout(1_000)  # ten seconds in all: the length of the outage is what is tested
    assert recorder.flush(timeout=20)
    for page in pages:
        page.context.set_offline(False)
        expect(page.get_by_text("note number 60", exact=True)).to_be_visible(timeout=30_000)
    run.note("note number 61")
    for page in pages:
        expect(page.get_by_text("note number 61", exact=True)).to_be_visible()
        assert notes_on(page) == list(range(1, 62))
    recorder.close()


def test_what_a_payload_says_in_html_and_script_is_text_wherever_it_is_shown(visits: Visits, flown: Flown) -> None:
    run = flown.runs["hostile"]
    events = visits.get(f"/api/runs/{run}/events?limit=1000")["events"]
    paths = ["/", f"/runs/{run}", f"/runs/{run}?view=reading", f"/runs/{run}?view=events", "/events"]
    paths += [f"/events/{event['event_id']}" for event in events]
    page = visits.open(paths[0])
    for path in paths:
        page.goto(path)
        expect(page.locator("main")).to_contain_text("window.pwned = 1")
        assert page.evaluate("window.pwned") is None, path
        assert page.locator("main script, main img, main [onload], main [onerror]").count() == 0, path


def test_the_failing_test_of_a_long_run_is_found_by_a_filter(visits: Visits) -> None:
    page = visits.open("/events?q=run:the-long-run+type:test_result+status:failed")
    expect(page.locator(".event")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text(FAILING_TEST)


def test_the_failing_test_of_a_long_run_is_found_by_one_key(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/runs/{flown.runs['long']}")
    page.wait_for_function(LOADED, timeout=20_000)
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text(FAILING_TEST)
    fresh = visits.open(page.url.removeprefix(visits.url))
    expect(fresh.locator("#panel")).to_contain_text(FAILING_TEST, timeout=20_000)


def names_on(page: Page) -> list[str]:
    return page.locator("tr[data-run] td.name a").all_text_contents()


def test_a_filtered_list_is_handed_on_as_a_link(visits: Visits) -> None:
    page = visits.open("/")
    field = page.locator("input[name=q]")
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.type("status:failed name:fix* -actor:bob events:>50")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=status*")
    expect(page.locator("tr[data-run]").first).to_contain_text("failed")
    found = names_on(page)
    assert len(found) > 10
    assert all(name.startswith("fix issue") for name in found)
    fresh = visits.open(page.url.removeprefix(visits.url))
    expect(fresh.locator("input[name=q]")).to_have_value("status:failed name:fix* -actor:bob events:>50")
    assert names_on(fresh)[:20] == found[:20]


def test_the_keyboard_alone_gets_from_the_runs_to_an_error_and_back(visits: Visits) -> None:
    page = visits.open("/?q=%22fix+the+login+bug%22")
    expect(page.locator("tr[data-run]").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/**")
    page.wait_for_function(LOADED, timeout=20_000)
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("Close the panel")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.type("events")
    expect(page.locator("dialog[open]")).to_contain_text("Events")
    page.keyboard.press("Enter")
    page.wait_for_url("**/events*")


@pytest.mark.parametrize(
    "path", ["/", "/runs/{agent}", "/runs/{agent}?view=reading", "/runs/{agent}?view=events", "/events"]
)
def test_everything_can_be_read_without_scripts(visits: Visits, flown: Flown, path: str) -> None:
    page = visits.open(path.format(**flown.runs), scripts=False)
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("fix the login bug")
    assert page.get_by_role("link").count() > 3
