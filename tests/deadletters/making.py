"""Tasks that fail, on any store, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from flightlog.audit.project import AuditProjector
from flightlog.config import Settings
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.letters import DeadLetters
from flightlog.deadletters.plan import ENDS, Plan, ReplayAsked
from flightlog.deadletters.progress import Progress, get_progress, list_items
from flightlog.deadletters.table import dead_letters
from flightlog.errors import TaskNotFound
from flightlog.ids import Ids, SequentialIds
from flightlog.ingest.batch import Intake
from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter, read_events
from flightlog.recorder.redact import Redactor
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from flightlog.tasks.commands import Asked, Tasks
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import MEDIA, Pipeline
from flightlog.tasks.table import tasks as tasks_table
from flightlog.tasks.task import Task, read_task, task_of
from flightlog.testing import FakeClock
from flightlog.usage.ledger import UsageLedger
from flightlog.working.replaying import make_alerts, make_replays, make_runner

PIPELINES = {"summarise": Pipeline("summarise", ("QUEUED", "READING", "WRITING")), "media": MEDIA}
ERROR = {"kind": "OSError", "message": "no room for file 17"}


class Hangar:
    """One store with tasks and dead letters, as the platform puts them together."""

    def __init__(self, store: Store, clock: Any = None, ids: Ids | None = None, **given: Any) -> None:
        self.store = store
        self.clock = clock or FakeClock()
        self.ids: Ids = ids or SequentialIds()
        self.settings = Settings(**given)
        self.intake = Intake(Redactor(digest_key=b"for tests"), self.settings)
        self.journal = Journal(store, [RunProjector(), AuditProjector()], clock=self.clock)
        self.letters = DeadLetters(self.journal, self.intake, find_task)
        mover = Mover(self.journal, UsageLedger(), self.clock, self.ids, intake=self.intake, letters=self.letters)
        self.alerts = make_alerts(self)
        self.tasks = Tasks(store, mover, PIPELINES, self.settings, lambda: 0.5)
        self.replays = make_replays(self)
        self.runner = make_runner(self, self.tasks, "this process")

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, user: str = "ann", **given: Any) -> Task:
        return self.tasks.submit(Asked(**{"pipeline": "summarise", "input": {"n": 1}, "user_id": user} | given))[0]

    def begin(self, task: Task) -> Task:
        return self.tasks.begin(task.task_id, task.attempt_no, "w1")

    def fail(self, task: Task, error: dict[str, Any] | None = None) -> Task:
        """An attempt of the task fails for good."""
        task = self.begin(task)
        return self.tasks.failed(task, error or ERROR, final=True)

    def failed(self, count: int = 1, error: dict[str, Any] | None = None, **given: Any) -> list[Task]:
        """So many tasks that failed, one second after the other."""
        made = []
        for _ in range(count):
            made.append(self.fail(self.submit(**given), error))
            if isinstance(self.clock, FakeClock):
                self.clock.advance(seconds=1)
        return made

    def succeed(self, task: Task) -> Task:
        task = self.begin(task)
        while not task.is_over:
            task = self.tasks.done(task, {"done": task.state})
        return task

    def retry(self, task_id: str) -> Task:
        return self.tasks.retry(task_id, user_id="ann")

    def cancel(self, task_id: str) -> Task:
        return self.tasks.cancel(task_id, user_id="ann")

    def work_off(self, fails: Callable[[Task], bool] = lambda task: False) -> int:
        """Do all tasks that wait, as a worker would; how many there were."""
        with self.store.read() as connection:
            waiting = [
                task_of(row) for row in connection.execute(select(tasks_table).where(tasks_table.c.state == "QUEUED"))
            ]
        for task in waiting:
            (self.fail if fails(task) else self.succeed)(task)
        return len(waiting)

    # ── replays ──────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, **asked: Any) -> Plan:
        """A plan for all open letters, unless `filter` says otherwise."""
        return self.replays.plan(ReplayAsked(**{"filter": LetterFilter()} | asked), "ann")

    def apply(self, plan: Plan, **given: Any) -> Plan:
        return self.replays.apply(plan.plan_id, **{"hash": plan.hash, "reason": "room again", "by": "ann"} | given)

    def run(self, plan: Plan, fails: Callable[[Task], bool] = lambda task: False, rounds: int = 1_000) -> Progress:
        """Tick and work until the plan is over."""
        for _ in range(rounds):
            self.runner.tick(self.clock.now_ns())
            self.clock.advance(seconds=1)
            found = get_progress(self.store, plan.plan_id)
            if found.plan.state in ENDS:
                return found
            self.work_off(fails)
        raise AssertionError(f"it is still {found.plan.state}")

    def outcomes(self, plan: Plan) -> list[str | None]:
        """What became of each letter, in their order."""
        return [item.outcome for item in list_items(self.store, plan.plan_id, limit=1_000)]

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
