"""The thread that keeps a store sealed, and what it says of itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from flightlog.errors import FlightlogError, NoteInvalid, StoreBroken
from flightlog.seal.sealer import Sealer
from flightlog.seal.witness import Witness, Witnessed, tell

log = logging.getLogger("flightlog.seal")

RETRY_SECONDS = 5.0
WITNESS_RETRY_SECONDS = 60.0


class SealHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far the seal is. `state` is sealing, stopped or broken; ids up to `sealed_id` are leaves, up to `signed_id` signed,
    up to `witnessed_id` under a checkpoint that every witness has.
    """

    state: str
    sealed_id: int = 0
    signed_id: int = 0
    sealed_at: int = 0
    error: str | None = None
    witnessed_id: int = 0
    witness_error: str | None = None


class SealKeeper:
    """Seals behind the append: a batch and a checkpoint every `seconds`, or, where more is coming in than a batch, one batch after
    the other; at most `share_max` of one core's time.

    A store that is busy is tried again; a seal that contradicts the store is left alone, and says so. Checkpoints go to the
    witnesses at the start and every `witness_seconds`, from a thread of its own: none of them keeps the seal waiting.
    """

    def __init__(
        self,
        make: Callable[[], Sealer],
        *,
        seconds: float,
        share_max: float,
        witnesses: Sequence[Witness] = (),
        witness_seconds: float = 3600.0,
    ) -> None:
        self._make = make
        self._witnesses = list(witnesses)
        self._witness_seconds = witness_seconds
        self._witnessed = Witnessed(0, [], {})
        self._signed = threading.Event()
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
            if self._witnesses:
                threading.Thread(target=self._witness, name="flightlog-witness", daemon=True).start()

    def stop(self, timeout: float) -> None:
        """Seal and sign what is there, as far as that takes no longer than `timeout` seconds, and end. Safe to call twice."""
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._stop.set()
            self._thread.join(timeout)
        self._stop.set()
        self._signed.set()

    def health(self) -> SealHealth:
        """How far it is."""
        sealer = self._sealer
        state = "broken" if self._broken else "stopped" if self._hurry.is_set() or self._thread is None else "sealing"
        if sealer is None:
            return SealHealth(state=state, error=self._error)
        size, signed, at = sealer.sealed
        told = self._witnessed
        failed = "; ".join(f"{place}: {reason}" for place, reason in told.failed.items()) or None
        return SealHealth(
            state=state,
            sealed_id=size,
            signed_id=signed,
            sealed_at=at,
            error=self._error,
            witnessed_id=0 if failed else told.size,
            witness_error=failed,
        )

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
            is_behind = sealed >= sealer.batch_events_max
            # Also while more is coming in than is sealed at once: a signature must not wait for a quiet moment.
            if not is_behind or time.monotonic() - signed_at >= self._seconds:
                sealer.publish()
                self._signed.set()
                self._error, signed_at = None, time.monotonic()
            if ending and not sealed:
                return
            # What the sealer takes, those who record have to wait for; and every round has its price, however few it seals. What
            # is not signed proves nothing, so there is no use in more of them than there are checkpoints.
            pause = (time.thread_time() - began) * (1 / self._share_max - 1)
            self._hurry.wait(pause if is_behind else max(pause, self._seconds))

    def _witness(self) -> None:
        """Hand the newest checkpoint on, at the start and then at every period; what failed is tried again sooner."""
        self._signed.wait()
        while not self._stop.is_set():
            sealer = self._sealer
            if sealer is not None and (sealer.sealed.signed != self._witnessed.size or self._witnessed.failed):
                self._witnessed = tell(self._witnesses, sealer.folder, sealer.checkpoint())
                for place, reason in self._witnessed.failed.items():
                    log.warning("a checkpoint is not at its witness %s: %s", place, reason)
            retry = min(self._witness_seconds, WITNESS_RETRY_SECONDS)
            self._stop.wait(retry if self._witnessed.failed else self._witness_seconds)
