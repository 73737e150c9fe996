"""From the spool into a sink: everything, once, in order, with every gap said aloud."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.errors import StoreUnavailable, WriterLocked
from flightlog.recorder.drain import Drain
from flightlog.recorder.segment import HEAD_BYTES, HEADER, frame
from tests.recorder.spools import SETTINGS, ListSink, body, drain, drain_all, writer


def fill(folder: Path, *numbers: int, producer_id: str = "p1", close: bool = True, **settings: int) -> None:
    spool = writer(folder, producer_id, **settings)
    for number in numbers:
        spool.append(body(number), "info", "r1", number)
    if close:
        spool.close()


def test_a_closed_producer_is_delivered_in_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    fill(tmp_path, *range(1, 51), spool_segment_bytes_max=500)
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == [f"e{number}" for number in range(1, 51)]
    assert [event.seq for event in sink.events.values()] == list(range(1, 51))
    assert list(tmp_path.iterdir()) == []
    assert sink.positions == {}
    assert sink.lost() == {}


def test_a_living_producer_keeps_its_open_segment(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(body(1), "info", "r1", 1)
    sink = ListSink()
    carrier = drain(tmp_path, sink)
    drain_all(carrier)
    assert sink.notes() == ["e1"]
    assert len(list(tmp_path.glob("*.seg"))) == 1
    spool.append(body(2), "info", "r1", 2)
    drain_all(carrier)
    assert sink.notes() == ["e1", "e2"]


def test_batches_respect_their_limit(tmp_path: Path) -> None:
    fill(tmp_path, *range(1, 101))
    sink = ListSink()
    drain_all(drain(tmp_path, sink, drain_batch_events_max=10))
    assert len(sink.notes()) == 100
    assert sink.batches >= 10


def test_a_sink_that_fails_gets_the_same_events_again(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3)
    sink = ListSink()
    sink.broken = True
    carrier = drain(tmp_path, sink)
    with pytest.raises(StoreUnavailable):
        carrier.drain_once()
    assert len(list(tmp_path.glob("*.seg"))) == 1
    sink.broken = False
    drain_all(carrier)
    assert sink.notes() == ["e1", "e2", "e3"]


def test_another_process_goes_on_from_the_position_that_was_kept(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    for number in range(1, 11):
        spool.append(body(number), "info", "r1", number)
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    spool.append(body(11), "info", "r1", 11)
    sink.events.clear()
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == ["e11"]


def test_the_torn_tail_of_a_dead_producer_is_left_out_and_is_no_loss(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3)
    (path,) = tmp_path.glob("*.seg")
    path.write_bytes(path.read_bytes()[: -HEAD_BYTES - 7])
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == ["e1", "e2"]
    assert sink.lost() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "last"), [(1, 1), (4, 4), (4, 9), (10, 10)])
def test_a_damaged_stretch_is_counted_exactly_and_the_rest_is_kept(tmp_path: Path, first: int, last: int) -> None:
    fill(tmp_path, *range(1, 11))
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    at = len(HEADER)
    for number in range(1, 11):
        size = len(frame(number, body(number)))
        if first <= number <= last:
            data[at : at + size] = bytes(size)
        at += size
    path.write_bytes(bytes(data))
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == [f"e{number}" for number in range(1, 11) if not first <= number <= last]
    assert sink.lost() == {"spool_corrupt": last - first + 1}
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_somebody_removed_is_a_gap(tmp_path: Path) -> None:
    fill(tmp_path, *range(1, 31), spool_segment_bytes_max=500)
    paths = sorted(tmp_path.glob("*.seg"))
    first = {record for record in range(1, 31) if body(record) in paths[0].read_bytes()}
    second = {record for record in range(1, 31) if body(record) in paths[1].read_bytes()}
    paths[1].unlink()
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.lost() == {"gap": len(second)}
    assert set(sink.notes()) == {f"e{number}" for number in set(range(1, 31)) - second}
    assert first


def test_losses_that_the_producer_reported_are_not_reported_twice(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=1_000)
    kept = [spool.append(body(number), "info", "r1", number) for number in range(50)]
    sink = ListSink()
    carrier = drain(tmp_path, sink)
    spool.cut()
    drain_all(carrier)
    spool.tend()
    assert spool.append(body(99), "info", "r1", 99)
    spool.close()
    drain_all(carrier)
    assert sink.lost() == {"spool_full": 50 - sum(kept)}
    assert list(tmp_path.iterdir()) == []


def test_losses_that_a_dead_producer_could_not_report_are_reported_for_it(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=1_000)
    kept = [spool.append(body(number), "info", "r1", number) for number in range(50)]
    os.close(spool._state.fd)  # as the kernel does when the process is killed
    spool._state = None
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    (lost,) = [event for event in sink.events.values() if event.type == "degraded"]
    assert lost.run_id == "r1"
    assert msgspec.json.decode(lost.payload)["count"] == 50 - sum(kept)
    assert list(tmp_path.iterdir()) == []


def test_a_crash_between_the_report_and_its_note_in_the_state_counts_nothing_twice(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=1_000)
    kept = [spool.append(body(number), "info", "r1", number) for number in range(50)]
    before = (tmp_path / "p1.state").read_bytes()
    sink = ListSink()
    carrier = drain(tmp_path, sink)
    spool.cut()
    drain_all(carrier)
    spool.tend()
    assert spool.append(body(99), "info", "r1", 99)
    spool.close()
    (tmp_path / "p1.state").write_bytes(before)  # as if the process had died right after its report
    drain_all(carrier)
    assert sink.lost() == {"spool_full": 50 - sum(kept)}


def test_reporting_for_the_dead_is_repeated_word_for_word_after_a_crash_of_the_drain(tmp_path: Path) -> None:
    spool = writer(tmp_path, spool_bytes_max=1_000)
    for number in range(50):
        spool.append(body(number), "info", "r1", number)
    os.close(spool._state.fd)
    spool._state = None
    state = (tmp_path / "p1.state").read_bytes()
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    first = dict(sink.events)
    (tmp_path / "p1.state").write_bytes(state)
    (tmp_path / "p1.00000001.seg").write_bytes(HEADER)
    drain_all(drain(tmp_path, sink))
    assert [event.event_id for event in sink.events.values() if event.type == "degraded"] == [
        event.event_id for event in first.values() if event.type == "degraded"
    ]


def test_a_refused_event_is_kept_aside_and_said_and_does_not_stop_its_neighbours(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3)
    sink = ListSink()
    sink.refuse = {"e2"}
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == ["e1", "e3"]
    assert sink.lost() == {"rejected": 1}
    assert b'"e2"' in (tmp_path / "quarantine" / "p1.jsonl").read_bytes()


def test_bytes_that_are_no_event_are_kept_aside_and_said(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(b'{"not": "an event"}', "info", "r1", 1)
    spool.append(body(2), "info", "r1", 2)
    spool.close()
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.notes() == ["e2"]
    assert sink.lost() == {"undecodable": 1}
    assert b'{"not": "an event"}' in (tmp_path / "quarantine" / "p1.jsonl").read_bytes()


def test_while_another_process_drains_this_one_waits_for_its_turn(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    sink = ListSink()
    held = [True]

    def open_sink() -> ListSink:
        if held:
            raise WriterLocked(pid=1, folder=str(tmp_path))
        return sink

    carrier = Drain(tmp_path, open_sink, SETTINGS)
    with pytest.raises(WriterLocked):
        carrier.drain_once()
    held.clear()
    drain_all(carrier)
    assert sink.notes() == ["e1"]


def test_the_thread_drains_by_itself_and_stops_when_told(tmp_path: Path) -> None:
    sink = ListSink()
    carrier = Drain(tmp_path, lambda: sink, SETTINGS)
    carrier.start()
    fill(tmp_path, 1, 2, 3)
    with carrier.progress:
        assert carrier.progress.wait_for(lambda: sink.notes() == ["e1", "e2", "e3"], timeout=10)
    carrier.stop()
    carrier.stop()
    assert sink.closed


def test_many_producers_are_delivered_each_in_its_own_order(tmp_path: Path) -> None:
    for producer in range(5):
        fill(
            tmp_path,
            *range(producer * 100, producer * 100 + 20),
            producer_id=f"p{producer}",
            spool_segment_bytes_max=400,
        )
    sink = ListSink()
    drain_all(drain(tmp_path, sink))
    assert sink.lost() == {}
    for producer in range(5):
        mine = [event.seq for event in sink.events.values() if event.producer_id == f"p{producer}"]
        assert mine == list(range(1, 21))


def test_inside_a_host_the_drain_is_unhurried_until_somebody_waits_or_the_spool_fills_up(tmp_path: Path) -> None:
    fill(tmp_path, *range(1, 400))
    sink = ListSink()
    guest = Drain(tmp_path, lambda: sink, Settings(), share_max=0.1)
    guest.drain_once()
    assert len(sink.events) == 100
    guest.hurry(60)
    guest.drain_once()
    assert len(sink.events) == 399
    (tmp_path / "more").mkdir()
    fill(tmp_path / "more", *range(1, 400))
    pressed = Drain(tmp_path / "more", lambda: sink, Settings(spool_bytes_max=100_000), share_max=0.1)
    sink.events.clear()
    pressed.drain_once()
    assert len(sink.events) == 399
