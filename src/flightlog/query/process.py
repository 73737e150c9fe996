"""The process of one query, as its parent has it: started, asked once, watched, ended, cleaned up after."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import flightlog.query
from flightlog.config import Settings
from flightlog.errors import SqlFailed, SqlStopped

RESERVE_SECONDS = 60.0  # how long a process that is ready waits for the next query
START_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.02
LINE_BYTES_MAX = 4 * 1024 * 1024
FOLDER_PREFIX = "flightlog-sql-"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# The package itself is not run in the child: it would load the recorder, which a query does not need.
_BOOT = (
    "import sys, types\n"
    "sys.path[:] = {path!r}\n"
    "package = sys.modules['flightlog'] = types.ModuleType('flightlog')\n"
    "package.__path__ = [{package!r}]\n"
    "from flightlog.query.child import main\n"
    "main()\n"
)


class Child:
    """One process, with a folder and a file of its own. Used once."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")
        self._answer: IO[bytes] | None = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - handed on
        self.why = ""
        fd = self._answer.fileno()
        here = Path(flightlog.query.__file__).parent.parent
        boot = _BOOT.format(path=[str(here.parent), *(part for part in sys.path if part)], package=str(here))
        try:
            self.process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", boot, str(RESERVE_SECONDS), str(fd)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd=self.folder,
                pass_fds=[fd],
                start_new_session=True,
            )
        except OSError as error:
            self._remove()
            raise SqlFailed(reason=f"no process can be started: {error.strerror}") from error
        # Whoever waits in vain ends by itself, and is not to stay behind as a zombie until somebody asks.
        threading.Thread(target=self.process.wait, name="flightlog-sql-reaper", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it is there still."""
        return self.process.poll() is None

    @property
    def out(self) -> int:
        """Where it says how it went."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ask(self, line: bytes) -> None:
        """Hand it the question."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError:
            pass  # it is gone; the watch finds that out and says so

    def keep_answer(self) -> IO[bytes]:
        """The file with the answer, which outlives the child."""
        assert self._answer is not None
        answer, self._answer = self._answer, None
        return answer

    def kill(self, why: str) -> None:
        """End it at once, unless it has ended."""
        if self.alive:
            self.why = self.why or why
            self.process.kill()

    def clean(self) -> None:
        """Let go of it and remove its folder."""
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass
        self._remove()

    def _remove(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_in_words(self) -> str:
        """How it ended without an answer."""
        self.process.wait()
        code = self.process.returncode
        return self.why or (f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}")

    def resident_bytes(self) -> int:
        """How much memory it takes; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                fields = file.read().split()
        except OSError:
            return 0
        # What it shares with others (libraries) is not its own.
        return (int(fields[1]) - int(fields[2])) * PAGE_BYTES

    def spilled_bytes(self) -> int:
        """How much it has written into its folder."""
        total = 0
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            pass  # one that is just going
        return total


class Watch:
    """Waits for a child's line, and ends the child when it takes more than it may."""

    def __init__(self, child: Child, settings: Settings, seconds: float, canceled: threading.Event | None) -> None:
        self._child, self._settings, self._seconds, self._canceled = child, settings, seconds, canceled

    def wait(self) -> bytes:
        """The line; empty when the child ended without one. Raises SqlStopped, SqlFailed."""
        waiting = select.poll()  # which takes any descriptor, also that of a server with thousands
        waiting.register(self._child.out, select.POLLIN)
        read, began = b"", False
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            if waiting.poll(LOOK_SECONDS * 1e3):
                piece = os.read(self._child.out, 1 << 16)
                if piece and not began:
                    # An empty line says that it has begun: what it takes to start a process is not the query's time.
                    began, deadline = True, time.monotonic() + self._seconds
                    piece = piece[1:]
                    if not piece:
                        continue
                read += piece
                if not piece or read.endswith(b"\n") or len(read) > LINE_BYTES_MAX:
                    return read
                continue
            if not began and time.monotonic() >= deadline:
                self._child.kill("it did not start")
                raise SqlFailed(reason=f"its process did not start within {START_SECONDS_MAX:g} seconds")
            if (why := self._over(deadline)) is not None:
                self._child.kill(why)
                self._child.process.wait()
                took = time.monotonic() - deadline + self._seconds if began else 0.0
                raise SqlStopped(reason=why, after_seconds=round(took, 2))

    def _over(self, deadline: float) -> str | None:
        """What it takes too much of."""
        settings = self._settings
        if self._canceled is not None and self._canceled.is_set():
            return "whoever asked is gone"
        if time.monotonic() >= deadline:
            return f"it takes longer than {round(self._seconds, 2):g} seconds"
        if self._child.resident_bytes() > settings.sql_memory_bytes_max:
            return f"it wants more memory than the {settings.sql_memory_bytes_max:,} bytes that a query may take"
        if self._child.spilled_bytes() > settings.sql_spill_bytes_max:
            return f"it wants more of the disk than the {settings.sql_spill_bytes_max:,} bytes that a query may take"
        return None


def sweep() -> None:
    """Remove the folders of servers that were killed."""
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if not entry.name.startswith(FOLDER_PREFIX):
                continue
            pid = entry.name.removeprefix(FOLDER_PREFIX).split("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                shutil.rmtree(entry.path, ignore_errors=True)
