"""The recorder of a worker: one for all its steps, made when the first of them runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.ids import Ids
from flightlog.recorder.client import Recorder
from flightlog.recorder.confirm import Witness
from flightlog.recorder.drain import Drain
from flightlog.recorder.health import Draining


class _Lent:
    """The drain of the process, as a recorder may use it: hurried and waited for, but not started or stopped."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self.progress = drain.progress

    @property
    def state(self) -> Draining:
        return self._drain.state

    @property
    def error(self) -> str | None:
        return self._drain.error

    def hurry(self, seconds: float) -> None:
        self._drain.hurry(seconds)

    def start(self) -> None:
        """Whoever keeps the store started it."""

    def stop(self, timeout: float | None = None) -> None:
        """Whoever keeps the store stops it."""

    def after_fork_in_child(self) -> None:
        """The parent drains."""


class WorkerRecorder:
    """Makes the recorder of a folder's spool when it is asked for first. `drain` is who delivers that spool in this process."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        *,
        digest_key: bytes | None = None,
        drain: Drain | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._folder, self._settings, self._clock, self._ids = folder, settings, clock, ids
        self._digest_key, self._drain, self._witness = digest_key, drain, witness
        self._lock = threading.Lock()
        self._made: Recorder | None = None

    def __call__(self) -> Recorder:
        """The recorder."""
        with self._lock:
            if self._made is None:
                lent = None if self._drain is None else cast(Drain, _Lent(self._drain))
                self._made = Recorder(
                    self._folder, settings=self._settings, clock=self._clock, ids=self._ids, drain=lent, source="worker",
                    digest_key=self._digest_key, witness=self._witness,
                )  # fmt: skip
            return self._made

    def close(self, timeout: float) -> None:
        """Have what was recorded delivered, if that can be, and let go of the files. Safe to call twice."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close(timeout)
