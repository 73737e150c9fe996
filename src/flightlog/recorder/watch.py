"""Notices when persistence degrades and when it recovers, and says each once: in the log, and as events in the stream."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from flightlog.clock import Clock, format_ns
from flightlog.recorder.health import (
    LOG_DEGRADED,
    LOG_RECOVERED,
    PERSISTENCE_DEGRADED,
    RUNGS,
    SHED_DEBUG,
    Degradation,
    Tally,
)

log = logging.getLogger("flightlog.recorder")


class Spooling(Protocol):
    """What is asked of a spool."""

    rung: int
    trouble: str | None
    tally: Tally


class Draining(Protocol):
    """What is asked of a drain."""

    @property
    def error(self) -> str | None: ...


class Says(Protocol):
    """Records an event; see `Recorder.record`."""

    def __call__(
        self, run: Any, span_id: str | None, type_: str, payload: object, fields: dict[str, Any], /
    ) -> str: ...


class Watch:
    """One recorder's watch over its own persistence. `look` belongs to the thread that tends the spool.

    The runs that were open at any time of a stretch of trouble each get the events, so that it shows on their pages.
    """

    RUNS_MAX = Tally.RUNS_MAX  # further runs have only what they lost themselves

    def __init__(self, spool: Spooling, drain: Draining | None, clock: Clock, say: Says) -> None:
        self._spool = spool
        self._drain = drain
        self._clock = clock
        self._say = say
        self._since: int | None = None
        self._reason = ""
        self._lost_before = 0  # losses of earlier stretches
        self._runs: dict[str, Any] = {}  # that are open, or were since it began

    def run_opened(self, run: Any) -> None:
        """A run has started."""
        self._runs[run.id] = run

    def run_closed(self, run: Any) -> None:
        """A run has finished. Within a stretch of trouble it is still told how that ended."""
        if self._since is None or len(self._runs) > self.RUNS_MAX:
            self._runs.pop(run.id, None)

    def forget_runs(self) -> None:
        """After a fork the runs are the parent's."""
        self._runs = {}

    def degradation(self) -> Degradation | None:
        """The signal that results carry while persistence is degraded, else None. Cheap."""
        reason = self._trouble()
        if reason is None:
            return None
        since = self._since or self._clock.now_ns()
        return Degradation(PERSISTENCE_DEGRADED, reason, self._spool.tally.total - self._lost_before, format_ns(since))

    def look(self, open_runs: dict[str, Any]) -> None:
        """Say what has changed since the last look."""
        reason = self._trouble()
        if reason is not None and self._since is None:
            self._since, self._reason = self._clock.now_ns(), reason
            extra = {"code": PERSISTENCE_DEGRADED, "reason": reason, "since": format_ns(self._since)}
            log.warning(LOG_DEGRADED, extra=extra)
            self._tell("began", self._since)
        elif reason is None and self._since is not None:
            lost = self._spool.tally.total - self._lost_before
            log.warning(LOG_RECOVERED, extra={"reason": self._reason, "since": format_ns(self._since), "lost": lost})
            self._tell("ended", self._since)
            self._since, self._lost_before = None, self._spool.tally.total
            for run_id in [run_id for run_id in list(self._runs) if run_id not in open_runs]:
                self._runs.pop(run_id, None)

    def _trouble(self) -> str | None:
        spool = self._spool
        if spool.trouble is not None:
            return spool.trouble
        if spool.rung >= SHED_DEBUG:
            return RUNGS[spool.rung].name.replace(" ", "_")
        losses = spool.tally.losses()
        if losses:
            return losses[0].reason
        if self._drain is not None and self._drain.error is not None:
            return "store_unavailable"
        return None

    def _tell(self, status: str, since: int) -> None:
        payload = {"reason": self._reason, "count": 0, "since": format_ns(since), "rung": RUNGS[self._spool.rung].name}
        if status == "ended":
            payload["until"] = format_ns(self._clock.now_ns())
        fields = {"status": status, "level": "warn", "source": "recorder"}
        for run in list(self._runs.values())[: self.RUNS_MAX] or [None]:
            self._say(run, None if run is None else run.span_id, "degraded", payload, dict(fields))
