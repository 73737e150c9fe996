"""Tasks that fail, on any store, with a clock that stands still."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from flightlog.audit.project import AuditProjector
from flightlog.config import Settings
from flightlog.deadletters.alerts import Alerts
from flightlog.deadletters.letters import DeadLetters
from flightlog.deadletters.table import dead_letters
from flightlog.errors import TaskNotFound
from flightlog.ids import SequentialIds
from flightlog.ingest.batch import Intake
from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter, read_events
from flightlog.recorder.redact import Redactor
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from flightlog.tasks.commands import Asked, Tasks
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import MEDIA, Pipeline
from flightlog.tasks.standing import count_succeeded
from flightlog.tasks.task import Task, read_task
from flightlog.testing import FakeClock
from flightlog.usage.ledger import UsageLedger

PIPELINES = {"summarise": Pipeline("summarise", ("QUEUED", "READING", "WRITING")), "media": MEDIA}
ERROR = {"kind": "OSError", "message": "no room for file 17"}


class Hangar:
    """One store with tasks and dead letters, as the platform puts them together."""

    def __init__(self, store: Store, clock: FakeClock | None = None, **given: Any) -> None:
        self.store = store
        self.clock = clock or FakeClock()
        self.ids = SequentialIds()
        self.settings = Settings(**given)
        self.intake = Intake(Redactor(digest_key=b"for tests"), self.settings)
        self.journal = Journal(store, [RunProjector(), AuditProjector()], clock=self.clock)
        self.letters = DeadLetters(self.journal, self.intake, find_task)
        mover = Mover(self.journal, UsageLedger(), self.clock, self.ids, intake=self.intake, letters=self.letters)
        self.alerts = self.more_alerts()
        self.tasks = Tasks(store, mover, PIPELINES, self.settings, lambda: 0.5)

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, user: str = "ann", **given: Any) -> Task:
        return self.tasks.submit(Asked(**{"pipeline": "summarise", "input": {"n": 1}, "user_id": user} | given))[0]

    def fail(self, task: Task, error: dict[str, Any] | None = None) -> Task:
        """An attempt of the task fails for good."""
        task = self.tasks.begin(task.task_id, task.attempt_no, "w1")
        return self.tasks.failed(task, error or ERROR, final=True)

    def failed(self, count: int = 1, error: dict[str, Any] | None = None, **given: Any) -> list[Task]:
        """So many tasks that failed, one second after the other."""
        made = []
        for _ in range(count):
            made.append(self.fail(self.submit(**given), error))
            self.clock.advance(seconds=1)
        return made

    def succeed(self, task: Task) -> Task:
        task = self.tasks.begin(task.task_id, task.attempt_no, "w1")
        while not task.is_over:
            task = self.tasks.done(task, {"done": task.state})
        return task

    def more_alerts(self) -> Alerts:
        """The alerts as another process has them."""
        return Alerts(self.store, self.journal, self.settings, self.ids, count_succeeded)

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        """The letters, oldest first."""
        wanted = select(dead_letters).where(*(dead_letters.c[name] == value for name, value in where.items()))
        with self.store.read() as connection:
            found = connection.execute(wanted.order_by(dead_letters.c.failed_at, dead_letters.c.letter_id))
            return [dict(row) for row in found.mappings()]

    def told(self, *types: str, **where: Any) -> list[dict[str, Any]]:
        """The payloads of events of these types, oldest first."""
        found = read_events(self.store, EventFilter(types=types, **where), limit=1_000).events
        return [msgspec.json.decode(bytes(event.payload)) for event in found]


def find_task(connection: Connection, task_id: str) -> Task | None:
    try:
        return read_task(connection, task_id)
    except TaskNotFound:
        return None
