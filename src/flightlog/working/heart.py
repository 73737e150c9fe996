"""A worker's heart: it says every few seconds that it is alive, and at the end that it stopped."""

from __future__ import annotations

import logging
import threading

from flightlog.clock import Clock
from flightlog.errors import FlightlogError
from flightlog.store.contract import Store
from flightlog.working import roster
from flightlog.working.roster import RUNNING, WorkerRow

log = logging.getLogger("flightlog.working")

STOP_SECONDS_MAX = 2.0


class Heart:
    """Beats for one worker, from a thread of its own, so that no step and no store that waits keeps the others waiting."""

    def __init__(self, store: Store, row: WorkerRow, clock: Clock, every_seconds: float) -> None:
        self.row = row
        self.state = RUNNING
        self._store = store
        self._clock = clock
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Enter the worker, and go on saying that it is alive. Raises what the store raises. Doing it twice changes nothing."""
        if self._thread is None:
            self._store.write(lambda tx: roster.enter(tx, self.row))
            self._thread = threading.Thread(
                target=self._loop, name=f"flightlog-heart-{self.row.worker_id}", daemon=True
            )
            self._thread.start()

    def say(self, state: str) -> None:
        """Say something else from now on, at once. A store that does not answer hears it with the next beat."""
        self.state = state
        try:
            self.beat()
        except FlightlogError as error:
            log.warning("worker %s can't say that it is %s: %s", self.row.worker_id, state, error.message)

    def beat(self) -> None:
        """Say it once, here and now."""
        now = self._clock.now_ns()
        self._store.write(lambda tx: roster.seen(tx, self.row, self.state, now), min(self._every_seconds, 5.0))

    def stop(self) -> None:
        """Beat no more, and say what is to be said last. Safe to call twice."""
        if self._thread is None or self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(STOP_SECONDS_MAX)
        self.say(roster.STOPPED)

    def _loop(self) -> None:
        trouble = ""
        while not self._stop.wait(self._every_seconds):
            try:
                self.beat()
                trouble = ""
            except FlightlogError as error:
                if error.message != trouble:
                    log.warning("worker %s can't say that it is alive: %s", self.row.worker_id, error.message)
                trouble = error.message
