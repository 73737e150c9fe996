"""Where dead letters meet the rooms that they need: tasks that are done again, the audit trail, a thread that runs plans."""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple, Protocol

from flightlog.audit.events import admin_event
from flightlog.clock import NS_PER_SECOND, Clock
from flightlog.config import Settings
from flightlog.deadletters.alerts import Alerts
from flightlog.deadletters.planning import Replays, Tell
from flightlog.deadletters.prune import prune
from flightlog.deadletters.runner import ReplayRunner
from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.store.contract import Store, Tx
from flightlog.store.lookout import Lookout
from flightlog.tasks.commands import Tasks
from flightlog.tasks.standing import count_succeeded, standings

log = logging.getLogger("flightlog.deadletters")

IDLE_SECONDS = 1.0  # how late a plan is seen that another process has applied
RETRY_SECONDS_MAX = 5.0
PRUNE_SECONDS = 3_600


class Intake(Protocol):
    """The care that everything gets before it touches a disk."""

    def prepare(self, event: Event) -> Event: ...


class Ground(Protocol):
    """What stands below: a store with its journal, and what is handed in with it."""

    @property
    def store(self) -> Store: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...


class Groundwork(NamedTuple):
    """The ground, put together by hand."""

    store: Store
    journal: Journal
    intake: Intake
    settings: Settings
    clock: Clock
    ids: Ids


def teller(here: Ground) -> Tell:
    """How what is done with a plan gets into the audit trail."""

    def tell(tx: Tx, operation: str, *, actor: str, plan_id: str, outcome: str, details: dict[str, Any]) -> None:
        event = admin_event(
            operation,
            actor=actor,
            subject_type="replay",
            subject_id=plan_id,
            outcome=outcome,
            details=details,
            project=here.settings.project,
            care=here.intake,
            clock=here.clock,
            ids=here.ids,
        )
        here.journal.append_in(tx, [event])

    return tell


def make_replays(here: Ground) -> Replays:
    """The commands over plans."""
    return Replays(here.store, here.intake, here.settings, here.clock, here.ids, teller(here), standings)


def make_runner(here: Ground, tasks: Tasks, holder: str) -> ReplayRunner:
    """Who runs the plans that are applied."""
    return ReplayRunner(
        here.store, here.journal, here.intake, here.settings, teller(here), tasks.retry_in, standings, holder
    )


def make_alerts(here: Ground) -> Alerts:
    """The alerts about dead letters."""
    return Alerts(here.store, here.journal, here.settings, here.ids, count_succeeded)


class LookAfter:
    """What has to be looked after by one process at a time: the alerts, and what was kept long enough."""

    def __init__(self, here: Ground, alerts: Alerts) -> None:
        self._here = here
        self._alerts = alerts
        self._pruned_at: int | None = None

    def __call__(self) -> None:
        now = self._here.clock.now_ns()
        self._alerts.tick(now)
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_SECONDS * NS_PER_SECOND:
            self._pruned_at = now
            prune(self._here.store, now - int(self._here.settings.dead_letter_kept_seconds * NS_PER_SECOND))


class Replaying:
    """The thread that runs plans. Idle it looks once a second; while a plan runs it is woken by commits."""

    def __init__(self, runner: ReplayRunner, store: Store, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock
        self._lookout = Lookout(store.commits(), IDLE_SECONDS)
        self._stop = threading.Event()
        self._poked = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: str | None = None

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="flightlog-replays", daemon=True)
            self._thread.start()

    def poke(self) -> None:
        """A plan was applied just now."""
        self._poked.set()

    def stop(self, timeout_seconds: float) -> None:
        """End after the letter that is under way, and let another process go on. Safe to call twice."""
        first = not self._stop.is_set()
        self._stop.set()
        self._poked.set()
        self._lookout.poke()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if first:
                self._let_go()

    def _let_go(self) -> None:
        try:
            self._runner.let_go()
        except FlightlogError:
            pass  # the lease runs out by itself

    def _loop(self) -> None:
        retry = IDLE_SECONDS
        while not self._stop.is_set():
            self._lookout.begin()
            try:
                active = self._runner.tick(self._clock.now_ns())
                self.error, retry = None, IDLE_SECONDS
            except Exception as error:
                said = error.message if isinstance(error, FlightlogError) else f"{type(error).__name__}: {error}"
                if said != self.error:
                    log.warning("replays of dead letters stand still: %s", said)
                self.error, retry = said, min(retry * 2, RETRY_SECONDS_MAX)
                self._stop.wait(retry)
                continue
            if active:
                self._lookout.rest()
            else:
                self._poked.wait(IDLE_SECONDS)
                self._poked.clear()
