"""How a reader learns that there is something new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Signal:
    """Counts commits of this process."""

    def __init__(self) -> None:
        self._seen = 0
        self._condition = threading.Condition()

    @property
    def seen(self) -> int:
        return self._seen

    def notify(self) -> None:
        """Something was committed, or ended: wake whoever waits."""
        with self._condition:
            self._seen += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout: float | None = None) -> int:
        with self._condition:
            self._condition.wait_for(lambda: self._seen != seen, timeout)
            return self._seen


class PolledSignal(Signal):
    """Counts commits of other processes by asking for a version that changes with them.

    However many wait, the version is asked for once per `poll_seconds`. A commit between `seen` and `wait` is not slept
    through, because the version is compared with the last one asked for, which is older; it may wake for nothing once.
    """

    def __init__(self, version: Callable[[], int], poll_seconds: float) -> None:
        super().__init__()
        self._version = version
        self._poll_seconds = poll_seconds
        self._asking = threading.Lock()
        self._asked_at = 0.0
        self._last: int | None = None

    def wait(self, seen: int, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if time.monotonic() - self._asked_at >= self._poll_seconds * 0.9:
                self._ask()
            left = None if deadline is None else deadline - time.monotonic()
            if self._seen != seen or (left is not None and left <= 0):
                return self._seen
            super().wait(seen, self._poll_seconds if left is None else min(left, self._poll_seconds))

    def _ask(self) -> None:
        with self._asking:
            self._asked_at = time.monotonic()
            version = self._version()
            changed = version != self._last
            self._last = version
        if changed:
            self.notify()
