"""SIGKILL of whoever records, of whoever drains, and of both: what was acknowledged is in the journal, once."""

from __future__ import annotations

import random
from collections import Counter as Tally
from pathlib import Path

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.journal.read import EventFilter, read_events
from flightlog.wiring import Keeper, keeper_drain
from tests.crash.actors import Counter, actor, wait_until


class Number(msgspec.Struct):
    number: int


def numbers_in_store(folder: Path) -> dict[str, Tally[int]]:
    """Drain what is left, then count every note of every run in the journal."""
    keeper = Keeper(folder, Settings(), writable=True)
    carrier = keeper_drain(keeper)
    found: dict[str, Tally[int]] = {}
    try:
        quiet = 0
        while quiet < 3:
            quiet = 0 if carrier.drain_once() else quiet + 1
        after = 0
        while True:
            page = read_events(keeper.store, EventFilter(types=("note",)), after_id=after, limit=1_000)
            if not page.events:
                break
            for event in page.events:
                found.setdefault(str(event.run_id), Tally())[
                    msgspec.json.decode(event.payload, type=Number).number
                ] += 1
            after = page.events[-1].id
        lost = read_events(keeper.store, EventFilter(types=("degraded",)), limit=100).events
        assert not lost, [bytes(event.payload) for event in lost]
    finally:
        carrier.stop()
        keeper.close()
    assert not list((folder / "spool").glob("*.seg"))
    return found


def check(folder: Path, acknowledged: dict[str, int]) -> None:
    found = numbers_in_store(folder)
    for name, count in acknowledged.items():
        mine = found.get(name, Tally())
        missing = [number for number in range(count) if number not in mine]
        doubled = [number for number, times in mine.items() if times > 1]
        assert not missing, f"{name}: {len(missing)} of {count} acknowledged events are lost, such as {missing[:5]}"
        assert not doubled, f"{name}: {len(doubled)} events are there twice, such as {doubled[:5]}"


def campaign(rounds: int) -> object:
    return pytest.mark.parametrize(
        "rounds", [pytest.param(3, id="sample"), pytest.param(rounds, id="campaign", marks=pytest.mark.torture)]
    )


@campaign(20)
def test_killing_the_recording_process_loses_nothing_acknowledged(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(20)
    acknowledged = {}
    for burst in range(rounds):
        counter = tmp_path / f"count-{burst}"
        with actor("record", tmp_path / "flight", counter, f"run-{burst}") as process:
            wait_until(counter, chance.randrange(1, 8_000), process)
            process.kill()
            process.wait()
        acknowledged[f"run-{burst}"] = Counter(counter).value
    assert sum(acknowledged.values()) > rounds
    check(tmp_path / "flight", acknowledged)


@campaign(20)
def test_killing_a_process_that_records_and_drains_loses_nothing_acknowledged(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(21)
    acknowledged = {}
    for burst in range(rounds):
        counter = tmp_path / f"count-{burst}"
        with actor("record", tmp_path / "flight", counter, f"run-{burst}", "drain") as process:
            wait_until(counter, chance.randrange(2_000, 20_000), process)
            process.kill()
            process.wait()
        acknowledged[f"run-{burst}"] = Counter(counter).value
    check(tmp_path / "flight", acknowledged)


@campaign(20)
def test_killing_the_server_while_it_drains_loses_and_doubles_nothing(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(22)
    counter = tmp_path / "count"
    with actor("record", tmp_path / "flight", counter, "run-0") as recording:
        wait_until(counter, 1, recording)
        for burst in range(rounds):
            drained = tmp_path / f"drained-{burst}"
            with actor("keep", tmp_path / "flight", drained) as keeping:
                wait_until(drained, chance.randrange(2, 6_000), keeping)
                keeping.kill()
                keeping.wait()
        recording.kill()
        recording.wait()
    check(tmp_path / "flight", {"run-0": Counter(counter).value})


@campaign(20)
def test_killing_both_loses_and_doubles_nothing(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(23)
    acknowledged = {}
    for burst in range(rounds):
        counter, drained = tmp_path / f"count-{burst}", tmp_path / f"drained-{burst}"
        with (
            actor("record", tmp_path / "flight", counter, f"run-{burst}") as recording,
            actor("keep", tmp_path / "flight", drained) as keeping,
        ):
            wait_until(counter, chance.randrange(1, 6_000), recording)
            wait_until(drained, chance.randrange(2, 3_000), keeping)
            for process in chance.sample([recording, keeping], 2):
                process.kill()
        acknowledged[f"run-{burst}"] = Counter(counter).value
    check(tmp_path / "flight", acknowledged)
