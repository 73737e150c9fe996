"""How a pipeline is written, and every mistake that can be made in doing so."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import flightlog.tasks
from flightlog.errors import PipelineInvalid
from flightlog.tasks import Retries, RetryAfter, Unrecoverable, pipeline, step
from flightlog.tasks.raised import retry_after_of

STATES = ["QUEUED", "READING", "WRITING"]


def test_these_names_are_promised() -> None:
    assert sorted(flightlog.tasks.__all__) == [
        "Overtaken", "Retries", "RetryAfter", "Unrecoverable", "pipeline", "step",
    ]  # fmt: skip


def test_declaring_a_pipeline_loads_no_database_and_no_server() -> None:
    look = (
        "import sys, flightlog.tasks, flightlog.tasks.pipeline; from flightlog.tasks import pipeline;"
        "assert callable(pipeline); print([m for m in sys.modules if m in ('sqlalchemy', 'fastapi', 'dbos', 'uvicorn')])"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "[]\n"


def test_a_class_is_a_pipeline_whose_steps_are_its_methods() -> None:
    @pipeline("summarise", states=STATES, queue="slow", retries=Retries(attempts_max=2))
    class Summarise:
        @step("WRITING", retries=Retries(attempts_max=5))
        def write(self, task: Any) -> Any:
            return ("written", task)

        @step("READING")
        def read(self, task: Any) -> Any:
            return ("read", task)

    made = Summarise.__flightlog_pipeline__  # type: ignore[attr-defined]
    assert (made.name, made.states, made.queue) == ("summarise", tuple(STATES), "slow")
    assert [(one.state, one.retries.attempts_max) for one in made.steps] == [("READING", 2), ("WRITING", 5)]
    assert [one.run("it") for one in made.steps] == [("read", "it"), ("written", "it")]


def test_the_class_is_made_once_and_not_before_it_is_needed() -> None:
    made: list[int] = []

    @pipeline("once", states=STATES)
    class Once:
        def __init__(self) -> None:
            made.append(1)

        @step("READING")
        def read(self, task: Any) -> Any:
            return id(self)

    assert made == []
    run = Once.__flightlog_pipeline__.steps[0].run  # type: ignore[attr-defined]
    threads = [threading.Thread(target=run, args=(None,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_steps_are_inherited_and_a_base_is_not_the_pipeline() -> None:
    class Base:
        @step("READING")
        def read(self, task: Any) -> Any:
            return self.word  # type: ignore[attr-defined]

    @pipeline("child", states=STATES)
    class Child(Base):
        word = "of the child"

    assert Child.__flightlog_pipeline__.steps[0].run(None) == "of the child"  # type: ignore[attr-defined]


def _class(**methods: Any) -> type:
    return type("Made", (), methods)


def _step(state: str = "READING", function: Any = None, **given: Any) -> Any:
    return step(state, **given)(function or _read())


def _read() -> Callable[..., Any]:
    def read(self: Any, task: Any) -> Any: ...

    return read


async def _async(self: Any, task: Any) -> None: ...


def _yields(self: Any, task: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pipeline(_class()), "written with its name"),
        (lambda: pipeline("p")(_class()), "states is a list"),
        (lambda: pipeline("p", states="QUEUED"), "states is a list"),
        (lambda: pipeline("p", states=[1]), "states is a list"),
        (lambda: pipeline("P", states=STATES)(_class(a=_step())), "lower-case"),
        (lambda: pipeline("p", states=["READING"])(_class(a=_step())), "QUEUED is missing"),
        (lambda: pipeline("p", states=[*STATES, "FAILED"])(_class(a=_step())), "FAILED is given"),
        (lambda: pipeline("p", states=[*STATES, "READING"])(_class(a=_step())), "there twice"),
        (lambda: pipeline("p", states=["QUEUED", "reading"])(_class(a=_step("reading"))), "capitals"),
        (lambda: pipeline("p", states=STATES, queue="a b")(_class(a=_step())), "no name of a queue"),
        (lambda: pipeline("p", states=STATES)(_read()), "is no class"),
        (lambda: pipeline("p", states=STATES)(_class()), "has no step"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step("DRAWING", _read()))), "a is the step of DRAWING, which is not"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step("QUEUED", _read()))), "QUEUED is no state after QUEUED"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step("FAILED", _read()))), "nothing is done in FAILED"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step("READING", _read()), b=_step("READING", _read()))), "two steps"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step(function=_async))), "a is async"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step(function=_yields))), "a yields"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step(function=lambda self: 1))), "does not take the task"),
        (lambda: pipeline("p", states=STATES)(_class(a=staticmethod(_step(function=_read())))), "no plain method"),
        (lambda: pipeline("p", states=STATES)(_class(a=_step(), __init__=lambda self, disk: None)), "without arguments"),
        (lambda: step(_read()), "written with its state"),
        (lambda: _step(function=step("WRITING")(_read())), "step of a state already"),
        (lambda: _step(function=staticmethod(_read())), "no method"),
        (lambda: _step(retries=3), "retries is a Retries"),
        (lambda: _step(retries=Retries(attempts_max=0)), "attempts_max is a whole number from 1"),
        (lambda: _step(retries=Retries(attempts_max=1.5)), "attempts_max is a whole number from 1"),
        (lambda: _step(retries=Retries(seconds_base=-1)), "waits don't shrink"),
        (lambda: _step(retries=Retries(factor=0.5)), "waits don't shrink"),
        (lambda: _step(retries=Retries(jitter=2)), "jitter is a share"),
        (lambda: _step(retries=Retries(seconds_base=float("inf"))), "retries are numbers"),
        (lambda: pipeline("p", states=STATES, retries={"attempts_max": 3}), "retries is a Retries"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_where_it_is_made(make: Callable[[], object], said: str) -> None:
    with pytest.raises(PipelineInvalid, match=said):
        make()


def test_a_wait_that_an_error_asks_for_is_taken_if_it_makes_sense() -> None:
    def asking(value: object) -> Exception:
        error = OSError("busy")
        error.retry_after = value  # type: ignore[attr-defined]
        return error

    assert retry_after_of(RetryAfter(30)) == 30
    assert str(RetryAfter(2.5)) == "asked to come again after 2.5 seconds"
    assert retry_after_of(asking("7")) == 7
    for nonsense in (None, -1, float("nan"), float("inf"), "soon", [], object()):
        assert retry_after_of(asking(nonsense)) is None
    assert retry_after_of(Unrecoverable("no")) is None
