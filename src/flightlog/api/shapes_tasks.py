"""Tasks, pipelines and queues as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.clock import format_ns
from flightlog.queue.port import QueueStats
from flightlog.tasks.listing import TaskPage, TaskRow
from flightlog.tasks.pipeline import Pipeline, Retries
from flightlog.tasks.task import Task
from flightlog.working.roster import WorkerRow

PROGRESS_WHOLE = 1_000


class TaskGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A task that is asked for. `input` is what its pipeline wants, any JSON. A larger `priority` is done first;
    `units` are held of the user's quota until it ends. After `deadline_seconds` it fails, wherever it is.
    """

    pipeline: str
    input: Any = None
    user_id: str = "local"
    project: str | None = None
    priority: int = 0
    units: int = 1
    deadline_seconds: float | None = None


class TaskActionGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a task is canceled or retried."""

    reason: str | None = None


class TaskShape(msgspec.Struct, kw_only=True):
    """A task as it stands. `progress` is from 0 to 1 and never falls within a round; `attempt_no` counts who had it to work on,
    `tries` the failed attempts of this round, `deaths` the workers that died over it, `round_no` how often somebody asked for it.
    `worker_id` has had it since `began_at`. `run_id` is the run that tells its story. Where one alone is asked for, `input` and
    the `results` of its steps, by state, are there too.
    """

    task_id: str
    run_id: str
    pipeline: str
    queue: str
    project: str
    user_id: str
    state: str
    version: int
    attempt_no: int
    tries: int
    deaths: int
    round_no: int
    priority: int
    units: int
    progress: float
    error: dict[str, Any] | None
    reason: str | None
    deadline_at: str | None
    worker_id: str | None
    began_at: str | None
    result_until: str | None
    created_at: str
    updated_at: str
    finished_at: str | None
    input: Any = UNSET
    results: dict[str, Any] | UnsetType = UNSET


class TaskPageShape(msgspec.Struct, rename="camel"):
    """A page of tasks, the newest first. `nextCursor` is null on the last page."""

    tasks: list[TaskShape]
    next_cursor: str | None


class TaskResultShape(msgspec.Struct):
    """What came out of a task, and until when that is kept."""

    task_id: str
    result: Any
    result_until: str | None


class RetriesShape(msgspec.Struct):
    """How often something is tried in all, and how long is waited between: `seconds_base * factor**n`, give or take a share."""

    attempts_max: int
    seconds_base: float
    factor: float
    jitter: float


class PipelineStepShape(msgspec.Struct):
    """What is done while a task is in a state."""

    state: str
    retries: RetriesShape


class PipelineShape(msgspec.Struct):
    """A kind of task: its states in their order, and every allowed move, by the state that it leaves (empty before there is a
    task)."""

    name: str
    queue: str
    states: list[str]
    moves: dict[str, list[str]]
    steps: list[PipelineStepShape]
    retries: RetriesShape


class PipelinesShape(msgspec.Struct):
    """The pipelines that this server knows."""

    pipelines: list[PipelineShape]


class QueueShape(msgspec.Struct):
    """A queue: the attempts that wait and those that run, since when the oldest waits, and how many workers take from it."""

    queue: str
    waiting: int
    running: int
    oldest_at: str | None
    workers: int


class WorkerShape(msgspec.Struct):
    """A worker as it says itself. `state` is RUNNING, DRAINING, STOPPED or DEAD."""

    worker_id: str
    name: str
    queues: list[str]
    concurrency: int
    host: str
    pid: int
    version: str
    state: str
    started_at: str
    seen_at: str


class QueuesShape(msgspec.Struct):
    """The queues and the workers, those that ended lately too."""

    queues: list[QueueShape]
    workers: list[WorkerShape]


def task_shape(task: Task | TaskRow) -> TaskShape:
    """The task as JSON shows it in a list."""
    return TaskShape(
        task_id=task.task_id,
        run_id=task.task_id,
        pipeline=task.pipeline,
        queue=task.queue,
        project=task.project,
        user_id=task.user_id,
        state=task.state,
        version=task.version,
        attempt_no=task.attempt_no,
        tries=task.tries,
        deaths=task.deaths,
        round_no=task.round_no,
        priority=task.priority,
        units=task.units,
        progress=task.progress / PROGRESS_WHOLE,
        error=task.error,
        reason=task.reason,
        deadline_at=_time(task.deadline_at),
        worker_id=task.worker_id,
        began_at=_time(task.began_at),
        result_until=_time(task.result_until),
        created_at=format_ns(task.created_at),
        updated_at=format_ns(task.updated_at),
        finished_at=_time(task.finished_at),
    )


def whole_task_shape(task: Task) -> TaskShape:
    """The task with its input and the results of its steps."""
    shown = task_shape(task)
    shown.input, shown.results = task.input, task.results
    return shown


def task_page_shape(page: TaskPage) -> TaskPageShape:
    """The page as JSON shows it."""
    return TaskPageShape([task_shape(task) for task in page.tasks], page.next_cursor)


def pipeline_shape(pipeline: Pipeline) -> PipelineShape:
    """The pipeline as JSON shows it."""
    return PipelineShape(
        name=pipeline.name,
        queue=pipeline.queue,
        states=list(pipeline.states),
        moves={state: sorted(after) for state, after in pipeline.moves.items()},
        steps=[PipelineStepShape(step.state, _retries(step.retries)) for step in pipeline.steps],
        retries=_retries(pipeline.retries),
    )


def queues_shape(queues: list[QueueStats], workers: list[WorkerRow]) -> QueuesShape:
    """The queues and workers as JSON shows them."""
    alive = [worker for worker in workers if worker.state == "RUNNING"]
    return QueuesShape(
        [
            QueueShape(
                stats.queue,
                stats.waiting,
                stats.running,
                _time(stats.oldest_at),
                sum(stats.queue in worker.queues for worker in alive),
            )
            for stats in queues
        ],
        [_worker(worker) for worker in workers],
    )


def _worker(worker: WorkerRow) -> WorkerShape:
    members = msgspec.structs.asdict(worker)
    members |= {name: format_ns(members[name]) for name in ("started_at", "seen_at")}
    return WorkerShape(**members | {"queues": list(worker.queues)})


def _retries(retries: Retries) -> RetriesShape:
    return RetriesShape(retries.attempts_max, retries.seconds_base, retries.factor, retries.jitter)


def _time(moment: int | None) -> str | None:
    return None if moment is None else format_ns(moment)
