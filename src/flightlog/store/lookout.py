"""When it is worth looking whether there is something to do: after a commit, but not after every one of thousands a second."""

from __future__ import annotations

import threading
import time

from flightlog.store.contract import CommitSignal

PAUSE_SECONDS_MIN = 0.001
PAUSE_SECONDS_MAX = 0.1  # 10 looks a second, however many commits have nothing for us: who brings something hints at it
# Whoever had something committed is answered first: woken by the same commit, the lookouts of a server would take the
# interpreter from the thread that answers, and did so for 0.5 to 1 of the 5 ms that a request took.
ANSWER_SECONDS = 0.002


class Lookout:
    """Paces one thread that looks into the store for work, and does it.

    It calls `begin`, looks, and when it found nothing, `rest`. A commit ends the rest at once when the last look is long ago;
    looks that find nothing while commits come get further apart. Who knows that there is something says so: `hint` from within
    the transaction that brings it (its commit will end the rest), `poke` from anywhere.
    """

    def __init__(self, signal: CommitSignal, sweep_seconds: float) -> None:
        self._signal = signal
        self._sweep_seconds = max(sweep_seconds, PAUSE_SECONDS_MAX)  # a sweep is not more often than a look
        self._poked = threading.Event()
        self._resting = False
        self._pause = 0.0
        self._seen = 0
        self._began = 0.0

    def hint(self) -> None:
        """The transaction that this is called in brings something. Costs next to nothing; a rollback does no harm."""
        self._poked.set()

    def poke(self) -> None:
        """There is something now, or an end: look."""
        self._poked.set()
        if self._resting:
            self._signal.notify()

    def begin(self) -> bool:
        """From here on nothing that is committed or poked is slept through. Whether somebody said that there is something."""
        poked = self._poked.is_set()
        if poked:
            self._poked.clear()
            self._pause = 0.0
        self._seen = self._signal.seen
        self._began = time.monotonic()
        return poked

    def found(self) -> None:
        """There was something, so there may be more soon."""
        self._pause = 0.0

    def rest(self, seconds: float | None = None) -> bool:
        """Wait until it is worth looking again: True. After `seconds`, where these are given and over first: False."""
        sweep = self._began + self._sweep_seconds
        until = sweep if seconds is None else min(sweep, time.monotonic() + seconds)
        self._resting = True
        try:
            # Asked after saying that we rest: whoever pokes either is seen here or sees that he has to wake us.
            if not self._poked.is_set():
                seen = self._signal.wait(self._seen, max(0.0, until - time.monotonic()))
                if seen == self._seen and not self._poked.is_set():
                    return time.monotonic() >= sweep
        finally:
            self._resting = False
        self._pause = min(max(self._pause * 2, PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX)
        time.sleep(ANSWER_SECONDS)
        left = self._began + self._pause - time.monotonic()
        if left > 0:
            self._poked.wait(left)
        return True
