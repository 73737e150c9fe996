"""Where tasks are asked for and read: a running server; lists and single tasks from a folder too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Doc
from flightlog.cli.remote import ServerSource
from flightlog.config import Settings
from flightlog.errors import ResultExpired, ResultMissing, TaskNotFound

SERVER = "http://127.0.0.1:4747"
OVER = ("SUCCEEDED", "FAILED", "CANCELED")


class TaskQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks; times are nanoseconds since 1970, `q` is what an id begins with."""

    states: tuple[str, ...] = ()
    pipeline: str | None = None
    queue: str | None = None
    user: str | None = None
    project: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None


class Reading(Protocol):
    """Something that tells of tasks."""

    def list(self, query: TaskQuery, limit: int | None, cursor: str | None) -> Doc:
        """`{tasks, nextCursor}`, the newest first."""

    def show(self, task_id: str) -> Doc:
        """One task with its input and results."""

    def result(self, task_id: str) -> Doc:
        """`{task_id, result, result_until}`. Raises ResultMissing, ResultExpired."""


def open_reading(folder: Path | None, server: str | None) -> Reading:
    """The server when one is named, else the folder."""
    place = chosen_folder(folder, server)
    return _FolderTasks(place) if server is None else ServerTasks(server)


class ServerTasks:
    """Tasks over HTTP."""

    def __init__(self, url: str | None) -> None:
        self._source = ServerSource(url or SERVER)

    def list(self, query: TaskQuery, limit: int | None, cursor: str | None) -> Doc:
        parameters = [
            ("state", ",".join(query.states) or None), ("pipeline", query.pipeline), ("queue", query.queue),
            ("user", query.user), ("project", query.project), ("since", query.since), ("until", query.until),
            ("q", query.q), ("limit", limit), ("cursor", cursor),
        ]  # fmt: skip
        return self._source.get("/v1/tasks", parameters, needs=("tasks", "nextCursor"))

    def show(self, task_id: str) -> Doc:
        return self._source.get(_place(task_id), needs=("task_id", "state", "input"))

    def result(self, task_id: str) -> Doc:
        return self._source.get(f"{_place(task_id)}/result", needs=("task_id", "result"))

    def submit(self, given: Doc, key: str | None) -> Doc:
        """The task, once it is stored."""
        return self._source.send("/v1/tasks", given, needs=("task_id", "state"), headers=_headers(key))

    def act(self, task_id: str, action: str, reason: str | None, key: str | None) -> Doc:
        """The task once it is canceled or retried."""
        given = {} if reason is None else {"reason": reason}
        path = f"{_place(task_id)}/{action}"
        return self._source.send(path, given, needs=("task_id", "state"), headers=_headers(key))

    def follow(self, task_id: str) -> Iterator[Doc]:
        """The task at each change, to its end."""
        return self._source.messages(f"{_place(task_id)}/stream", until=lambda task: task["state"] in OVER)


class _FolderTasks:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self, query: TaskQuery, limit: int | None, cursor: str | None) -> Doc:
        from flightlog.api.shapes_tasks import task_page_shape
        from flightlog.cli.local import document
        from flightlog.tasks.listing import TaskFilter, list_tasks

        wanted = TaskFilter(
            states=query.states, pipeline=query.pipeline, queue=query.queue, user_id=query.user, project=query.project,
            since=query.since, until=query.until, text=query.q,
        )  # fmt: skip
        with self._keeper() as keeper:
            page = list_tasks(keeper.store, wanted, limit=limit, cursor=cursor, settings=keeper.settings)
        return document(task_page_shape(page))

    def show(self, task_id: str) -> Doc:
        from flightlog.api.shapes_tasks import whole_task_shape
        from flightlog.cli.local import document

        return document(whole_task_shape(self._read(task_id)))

    def result(self, task_id: str) -> Doc:
        from flightlog.clock import SystemClock, format_ns

        found = self._read(task_id)
        if found.state != "SUCCEEDED":
            raise ResultMissing(task_id=task_id, state=found.state)
        if found.result_until is None or found.result_until <= SystemClock().now_ns():
            raise ResultExpired(task_id=task_id, seconds=Settings.load(self._folder).task_result_seconds)
        return {"task_id": task_id, "result": found.result, "result_until": format_ns(found.result_until)}

    def _read(self, task_id: str) -> Any:
        from flightlog.tasks.task import read_task

        with self._keeper() as keeper, keeper.store.read() as connection:
            return read_task(connection, task_id)

    def _keeper(self) -> Any:
        from contextlib import closing

        from flightlog.wiring import Keeper

        return closing(Keeper(self._folder, Settings.load(self._folder), writable=False))


def _place(task_id: str) -> str:
    if task_id in (".", "..", ""):  # a path has other uses for these
        raise TaskNotFound(task_id=task_id)
    return f"/v1/tasks/{quote(task_id, safe='')}"


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}
