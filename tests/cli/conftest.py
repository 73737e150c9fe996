"""Folders to look at: one that is read only, made once, and fresh ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.recorder.run import Run
from tests.cli.terminal import Server

SECONDS_MAX = 30.0


class Recorded(NamedTuple):
    """A folder with a few runs, their ids in order of start, and the URL of a server of it or None."""

    folder: Path
    runs: list[str]
    url: str | None = None

    @property
    def where(self) -> list[str]:
        """The options that name this place."""
        return ["--server", self.url] if self.url else ["--dir", str(self.folder)]


def record_some(folder: Path) -> list[str]:
    """Three runs: one with a bit of everything, one that failed, one that goes on."""
    recorder = wiring.open(folder, project="shop", source="agent")
    runs: list[Run] = []
    with recorder.run("mend the till", actor="agent-7", task_id="T-1", input="it counts wrong") as run:
        runs.append(run)
        with run.span("plan"), run.llm("small-model", provider="p", messages="how?") as call:
            call.record(
                {"choices": [{"message": {"content": "so"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}
            )
        with run.tool_call("grep", {"pattern": "till"}) as tool:
            tool.result("till.py:3")
        run.note("it is \x1b[31mdone\x1b[0m\nhere")
        run.emit("shop.counted", {"items": 3})
    try:
        with recorder.run("break the till", actor="agent-8") as run:
            runs.append(run)
            raise ValueError("no till")
    except ValueError:
        pass
    runs.append(recorder.run("watch the till", actor="agent-7").start())
    assert recorder.flush(SECONDS_MAX)
    recorder.close()
    return [run.id for run in runs]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A folder for tests that only read."""
    folder = tmp_path_factory.mktemp("recorded") / "flight"
    return Recorded(folder, record_some(folder))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """The same, served."""
    folder = tmp_path_factory.mktemp("served") / "flight"
    runs = record_some(folder)
    with Server(folder) as process:
        yield Recorded(folder, runs, process.url)


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest) -> Recorded:
    """Both ways to the same runs."""
    found = request.getfixturevalue("recorded" if request.param == "folder" else "server")
    assert isinstance(found, Recorded)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "flight"


def spool_notes(folder: Path, count: int) -> str:
    """Record notes that nobody delivers; the run's id."""
    recorder = wiring.open(folder, drain=False, settings=Settings())
    with recorder.run("wait here") as run:
        for number in range(count - 2):
            run.note(f"note {number}")
    recorder.close()
    return run.id
