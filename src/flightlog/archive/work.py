"""The work that takes memory and time, done in a process of its own: rows become files, files are merged.

That process reads the database and writes objects; it never writes the database, and what it wrote counts only once the process
that asked has committed it. So it can be killed at any time. It is asked by a Job on its standard input and answers with a Done
for each range on its output, each with its length in four bytes before it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec

from flightlog.archive.files import Written, decode, put, split
from flightlog.archive.objects import open_objects
from flightlog.archive.rows import open_rows, read_range, with_typed
from flightlog.errors import ArchiveFileBroken, ArchiveFileMissing, ArchiveUnavailable, FlightlogError

NICE = 10  # whoever serves goes first


class Source(msgspec.Struct, frozen=True):
    """A file that is to be merged."""

    path: str
    digest: bytes


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and where. With `sources`, these become one file of `project` and `date`; without, the rows after one
    id up to another become files, range by range.
    """

    database: str
    folder: str
    url: str | None
    s3_endpoint: str | None
    after_id: int = 0
    until_id: int = 0
    events_max: int = 0
    bytes_max: int = 0
    ranges_max: int = 1
    sources: list[Source] = []
    project: str = ""
    date: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was written for the ids up to `until_id`; or why nothing was."""

    until_id: int = 0
    written: list[Written] = []
    error: str | None = None
    facts: dict[str, Any] = {}


class Worker(Protocol):
    """Does jobs, here or elsewhere. What it has not yet answered with when it is closed was not done, or is an orphan."""

    def __call__(self, job: Job) -> Iterator[Done]: ...


def do(job: Job, chance: Callable[[int], bytes] = os.urandom) -> Iterator[Done]:
    """Do a job in this process. Raises ArchiveUnavailable, ArchiveFileBroken, ArchiveFileMissing."""
    if job.sources:
        yield Done(written=_merge(job, chance))
        return
    objects = open_objects(Path(job.folder), job.url, job.s3_endpoint)

    def write(parts: list[tuple[str, str, Any]], until: int) -> Done:
        return Done(until_id=until, written=[put(objects, *part, chance) for part in parts])

    # The next rows are read while the last are packed: that is done without Python's lock.
    with open_rows(Path(job.database)) as rows, ThreadPoolExecutor(1) as beside:
        after, waiting = job.after_id, list[Future[Done]]()
        for _ in range(job.ranges_max):
            if after >= job.until_id:
                break
            table, reached = read_range(rows, after, job.until_id, job.events_max, job.bytes_max)
            handed = [table]
            del table
            parts = list(split(handed.pop()))
            if waiting:
                yield waiting.pop().result()
            waiting.append(beside.submit(write, parts, reached))
            after = reached
        if waiting:
            yield waiting.pop().result()


def _merge(job: Job, chance: Callable[[int], bytes]) -> list[Written]:
    import pyarrow
    import pyarrow.compute as compute

    objects = open_objects(Path(job.folder), job.url, job.s3_endpoint)
    tables = [decode(source.path, objects.read(source.path), source.digest) for source in job.sources]
    with open_rows(Path(job.database)) as rows:
        table = with_typed(rows, pyarrow.concat_tables(tables))
    del tables
    if len(compute.unique(table["id"])) != len(table):
        raise ArchiveFileBroken(path=job.sources[0].path, reason="it has events that another file has too")
    return [put(objects, job.project, job.date, part, chance) for _, _, part in split(table)]


_ERRORS: dict[str, type[FlightlogError]] = {
    kind.__name__: kind for kind in (ArchiveUnavailable, ArchiveFileBroken, ArchiveFileMissing)
}


# One pool of memory instead of one for each thread, which together kept twice as much.
_LEAN = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}


class ChildWorker:
    """The same in a process of its own. Raises what `do` does."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End the process that works, from whatever thread; nothing is begun any more."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()

    def __call__(self, job: Job) -> Iterator[Done]:
        command = [sys.executable, "-m", "flightlog.archive.work"]
        environ = {**os.environ, **_LEAN}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as child:  # noqa: S603 (our own module)
            self._child = child
            try:
                if self._stopped:
                    return
                yield from self._answers(child, job)
            finally:
                self._child = None
                child.kill()

    def _answers(self, child: subprocess.Popen[bytes], job: Job) -> Iterator[Done]:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            # Its input stays open: when it ends, nobody waits for the child any more.
            child.stdin.write(_framed(job))
            child.stdin.flush()
        except BrokenPipeError:
            pass  # its exit code says more
        while (size := child.stdout.read(4)) and (body := child.stdout.read(int.from_bytes(size))):
            done = msgspec.msgpack.decode(body, type=Done)
            if done.error is not None:
                raise _ERRORS.get(done.error, ArchiveUnavailable)(**done.facts)
            yield done
        child.wait()
        if child.returncode != 0 and not self._stopped:
            reason = f"the process that writes files ended with {child.returncode}"
            raise ArchiveUnavailable(place=job.url or job.folder, reason=reason)


def _framed(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4) + body


def _end_with_parent() -> None:
    """End this process when its input does, which is when the parent is gone."""
    sys.stdin.buffer.read(1)
    os._exit(1)


def main() -> None:
    """The child."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer, and it ends us
    os.nice(NICE)
    read = sys.stdin.buffer.read
    job = msgspec.msgpack.decode(read(int.from_bytes(read(4))), type=Job)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    out = sys.stdout.buffer
    code = 0
    try:
        for done in do(job):
            out.write(_framed(done))
            out.flush()
    except FlightlogError as error:
        out.write(_framed(Done(error=type(error).__name__, facts=error.facts)))
    except OSError as error:
        facts = {"place": job.url or job.folder, "reason": error.strerror or str(error)}
        out.write(_framed(Done(error=ArchiveUnavailable.__name__, facts=facts)))
    except BrokenPipeError:
        code = 1
    out.flush()
    os._exit(code)  # the thread that waits for the parent would be waited for


if __name__ == "__main__":
    main()
