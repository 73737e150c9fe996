"""Flightlog with one worker process, on SQLite or PostgreSQL, and what is asked of it over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import queue
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flightlog.store.sqlite import DATABASE_FILE

ROOT = Path(__file__).parents[2]
PIPELINES = str(Path(__file__).with_name("noop_pipeline.py"))
WAIT_SECONDS = 600.0
LOOK_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


class TaskServer:
    """Where one is, and its store, that is looked at past the server so that the looking costs it nothing."""

    def __init__(self, port: int, store: str | Path, pids: list[int]) -> None:
        self.port = port
        self._store = store
        self._pids = pids
        self._database: Any = None
        self._mark = "?" if isinstance(store, Path) else "%s"

    def cpu_seconds(self) -> float:
        """What server and worker have taken of the processors so far; a database server is not among them."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split() for pid in self._pids]
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        return connection

    def submit(self, connection: http.client.HTTPConnection, user: str = "bench") -> str:
        """One no-op task; its id."""
        body = json.dumps({"pipeline": "bench-noop", "input": {"n": 1}, "user_id": user})
        connection.request("POST", "/v1/tasks", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 201, said
        return str(json.loads(said)["task_id"])

    def submit_all(self, count: int, connections: int, user: str = "bench") -> None:
        """So many, over so many connections at once."""
        left: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(count):
            left.put(None)
        faults: list[BaseException] = []

        def run() -> None:
            connection = self.connect()
            try:
                while True:
                    left.get_nowait()
                    self.submit(connection, user)
            except queue.Empty:
                pass
            except BaseException as error:
                faults.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]

    def finished(self, user: str = "bench") -> int:
        """How many tasks of this user have succeeded."""
        return int(self._ask("SELECT count(*) FROM tasks WHERE state = 'SUCCEEDED' AND user_id = {}", user))

    def began_ns(self, task_id: str) -> int | None:
        """When the step of this task began, once the task is done."""
        found = self._ask("SELECT result FROM tasks WHERE task_id = {} AND state = 'SUCCEEDED'", task_id)
        return None if found is None else int(found)

    def wait_finished(self, count: int, user: str = "bench") -> None:
        until = time.monotonic() + WAIT_SECONDS
        while self.finished(user) < count:
            assert time.monotonic() < until, f"{self.finished(user)} of {count} in {WAIT_SECONDS} s"
            time.sleep(LOOK_SECONDS)

    def wait_began(self, task_id: str) -> int:
        until = time.monotonic() + WAIT_SECONDS
        while (began := self.began_ns(task_id)) is None:
            assert time.monotonic() < until, f"{task_id} did not end"
            time.sleep(LOOK_SECONDS)
        return began

    def _ask(self, statement: str, value: str) -> Any:
        if self._database is None:
            self._database = self._open()
        row = self._database.execute(statement.format(self._mark), (value,)).fetchone()
        return None if row is None else row[0]

    def _open(self) -> Any:
        """One connection for all looks: to make one costs PostgreSQL a process."""
        if isinstance(self._store, Path):
            return sqlite3.connect(f"file:{self._store / DATABASE_FILE}?mode=ro", uri=True, isolation_level=None)
        import psycopg

        return psycopg.connect(self._store, autocommit=True)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


@contextmanager
def serving(folder: Path, store: str | None, concurrency: int, worker: bool = True) -> Iterator[TaskServer]:
    """A folder served by one process that also works; or a database with a server and one worker process. Or nobody works."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "FLIGHTLOG_WORKER_CONCURRENCY": str(concurrency)}
    if store is not None:
        environ["FLIGHTLOG_STORE"] = store  # and not in the command, which everybody sees
    with ExitStack() as stack:
        up = ["up", "--dir", str(folder), "--port", "0", "--json", "--pipelines", PIPELINES]
        said = stack.enter_context(_process([*up, "--no-worker"] if store or not worker else up, environ))
        pids = [said["pid"]]
        if store is not None and worker:
            work = [
                "worker",
                "--dir",
                str(folder / "worker"),
                "--pipelines",
                PIPELINES,
                "--queues",
                "default",
                "--json",
            ]
            pids.append(stack.enter_context(_process(work, environ))["pid"])
        server = TaskServer(int(said["url"].rsplit(":", 1)[1]), folder if store is None else store, pids)
        try:
            yield server
        finally:
            server.close()


@contextmanager
def _process(verb: list[str], environ: dict[str, str]) -> Iterator[Any]:
    command = [sys.executable, "-m", "flightlog.cli.main", *verb]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"{verb[0]} did not start"
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait()
