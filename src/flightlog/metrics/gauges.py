"""What is looked up when somebody asks: each look is a few rows by key or a few files, whatever the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from flightlog.clock import NS_PER_SECOND
from flightlog.errors import FlightlogError
from flightlog.journal.read import head_id
from flightlog.journal.table import run_events, spool_positions
from flightlog.metrics import disk, spool
from flightlog.metrics.counting import Counter
from flightlog.metrics.tasks import TaskCounts
from flightlog.outbox.states import DEAD, PENDING
from flightlog.services import Services
from flightlog.working import roster

DRAIN_STATES = ("here", "elsewhere", "nobody")
SEAL_STATES = ("sealing", "stopped", "broken")
WORKER_STATES = (roster.RUNNING, roster.DRAINING, roster.STOPPED, roster.DEAD)
ARCHIVE_STATES = ("idle", "archiving", "waiting", "stopped", "broken")


class Sample(NamedTuple):
    """A number of one metric."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Gauges:
    """The looks at one server. `streams` has how many are `open`, and their `limit`; `tasks` counts what happened to tasks."""

    def __init__(self, services: Services, streams: Any, failures: Counter, tasks: TaskCounts) -> None:
        self._services = services
        self._streams = streams
        self._failures = failures
        self._tasks = tasks
        self._sizes = disk.FolderSizes()
        self._folder: Path | None = services.folder
        if self._folder is None and services.seal_folder is not None:
            self._folder = services.seal_folder.parent

    def samples(self) -> list[Sample]:
        """All of them. A look that fails is counted, and its numbers are left out."""
        made: list[Sample] = []
        looks: dict[str, Callable[[], Iterator[Sample]]] = {
            "streams": self._look_at_streams,
            "journal": self._look_at_journal,
            "drain": self._look_at_drain,
            "spool": self._look_at_spool,
            "seal": self._look_at_seal,
            "archive": self._look_at_archive,
            "tasks": self._look_at_tasks,
            "outbox": self._look_at_outbox,
            "dead_letters": self._look_at_dead_letters,
            "disk": self._look_at_disk,
        }
        for part, look in looks.items():
            self._failures.add(0, part)
            try:
                made += list(look())
            except (FlightlogError, OSError):
                self._failures.add(1, part)
        return made

    def _look_at_streams(self) -> Iterator[Sample]:
        yield Sample("flightlog_streams_open", self._streams.open)
        yield Sample("flightlog_streams_limit", self._streams.limit)

    def _look_at_journal(self) -> Iterator[Sample]:
        yield Sample("flightlog_journal_last_id", self._head())

    def _look_at_drain(self) -> Iterator[Sample]:
        if self._services.drain is None:
            return
        found = self._services.drain()
        for state in DRAIN_STATES:
            yield Sample("flightlog_drain_state", found.state == state, (state,))
        yield Sample("flightlog_drain_events_total", found.drained)
        yield Sample("flightlog_drain_failing", found.error is not None)

    def _look_at_spool(self) -> Iterator[Sample]:
        if self._folder is None:
            return
        with self._services.store.read() as connection:
            rows = connection.execute(select(spool_positions.c.segment, spool_positions.c.position)).all()
        found = spool.look(self._folder / "spool", {row.segment: row.position for row in rows})
        yield Sample("flightlog_disk_bytes", found.bytes, ("spool",))
        yield Sample("flightlog_spool_segments", found.segments)
        yield Sample("flightlog_spool_backlog_bytes", found.backlog_bytes)
        yield Sample("flightlog_drain_lag_seconds", self._age(found.oldest_at))

    def _look_at_seal(self) -> Iterator[Sample]:
        if self._services.seal is None:
            return
        found = self._services.seal()
        for state in SEAL_STATES:
            yield Sample("flightlog_seal_state", found.state == state, (state,))
        lag = max(self._head() - found.signed_id, 0)
        yield Sample("flightlog_seal_lag_events", lag)
        yield Sample("flightlog_seal_lag_seconds", self._age(self._received_after(found.signed_id) if lag else None))
        yield Sample("flightlog_seal_failing", found.error is not None)
        yield Sample("flightlog_seal_witness_failing", found.witness_error is not None)

    def _look_at_archive(self) -> Iterator[Sample]:
        if self._services.archive is None:
            return
        found = self._services.archive()
        for state in ARCHIVE_STATES:
            yield Sample("flightlog_archive_state", found.state == state, (state,))
        yield Sample("flightlog_archive_hot_events", found.hot_events)
        oldest = self._received_after(found.archived_id) if found.hot_events else None
        yield Sample("flightlog_archive_lag_seconds", self._age(oldest))
        yield Sample("flightlog_archive_files", found.files)
        yield Sample("flightlog_archive_bytes", found.archived_bytes)
        yield Sample("flightlog_archive_failing", found.error is not None)

    def _look_at_tasks(self) -> Iterator[Sample]:
        platform = self._services.platform
        if platform is None:
            return
        self._tasks.expect(platform.pipelines)
        self._tasks.catch_up()
        with self._services.store.read() as connection:
            queues, workers = platform.queues(connection), platform.workers(connection)
        for found in queues:
            yield Sample("flightlog_queue_waiting", found.waiting, (found.queue,))
            yield Sample("flightlog_queue_running", found.running, (found.queue,))
            yield Sample("flightlog_queue_oldest_seconds", self._age(found.oldest_at), (found.queue,))
        for state in WORKER_STATES:
            yield Sample("flightlog_workers", sum(worker.state == state for worker in workers), (state,))

    def _look_at_outbox(self) -> Iterator[Sample]:
        if self._services.platform is None:
            return
        found = self._services.platform.dispatcher.health()
        yield Sample("flightlog_outbox_messages", found.pending, (PENDING,))
        yield Sample("flightlog_outbox_messages", found.dead, (DEAD,))
        yield Sample("flightlog_outbox_backlog_seconds", found.backlog_seconds)
        yield Sample("flightlog_outbox_failing", found.error is not None)

    def _look_at_dead_letters(self) -> Iterator[Sample]:
        if self._services.platform is None:
            return
        alerts, now = self._services.platform.alerts, self._services.clock.now_ns()
        with self._services.store.read() as connection:
            found = alerts.numbers(connection, now)
        yield Sample("flightlog_dead_letters_open", found.open)
        yield Sample("flightlog_dead_letters_oldest_seconds", self._age(found.oldest_at))
        yield Sample("flightlog_dead_letters_ratio", found.ratio)
        for alert in alerts.states(now):
            yield Sample("flightlog_dead_letters_alert", alert.raised, (alert.name,))

    def _look_at_disk(self) -> Iterator[Sample]:
        folder = self._folder
        if folder is None:
            return
        yield Sample("flightlog_disk_bytes", disk.size_of(folder / "flightlog.db"), ("database",))
        yield Sample("flightlog_disk_bytes", disk.size_of(folder / "flightlog.db-wal"), ("wal",))
        yield Sample("flightlog_disk_bytes", self._sizes.bytes_in(folder / "seal"), ("seal",))
        archived = self._sizes.bytes_in(folder / "archive") + self._sizes.bytes_in(folder / "cache")
        yield Sample("flightlog_disk_bytes", archived, ("archive",))
        yield Sample("flightlog_disk_free_bytes", disk.free_bytes(folder))

    def _head(self) -> int:
        with self._services.store.read() as connection:
            return head_id(connection)

    def _received_after(self, row_id: int) -> int | None:
        """When the first event after this one came into the journal, as far as it is in the database."""
        wanted = select(run_events.c.received_at).where(run_events.c.id > row_id).order_by(run_events.c.id).limit(1)
        with self._services.store.read() as connection:
            found = connection.execute(wanted).scalar()
        return None if found is None else int(found)

    def _age(self, at_ns: int | None) -> float:
        return 0.0 if at_ns is None else max(self._services.clock.now_ns() - at_ns, 0) / NS_PER_SECOND
