"""The task platform of one process: its rooms introduced to each other, started in order, and stopped without losing a thing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.deadletters.letters import DeadLetters
from flightlog.errors import FlightlogError, TaskNotFound, VersionConflict
from flightlog.events.envelope import Event
from flightlog.ids import Ids, SystemIds
from flightlog.journal.append import Journal
from flightlog.outbox.dispatch import Dispatcher, DispatcherHealth, Handler
from flightlog.outbox.message import Message
from flightlog.queue.handover import TOPICS, handover
from flightlog.queue.make import make_queue
from flightlog.queue.port import Job, Queue, QueueStats, RunningWorker, WorkerOffer
from flightlog.store.contract import Store, Tx
from flightlog.tasks.commands import Tasks
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import Pipeline
from flightlog.tasks.task import read_task
from flightlog.usage.ledger import UsageLedger
from flightlog.working import roster
from flightlog.working.attempts import Attempts
from flightlog.working.heart import Heart
from flightlog.working.holding import held_tasks
from flightlog.working.reaper import Reaper
from flightlog.working.replaying import Groundwork, LookAfter, Replaying, make_alerts, make_replays, make_runner
from flightlog.working.roster import DRAINING, WorkerRow

if TYPE_CHECKING:
    from flightlog.working.recording import WorkerRecorder

EMBEDDED = "embedded"
STOP_SECONDS_MAX = 5.0  # for each of the threads that only have to finish a transaction
SLICE_SECONDS = 0.1  # how soon it is noticed that nobody waits any more


class Intake(Protocol):
    """The care that everything gets before it touches a disk."""

    def prepare(self, event: Event) -> Event: ...


class WorkerPlan(NamedTuple):
    """The worker of a process. `queues` are those of its pipelines where none are named."""

    worker_id: str
    name: str
    recorder: WorkerRecorder
    queues: tuple[str, ...] = ()
    concurrency: int | None = None


class PlatformHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is doing with tasks. `worker` is none, stopped, running or draining, `running` how many tasks it is at;
    `reasons` are sentences about what stands still.
    """

    outbox: DispatcherHealth
    worker: str
    running: int
    concurrency: int
    reasons: list[str]


