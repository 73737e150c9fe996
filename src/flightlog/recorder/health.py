"""How well the recorder is doing, as data: the rungs it steps down, what it lost, and the words it says so with."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

PERSISTENCE_DEGRADED = "TRACE_PERSISTENCE_DEGRADED"
LOG_DEGRADED = "ai_trace_persistence_degraded"
LOG_RECOVERED = "ai_trace_persistence_recovered"

RunKey = str | None


class Rung(NamedTuple):
    """One step of the ladder. Events below `level_floor` are shed once the spool is fuller than `fill_min`."""

    name: str
    level_floor: int
    fill_min: float
    meaning: str


OK, SPOOLING, SHED_DEBUG, SHED_INFO, DROPPING = range(5)

# Level numbers: debug 0, info 1, warn 2, error 3.
LEVEL_NUMBERS: dict[str, int] = {"debug": 0, "info": 1, "warn": 2, "error": 3}

RUNGS: tuple[Rung, ...] = (
    Rung("ok", 0, 0.0, "Everything is recorded and delivered."),
    Rung("spooling", 0, 0.0, "Everything is recorded; nobody delivers it to the store right now."),
    Rung("shedding debug", 1, 0.80, "The spool is four fifths full: debug events are dropped, and counted."),
    Rung("shedding info", 2, 0.90, "The spool is nine tenths full: debug and info events are dropped, and counted."),
    Rung("dropping", 4, 1.0, "The spool is full or can't be written: every event is dropped, and counted."),
)


def rung_for(fill: float, delivering: bool) -> int:
    """The rung for a spool that is `fill` full (0 to 1).

    >>> [RUNGS[rung_for(fill, True)].name for fill in (0.1, 0.85, 0.95, 1.0)]
    ['ok', 'shedding debug', 'shedding info', 'dropping']
    """
    for number in (DROPPING, SHED_INFO, SHED_DEBUG):
        if fill >= RUNGS[number].fill_min:
            return number
    return OK if delivering else SPOOLING


class Loss(msgspec.Struct):
    """Events of one run lost for one reason and not yet reported as an event. Times are ns since 1970."""

    reason: str
    run_id: RunKey
    count: int
    since: int
    until: int


class Degradation(msgspec.Struct, frozen=True):
    """The signal that a result carries while persistence is degraded (`code` never changes).

    `lost` counts the events that are gone for good since then; it is 0 while events are only waiting in the spool.
    """

    code: str
    reason: str
    lost: int
    since: str


Draining = Literal["here", "elsewhere", "nobody", "server"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one recorder. Counts are since it was opened; sizes are bytes. `audits_unconfirmed` are audit records that
    somebody waited for and that were not in the store in time, or not recorded at all.
    """

    rung: str
    meaning: str
    producer_id: str
    recorded: int
    dropped: dict[str, int]
    dropped_total: int
    redacted: int
    truncated: int
    withheld: int
    bad_calls: int
    audits_unconfirmed: int
    spool_bytes: int
    spool_room_bytes: int
    draining: Draining
    drain_error: str | None
    degradation: Degradation | None


class Tally:
    """What was lost, by reason and run; `open` holds what was not reported yet. The caller holds the lock.

    >>> tally = Tally()
    >>> tally.add("spool_full", "r1", 5)
    >>> tally.add("spool_full", "r1", 9)
    >>> tally.losses()
    [Loss(reason='spool_full', run_id='r1', count=2, since=5, until=9)]
    """

    RUNS_MAX = 64  # losses of further runs are counted without their run

    def __init__(self) -> None:
        self.open: dict[tuple[str, RunKey], Loss] = {}
        self.total = 0
        self.by_reason: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.open)

    def add(self, reason: str, run_id: RunKey, now_ns: int, count: int = 1) -> None:
        """Count a loss."""
        key = (reason, run_id)
        loss = self.open.get(key)
        if loss is None:
            if len(self.open) >= self.RUNS_MAX:
                key = (reason, None)
                loss = self.open.get(key)
            if loss is None:
                loss = self.open[key] = Loss(reason, key[1], 0, now_ns, now_ns)
        loss.count += count
        loss.until = max(now_ns, loss.since)
        self.total += count
        self.by_reason[reason] = self.by_reason.get(reason, 0) + count

    def losses(self) -> list[Loss]:
        """What has not been reported yet."""
        return list(self.open.values())

    def reported(self) -> None:
        """What was open is in the stream now."""
        self.open.clear()
