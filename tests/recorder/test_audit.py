"""Audit records: at once by default, with what became of them where somebody waits; bounded, and never raised unasked."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec
import pytest

import flightlog
from flightlog.config import Settings
from flightlog.errors import AuditNotStored
from flightlog.testing import MemoryRecorder
from flightlog.wiring import Keeper, keeper_drain
from tests.api.serving import Server, open_services

PATIENT = 60.0  # a machine that is busy with other tests may take its time


def test_a_record_has_what_was_said_and_gives_its_id_at_once() -> None:
    rec = MemoryRecorder(actor="agent-7")
    with rec.run("r", task_id="t1") as run:
        event_id = run.audit(
            "repo.push", subject_type="repo", subject_id="acme/shop", outcome="refused", details={"branch": "main"},
            level="warn", ticket=5,
        )  # fmt: skip
    (event,) = [event for event in rec.events if event.type == "audit"]
    assert (event.event_id, event.name, event.status, event.level) == (event_id, "repo.push", "refused", "warn")
    assert (event.actor, event.task_id, event.run_id) == ("agent-7", "t1", run.id)
    assert msgspec.json.decode(event.payload) == {
        "operation": "repo.push", "subject_type": "repo", "subject_id": "acme/shop", "outcome": "refused",
        "details": {"branch": "main"}, "ticket": 5,
    }  # fmt: skip


def test_it_can_name_its_own_run_task_and_actor() -> None:
    rec = MemoryRecorder(actor="agent-7")
    rec.audit("user.delete", run_id="r9", task_id="t9", actor="ann", correlation_id="c", wait=True)
    (event,) = rec.events
    assert (event.run_id, event.task_id, event.actor, event.correlation_id) == ("r9", "t9", "ann", "c")


def test_one_that_is_waited_for_is_stored_or_orphaned(tmp_path: Path) -> None:
    with flightlog.open(tmp_path) as rec:
        stored = rec.audit("repo.push", wait=True, timeout=PATIENT)
        assert (stored.state, stored.id, stored.reason, stored.is_stored) == ("stored", 1, None, True)
        with rec.run("r") as run:
            within = run.audit("repo.push", wait=True, timeout=PATIENT)
            assert (within.state, within.id) == ("stored", 3)
        orphan = rec.audit("repo.push", run_id="nobody", strict=True, timeout=PATIENT)
        assert (orphan.state, orphan.is_stored) == ("orphaned", True)
        assert "not in the store" in str(orphan.reason)
        assert rec.health().audits_unconfirmed == 0


def test_another_process_delivers_and_it_is_seen_all_the_same(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Settings(), writable=True)
    drain = keeper_drain(keeper)
    drain.start()
    try:
        with flightlog.open(tmp_path, drain=False) as rec:
            made = rec.audit("repo.push", wait=True, timeout=PATIENT)
            assert (made.state, made.id) == ("stored", 1)
    finally:
        drain.stop()
        keeper.close()


def test_where_nobody_delivers_it_says_so_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with flightlog.open(tmp_path, drain=False) as rec, caplog.at_level(logging.WARNING, "flightlog.recorder"):
        made = rec.audit("repo.push", wait=True)
        assert (made.state, made.id) == ("spooled", None)
        assert "nobody delivers" in str(made.reason)
        assert made.waited_seconds < 1.0
        assert rec.health().audits_unconfirmed == 1
        assert made.event_id in caplog.text
        with pytest.raises(AuditNotStored, match=r"'repo\.push' is not in the store, it is spooled: nobody delivers"):
            rec.audit("repo.push", strict=True)
        assert rec.health().audits_unconfirmed == 2
    with flightlog.open(tmp_path) as later:  # what was spooled gets there
        assert later.flush(PATIENT)


def test_the_wait_ends_with_its_time(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Settings(), writable=True)  # a writer that does not drain
    try:
        with flightlog.open(tmp_path, drain=False, settings=Settings(audit_timeout_seconds=0.05)) as rec:
            made = rec.audit("repo.push", wait=True)
            assert (made.state, made.reason) == ("spooled", "it was not in the store within 0.05 seconds")
            assert 0.05 <= made.waited_seconds < 5.0
            assert rec.audit("repo.push", wait=True, timeout=0).state == "spooled"
    finally:
        keeper.close()


def test_what_could_not_be_recorded_has_failed_and_nobody_is_kept_waiting(caplog: pytest.LogCaptureFixture) -> None:
    rec = MemoryRecorder()
    rec.memory.trouble = "disk_full"
    with caplog.at_level(logging.WARNING, "flightlog.recorder"):
        made = rec.audit("repo.push", wait=True)
    assert (made.state, made.reason, made.is_stored) == ("failed", "disk_full", False)
    assert "failed" in caplog.text
    with pytest.raises(AuditNotStored, match="failed: disk_full"):
        rec.audit("repo.push", strict=True)
    rec.memory.trouble = None
    assert rec.audit("repo.push", wait=True).state == "stored"


def test_over_http_the_server_is_asked(tmp_path: Path) -> None:
    with (
        open_services(tmp_path / "flight") as services,
        Server(services) as server,
        flightlog.open(server.url, spool_dir=tmp_path / "spool") as rec,
    ):
        assert rec.audit("repo.push", wait=True, timeout=PATIENT).state == "stored"
        assert rec.audit("repo.push", run_id="nobody", wait=True, timeout=PATIENT).state == "orphaned"


def test_over_http_without_a_server_it_is_spooled_and_says_why(tmp_path: Path) -> None:
    with flightlog.open("http://127.0.0.1:9", spool_dir=tmp_path) as rec:
        made = rec.audit("repo.push", wait=True, timeout=0.3)
        assert made.state == "spooled"
        rec.close(timeout=0)


def test_many_threads_wait_at_once(tmp_path: Path) -> None:
    found: list[str] = []
    with flightlog.open(tmp_path) as rec:

        def work(number: int) -> None:
            for turn in range(5):
                made = rec.audit("repo.push", subject_id=f"{number}-{turn}", wait=True, timeout=PATIENT)
                found.append(made.state)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENT)
    assert found == ["stored"] * 40