class Platform:
    """What a process has of the task platform. Each hands over the outbox and looks after tasks; with `worker` it does them too.

    `alone` says that no other process works on this store: then whoever had a task when this one starts is dead.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        intake: Intake,
        settings: Settings,
        *,
        pipelines: Mapping[str, Pipeline],
        alone: bool,
        worker: WorkerPlan | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        chance: Callable[[], float] = random.random,
        handlers: Mapping[str, Handler] | None = None,
        look_after: Sequence[Callable[[], object]] = (),
    ) -> None:
        self.store = store
        self.settings = settings
        self.pipelines = pipelines
        self.clock = clock or SystemClock()
        self.letters = DeadLetters(journal, intake, lambda connection, task_id: _task_or_none(connection, task_id))
        mover = Mover(journal, UsageLedger(), self.clock, ids or SystemIds(), intake, self.letters)
        self.tasks = Tasks(store, mover, pipelines, settings, chance)
        self.queue: Queue = make_queue(store, self.clock, settings)
        told: dict[str, Handler] = dict.fromkeys(TOPICS, handover(self.queue))
        told |= dict.fromkeys(ENDED, _forget_job(self.queue))
        self.dispatcher = Dispatcher(
            store, _combined(told, handlers or {}), self.clock, settings, letters=self.letters, chance=chance,
            redact=lambda text: _redacted(intake, text),
        )  # fmt: skip
        self.worker_id = worker.worker_id if worker is not None else None
        holder = self.worker_id or (ids or SystemIds()).run_id(self.clock.now_ns())
        ground = Groundwork(store, journal, intake, settings, self.clock, ids or SystemIds())
        self.replays, self.alerts = make_replays(ground), make_alerts(ground)
        self.replaying = Replaying(make_runner(ground, self.tasks, holder), store, self.clock)
        self.replays.on_applied = self.replaying.poke
        self.reaper = Reaper(
            store, self.tasks, self.queue, self.clock, settings, holder, alone=alone,
            holds=held_tasks, more=(LookAfter(ground, self.alerts), *look_after),
        )  # fmt: skip
        self._alone = alone
        self._plan = worker
        self._offer: WorkerOffer | None = None
        self._attempts: Attempts | None = None
        self._heart: Heart | None = None
        self._running: RunningWorker | None = None
        self._hurried = threading.Event()
        self._stopped = False
        if worker is not None:
            self._make_worker(worker)

    def _make_worker(self, plan: WorkerPlan) -> None:
        queues = plan.queues or tuple(dict.fromkeys(pipeline.queue for pipeline in self.pipelines.values()))
        concurrency = plan.concurrency or self.settings.worker_concurrency
        self._offer = WorkerOffer(plan.worker_id, queues, max(concurrency, 1))
        self._attempts = Attempts(self.tasks, plan.recorder, self.clock, self.settings, plan.worker_id)
        row = roster.myself(plan.worker_id, plan.name, queues, self._offer.concurrency, self.clock.now_ns())
        self._heart = Heart(self.store, row, self.clock, self.settings.worker_heartbeat_seconds)

    # ── start and stop ───────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Recover what others left, then begin. Raises what the store raises; then nothing was started that is not stopped by
        `stop`.
        """
        if self._alone:
            self.reaper.recover()
        self.dispatcher.start()
        self.reaper.start()
        self.replaying.start()
        if self._offer is not None and self._attempts is not None and self._heart is not None and self._offer.queues:
            self._heart.start()
            self._running = self.queue.run_worker(self._offer, self._attempts.work)

    def drain(self) -> None:
        """Claim nothing more from now on. What runs goes on; `stop` waits for it."""
        if self._running is not None and self._heart is not None and self._heart.state != DRAINING:
            self._heart.say(DRAINING)
            self._running.stop(0)

    def hurry(self) -> None:
        """Nobody waits any more: `stop` hands back what still runs, now. Safe in a signal handler."""
        self._hurried.set()

    def stop(self, timeout_seconds: float | None = None) -> list[Job]:
        """Drain for so long (`worker_drain_seconds`), hand the rest back, and end; what was handed back. Safe to call twice.

        A thread whose step does not end is left to die with the process; what it comes to is not stored any more.
        """
        if self._stopped:
            return []
        self._stopped = True
        seconds = self.settings.worker_drain_seconds if timeout_seconds is None else timeout_seconds
        left = self._drain_for(seconds)
        for job in left:
            self._hand_back(job)
        if self._attempts is not None:
            self._attempts.leave()
        self.dispatcher.stop(STOP_SECONDS_MAX)
        self.reaper.stop(STOP_SECONDS_MAX)
        self.replaying.stop(STOP_SECONDS_MAX)
        if self._plan is not None:
            self._plan.recorder.close(STOP_SECONDS_MAX)
        if self._heart is not None:
            self._heart.stop()
        close = getattr(self.queue, "close", None)  # an engine that has connections of its own
        if close is not None:
            close()
        return left

    def _drain_for(self, seconds: float) -> list[Job]:
        if self._running is None:
            return []
        self.drain()
        until = time.monotonic() + seconds
        while True:
            rest = min(until - time.monotonic(), SLICE_SECONDS)
            left = self._running.stop(max(rest, 0.0))
            if not left or rest <= 0 or self._hurried.is_set():
                return left

    def _hand_back(self, job: Job) -> None:
        """What could not be handed back, because the store does not answer, is found by whoever looks after tasks next."""
        now = self.clock.now_ns()
        try:
            self.tasks.hand_back(job.task_id, job.attempt_no)
        except (VersionConflict, TaskNotFound):
            pass  # it came to its end just now, or is another's
        except FlightlogError:
            return
        try:
            self.store.write(lambda tx: self.queue.resume(tx, str(self.worker_id), now), 1.0)
        except FlightlogError:
            pass

    # ── how it is doing ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def offer(self) -> WorkerOffer | None:
        """What the worker of this process takes; None where it has none."""
        return self._offer

    @property
    def running(self) -> list[Job]:
        """What the worker of this process is at now."""
        return self._running.running if self._running is not None else []

    def health(self) -> PlatformHealth:
        """How it is doing. Raises what a read raises."""
        outbox = self.dispatcher.health()
        troubles = {
            "tasks are not handed to workers": outbox.error,
            "tasks of dead workers and those past their deadline are not looked after": self.reaper.error,
            "replays of dead letters stand still": self.replaying.error,
            "the worker can't claim tasks": self._running.error if self._running is not None else None,
        }
        return PlatformHealth(
            outbox=outbox, worker=self._state(), running=len(self.running),
            concurrency=self._offer.concurrency if self._offer is not None else 0,
            reasons=[f"{what}: {error}" for what, error in troubles.items() if error],
        )  # fmt: skip

    def _state(self) -> str:
        if self._offer is None or self._heart is None:
            return "none"
        return "stopped" if self._running is None or self._stopped else self._heart.state.lower()

    def workers(self, connection: Connection) -> list[WorkerRow]:
        """All workers of the store: those that are alive, and those that ended lately."""
        return roster.list_workers(connection)

    def queues(self, connection: Connection) -> list[QueueStats]:
        """What waits and runs, by queue; also of queues that pipelines name and that are empty."""
        return queue_stats(connection, self.queue, self.pipelines)


ENDED = ("task.canceled", "task.failed")


def queue_stats(connection: Connection, queue: Queue, pipelines: Mapping[str, Pipeline]) -> list[QueueStats]:
    """Every queue that has jobs in it or that a pipeline names, by name."""
    found = {stats.queue: stats for stats in queue.stats(connection)}
    named = {pipeline.queue for pipeline in pipelines.values()}
    return [found.get(name) or QueueStats(name, 0, 0, None) for name in sorted(found.keys() | named)]


def _combined(own: Mapping[str, Handler], others: Mapping[str, Handler]) -> dict[str, Handler]:
    """Every handler by its topic; where both have one, our own comes first, in the same transaction."""

    def both(first: Handler, second: Handler) -> Handler:
        def handle(tx: Tx, message: Message, now_ns: int) -> None:
            first(tx, message, now_ns)
            second(tx, message, now_ns)

        return handle

    shared = {topic: both(own[topic], others[topic]) for topic in own.keys() & others.keys()}
    return {**own, **others, **shared}


def _forget_job(queue: Queue) -> Callable[[Tx, Message, int], None]:
    """The job of a task that ended otherwise: where it still waits, no worker has to find out."""

    def forget(tx: Tx, message: Message, now_ns: int) -> None:
        queue.cancel(tx, f"{message.task_id}.{message.payload['attempt_no']}")

    return forget


def _task_or_none(connection: Connection, task_id: str) -> Any:
    try:
        return read_task(connection, task_id)
    except TaskNotFound:
        return None


def _redacted(intake: Intake, text: str) -> str:
    body = msgspec.Raw(msgspec.json.encode({"message": text}))
    kept = msgspec.json.decode(
        intake.prepare(Event(event_id="outbox", type="error", created_at=0, payload=body)).payload
    )
    return str(kept.get("message") or kept.get("withheld") or "")
