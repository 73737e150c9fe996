"""Erasure of archived payloads: files are written anew, and not a byte is left in database, log, archive, cache or spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.errors import EventsHeld
from flightlog.events.envelope import FLAG_ERASED
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import get_event_at, read_events
from flightlog.keeping import keeper_eraser, say_erased, say_retained
from flightlog.retention.holds import place, release
from flightlog.seal.verify import verify_store
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys
from tests.archive.reading import Archiving
from tests.erasure.test_erasure import SECRET, erase, files_with, record, seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flight"


@pytest.fixture
def keeper(folder: Path) -> Iterator[Keeper]:
    made = Keeper(folder, Settings(), writable=True)
    yield made
    made.close()


def payloads(keeper: Keeper) -> str:
    """Every payload that any reader gets, decoded: Parquet packs what it holds, so its bytes alone would prove little."""
    events = read_events(keeper.store, limit=1000, settings=Settings(page_events_max=1000)).events
    return "\n".join(bytes(event.payload).decode() for event in events)


@pytest.mark.parametrize(("until", "drop"), [(None, True), (150, True), (150, False)])
def test_not_a_byte_of_an_archived_payload_is_left(keeper: Keeper, folder: Path, until: int | None, drop: bool) -> None:
    record(keeper)
    seal(keeper)
    archiving = Archiving(keeper.store, folder, file_events=60)
    archiving.archive(until, drop=drop)
    before = {path: path.read_bytes() for path in (folder / "archive").rglob("*.parquet")}
    assert SECRET in payloads(keeper)
    done = erase(keeper, run_id="gone")
    assert done.events == 154  # type: ignore[attr-defined]
    assert SECRET not in payloads(keeper)
    assert SECRET[::-1] not in payloads(keeper)
    assert files_with(folder, SECRET) == []
    left = {path.read_bytes() for path in (folder / "archive").rglob("*.parquet")}
    assert not left & set(before.values())  # each held events of both runs
    assert not any(path.exists() for path in before)
    event = get_event_at(keeper.store, 1)
    assert (event.flags & FLAG_ERASED, event.payload_bytes, event.payload_digest) == (
        FLAG_ERASED,
        0,
        f"sha256:{'0' * 64}",
    )
    assert "fine" in bytes(get_event_at(keeper.store, 2).payload).decode()
    seal(keeper)
    report = verify_store(keeper.store, folder / SEAL_FOLDER, seal_keys(folder, keeper.settings))
    assert (report.findings, report.erased) == ([], 154)
    assert erase(keeper, run_id="gone").events == 0  # type: ignore[attr-defined]


def test_what_is_held_is_not_erased_before_its_release(keeper: Keeper, folder: Path) -> None:
    record(keeper, 3)
    seal(keeper)
    Archiving(keeper.store, folder).archive(2)
    say = say_retained(keeper, "ann")
    wanted = EventFilter(run_id="gone", types=("feedback",))
    keeper.store.write(
        lambda tx: place(tx, "h1", wanted, {"run": "gone"}, reason="a claim", actor="ann", now_ns=1, say=say)
    )
    with pytest.raises(EventsHeld, match="1 of these events are under the legal hold h1 \\(a claim\\)"):
        erase(keeper, run_id="gone")
    assert SECRET in payloads(keeper)
    assert keeper_eraser(keeper).count(EventFilter(run_id="gone")) == 6
    keeper.store.write(lambda tx: release(tx, "h1", reason="settled", actor="ann", now_ns=2, say=say))
    assert erase(keeper, run_id="gone").events == 6  # type: ignore[attr-defined]


def test_what_retention_and_holds_said_is_never_erased(keeper: Keeper) -> None:
    say = say_retained(keeper, "ann")
    keeper.store.write(
        lambda tx: place(tx, "h1", EventFilter(run_id="x"), {"run": "x"}, reason="r", actor="ann", now_ns=1, say=say)
    )
    keeper.store.write(lambda tx: release(tx, "h1", reason="r", actor="ann", now_ns=2, say=say))
    assert say_erased
    assert erase(keeper, types=("audit",)).events == 0  # type: ignore[arg-type, attr-defined]
