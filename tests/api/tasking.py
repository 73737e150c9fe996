"""The task platform behind an app, with nobody at work: a test does what a worker would."""

from __future__ import annotations

from typing import Any

from flightlog.api.app import Services
from flightlog.tasks.commands import Tasks
from flightlog.tasks.pipeline import MEDIA, Pipeline, Retries, Step
from flightlog.tasks.task import Task
from flightlog.working.platform import Platform
from tests.api.serving import Client, changed, client_of

SUMMARISE = Pipeline(
    "summarise",
    ("QUEUED", "READING", "WRITING"),
    (Step("READING", print, Retries(attempts_max=5)), Step("WRITING", print)),
)
PIPELINES = {"summarise": SUMMARISE, "media": MEDIA}


def with_platform(services: Services) -> Services:
    """The same services with a platform, which is not started."""
    made = Platform(
        services.store, services.journal, services.intake, services.settings, pipelines=PIPELINES, alone=True,
        clock=services.clock, chance=lambda: 0.5,
    )  # fmt: skip
    return changed(services, platform=made)


class Tasking:
    """A client of an app that takes tasks, and a worker's hands."""

    def __init__(self, services: Services) -> None:
        self.services = with_platform(services)
        self.client: Client = client_of(self.services)

    @property
    def tasks(self) -> Tasks:
        assert self.services.platform is not None
        return self.services.platform.tasks

    def submit(self, key: str | None = None, **given: Any) -> dict[str, Any]:
        """Ask for a task; the answer as it is."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.client.post("/v1/tasks", json={"pipeline": "summarise"} | given, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    def work_off(self, task_id: str, result: Any = "done") -> Task:
        """Do all of its steps."""
        task = self.tasks.get(task_id)
        task = self.tasks.begin(task_id, task.attempt_no, "w1")
        while not task.is_over:
            task = self.tasks.done(task, result)
        return task

    def fail(self, task_id: str, message: str = "no", final: bool = True) -> Task:
        """Begin it, and fail."""
        task = self.tasks.get(task_id)
        task = self.tasks.begin(task_id, task.attempt_no, "w1")
        return self.tasks.failed(task, {"kind": "OSError", "message": message}, final=final)
