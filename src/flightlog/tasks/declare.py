"""How a pipeline is written: a class whose methods are its steps."""

from __future__ import annotations

import inspect
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from flightlog.errors import PipelineInvalid
from flightlog.tasks.pipeline import ENDS, Pipeline, Retries, Step

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

DECLARED = "__flightlog_pipeline__"
_STEP = "__flightlog_step__"
_QUEUE = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


class _Marked(NamedTuple):
    """What `step` leaves on a method."""

    state: str
    retries: Retries | None


def step(state: str, *, retries: Retries | None = None) -> Callable[[F], F]:
    """Say of a method that it is what is done in a state: `def read(self, task)`, which gives something JSON can hold.

    `retries` is how often and when it is tried again; unless given, what the pipeline says. Raises PipelineInvalid.
    """
    if not isinstance(state, str):
        raise PipelineInvalid(name=_called(state), reason='a step is written with its state: @step("READING")')
    _check_retries(state, retries)

    def mark(function: F) -> F:
        if isinstance(function, staticmethod | classmethod) or not inspect.isfunction(function):
            raise PipelineInvalid(name=state, reason=f"{_called(function)} is no method, and only a method is a step")
        if hasattr(function, _STEP):
            raise PipelineInvalid(name=state, reason=f"{_called(function)} is the step of a state already")
        setattr(function, _STEP, _Marked(state, retries))
        return function

    return mark


def pipeline(
    name: str, *, states: Iterable[str] = (), queue: str = "default", retries: Retries | None = None
) -> Callable[[C], C]:
    """Make a class a kind of task: `states` are those on its way, QUEUED among them; SUCCEEDED, FAILED and CANCELED are given.

    States without a step are passed through. The class is made once in each worker, when its first step is to be done, and its
    methods are called from several threads. What it is as data is its `__flightlog_pipeline__`. Raises PipelineInvalid
    for whatever can't be meant.
    """
    if not isinstance(name, str):
        raise PipelineInvalid(
            name=_called(name), reason='a pipeline is written with its name: @pipeline("summarise", …)'
        )
    places = () if isinstance(states, str) else tuple(states)
    if not places or not all(isinstance(state, str) for state in places):
        raise PipelineInvalid(name=name, reason='states is a list of names: ["QUEUED", "READING"]')
    if not isinstance(queue, str) or not _QUEUE.fullmatch(queue):
        raise PipelineInvalid(
            name=name, reason=f"{queue!r} is no name of a queue: lower-case letters, digits, -, _ and ., at most 63"
        )
    _check_retries(name, retries)
    usual = retries or Retries()

    def declare(kind: C) -> C:
        if not inspect.isclass(kind):
            raise PipelineInvalid(name=name, reason=f"{_called(kind)} is no class, and only a class is a pipeline")
        made = _Once(name, kind)
        steps = tuple(
            Step(marked.state, _bound(made, method), marked.retries or usual)
            for method, marked in _marked(name, kind, places)
        )
        if not steps:
            raise PipelineInvalid(name=name, reason=f"{kind.__name__} has no step: no method has @step in front")
        setattr(kind, DECLARED, Pipeline(name, places, steps, usual, queue))
        return kind

    return declare


def declared(thing: object) -> Pipeline | None:
    """The pipeline that something is, or that was made of this class itself, if any."""
    if isinstance(thing, Pipeline):
        return thing
    found = vars(thing).get(DECLARED) if inspect.isclass(thing) else None
    return found if isinstance(found, Pipeline) else None


class _Once:
    """The one instance whose methods are the steps, made when it is needed first."""

    def __init__(self, name: str, kind: type) -> None:
        self._name, self._kind = name, kind
        self._lock = threading.Lock()
        self._made: Any = None
        try:
            inspect.signature(kind).bind()
        except TypeError as error:
            raise PipelineInvalid(
                name=name, reason=f"{kind.__name__} can't be made without arguments: {error}"
            ) from None
        except ValueError:
            pass  # its maker is not Python, and is believed

    def get(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._kind()
            return self._made


def _bound(made: _Once, method: str) -> Callable[[Any], Any]:
    def run(task: Any) -> Any:
        return getattr(made.get(), method)(task)

    return run


def _marked(name: str, kind: type, states: tuple[str, ...]) -> Iterator[tuple[str, _Marked]]:
    """The methods that are steps, also those of base classes, each checked. In the order of their states."""
    found: dict[str, _Marked] = {}
    for attribute in dict.fromkeys(key for one in reversed(kind.__mro__) for key in vars(one)):
        method = inspect.getattr_static(kind, attribute)
        inner = method.__func__ if isinstance(method, staticmethod | classmethod) else method
        marked = getattr(inner, _STEP, None)
        if not isinstance(marked, _Marked):
            continue
        if inner is not method:
            raise PipelineInvalid(name=name, reason=f"{attribute} is no plain method, and only such a one is a step")
        _check_method(name, attribute, method)
        if marked.state in ENDS:
            raise PipelineInvalid(
                name=name, reason=f"{attribute}: nothing is done in {marked.state}, which ends a task"
            )
        if marked.state not in states:
            raise PipelineInvalid(
                name=name, reason=f"{attribute} is the step of {marked.state}, which is not among its states"
            )
        found[attribute] = marked
    return iter(sorted(found.items(), key=lambda one: states.index(one[1].state)))


def _check_method(name: str, attribute: str, method: Any) -> None:
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise PipelineInvalid(
            name=name, reason=f"{attribute} is async, and a step runs in a thread: asyncio.run inside it"
        )
    if inspect.isgeneratorfunction(method):
        raise PipelineInvalid(name=name, reason=f"{attribute} yields, and a step returns what came out of it")
    try:
        inspect.signature(method).bind(None, None)
    except TypeError:
        raise PipelineInvalid(
            name=name, reason=f"{attribute} does not take the task, and it alone: def {attribute}(self, task)"
        ) from None


def _check_retries(name: str, retries: Retries | None) -> None:
    if retries is None:
        return
    if not isinstance(retries, Retries):
        raise PipelineInvalid(name=name, reason="retries is a Retries(attempts_max=…, seconds_base=…, …)")
    numbers = (retries.attempts_max, retries.seconds_base, retries.factor, retries.jitter)
    if any(isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one) for one in numbers):
        raise PipelineInvalid(name=name, reason="retries are numbers")
    if not isinstance(retries.attempts_max, int) or retries.attempts_max < 1:
        raise PipelineInvalid(name=name, reason="attempts_max is a whole number from 1 on")
    if retries.seconds_base < 0 or retries.factor < 1:
        raise PipelineInvalid(name=name, reason="waits don't shrink: seconds_base is at least 0, factor at least 1")
    if not 0 <= retries.jitter <= 1:
        raise PipelineInvalid(name=name, reason="jitter is a share, from 0 to 1")


def _called(thing: object) -> str:
    return str(getattr(thing, "__name__", None) or type(thing).__name__)
