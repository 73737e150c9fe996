"""The seal over HTTP: how far it is, whether it holds, evidence that checks, and the log as tools for such logs read it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.seal.keeper import SealHealth
from flightlog.seal.merkle import leaf_hash, root_of
from flightlog.seal.note import Checkpoint
from tests.api.serving import Client, Server, changed, client_of, event, fill, seal_all

EVENTS = 600


@pytest.fixture
def sealed(services: Services) -> Services:
    """Two runs, sealed, and one event after the checkpoint."""
    fill(services, EVENTS)
    fill(services, 10, first=EVENTS + 1, run_id="other/run ä")
    seal_all(services)
    services.journal.append([event(EVENTS + 11)])
    return services


def log_of(services: Services) -> Path:
    assert services.seal_folder is not None
    return services.seal_folder


def edited(services: Services, statement: str) -> None:
    services.store.write(lambda tx: tx.sql.exec_driver_sql(statement).rowcount)


def verified(client: Client, **asked: Any) -> dict[str, Any]:
    answer = client.post("/api/verify", json=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# ── how far it is ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_state_says_how_far_it_is_and_gives_key_and_checkpoint(sealed: Services) -> None:
    health = SealHealth(state="sealing")
    state = client_of(changed(sealed, seal=lambda: health)).get("/api/seal").json()
    assert (state["state"], state["events"], state["sealed_id"], state["signed_id"]) == ("sealed", 611, 610, 610)
    assert state["keys"] == [key.verifier.text for key in sealed.log.keys.all()]  # type: ignore[union-attr]
    assert state["checkpoint"].startswith(f"{state['origin']}\n610\n")
    assert state["error"] is None


def test_what_is_off_waiting_or_broken_says_so(services: Services, client: Client) -> None:
    assert client.get("/api/seal").json()["state"] == "off"
    seals = client_of(changed(services, seal=lambda: SealHealth(state="sealing")))
    assert seals.get("/api/seal").json()["state"] == "waiting"
    broken = client_of(changed(services, seal=lambda: SealHealth(state="broken", error="it was set back")))
    assert (broken.get("/api/seal").json()["state"], broken.get("/api/seal").json()["error"]) == (
        "broken",
        "it was set back",
    )
    assert client_of(changed(services, seal_folder=None)).get("/api/seal").json()["state"] == "off"


def test_a_checkpoint_that_was_tampered_with_is_broken(sealed: Services, client: Client) -> None:
    path = log_of(sealed) / "checkpoint"
    path.write_text(path.read_text().replace("\n610\n", "\n611\n"))
    state = client.get("/api/seal").json()
    assert state["state"] == "broken"
    assert "signature" in state["error"]


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_store_one_run_and_one_event_are_verified(sealed: Services, client: Client) -> None:
    assert verified(client)["checked"] == 610
    run = verified(client, run_id="r1")
    assert (run["ok"], run["checked"], run["unsealed"], run["findings"]) == (True, EVENTS, 1, [])
    assert run["key"] == client.get("/api/seal").json()["keys"][0]
    assert run["verified_at"].endswith("Z")
    assert verified(client, run_id="other/run ä")["checked"] == 10
    assert verified(client, event_id="e000007")["checked"] == 1


def test_what_was_altered_is_named(sealed: Services, client: Client) -> None:
    edited(sealed, "UPDATE run_events SET name = 'forged' WHERE id = 7")
    found = verified(client, run_id="r1")
    assert found["ok"] is False
    assert [(one["kind"], one["id"]) for one in found["findings"]] == [("changed_envelope", 7)]
    assert found["findings"][0]["means"] == "The envelope is not the one that was sealed."
    assert verified(client, run_id="other/run ä")["ok"] is True


def test_the_key_that_is_trusted_can_be_given(sealed: Services, client: Client) -> None:
    key = client.get("/api/seal").json()["keys"][0]
    assert verified(client, event_id="e000007", key=key)["ok"] is True
    stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert verified(client, event_id="e000007", key=stranger)["findings"][0]["kind"] == "wrong_key"
    assert client.post("/api/verify", json={"key": "nonsense"}).json()["code"] == 40017


def test_only_one_whole_store_is_verified_at_a_time(sealed: Services, client: Client) -> None:
    with client.app.state.verifier:
        answer = client.post("/api/verify", json={})
        assert (answer.status_code, answer.json()["code"]) == (503, 50310)
        assert answer.headers["retry-after"]
        assert verified(client, run_id="r1")["ok"] is True
    assert verified(client)["ok"] is True


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"run_id": "nosuch"}, 40401),
        ({"event_id": "nosuch"}, 40402),
        ({"run_id": "r1", "event_id": "e000007"}, 40000),
        ({"runid": "r1"}, 40001),
        ([], 40001),
    ],
)
def test_what_can_not_be_verified_is_a_problem(sealed: Services, client: Client, body: Any, code: int) -> None:
    assert client.post("/api/verify", json=body).json()["code"] == code


def test_a_body_that_is_no_json_and_another_site_are_refused(sealed: Services, client: Client) -> None:
    assert client.post("/api/verify", content=b"{}").json()["code"] == 41501
    elsewhere = client.post("/api/verify", json={}, headers={"origin": "https://elsewhere.example"})
    assert elsewhere.json()["code"] == 40305


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_evidence_of_a_run_comes_as_a_zip_that_checks(sealed: Services, tmp_path: Path) -> None:
    before = set(log_of(sealed).parent.iterdir())
    with Server(sealed) as server:
        answer = httpx.get(f"{server.url}/api/runs/r1/evidence")
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"].startswith('attachment; filename="evidence-r1.zip"')
        assert int(answer.headers["content-length"]) == len(answer.content)
        odd = httpx.get(f"{server.url}/api/runs/other%2Frun%20%C3%A4/evidence")
        assert 'filename="evidence-other-run-.zip"' in odd.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "bundle")
    done = subprocess.run([sys.executable, "-I", "-S", tmp_path / "bundle/verify.py"], capture_output=True)
    assert done.returncode == 0, done
    assert set(log_of(sealed).parent.iterdir()) == before  # nothing is left behind


def test_evidence_of_what_is_not_there_or_not_sealed_is_a_problem(services: Services, client: Client) -> None:
    fill(services, 3)
    assert client.get("/api/runs/nosuch/evidence").json()["code"] == 40401
    assert client.get("/api/runs/r1/evidence").json()["code"] == 40408
    bare = client_of(changed(services, seal_folder=None))
    assert bare.get("/api/runs/r1/evidence").json()["code"] == 40408
    assert bare.post("/api/verify", json={}).json()["code"] == 40408


# ── the log itself ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reader_of_such_logs_rebuilds_the_signed_root(sealed: Services, client: Client) -> None:
    note = client.get("/seal/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = Checkpoint.parse(note.text.partition("\n\n")[0] + "\n")
    hashes: list[bytes] = []
    for name, width in (("000", 256), ("001", 256), ("002.p/98", 98)):
        answer = client.get(f"/seal/tile/0/{name}")
        assert (answer.status_code, len(answer.content)) == (200, width * 32)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "immutable" in answer.headers["cache-control"]
        hashes += [answer.content[at : at + 32] for at in range(0, width * 32, 32)]
    assert root_of(hashes) == checkpoint.root
    entries = client.get("/seal/tile/entries/000").content
    length = int.from_bytes(entries[:2], "big")
    assert leaf_hash(entries[2 : 2 + length]) == hashes[0]


NOT_OURS = [
    "../keys/001.key",
    "%2e%2e/keys/001.key",
    "..%2fkeys%2f001.key",
    "0/../../keys/001.key",
    "0/%2e%2e/%2e%2e/keys/001.key",
    "0/..%5c..%5ckeys%5c001.key",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "0/000.p/98/../../../../keys/001.key",
    "keys/001.key",
    "0",
    "0/",
    "0/0",
    "0/0000",
    "00/000",
    "0/x000/000",
    "0/000.p/256",
    "0/000.p/0",
    "0/000.p/098",
    "0/002",
    "0/002.p/99",
    "0/003.p/1",
    "2/000.p/1",
    "64/000",
    "entries/002.p/99",
    "entries/00%D9%A1",
    "0/000%00",
    "0/000?x=1",
    "0/.000.1.unborn",
]


def test_nothing_but_the_signed_tree_is_served(sealed: Services) -> None:
    private = (log_of(sealed) / "keys/001.key").read_bytes().strip()
    with Server(sealed) as server, httpx.Client() as plain:
        for path in NOT_OURS:
            # As it stands: no client may tidy the path up on its way.
            request = plain.build_request("GET", server.url)
            request.url = request.url.copy_with(raw_path=f"/seal/tile/{path}".encode())
            answer = plain.send(request)
            assert answer.status_code in (400, 404), f"{path}: {answer.content[:80]!r}"
            assert private not in answer.content, path


def test_keys_and_other_files_of_the_folder_have_no_path(sealed: Services, client: Client) -> None:
    for path in (
        "/seal/keys/001.key",
        "/seal/keys/001.pub",
        "/seal/origin",
        "/seal/",
        "/seal/tile/",
        "/seal/checkpoint/../keys/001.key",
    ):
        assert client.get(path).status_code == 404, path


def test_what_was_sealed_and_not_signed_yet_is_not_served(sealed: Services, client: Client) -> None:
    from flightlog.seal.tiles import Tiles

    Tiles(log_of(sealed)).write_hashes(0, 2, [b"\x00" * 32] * 120)
    assert client.get("/seal/tile/0/002.p/120").status_code == 404
    assert client.get("/seal/tile/0/002.p/98").status_code == 200


def test_before_anything_is_sealed_there_is_no_log(client: Client) -> None:
    assert client.get("/seal/checkpoint").json()["code"] == 40408
    assert client.get("/seal/tile/0/000").json()["code"] == 40408
