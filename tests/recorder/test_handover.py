"""Handing the writer's lock from a host's recorder to a process whose job it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flightlog.errors import WriterLocked
from flightlog.recorder.drain import Drain
from flightlog.recorder.handover import REQUEST_SECONDS_MAX, WANTED_FILE, is_wanted, take_over
from tests.recorder.spools import SETTINGS, ListSink, body, writer


def test_a_free_lock_is_taken_without_asking(tmp_path: Path) -> None:
    assert take_over(tmp_path, lambda: "taken") == "taken"
    assert not (tmp_path / WANTED_FILE).exists()


def test_a_holder_that_keeps_the_lock_is_reported_and_the_request_withdrawn(tmp_path: Path) -> None:
    def take() -> None:
        raise WriterLocked(pid=7, folder=str(tmp_path))

    with pytest.raises(WriterLocked, match="pid 7"):
        take_over(tmp_path, take, seconds=0.05)
    assert not is_wanted(tmp_path)


def test_while_it_asks_the_request_is_there_to_see(tmp_path: Path) -> None:
    seen = []

    def take() -> str:
        seen.append(is_wanted(tmp_path))
        if len(seen) < 3:
            raise WriterLocked(pid=7, folder=str(tmp_path))
        return "taken"

    assert take_over(tmp_path, take) == "taken"
    assert seen == [False, True, True]


def test_a_request_that_somebody_left_behind_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / WANTED_FILE).touch()
    old = (tmp_path / WANTED_FILE).stat().st_mtime - REQUEST_SECONDS_MAX - 1
    os.utime(tmp_path / WANTED_FILE, (old, old))
    assert not is_wanted(tmp_path)


def test_a_drain_that_gives_way_lets_go_of_its_sink_and_takes_its_turn_again(tmp_path: Path) -> None:
    asked: list[bool] = []
    sink = ListSink()
    carrier = Drain(tmp_path / "spool", lambda: sink, SETTINGS, gives_way=lambda: bool(asked))
    spool = writer(tmp_path / "spool")
    spool.append(body(1), "info", "r1", 1)
    assert carrier.drain_once() == 1
    asked.append(True)
    with pytest.raises(WriterLocked):
        carrier.drain_once()
    assert sink.closed
    asked.clear()
    spool.append(body(2), "info", "r1", 2)
    assert carrier.drain_once() == 1
    assert sink.notes() == ["e1", "e2"]
