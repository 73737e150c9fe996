"""Which workers there are, as the table has it: what each says of itself, and who has a task or a job."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from flightlog.queue.table import queue_jobs
from flightlog.store.contract import Tx
from flightlog.tasks.table import tasks
from flightlog.version import __version__
from flightlog.working.table import workers

RUNNING, DRAINING, STOPPED, DEAD = "RUNNING", "DRAINING", "STOPPED", "DEAD"
ALIVE = (RUNNING, DRAINING)


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker as it says itself, and what became of it. Times are nanoseconds since 1970; `seen_at` is its own clock's."""

    worker_id: str
    name: str
    queues: tuple[str, ...]
    concurrency: int
    host: str
    pid: int
    version: str
    state: str
    started_at: int
    seen_at: int


def myself(worker_id: str, name: str, queues: tuple[str, ...], concurrency: int, now_ns: int) -> WorkerRow:
    """This process as a worker that begins."""
    return WorkerRow(
        worker_id, name, queues, concurrency, socket.gethostname(), os.getpid(), __version__, RUNNING, now_ns, now_ns
    )


_w = workers.c
_SEEN = update(workers).where(_w.worker_id == bindparam("of")).values(seen_at=bindparam("at"), state=bindparam("now"))
_LIST = select(workers).order_by(_w.started_at.desc(), _w.worker_id)
_TASKS_OF = select(tasks.c.task_id, tasks.c.attempt_no).where(tasks.c.worker_id == bindparam("of"))
_HOLDERS = (
    select(tasks.c.worker_id).where(tasks.c.worker_id.is_not(None)).distinct(),
    select(queue_jobs.c.worker_id).where(queue_jobs.c.worker_id.is_not(None)).distinct(),
)


def enter(tx: Tx, row: WorkerRow) -> None:
    """Put a worker in, in the place of one that had this id before."""
    values = msgspec.structs.asdict(row) | {"queues": msgspec.json.encode(row.queues).decode()}
    tx.sql.execute(delete(workers).where(_w.worker_id == row.worker_id))
    tx.sql.execute(insert(workers), values)


def seen(tx: Tx, row: WorkerRow, state: str, now_ns: int) -> None:
    """It is alive. One that was taken for dead, or forgotten, is back by that."""
    if not tx.sql.execute(_SEEN, {"of": row.worker_id, "at": now_ns, "now": state}).rowcount:
        enter(tx, msgspec.structs.replace(row, state=state, seen_at=now_ns))


def mark(tx: Tx, worker_ids: Iterable[str], state: str) -> None:
    """Say what became of workers."""
    tx.sql.execute(update(workers).where(_w.worker_id.in_(list(worker_ids))).values(state=state))


def forget(tx: Tx, before_ns: int) -> int:
    """Drop those that ended and were not seen since; how many."""
    return tx.sql.execute(delete(workers).where(_w.state.in_((STOPPED, DEAD)), _w.seen_at < before_ns)).rowcount


def list_workers(connection: Connection) -> list[WorkerRow]:
    """Those that are alive and those that ended lately, the last that began first."""
    rows = (row._mapping for row in connection.execute(_LIST))
    return [WorkerRow(**{**row, "queues": tuple(msgspec.json.decode(row["queues"]))}) for row in rows]


def holders(connection: Connection) -> set[str]:
    """Who has a task or a job, dead or alive."""
    return {worker_id for asked in _HOLDERS for worker_id in connection.scalars(asked)}


def tasks_of(connection: Connection, worker_id: str) -> list[tuple[str, int]]:
    """The tasks that a worker has, each with its attempt."""
    return [(row.task_id, row.attempt_no) for row in connection.execute(_TASKS_OF, {"of": worker_id})]
