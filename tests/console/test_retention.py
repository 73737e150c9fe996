"""The page of retention: rules, holds, receipts, and what the janitor did."""

from __future__ import annotations

from pathlib import Path

from tests.console.markup import NASTY, parsed
from tests.retention.test_api import Flight, TestClient, client, flight, ok  # noqa: F401 (fixtures)

HTML = {"Accept": "text/html"}


def test_an_empty_store_shows_the_defaults(client: TestClient) -> None:  # noqa: F811
    text = client.get("/retention", headers=HTML).text
    assert "default for audit records" in text
    assert "Nothing was removed so far" in text
    assert "Nobody removes what is due by itself" in text
    assert "flightlog retention hold add" in text


def test_rules_holds_and_receipts_stand_on_the_page_whatever_is_in_them(
    flight: Flight,  # noqa: F811
    client: TestClient,  # noqa: F811
) -> None:
    rules = Path(flight.folder, "retention.toml")
    rules.write_text('[[rule]]\nlabel = "<b>noise</b>"\nlevel = "debug"\nkeep = "1d"\n')
    flight.run("old")
    flight.days(8)
    flight.seal()
    ok(client.post("/api/retention/holds", json={"run_id": "claimed", "reason": NASTY}), 201)
    assert ok(client.post("/api/retention/run"))["events"] == 3
    text = client.get("/retention", headers=HTML).text
    parsed(text)
    assert "&lt;b&gt;noise&lt;/b&gt;" in text
    assert "level debug" in text
    assert "run_id claimed" in text
    assert "3 events went in the last pass" in text
    rules.write_text("[[rule]]")
    assert "Nothing is removed." in client.get("/retention", headers=HTML).text
