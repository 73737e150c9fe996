"""What Flightlog itself does to a store is on record: by whom, in the transaction that does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flightlog import wiring
from flightlog.api.app import create_app
from flightlog.audit.actors import os_actor
from flightlog.audit.filter import AuditFilter
from flightlog.audit.listing import Audit, get_audit_detail, list_audits
from flightlog.audit.record import record_admin
from flightlog.config import Settings
from flightlog.store import migrations
from flightlog.store.contract import Tx
from flightlog.wiring import Keeper
from tests.api.serving import Client, open_services
from tests.cli.conftest import record_some
from tests.cli.terminal import flightlog


def told(folder: Path, operation: str | None = None) -> list[Audit]:
    keeper = Keeper(folder, Settings(), writable=False)
    try:
        return list_audits(keeper.store, AuditFilter(operation=operation)).audits
    finally:
        keeper.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record_some(tmp_path / "flight")
    return tmp_path / "flight"


def by_hand(folder: Path, operation: str) -> Audit:
    (one,) = told(folder, operation)
    assert (one.actor, one.source, one.type, one.status) == (os_actor(), "flightlog", "audit", "succeeded")
    return one


def test_the_index_that_is_built_and_dropped(folder: Path) -> None:
    assert flightlog("index", "build", "--dir", folder).code == 0
    assert flightlog("index", "build", "--dir", folder).code == 0  # there is nothing to do, so there is nothing to tell
    by_hand(folder, "index.build")
    assert flightlog("index", "drop", "--dir", folder).code == 0
    assert flightlog("index", "drop", "--dir", folder).code == 0
    by_hand(folder, "index.drop")


def test_a_key_that_is_rotated(folder: Path) -> None:
    assert flightlog("seal", "rotate", "--dir", folder).code == 0
    assert flightlog("drain", "--dir", folder).code == 0
    assert by_hand(folder, "seal.rotate").subject_type == "seal"


@pytest.mark.parametrize("by_opening", [True, False])
def test_a_store_that_is_brought_up_to_date(folder: Path, by_opening: bool) -> None:
    _turn_back(folder)
    if by_opening:
        Keeper(folder, Settings(), writable=True).close()
    else:
        assert flightlog("migrate", "--dir", folder).code == 0
    one = by_hand(folder, "store.migrate")
    keeper = Keeper(folder, Settings(), writable=False)
    said = get_audit_detail(keeper.store, one.event_id).event
    keeper.close()
    assert f'"before":"{migrations.KNOWN[0]}"'.encode() in bytes(said.payload)


def _turn_back(folder: Path) -> None:
    """Make the store one of an older Flightlog: at its first migration, and empty."""
    for path in folder.glob("flightlog.db*"):
        path.unlink()
    code = (
        "import sys, pathlib\n"
        "from flightlog.config import Settings\n"
        "from flightlog.store import migrations\n"
        "migrations.KNOWN, migrations.HEAD = migrations.KNOWN[:1], migrations.KNOWN[0]\n"
        "from flightlog.store import sqlite\n"
        "from flightlog.store.engine import open_store\n"
        "store = open_store(pathlib.Path(sys.argv[1]), writable=True)\n"
        "assert store.revision() == migrations.HEAD, store.revision()\n"
        "store.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_a_new_store_has_nothing_to_account_for(folder: Path) -> None:
    assert told(folder, "store.migrate") == []


def test_a_view_that_is_saved_and_deleted_over_http(tmp_path: Path) -> None:
    with open_services(tmp_path) as services:
        client = Client(create_app(services))
        view = client.post("/api/views", json={"name": "Failed", "page": "runs", "query": "q=status:failed"}).json()
        assert client.delete(f"/api/views/{view['view_id']}").status_code == 200
        assert client.delete(f"/api/views/{view['view_id']}").status_code == 404
        rows = list_audits(services.store).audits
        assert [(row.operation, row.subject_id) for row in rows] == [
            ("views.delete", view["view_id"]), ("views.save", view["view_id"]),
        ]  # fmt: skip
        assert all(str(row.actor).startswith("api") for row in rows)


def test_a_record_goes_with_what_it_is_about(tmp_path: Path) -> None:
    with open_services(tmp_path) as services:

        def work(tx: Tx) -> None:
            record_admin(services.journal, "views.save", tx=tx, actor="ann", subject_type="view")
            raise RuntimeError("power cut")

        with pytest.raises(RuntimeError, match="power cut"):
            services.store.write(work)
        assert list_audits(services.store).audits == []


def test_an_import_that_brings_something(tmp_path: Path) -> None:
    source, folder = tmp_path / "session.jsonl", tmp_path / "flight"
    source.write_text(_SESSION, "utf-8")
    for _ in range(2):
        assert flightlog("import", "claude-code", source, "--dir", folder).code == 0
    assert by_hand(folder, "import").subject_type == "files"


_SESSION = (
    '{"type":"user","uuid":"u1","parentUuid":null,"sessionId":"s1","timestamp":"2026-01-01T00:00:00.000Z",'
    '"message":{"role":"user","content":"hello"}}\n'
    '{"type":"assistant","uuid":"a1","parentUuid":"u1","sessionId":"s1","timestamp":"2026-01-01T00:00:01.000Z",'
    '"message":{"id":"m1","role":"assistant","model":"claude","content":[{"type":"text","text":"hi"}],'
    '"usage":{"input_tokens":1,"output_tokens":1}}}\n'
)


def test_costs_that_are_worked_out_again_name_who_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wiring.open(folder) as rec:
        with rec.run("priced") as run, run.llm("house-model", provider="house") as call:
            call.record({"content": "x", "usage": {"input_tokens": 1_000, "output_tokens": 10}})
        assert rec.flush(60)
    (folder / "prices.toml").write_text('[[price]]\nmodel = "house-model"\nprovider = "*"\ninput = 1\noutput = 2\n')
    said: Any = flightlog("prices", "recompute", "--dir", folder, "--json")
    assert said.code == 0
    assert said.json["changed"] == 1
    assert {row.actor for row in told(folder, "prices.recompute")} == {os_actor()}
