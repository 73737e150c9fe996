"""Files that are merged, written anew and dropped: what they hold stays the same but for what was to go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.archive.archiver import Passed
from flightlog.archive.commit import Overtaken, drop_files, mark_stale
from flightlog.archive.compact import compact, merge, wanted
from flightlog.archive.rewrite import Rewritten, rewrite_file
from flightlog.archive.work import Done, Job, do
from flightlog.journal.rows import ERASED_DIGEST
from flightlog.store.contract import Tx
from tests.archive.journal import everything
from tests.archive.keeping import NAMES, Kept
from tests.contract.making import event

DAY_SECONDS = 86_400


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "flight", archive_file_events_max=200)
    yield made
    made.close()


def _in_small_files(kept: Kept, events: list[Any], size: int = 25) -> None:
    for start in range(0, len(events), size):
        kept.journal.append(events[start : start + size])
        kept.archive()


def test_many_small_files_become_few_with_the_same_rows(kept: Kept) -> None:
    events = everything()
    _in_small_files(kept, events)
    before, small = kept.archived(), kept.files()
    done = compact(kept.place, kept.settings, do)
    assert kept.archived() == before
    assert len(kept.files()) < len(small) / 4
    assert done.files > 8
    assert max(file.events for file in kept.files()) <= 200
    assert kept.place.sweep().gone == done.files
    assert kept.objects() == {file.path for file in kept.files()}
    assert compact(kept.place, kept.settings, do).files == 0, "what was merged is not merged again"


def test_a_few_small_files_are_merged_when_nothing_more_comes(kept: Kept) -> None:
    _in_small_files(kept, [event(number) for number in range(1, 31)], 10)
    with kept.store.read() as connection:
        assert wanted(connection, kept.settings, kept.clock.now_ns()) == []
        assert len(wanted(connection, kept.settings, kept.clock.now_ns(), everything=True)) == 1
        assert len(wanted(connection, kept.settings, kept.clock.now_ns() + DAY_SECONDS * 10**9)) == 1


def test_typed_columns_of_stale_files_are_written_anew(kept: Kept) -> None:
    from flightlog.archive.files import decode

    _in_small_files(kept, everything(), 200)

    def costs() -> set[int | None]:
        return {
            cost
            for file in kept.files()
            for cost in decode(file.path, kept.place.objects.read(file.path))["cost_nano_usd"].to_pylist()
        }

    before = kept.archived()
    assert 77 not in costs()
    kept.store.write(lambda tx: tx.driver.execute("UPDATE generations SET cost_nano_usd = 77") and None)
    assert kept.store.write(mark_stale) == len(kept.files())
    compact(kept.place, kept.settings, do)
    assert costs() == {None, 77}
    assert kept.archived() == before
    assert not any(file.stale for file in kept.files())


def test_a_file_that_becomes_stale_while_it_is_merged_stays_so(tmp_path: Path) -> None:
    def priced_meanwhile(job: Job) -> Iterator[Done]:
        for done in do(job):
            if job.sources:
                kept.store.write(mark_stale)
            yield done

    kept = Kept(tmp_path / "flight", priced_meanwhile)
    _in_small_files(kept, [event(number) for number in range(1, 31)], 10)
    merge(kept.place, kept.settings, priced_meanwhile, kept.files())
    assert [file.stale for file in kept.files()] == [1]
    kept.close()


def test_files_that_are_gone_meanwhile_are_not_merged(kept: Kept) -> None:
    _in_small_files(kept, [event(number) for number in range(1, 31)], 10)
    found = kept.files()
    kept.store.write(lambda tx: drop_files(tx, [found[0].file_id], 0))
    assert merge(kept.place, kept.settings, do, found).files == 0
    kept.place.sweep()
    assert kept.objects() == {file.path for file in kept.files()} == {file.path for file in found[1:]}


def test_a_file_is_written_anew_without_some_events_and_with_some_blanked(kept: Kept) -> None:
    import pyarrow.compute as compute

    kept.journal.append([event(number) for number in range(1, 21)])
    kept.archive()
    (file,) = kept.files()
    before = kept.archived()
    told: list[tuple[Rewritten, int]] = []

    def also(tx: Tx, done: Rewritten) -> None:
        told.append((done, tx.sql.exec_driver_sql("SELECT count(*) FROM archive_files").scalar_one()))

    done = rewrite_file(
        kept.place,
        file,
        keep=lambda table: compute.greater(table["id"], 5),
        blank=lambda table: compute.is_in(table["event_id"], compute.cast(["e000007", "e000003"], "string")),
        work=also,
        at_once=True,
    )
    assert (done.removed, done.blanked) == ([1, 2, 3, 4, 5], [7])
    assert told == [(done, 1)]
    after = kept.archived()
    assert [row for row in after if row[0] != 7] == [row for row in before if row[0] > 5 and row[0] != 7]
    blank = dict(zip(NAMES, next(row for row in after if row[0] == 7), strict=True))
    assert (blank["payload"], blank["salt"], blank["payload_bytes"]) == (None, None, 0)
    assert blank["payload_digest"] == ERASED_DIGEST
    assert kept.objects() == {made.path for made in kept.files()}, "the old object is gone at once"
    with pytest.raises(Overtaken):
        rewrite_file(kept.place, file._replace(path=kept.files()[0].path, digest=kept.files()[0].digest), keep=_none)
    assert len(kept.objects()) == 1


def _none(table: Any) -> Any:
    return [False] * len(table)


def test_a_file_of_which_nothing_is_left_is_no_file(kept: Kept) -> None:
    kept.journal.append([event(number) for number in range(1, 6)])
    kept.archive()
    done = rewrite_file(kept.place, kept.files()[0], keep=_none)
    assert (done.file, done.removed) == (None, [1, 2, 3, 4, 5])
    assert kept.files() == []
    assert kept.state().archived_until == 5
    kept.place.sweep()
    assert kept.objects() == set()


def test_where_the_callers_work_fails_nothing_changed(kept: Kept) -> None:
    kept.journal.append([event(number) for number in range(1, 6)])
    kept.archive()
    before = kept.archived()

    def refuse(tx: Tx, done: Rewritten) -> None:
        raise RuntimeError("a hold stands")

    with pytest.raises(RuntimeError):
        rewrite_file(kept.place, kept.files()[0], keep=_none, work=refuse)
    assert kept.archived() == before
    assert kept.objects() == {file.path for file in kept.files()}


def test_a_keeper_archives_merges_and_gives_space_back_step_by_step(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_after_seconds=3_600.0, archive_share_max=1.0)
    thread = kept.thread()
    for hour in range(10):
        kept.clock.now = hour * 3_600 * 10**9 + 1_700_000_000 * 10**9
        kept.journal.append([event(hour * 100 + number) for number in range(1, 101)])
        while thread.step():
            pass
    assert len(kept.files()) < 8, "small files were merged"
    rows = kept.archived() + kept.hot()
    assert [row[0] for row in rows] == list(range(1, 1_001))
    health = thread.health()
    assert (health.archived_id, health.dropped_id) == (health.archived_id, health.archived_id)
    assert health.hot_events == 1_000 - health.archived_id <= 200
    assert (health.files, health.lack, health.error) == (len(kept.files()), None, None)
    kept.close()


def test_a_folder_that_takes_more_than_it_may_archives_at_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_after_seconds=1e9, data_bytes_max=100_000)
    kept.journal.append([event(number, payload={"text": "x" * 3_000}) for number in range(1, 401)])
    thread = kept.thread()
    while thread.step():
        pass
    assert kept.hot() == []
    assert thread.health().lack == "quota", "the schema alone takes more than this"
    kept.close()


def test_the_reserve_is_kept_while_there_is_room_and_let_go_of_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flightlog.archive import disk

    kept = Kept(tmp_path / "flight", archive_after_seconds=1e9, reserve_bytes=4_000_000)
    thread = kept.thread()
    thread.step()
    assert thread.health().reserve == "none", "there is not that much room to be made yet"
    kept.journal.append([event(number, payload={"text": "x" * 45_000}) for number in range(1, 101)])
    thread.step()
    assert (kept.folder / "reserve").stat().st_size == 4_000_000
    assert (kept.folder / "reserve").stat().st_blocks * 512 >= 4_000_000
    assert len(kept.hot()) == 100
    with monkeypatch.context() as patch:
        patch.setattr(disk, "free_bytes", lambda folder: 1_000)
        thread.step()
        assert thread.health().reserve == "released"
        assert thread.health().lack == "disk"
    assert kept.hot() == []
    thread.step()
    assert thread.health().reserve == "held"
    kept.close()


def test_progress_is_told_range_by_range_and_can_end_it(kept: Kept) -> None:
    kept.journal.append([event(number) for number in range(1, 601)])
    told: list[Passed] = []

    def once(passed: Passed) -> bool:
        told.append(passed)
        return False

    kept.archiver.write(kept.archiver.due(everything=True), once)
    assert [passed.events for passed in told] == [200]
    assert kept.state().archived_until == 200
    kept.place.sweep()
    assert kept.objects() == {file.path for file in kept.files()}
