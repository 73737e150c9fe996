"""A console over a store with a task platform that nobody starts: the tests move its tasks themselves."""

from __future__ import annotations

from typing import Any

from flightlog.console.page import Fragment
from flightlog.console.pages.frame import framed
from flightlog.console.render import render
from flightlog.services import Services
from flightlog.tasks.commands import Asked
from flightlog.tasks.pipeline import Pipeline, Retries
from flightlog.tasks.task import Task
from flightlog.working.platform import Platform
from tests.api.serving import changed

RETRIES = Retries(attempts_max=3, seconds_base=60.0)
SUMMARISE = Pipeline("summarise", ("QUEUED", "READING", "WRITING"), retries=RETRIES)
SHRINK = Pipeline("shrink", ("QUEUED", "SHRINKING"), queue="pictures")


def html_of(services: Services, page: Fragment) -> str:
    """The page as it is sent, without a server around it."""
    return bytes(render(framed(services, page, {})).body).decode()


def with_platform(services: Services) -> Services:
    """The same services with a platform that knows two pipelines."""
    platform = Platform(
        services.store, services.journal, services.intake, services.settings,
        pipelines={one.name: one for one in (SUMMARISE, SHRINK)}, alone=True, clock=services.clock, chance=lambda: 0.5,
    )  # fmt: skip
    return changed(services, platform=platform)


def platform_of(services: Services) -> Platform:
    assert services.platform is not None
    return services.platform


def submit(services: Services, pipeline: str = "summarise", **given: Any) -> Task:
    asked = Asked(**{"pipeline": pipeline, "input": {"text": "hello"}, "user_id": "ann"} | given)
    return platform_of(services).tasks.submit(asked)[0]


def begin(services: Services, task: Task, worker_id: str = "worker-1") -> Task:
    return platform_of(services).tasks.begin(task.task_id, task.attempt_no, worker_id)


def fail(services: Services, task: Task, message: str = "no route to host", *, final: bool = True, **more: Any) -> Task:
    error = {"kind": "OSError", "message": message, "stack": "Traceback (most recent call last):\n  in read", **more}
    return platform_of(services).tasks.failed(task, error, final=final)


def finish(services: Services, task: Task, result: Any) -> Task:
    while not task.is_over:
        task = platform_of(services).tasks.done(task, result)
    return task


def failed_task(services: Services, message: str = "no route to host", **given: Any) -> Task:
    """A task that failed for good in its first step."""
    return fail(services, begin(services, submit(services, **given)), message)
