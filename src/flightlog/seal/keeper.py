"""The thread that keeps a store sealed, and what it says of itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from flightlog.errors import FlightlogError, NoteInvalid, StoreBroken
from flightlog.seal.sealer import Sealer

log = logging.getLogger("flightlog.seal")

RETRY_SECONDS = 5.0


class SealHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far the seal is. `state` is sealing, stopped or broken; ids up to `sealed_id` are leaves, up to `signed_id` signed."""

    state: str
    sealed_id: int = 0
    signed_id: int = 0
    sealed_at: int = 0
    error: str | None = None


class SealKeeper:
    """Seals behind the append: at most `share_max` of one core's time, a checkpoint every `seconds`.

    A store that is busy is tried again; a seal that contradicts the store is left alone, and says so.
    """

    def __init__(self, make: Callable[[], Sealer], *, seconds: float, share_max: float) -> None:
        self._make = make
        self._seconds = seconds
        self._share_max = min(max(share_max, 0.01), 1.0)
        self._sealer: Sealer | None = None
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._error: str | None = None
        self._broken = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="flightlog-seal", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """Seal and sign what is there, as far as that takes no longer than `timeout` seconds, and end. Safe to call twice."""
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._stop.set()
            self._thread.join(timeout)

    def health(self) -> SealHealth:
        """How far it is."""
        sealer = self._sealer
        state = "broken" if self._broken else "stopped" if self._hurry.is_set() or self._thread is None else "sealing"
        if sealer is None:
            return SealHealth(state=state, error=self._error)
        size, signed, at = sealer.sealed
        return SealHealth(state=state, sealed_id=size, signed_id=signed, sealed_at=at, error=self._error)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._sealer is None:
                    sealer = self._make()
                    sealer.open()
                    self._sealer = sealer
                self._follow(self._sealer)
            except FlightlogError as error:
                self._error = error.message
                self._broken = isinstance(error, StoreBroken | NoteInvalid)
                log.warning("the journal is not sealed: %s", error.message)
                if self._broken:
                    return
                if self._hurry.wait(RETRY_SECONDS):
                    return
            else:
                return

    def _follow(self, sealer: Sealer) -> None:
        signed_at = time.monotonic()
        while not self._stop.is_set():
            ending = self._hurry.is_set()
            began = time.thread_time()
            sealed = sealer.seal()
            # Also while more is coming in than is sealed at once: a signature must not wait for a quiet moment.
            if not sealed or time.monotonic() - signed_at >= self._seconds:
                sealer.publish()
                self._error, signed_at = None, time.monotonic()
            if sealed:
                # What the sealer takes, those who record have to wait for.
                self._hurry.wait((time.thread_time() - began) * (1 / self._share_max - 1))
            elif ending:
                return
            else:
                self._hurry.wait(self._seconds)
