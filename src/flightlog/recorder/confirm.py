"""Waiting until a record is in the store, for as long as the caller allows, and saying what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import msgspec

from flightlog.recorder.drain import Drain

State = Literal["stored", "orphaned", "spooled", "failed"]

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.002, 0.05
HURRY_SECONDS = 0.5


class AuditOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an audit record. `stored`: it is in the store, as journal id `id`. `orphaned`: so it is, but the run or
    task that it names is not there (yet). `spooled`: it is on this machine's disk and not in the store in time; it will get
    there when somebody delivers the spool. `failed`: it was not recorded at all. `reason` says why it is not `stored`.
    """

    state: State
    event_id: str
    id: int | None = None
    reason: str | None = None
    waited_seconds: float = 0.0

    @property
    def is_stored(self) -> bool:
        """Whether it is in the store."""
        return self.state in ("stored", "orphaned")


class Seen(NamedTuple):
    """A record that is in the store."""

    id: int | None
    is_orphan: bool


class Watch(Protocol):
    """Looks for one record at the place that the spool is delivered to. It belongs to the thread that made it."""

    def look(self) -> Seen | None:
        """The record, or None as long as it is not to be seen. Never raises."""

    def is_served(self) -> bool:
        """Whether anybody is there who may take it in."""

    def close(self) -> None:
        """Let go of everything."""


# Makes the watch for an event id.
Witness = Callable[[str], Watch]


def confirm(event_id: str, witness: Witness, drain: Drain | None, timeout: float) -> AuditOutcome:
    """Wait until this record, which is in the spool, is in the store; `timeout` seconds at most."""
    started = time.monotonic()
    deadline, hurried, pause = started + timeout, 0.0, PAUSE_SECONDS_MIN
    watch = witness(event_id)
    try:
        while True:
            now = time.monotonic()
            if drain is not None and now >= hurried:
                # For as long as somebody waits and no longer: a drain in a hurry takes time from its host.
                drain.hurry(min(HURRY_SECONDS, max(deadline - now, 0.0)))
                hurried = now + HURRY_SECONDS
            seen = watch.look()
            waited = time.monotonic() - started
            if seen is not None:
                state: State = "orphaned" if seen.is_orphan else "stored"
                reason = "its run or task is not in the store (yet)" if seen.is_orphan else None
                return AuditOutcome(state=state, event_id=event_id, id=seen.id, reason=reason, waited_seconds=waited)
            is_hopeless = drain is None and not watch.is_served()
            if is_hopeless or waited >= timeout:
                reason = _why(drain, is_hopeless, timeout)
                return AuditOutcome(state="spooled", event_id=event_id, reason=reason, waited_seconds=waited)
            _pause(drain, min(pause, deadline - time.monotonic()))
            pause = min(pause * 1.5, PAUSE_SECONDS_MAX)
    finally:
        watch.close()


def _pause(drain: Drain | None, seconds: float) -> None:
    if seconds <= 0:
        return
    if drain is None:
        time.sleep(seconds)
    else:
        with drain.progress:
            drain.progress.wait(seconds)


def _why(drain: Drain | None, is_hopeless: bool, timeout: float) -> str:
    if is_hopeless:
        return "nobody delivers the spool; it waits there for `flightlog up` or `flightlog drain`"
    if drain is not None and drain.error is not None:
        return drain.error
    return f"it was not in the store within {timeout:g} seconds"
