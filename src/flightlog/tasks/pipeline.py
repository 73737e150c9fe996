"""What a pipeline is, as data: its states in their order, what is done in each, and so which moves there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from flightlog.errors import PipelineInvalid

QUEUED = "QUEUED"
SUCCEEDED, FAILED, CANCELED = "SUCCEEDED", "FAILED", "CANCELED"
ENDS = frozenset({SUCCEEDED, FAILED, CANCELED})
START = ""  # before there is a task

_STATE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Retries:
    """How often a step is tried in all, and how long is waited between: `seconds_base * factor**n`, give or take a share."""

    attempts_max: int = 3
    seconds_base: float = 1.0
    factor: float = 2.0
    jitter: float = 0.2

    def delay_seconds(self, failed: int, chance: float) -> float:
        """How long to wait after so many failed attempts (from 1); `chance` is from 0 to 1.

        >>> Retries().delay_seconds(1, 0.5), Retries().delay_seconds(3, 0.5), round(Retries().delay_seconds(1, 1.0), 3)
        (1.0, 4.0, 1.2)
        """
        return self.seconds_base * self.factor ** (failed - 1) * (1 - self.jitter + 2 * self.jitter * chance)


@dataclass(frozen=True)
class Step:
    """What is done while a task is in `state`: `run` is handed the task and gives something that is JSON-able."""

    state: str
    run: Callable[..., Any]
    retries: Retries = field(default_factory=Retries)


@dataclass(frozen=True)
class Pipeline:
    """A kind of task. `states` are those on its way, in their order; SUCCEEDED, FAILED and CANCELED are given.

    Raises PipelineInvalid where the states are not names, not there, doubled or taken, where QUEUED is missing, or where a
    step is of a state that tasks don't work in.

    >>> Pipeline("summarise", ("QUEUED", "READING")).next_of("READING")
    'SUCCEEDED'
    """

    name: str
    states: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    retries: Retries = field(default_factory=Retries)
    queue: str = "default"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PipelineInvalid(name=self.name, reason="a name is lower-case letters, digits, - and _, at most 63")
        for state in self.states:
            if not _STATE.fullmatch(state):
                raise PipelineInvalid(name=self.name, reason=f"{state!r} is no name of a state, which is in capitals")
            if state in ENDS:
                raise PipelineInvalid(name=self.name, reason=f"{state} is given, and is not declared")
        if len(set(self.states)) < len(self.states):
            raise PipelineInvalid(name=self.name, reason="a state is there twice")
        if QUEUED not in self.states:
            raise PipelineInvalid(name=self.name, reason="QUEUED is missing, in which a task waits for a worker")
        working = set(self.states[self.states.index(QUEUED) + 1 :])
        for step in self.steps:
            if step.state not in working:
                raise PipelineInvalid(name=self.name, reason=f"{step.state} is no state after QUEUED")
        if len({step.state for step in self.steps}) < len(self.steps):
            raise PipelineInvalid(name=self.name, reason="a state has two steps")

    @property
    def initial(self) -> str:
        """Where a task begins."""
        return self.states[0]

    def next_of(self, state: str) -> str:
        """What comes after a state when all goes well."""
        place = self.states.index(state) + 1
        return self.states[place] if place < len(self.states) else SUCCEEDED

    def step_of(self, state: str) -> Step | None:
        """What is done in a state, if anything."""
        return next((step for step in self.steps if step.state == state), None)

    @cached_property
    def moves(self) -> Mapping[str, frozenset[str]]:
        """Every allowed move, by the state that it leaves.

        On the way it goes to the next state, or ends: FAILED or CANCELED from anywhere. What was FAILED or CANCELED goes back to
        QUEUED when it is retried; an attempt that a worker lost or that failed for now goes back there too.
        """
        made = {START: frozenset({self.initial})}
        queued = self.states.index(QUEUED)
        for place, state in enumerate(self.states):
            back = {QUEUED} if place > queued else set()
            made[state] = frozenset({self.next_of(state), FAILED, CANCELED} | back)
        made[SUCCEEDED] = frozenset()
        made[FAILED] = made[CANCELED] = frozenset({QUEUED})
        return MappingProxyType(made)

    def allows(self, before: str, after: str) -> bool:
        """Whether there is such a move."""
        return after in self.moves.get(before, frozenset())


MEDIA = Pipeline(
    "media", ("UPLOADED", "QUEUED", "PREPROCESSING", "DETECTING", "INPAINTING", "PACKAGING"), queue="media"
)
