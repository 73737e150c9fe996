"""Trust in a browser: a run that says how far it is sealed and is verified by a click, and what was audited."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chromium import Visits
from tests.browser.flights import Flown

HEAD = "tr[data-audit]"


def audit(page: Page, url: str, **record: object) -> None:
    sent = page.request.post(f"{url}/api/audits", data={"operation": "repo.push", **record})
    assert sent.ok, sent.text()


# ── the seal ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_verified_by_a_click(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/runs/{flown.runs['agent']}")
    # The server may still be sealing what it found when it started; the page says so and asks again.
    expect(page.locator("#trust")).to_contain_text("sealed and signed", timeout=30_000)
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#verified")).to_contain_text(
        re.compile(r"Nothing was altered: \d+ events checked at .* by key [0-9a-f]{8}")
    )
    with page.expect_download() as coming:
        page.get_by_role("link", name="Evidence").click()
    assert coming.value.suggested_filename == f"evidence-{flown.runs['agent']}.zip"


def test_what_somebody_altered_is_named_and_leads_to_its_event(own: Visits, tmp_path: Path) -> None:
    note = {"type": "note", "run_id": "r1", "event_id": "e1", "payload": {"text": "as it was"}}
    own.post("/api/events", {"events": [note]})
    page = own.open("/runs/r1?view=events")
    expect(page.locator("#trust")).to_contain_text("sealed and signed", timeout=30_000)
    with sqlite3.connect(tmp_path / "flightlog.db", timeout=10) as database:
        database.execute('UPDATE event_payloads SET payload = \'{"text":"as it never was"}\'')
    database.close()
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#verified")).to_contain_text("1 finding")
    expect(page.locator("#verified")).to_contain_text("changed_payload")
    page.locator("#verified li a").click()
    expect(page.locator("#panel")).to_contain_text("as it never was")


def test_without_scripts_the_page_still_says_how_far_it_is_and_has_the_evidence(visits: Visits, flown: Flown) -> None:
    page = visits.open(f"/runs/{flown.runs['agent']}", scripts=False)
    expect(page.locator("#trust")).to_contain_text("sealed")
    expect(page.get_by_role("link", name="Evidence")).to_be_visible()
    expect(page.locator("#verify")).to_be_hidden()


# ── audit records ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_counted_as_new_and_adopted_before_the_eye(fresh: Visits) -> None:
    page = fresh.open("/audit")
    expect(page.get_by_text("No audit records yet")).to_be_visible()
    audit(page, fresh.url, run_id="r9")
    expect(page.locator(HEAD)).to_contain_text("orphaned")
    audit(page, fresh.url)
    expect(page.locator("#news")).to_have_text("1 new")
    note = {"type": "note", "run_id": "r9", "payload": {"text": "here it is"}}
    assert page.request.post(f"{fresh.url}/api/events", data={"events": [note]}).ok
    expect(page.locator(HEAD)).to_contain_text("adopted")
    page.locator("#news").click()
    expect(page.locator(HEAD)).to_have_count(2)


def test_a_count_of_the_matrix_filters_and_a_record_opens_beside_the_list(visits: Visits) -> None:
    page = visits.open("/audit")
    page.get_by_role("link", name="denied, net.fetch").click()
    page.wait_for_url("**/audit?q=*")
    expect(page.locator(HEAD, has_not_text="denied")).to_have_count(0)
    expect(page.locator(HEAD, has_not_text="net.fetch")).to_have_count(0)
    page.locator(HEAD, has_text="outside of the repository").locator("td.c-operation a").click()
    expect(page.locator("#panel")).to_contain_text("outside of the repository")
    expect(page.locator("#panel")).to_contain_text("sealed and signed")
    assert "id=" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_count(0)
    assert "id=" not in page.url


def test_the_list_is_walked_by_keys(visits: Visits) -> None:
    page = visits.open("/audit")
    page.locator(HEAD).first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(HEAD).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(lambda url: url.rstrip("/").count("/") == 2)
