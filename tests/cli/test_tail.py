"""`tail`: every event once, in order, moments after it is in the store."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog import wiring
from flightlog.cli.query import Doc, EventQuery
from flightlog.cli.tail import _follow
from flightlog.recorder.client import Recorder
from tests.cli.terminal import Process, Server, flightlog

SECONDS_MAX = 30.0


@pytest.fixture(params=["folder", "server"])
def followed(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[list[str], Recorder]]:
    """Where to follow, and a recorder whose events arrive there."""
    if request.param == "folder":
        with wiring.open(folder) as recorder:
            recorder.note("zero")
            assert recorder.flush(SECONDS_MAX)
            yield ["--dir", str(folder)], recorder
    else:
        with Server(folder) as server, wiring.open(folder, drain=False) as recorder:
            recorder.note("zero")
            assert recorder.flush(SECONDS_MAX)
            yield ["--server", server.url], recorder


def text_of(line: str) -> str:
    return str(json.loads(line)["payload"].get("text"))


def test_what_comes_is_shown_as_it_comes(followed: tuple[list[str], Recorder]) -> None:
    where, recorder = followed
    with Process(["tail", *where, "--json"]) as process:
        assert text_of(process.line()) == "zero"
        for number in range(3):
            recorder.note(f"note {number}")
            recorder.flush(SECONDS_MAX)
            assert text_of(process.line()) == f"note {number}"
        process.send(signal.SIGINT)
        assert process.wait() == 130
        assert process.errors == []


def test_types_and_levels_are_chosen(followed: tuple[list[str], Recorder]) -> None:
    where, recorder = followed
    with Process(["tail", *where, "--types", "note", "--level", "warn,error", "--json"]) as process:
        recorder.note("quiet")
        recorder.emit("acme.other", {}, level="error")
        recorder.note("loud", level="error")
        recorder.flush(SECONDS_MAX)
        assert text_of(process.line()) == "loud"


def test_one_run_is_followed_to_its_end(followed: tuple[list[str], Recorder]) -> None:
    where, recorder = followed
    run = recorder.run("the one").start()
    recorder.flush(SECONDS_MAX)
    with Process(["tail", run.id, *where, "--until-finished", "--types", "note,run_started"]) as process:
        process.line(lambda line: "run_started" in line)
        recorder.note("of no run")
        run.note("of the run")
        run.finish()
        recorder.flush(SECONDS_MAX)
        (line,) = process.rest()
        assert line.endswith("of the run")
        assert process.wait() == 0


def test_a_run_that_has_finished_is_not_waited_for(followed: tuple[list[str], Recorder]) -> None:
    where, recorder = followed
    with recorder.run("over") as run:
        pass
    recorder.flush(SECONDS_MAX)
    said = flightlog("tail", run.id, *where, "--until-finished", "--last", "1")
    assert said.code == 0
    assert said.out.count("\n") == 1
    assert "run_finished" in said.out


def test_only_as_many_as_asked_for_are_shown_first(followed: tuple[list[str], Recorder]) -> None:
    where, recorder = followed
    with recorder.run("long") as run:
        for number in range(5):
            run.note(f"note {number}")
    recorder.flush(SECONDS_MAX)
    for last, shown in ((0, []), (2, ["note", "run_finished"])):
        said = flightlog("tail", run.id, *where, "--until-finished", "--last", last, "--json")
        assert [json.loads(line)["type"] for line in said.out.splitlines()] == shown


def test_a_server_may_restart_meanwhile_and_nothing_is_missed_or_shown_twice(folder: Path) -> None:
    with Server(folder) as server, wiring.open(folder, drain=False) as recorder:
        port = server.url.rsplit(":", 1)[1]
        with Process(["tail", "--server", server.url, "--last", "0", "--json"]) as process:
            # The tail is there once it has shown something, so say something until it does.
            for number in range(1_000):
                recorder.note(f"knock {number}")
                recorder.flush(SECONDS_MAX)
                if process.has_line():
                    break
            texts = [text_of(process.line())]
            server.send(signal.SIGTERM)
            assert server.wait() == 0
            recorder.note("while it was away")
            with Process(["up", "--dir", folder, "--port", port, "--json"]) as again:
                again.line()
                recorder.note("afterwards")
                while texts[-1] != "afterwards":
                    texts.append(text_of(process.line()))
    assert len(texts) == len(set(texts))
    assert texts[-2:] == ["while it was away", "afterwards"]


class Moving:
    """A source in which an event is recorded between any two looks at it."""

    def __init__(self) -> None:
        self.stored: list[Doc] = []
        self._record()

    def _record(self) -> None:
        number = len(self.stored) + 1
        self.stored.append({"id": number, "type": "note", "level": "info", "payload": {"text": f"{number}"}})

    def head(self) -> int:
        head = len(self.stored)
        self._record()
        return head

    def events(self, query: EventQuery, *, before_id: int, limit: int, latest: bool = False) -> Doc:
        found = [event for event in self.stored if event["id"] < before_id]
        self._record()
        return {"events": found[-limit:]}

    def follow(self, query: EventQuery, after_id: int) -> Iterator[list[Doc]]:
        self._record()
        yield self.stored[after_id:]
        raise KeyboardInterrupt


def test_what_is_recorded_between_the_first_look_and_following_is_shown_once(capsysbinary: Any) -> None:
    source: Any = Moving()
    with pytest.raises(KeyboardInterrupt):
        _follow(source, None, (), (), 10, until_finished=False, as_json=True)
    shown = [json.loads(line)["id"] for line in capsysbinary.readouterr().out.splitlines()]
    assert shown == [event["id"] for event in source.stored]
