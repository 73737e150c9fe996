"""Erasure: not a byte of a payload is left in any file, what happened stays provable, and who erased it and why is told."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.erasure.spool import overwrite_in_spool
from flightlog.errors import FilterInvalid, StoreBusy
from flightlog.events.envelope import FLAG_ERASED
from flightlog.journal import index
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import get_event_at, read_events
from flightlog.keeping import keeper_eraser, say_erased
from flightlog.recorder.segment import read_chunk
from flightlog.seal.verify import verify_store
from flightlog.wiring import SEAL_FOLDER, Keeper, keeper_seal, seal_keys
from tests.cli.terminal import flightlog
from tests.contract.making import event

SECRET = "ada lovelace born 1815 keeps the difference engine"  # what must not be found any more
WORD = "difference"


def words(number: int) -> dict[str, object]:
    return {"text": f"{SECRET} number {number}", "padding": "x" * 900, "more": f"{number} engine {SECRET[::-1]}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flight"


@pytest.fixture
def keeper(folder: Path) -> Iterator[Keeper]:
    made = Keeper(folder, Settings(), writable=True)
    yield made
    made.close()


def record(keeper: Keeper, count: int = 300) -> None:
    """Events of two runs by turns; only those of the run `gone` hold the secret."""
    events = [
        event(
            number, run_id="gone" if number % 2 else "stays", payload=words(number) if number % 2 else {"text": "fine"}
        )
        for number in range(1, count + 1)
    ]
    call = {"model": "m", "messages": [{"role": "user", "content": SECRET}]}
    answer = {"model": "m", "message": {"role": "assistant", "content": SECRET[::-1]}}
    events.append(event(count + 1, "llm_request", run_id="gone", correlation_id="c", payload=call))
    events.append(event(count + 2, "llm_response", run_id="gone", correlation_id="c", payload=answer))
    opinion = {"target_id": "gone", "kind": "comment", "value": SECRET, "comment": SECRET}
    events.append(event(count + 3, "feedback", run_id="gone", payload=opinion))
    done = {"operation": "person.looked_up", "subject_type": "person", "subject_id": SECRET[:40]}
    events.append(event(count + 4, "audit", run_id="gone", payload=done))
    keeper.journal.append(events)


def seal(keeper: Keeper) -> None:
    thread = keeper_seal(keeper)
    thread.start()
    thread.stop(timeout=60)
    assert thread.health().error is None


def erase(keeper: Keeper, **wanted: str) -> object:
    return keeper_eraser(keeper).erase(
        EventFilter(**wanted), selection=dict(wanted), reason="she asked for it", say=say_erased(keeper, "ann")
    )


def files_with(folder: Path, text: str) -> list[str]:
    """grep -rl, over every byte of every file."""
    wanted = [text.encode(), text[::-1].encode()]
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(piece in path.read_bytes() for piece in wanted)
    ]


def test_not_a_byte_of_it_is_left_in_any_file_and_the_seal_still_adds_up(keeper: Keeper, folder: Path) -> None:
    index.build(keeper.store)
    record(keeper)
    seal(keeper)
    assert "flightlog.db-wal" in files_with(folder, SECRET) or "flightlog.db" in files_with(folder, SECRET)
    done = erase(keeper, run_id="gone")
    assert done.events == 154  # type: ignore[attr-defined]
    assert files_with(folder, SECRET) == []
    seal(keeper)
    report = verify_store(keeper.store, folder / SEAL_FOLDER, seal_keys(folder, keeper.settings))
    assert (report.findings, report.erased) == ([], 154)
    assert files_with(folder, SECRET) == []


def test_words_of_it_are_found_by_no_search_and_stand_in_no_page_of_the_index(keeper: Keeper, folder: Path) -> None:
    index.build(keeper.store)
    record(keeper)
    assert read_events(keeper.store, EventFilter(text=WORD)).events
    erase(keeper, run_id="gone")
    assert read_events(keeper.store, EventFilter(text=WORD)).events == []
    assert read_events(keeper.store, EventFilter(text="fine")).events
    assert files_with(folder, WORD) == []


def test_the_envelope_stays_and_says_that_the_payload_was_erased(keeper: Keeper) -> None:
    record(keeper, 3)
    before = get_event_at(keeper.store, 1)
    erase(keeper, run_id="gone")
    after = get_event_at(keeper.store, 1)
    assert after.flags == before.flags | FLAG_ERASED
    assert (bytes(after.payload), after.payload_bytes, after.payload_digest) == (b"{}", 0, f"sha256:{'0' * 64}")
    same = ("event_id", "type", "created_at", "run_id", "name", "actor", "received_at")
    assert all(getattr(before, name) == getattr(after, name) for name in same)
    assert not get_event_at(keeper.store, 2).flags & FLAG_ERASED


def test_who_erased_what_and_why_is_an_event_that_no_erasure_takes_away(keeper: Keeper) -> None:
    record(keeper, 3)
    erase(keeper, run_id="gone")
    told = read_events(keeper.store, EventFilter(types=("audit",), name="payloads.erase")).events
    details = msgspec.json.decode(told[0].payload)["details"]
    assert (told[0].actor, details["reason"], details["run_id"]) == ("ann", "she asked for it", "gone")
    assert (details["events"], details["ids"]) == (6, [[1, 1], [3, 7]])
    erase(keeper, types=("audit",))  # type: ignore[arg-type]
    assert msgspec.json.decode(get_event_at(keeper.store, told[0].id).payload)["details"] == details


def test_doing_it_again_does_nothing(keeper: Keeper) -> None:
    record(keeper, 3)
    erase(keeper, run_id="gone")
    head = read_events(keeper.store, backwards=True).events[-1].id
    assert erase(keeper, run_id="gone").events == 0  # type: ignore[attr-defined]
    assert read_events(keeper.store, backwards=True).events[-1].id == head


def test_a_late_delivery_does_not_bring_it_back(keeper: Keeper, folder: Path) -> None:
    record(keeper, 3)
    erase(keeper, run_id="gone")
    again = keeper.journal.append([event(1, run_id="gone", payload=words(1))], rejects="return")
    assert (again.duplicates, again.rejected) == (1, [])
    keeper.store.scrub()
    assert files_with(folder, SECRET) == []


def test_an_event_that_is_erased_before_it_is_sealed_is_erased_and_no_finding(keeper: Keeper, folder: Path) -> None:
    record(keeper)
    erase(keeper, run_id="gone")
    seal(keeper)
    report = verify_store(keeper.store, folder / SEAL_FOLDER, seal_keys(folder, keeper.settings))
    assert (report.findings, report.erased) == ([], 154)


def test_previews_and_comments_go_and_counts_stay(keeper: Keeper) -> None:
    record(keeper, 3)
    erase(keeper, run_id="gone")
    with keeper.store.read() as connection:
        previews = connection.exec_driver_sql("SELECT input_preview, output_preview, model FROM generations").all()
        opinions = connection.exec_driver_sql("SELECT comment, value_text, kind FROM feedback").all()
        audited = connection.exec_driver_sql("SELECT subject_id, operation FROM audits WHERE run_id = 'gone'").all()
    assert previews == [(None, None, "m")]
    assert opinions == [(None, None, "comment")]
    assert audited == [(None, "person.looked_up")]


def test_killed_between_two_batches_it_is_done_by_doing_it_again(
    keeper: Keeper, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.erasure.erase.BATCH_EVENTS", 50)
    record(keeper)
    calls = []

    def refuse(*args: object) -> int:
        calls.append(args)
        if len(calls) == 3:
            raise StoreBusy(timeout_seconds=5)
        return say_erased(keeper, "ann")(*args)  # type: ignore[arg-type]

    eraser = keeper_eraser(keeper)
    with pytest.raises(StoreBusy):
        eraser.erase(EventFilter(run_id="gone"), selection={}, reason="r", say=refuse)
    assert eraser.count(EventFilter(run_id="gone")) == 54
    erase(keeper, run_id="gone")
    assert files_with(folder, SECRET) == []
    seal(keeper)
    assert verify_store(keeper.store, folder / SEAL_FOLDER, seal_keys(folder, keeper.settings)).ok


def test_what_a_living_recorder_has_in_its_segment_is_written_over_in_place(folder: Path) -> None:
    recorder = wiring.open(folder, drain=False)
    with recorder.run("gone", run_id="gone") as run:
        for number in range(20):
            run.emit("note", words(number))
    with recorder.run("stays", run_id="stays") as run:
        run.emit("note", {"text": "fine"})
    assert any(name.startswith("spool/") for name in files_with(folder, SECRET))
    keeper = Keeper(folder, Settings(), writable=True)
    carrier = wiring.keeper_drain(keeper)
    while carrier.drain_once():
        pass
    carrier.stop()
    done = erase(keeper, run_id="gone")
    assert done.spooled == 22 - 1  # type: ignore[attr-defined]  # the notes and the run's start; its end has no payload
    assert files_with(folder, SECRET) == []
    # The recorder goes on in the same segment, and the drain after it.
    with recorder.run("later", run_id="later") as run:
        run.emit("note", {"text": "after"})
    recorder.close()
    carrier = wiring.keeper_drain(keeper)
    while carrier.drain_once():
        pass
    carrier.stop()
    assert len(read_events(keeper.store, EventFilter(run_id="later")).events) == 3
    assert not read_events(keeper.store, EventFilter(types=("degraded",))).events
    keeper.close()


def test_records_that_were_written_over_are_whole_and_as_long_as_before(folder: Path) -> None:
    recorder = wiring.open(folder, drain=False)
    ids = {recorder.emit("note", words(number)) for number in range(5)}
    recorder.close()
    (path,) = (folder / "spool").glob("*.seg")
    before = path.stat().st_size
    assert overwrite_in_spool(folder / "spool", ids) == 5
    assert path.stat().st_size == before
    with path.open("rb") as file:
        chunk = read_chunk(file.fileno(), 0, bytes_max=1 << 20, records_max=100)
    assert (len(chunk.records), chunk.damages) == (5, [])
    assert overwrite_in_spool(folder / "spool", ids) == 0


def test_a_text_that_is_looked_for_chooses_nothing(keeper: Keeper) -> None:
    with pytest.raises(FilterInvalid, match="chosen by fields"):
        keeper_eraser(keeper).count(EventFilter(text=SECRET))


def test_the_command_says_what_would_go_asks_why_and_erases(folder: Path, tmp_path: Path) -> None:
    keeper = Keeper(folder, Settings(), writable=True)
    record(keeper)
    seal(keeper)
    keeper.close()
    assert "154 payloads would be erased" in flightlog("erase", "gone", "--dir", folder).out
    assert "say whose payloads" in flightlog("erase", "--dir", folder).err
    assert "say why" in flightlog("erase", "gone", "--yes", "--dir", folder).err
    assert files_with(folder, SECRET)
    said = flightlog("erase", "gone", "--yes", "--reason", "request 17", "--dir", folder)
    assert said.code == 0, said.err
    assert "154 payloads erased; nothing of them is left" in said.out
    assert files_with(folder, SECRET) == []
    assert flightlog("erase", "--where", "run:stays -type:audit", "--yes", "--reason", "r", "--dir", folder).code == 0


def test_a_bundle_holds_the_erasure_that_explains_it(folder: Path, tmp_path: Path) -> None:
    keeper = Keeper(folder, Settings(), writable=True)
    record(keeper)
    seal(keeper)
    erase(keeper, run_id="gone")
    seal(keeper)
    keeper.close()
    out = tmp_path / "gone.zip"
    assert flightlog("export", "evidence", "gone", "--dir", folder, "--out", out).code == 0
    with zipfile.ZipFile(out) as archive:
        lines = [msgspec.json.decode(line) for line in archive.read("events.jsonl").splitlines()]
        report = archive.read("report.md").decode()
    assert [line["name"] for line in lines if line["type"] == "audit" and line["salt"]] == ["payloads.erase"]
    assert "Of 154 events the payload was erased" in report


def test_a_database_that_let_go_of_pages_before_is_written_anew(folder: Path) -> None:
    """Content in pages that were freed without being written over, as a tool without secure deletion leaves them."""
    keeper = Keeper(folder, Settings(), writable=True)
    record(keeper)
    keeper.close()
    other = sqlite3.connect(folder / "flightlog.db", isolation_level=None)
    other.execute("PRAGMA secure_delete = OFF")
    other.execute("CREATE TABLE copied AS SELECT * FROM event_payloads")
    other.execute("DROP TABLE copied")
    other.close()
    keeper = Keeper(folder, Settings(), writable=True)
    done = erase(keeper, run_id="gone")
    assert done.rewritten  # type: ignore[attr-defined]
    assert files_with(folder, SECRET) == []
    keeper.close()
