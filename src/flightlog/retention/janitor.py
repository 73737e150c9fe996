"""The thread that comes by every hour and removes what is due, and what it says of itself."""

from __future__ import annotations

import logging
import threading
import time

import msgspec

from flightlog.clock import Clock
from flightlog.errors import FlightlogError
from flightlog.retention.holds import Say
from flightlog.retention.keep import Retention
from flightlog.retention.plan import Done

log = logging.getLogger("flightlog.retention")

FIRST_SECONDS = 60.0  # whoever starts has other things to do first
RETRY_SECONDS = 60.0


class RetentionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the janitor is doing. `state` is waiting, removing, stopped or broken; `ended_at` (ns) and `last` are of the last pass;
    `removed` counts events since the start.
    """

    state: str
    ended_at: int = 0
    removed: int = 0
    last: Done | None = None
    error: str | None = None


class Janitor:
    """Removes what is due every `seconds`, with at most `share_max` of one core's time."""

    def __init__(self, retention: Retention, *, seconds: float, share_max: float, clock: Clock) -> None:
        self.retention = retention
        self._seconds = seconds
        self._share = min(max(share_max, 0.01), 1.0)
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._health = RetentionHealth(state="stopped")

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._set(state="waiting")
            self._thread = threading.Thread(target=self._run, name="flightlog-retention", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the transaction that is under way. Safe to call twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        self._set(state="stopped")

    def health(self) -> RetentionHealth:
        """How it is doing."""
        return self._health

    def clean(self, say: Say) -> Done:
        """A pass now, for somebody who waits for it, and who is named in what it says."""
        done = self.retention.run(say=say)
        self._keep(done)
        return done

    def _run(self) -> None:
        wait = min(FIRST_SECONDS, self._seconds)
        while not self._stop.wait(wait):
            self._set(state="removing")
            try:
                self._keep(self.retention.run(self._pace))
                wait = self._seconds
            except FlightlogError as error:
                self._set(state="waiting", error=error.message)
                log.warning("nothing is removed for now: %s", error.message)
                wait = min(RETRY_SECONDS, self._seconds)
            except BaseException as error:
                self._set(state="broken", error=f"{type(error).__name__}: {error}")
                raise

    def _pace(self, took: float) -> bool:
        """As long off work as its share asks for."""
        began = time.monotonic()
        rest = took * (1 / self._share - 1)
        return not self._stop.wait(max(0.0, rest - (time.monotonic() - began)))

    def _keep(self, done: Done) -> None:
        removed = self._health.removed + done.events
        self._set(state="waiting", ended_at=self._clock.now_ns(), removed=removed, last=done, error=None)

    def _set(self, **changes: object) -> None:
        self._health = msgspec.structs.replace(self._health, **changes)
