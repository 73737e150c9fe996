"""The appending end of the spool: what it keeps, what it drops, and that it counts what it drops."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from flightlog.clock import FakeClock
from flightlog.recorder import segment
from flightlog.recorder.health import DROPPING, OK, SHED_DEBUG, SHED_INFO
from flightlog.recorder.spool import SpoolWriter
from flightlog.recorder.state import look_at_producer
from tests.recorder.spools import body, writer


def records(folder: Path) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for path in sorted(folder.glob("*.seg")):
        fd = os.open(path, os.O_RDONLY)
        found += segment.read_chunk(fd, 0, bytes_max=1 << 26, records_max=10**6).records
        os.close(fd)
    return found


def append(spool: SpoolWriter, *numbers: int, level: str = "info", run_id: str = "r1") -> list[bool]:
    return [spool.append(body(number), level, run_id, number) for number in numbers]


def test_an_appended_event_can_be_read_by_another_process_at_once(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    assert append(spool, 1, 2, 3) == [True, True, True]
    assert records(tmp_path) == [(1, body(1)), (2, body(2)), (3, body(3))]


def test_nothing_is_created_before_the_first_event(tmp_path: Path) -> None:
    writer(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    append(writer(tmp_path / "spool"), 1)
    assert oct((tmp_path / "spool").stat().st_mode)[-3:] == "700"
    assert {oct(path.stat().st_mode)[-3:] for path in (tmp_path / "spool").iterdir()} == {"600"}


def test_a_full_segment_is_closed_and_the_next_one_started(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_segment_bytes_max=300)
    append(spool, *range(1, 11))
    assert len(list(tmp_path.glob("*.seg"))) > 2
    assert records(tmp_path) == [(number, body(number)) for number in range(1, 11)]


def test_eight_threads_lose_nothing_and_number_everything_once(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_segment_bytes_max=20_000, spool_wait_ms_max=5_000)
    threads = [
        threading.Thread(target=lambda start=start: append(spool, *range(start, start + 500)))
        for start in range(0, 4000, 500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records(tmp_path)
    assert sorted(record[1] for record in found) == sorted(body(number) for number in range(4000))
    assert [record[0] for record in found] == list(range(1, 4001))


def test_at_the_size_cap_events_are_dropped_and_counted_exactly(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=2_000)
    kept = append(spool, *range(100))
    assert 5 < sum(kept) < 20
    assert spool.tally.total == 100 - sum(kept)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= 2_000
    assert spool.rung == DROPPING


def test_debug_is_shed_before_info_and_errors_last(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = writer(tmp_path, clock=clock, spool_bytes_max=40_000)
    seen: dict[int, set[str]] = {}
    for number in range(2_000):
        clock.advance(1)
        for level in ("debug", "info", "error"):
            rung = spool.rung
            if spool.append(body(number), level, "r1", number):
                seen.setdefault(rung, set()).add(level)
        if spool.rung == DROPPING:
            break
    assert seen[OK] == {"debug", "info", "error"}
    assert seen[SHED_DEBUG] == {"info", "error"}
    assert seen[SHED_INFO] == {"error"}
    assert set(spool.tally.by_reason) >= {"shed_debug", "shed_info"}


def test_after_room_returns_the_loss_is_in_the_stream_before_the_next_event(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = writer(tmp_path, clock=clock, spool_bytes_max=2_000)
    kept = append(spool, *range(100))
    lost = 100 - sum(kept)
    for path in tmp_path.glob("*.seg"):
        (fd := os.open(path, os.O_RDWR), os.pwrite(fd, segment.DELIVERED, segment.STATE_OFFSET), os.close(fd))
        path.unlink()
    clock.advance(5)
    spool.cut()
    spool.tend()
    append(spool, 500)
    found = records(tmp_path)
    assert b'"count":' + str(lost).encode() in found[0][1]
    assert found[0][0] == sum(kept) + lost + 1
    assert found[1] == (found[0][0] + 1, body(500))
    assert not spool.tally


def test_a_crashed_producer_leaves_its_unreported_losses_behind(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=2_000)
    kept = append(spool, *range(100))
    assert spool._state is not None
    spool._state.close()  # as the kernel does when the process is killed
    spool._state = None
    alive, state = look_at_producer(tmp_path, "p1")
    assert not alive
    assert state is not None
    assert [(loss.reason, loss.run_id, loss.count) for loss in state.losses] == [("spool_full", "r1", 100 - sum(kept))]


def test_a_living_producer_is_known_by_its_lock(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    append(spool, 1)
    assert look_at_producer(tmp_path, "p1") == (True, None)
    spool.close()
    assert look_at_producer(tmp_path, "p1")[0] is False
    assert look_at_producer(tmp_path, "never-seen") == (False, None)


def test_losses_are_counted_for_each_run(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=500)
    append(spool, *range(10), run_id="r1")
    append(spool, *range(10, 14), run_id="r2")
    counts = {loss.run_id: loss.count for loss in spool.tally.losses()}
    assert counts["r2"] == 4
    assert spool.tally.total == sum(counts.values())


def test_a_folder_that_can_not_be_made_drops_and_recovers_by_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    clock = FakeClock()
    spool = writer(tmp_path / "file" / "spool", clock=clock)
    assert append(spool, 1, 2) == [False, False]
    assert spool.trouble == "spool_unwritable"
    (tmp_path / "file").unlink()
    clock.advance(1)
    assert append(spool, 3) == [True]
    assert spool.trouble is None
    assert [seq for seq, _ in records(tmp_path / "file" / "spool")] == [3, 4]


def test_a_deleted_folder_is_written_again_without_loss(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = writer(folder, spool_segment_bytes_max=600)
    append(spool, *range(1, 21))
    shutil.rmtree(folder)
    append(spool, 21)
    spool.tend()
    append(spool, 22)
    assert [data for _, data in records(folder)] == [body(number) for number in range(1, 23)]
    assert [seq for seq, _ in records(folder)] == list(range(1, 23))
    assert (folder / "p1.state").exists()


def test_a_delivered_segment_is_let_go_and_not_written_again(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    append(spool, 1)
    spool.cut()
    assert not spool.delivered()
    (path,) = tmp_path.glob("*.seg")
    (fd := os.open(path, os.O_RDWR), os.pwrite(fd, segment.DELIVERED, segment.STATE_OFFSET), os.close(fd))
    path.unlink()
    assert spool.delivered()
    spool.tend()
    assert records(tmp_path) == []


def test_a_thread_that_finds_the_spool_stalled_drops_after_a_moment_and_counts(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_wait_ms_max=5)
    append(spool, 1)
    with spool._lock:
        assert append(spool, 2, 3) == [False, False]
    assert spool.tally.by_reason == {"spool_stalled": 2}
    append(spool, 4)
    assert [seq for seq, _ in records(tmp_path)] == [1, 4, 5]


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = writer(tmp_path, clock=clock)
    append(spool, 1)
    clock.jump(-3600)
    append(spool, 2)
    spool.tend()
    assert len(records(tmp_path)) == 2


def test_closing_twice_is_safe_and_the_last_number_is_in_the_file(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    append(spool, 1, 2)
    spool.close()
    spool.close()
    (path,) = tmp_path.glob("*.seg")
    fd = os.open(path, os.O_RDONLY)
    assert segment.read_chunk(fd, 0, bytes_max=1 << 20, records_max=10).closed_at == 2
