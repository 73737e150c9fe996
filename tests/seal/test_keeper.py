"""The thread that keeps a store sealed: it follows, it ends with everything signed, and it says when it can't."""

from __future__ import annotations

import threading

import pytest

from flightlog.errors import StoreBusy
from flightlog.seal import keeper as keeper_module
from flightlog.seal.keeper import SealKeeper
from flightlog.seal.sealer import Sealed, Sealer
from flightlog.seal.verify import verify_store
from tests.seal.conftest import Flight


def keeping(flight: Flight, **given: float) -> SealKeeper:
    return SealKeeper(lambda: closed(flight), **{"seconds": 0.01, "share_max": 1.0, **given})


def closed(flight: Flight) -> Sealer:
    """A sealer that was not opened yet."""
    return Sealer(
        flight.store,
        flight.seal_folder,
        flight.keys,
        clock=flight.clock,
        batch_events_max=100,
        sync=lambda: None,
        chance=flight.chance,
    )


def test_it_follows_the_journal_and_ends_with_everything_signed(flight: Flight) -> None:
    keeper = keeping(flight)
    assert keeper.health().state == "stopped"
    keeper.start()
    flight.record(250)
    flight.record(250, first=251)
    keeper.stop(30)
    keeper.stop(30)
    health = keeper.health()
    assert (health.state, health.sealed_id, health.signed_id, health.error) == ("stopped", 500, 500, None)
    assert verify_store(flight.store, flight.seal_folder, flight.keys).checked == 500


def test_what_came_while_it_was_away_is_sealed_at_the_next_start(flight: Flight) -> None:
    for turn in range(3):
        flight.record(150, first=1 + 150 * turn)
        keeper = keeping(flight)
        keeper.start()
        keeper.stop(30)
        assert keeper.health().signed_id == 150 * (turn + 1)


def test_a_seal_that_contradicts_the_store_is_left_alone(flight: Flight, caplog: pytest.LogCaptureFixture) -> None:
    flight.record(10)
    flight.seal()
    flight.store.write(lambda tx: tx.sql.exec_driver_sql("UPDATE seal_state SET size = 5").rowcount)
    keeper = keeping(flight)
    keeper.start()
    keeper.stop(30)
    health = keeper.health()
    assert health.state == "broken"
    assert health.error is not None
    assert "it was set back" in health.error
    assert "the journal is not sealed" in caplog.text


def test_a_busy_store_is_tried_again(flight: Flight, monkeypatch: pytest.MonkeyPatch) -> None:
    flight.record(10)
    monkeypatch.setattr(keeper_module, "RETRY_SECONDS", 0.01)
    made: list[Sealer] = []

    def make() -> Sealer:
        made.append(closed(flight))
        if len(made) < 3:
            raise StoreBusy(timeout_seconds=5)
        return made[-1]

    keeper = SealKeeper(make, seconds=0.01, share_max=1.0)
    keeper.start()
    while keeper.health().signed_id < 10:
        pass
    keeper.stop(30)
    assert (len(made), keeper.health().error) == (3, None)


class Rounds:
    """A sealer of which a test says how much each round seals; it notes what is done, and says when it was signed."""

    batch_events_max = 10
    sealed = Sealed(0, 0, 0)

    def __init__(self, *rounds: int) -> None:
        self._rounds = [*rounds]
        self.done: list[str] = []
        self.signed = threading.Event()

    def open(self) -> None: ...

    def seal(self) -> int:
        sealed = self._rounds.pop(0) if self._rounds else 0
        self.done.append(f"seal {sealed}")
        return sealed

    def publish(self) -> bool:
        self.done.append("sign")
        self.signed.set()
        return True


def test_a_round_that_is_no_whole_batch_is_signed_and_the_last_of_its_period() -> None:
    sealer = Rounds(10, 10, 3)
    keeper = SealKeeper(lambda: sealer, seconds=3600, share_max=1.0)  # type: ignore[arg-type,return-value]
    keeper.start()
    assert sealer.signed.wait(30)
    assert sealer.done == ["seal 10", "seal 10", "seal 3", "sign"]
    keeper.stop(30)
    assert sealer.done[4:] == ["seal 0", "sign"]
