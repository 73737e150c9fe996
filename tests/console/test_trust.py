"""What a run's page and an event's panel say of the seal, and what they show of payloads that were erased."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from flightlog.api.app import Services
from flightlog.journal.erase import erase_payloads
from flightlog.seal.erase import erase as forget_salts
from flightlog.seal.keeper import SealHealth
from tests.api.serving import Client, client_of, event, fill, seal_all
from tests.console.markup import parsed

HTML = {"Accept": "text/html"}


def page(client: Client, path: str) -> str:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def trust(client: Client, run: str = "r1") -> str:
    """The panel in words."""
    found = re.search(r'<section class="trust".*?</section>', page(client, f"/runs/{run}"), re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def sealing(services: Services, error: str | None = None) -> Client:
    health = SealHealth(state="broken" if error else "sealing", error=error)
    return client_of(replace(services, seal=lambda: health))


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_is_sealed_says_so_and_offers_proof(services: Services) -> None:
    fill(services, 5)
    seal_all(services)
    client = sealing(services)
    assert trust(client).startswith("All 5 events sealed and signed")
    html = page(client, "/runs/r1")
    careful = parsed(html)
    assert careful.forbidden == []
    assert "/api/runs/r1/evidence" in careful.links
    assert client.get("/api/runs/r1/evidence").status_code == 200
    assert services.log is not None
    assert services.log.keys.all()[0].verifier.text in html
    assert 'id="verify" data-run="r1"' in html


def test_events_after_the_signature_are_counted_and_asked_for_again(services: Services) -> None:
    fill(services, 5)
    seal_all(services)
    fill(services, 2, first=6)
    client = sealing(services)
    assert trust(client).startswith("2 of 7 events not sealed yet")
    assert 'data-again="2"' in page(client, "/runs/r1/trust")


def test_what_others_recorded_since_is_no_matter(services: Services) -> None:
    fill(services, 5)
    seal_all(services)
    fill(services, 2, first=6, run_id="r2")
    assert trust(sealing(services)).startswith("All 5 events sealed")
    assert trust(sealing(services), "r2").startswith("2 of 2 events not sealed yet")


def test_before_the_first_signature_there_is_nothing_to_verify(services: Services) -> None:
    fill(services, 5)
    said = trust(sealing(services))
    assert "Not sealed yet" in said
    assert "Verify" not in said
    assert "Evidence" not in said


def test_where_sealing_is_off_the_page_says_what_that_means(services: Services, client: Client) -> None:
    fill(services, 5)
    assert "Not sealed Sealing is off" in trust(client)
    assert "Not sealed" in trust(client_of(replace(services, seal_folder=None)))
    seal_all(services)
    assert trust(client).startswith("All 5 events sealed")
    fill(services, 2, first=6)
    assert "2 of 7 events not sealed Sealing was switched off" in trust(client)


def test_a_broken_seal_is_said_and_can_still_be_verified(services: Services) -> None:
    fill(services, 5)
    seal_all(services)
    assert "The seal needs attention it was set back" in trust(sealing(services, error="it was set back"))
    assert services.log is not None
    path = services.log.folder / "checkpoint"
    path.write_text(path.read_text().replace("\n5\n", "\n6\n"))
    client = sealing(services)
    assert "The seal needs attention" in trust(client)
    assert "Verify" in trust(client)
    assert client.post("/api/verify", json={"run_id": "r1"}).json()["findings"][0]["kind"] == "wrong_key"


@pytest.mark.parametrize("damaged", ["keys/001.pub", "keys/001.key", "checkpoint", "origin"])
def test_a_file_of_the_seal_that_is_damaged_is_said_and_breaks_no_page(services: Services, damaged: str) -> None:
    fill(services, 5)
    seal_all(services)
    assert services.log is not None
    (services.log.folder / damaged).write_bytes(b"\xff damaged")
    client = sealing(services)
    assert "The seal needs attention" in trust(client)
    assert "the seal needs attention" in page(client, "/panel/1")
    assert client.get("/api/seal").json()["state"] == "broken"
    found = client.post("/api/verify", json={"run_id": "r1"})
    assert (found.status_code, found.json()["findings"][0]["kind"]) == (200, "wrong_key")


def test_a_run_that_is_not_there_has_no_trust_to_ask_for(client: Client) -> None:
    assert client.get("/runs/nosuch/trust", headers=HTML).status_code == 404


# ── an event ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_panel_of_an_event_says_whether_it_is_sealed(services: Services, client: Client) -> None:
    fill(services, 1)
    assert "<dt>Seal</dt>" not in page(client, "/panel/1")
    assert "not sealed yet" in page(sealing(services), "/panel/1")
    seal_all(services)
    fill(services, 1, first=2)
    assert "sealed and signed, leaf 0" in page(client, "/panel/1")
    assert "not sealed yet" in page(client, "/events/e000002")


def erased(services: Services) -> None:
    """The payload of event 1 is gone, and event 3 says why."""
    fill(services, 1, payload={"text": "the secret words"})
    services.journal.append([event(2, "llm_response", payload={"choices": []}), event(3, "audit", run_id=None)])

    def work(tx: object) -> None:
        erase_payloads(tx, [1, 2], 3)  # type: ignore[arg-type]
        forget_salts(tx, [1, 2])  # type: ignore[arg-type]

    services.store.write(work)


def test_an_erased_payload_is_shown_as_what_it_is_with_the_event_that_says_why(
    services: Services, client: Client
) -> None:
    erased(services)
    for path in ("/panel/1", "/events/e000001", "/runs/r1?view=events&id=1"):
        html = page(client, path)
        assert "The payload was erased since" in html, path
        assert 'href="/events/e000003">See it</a>' in html, path
        assert "Payload digest" not in html
    reading = page(client, "/runs/r1?view=reading")
    assert reading.count("The payload was erased.") == 2
    assert "the secret words" not in reading
