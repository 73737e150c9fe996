"""Checks as data, and how a list of them is flown: in order, each with its verdict, with the cleaning up whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from flightlog.clock import NS_PER_SECOND, Clock, format_ns
from flightlog.drills.target import Unreachable
from flightlog.drills.walk import Red, Unproved, Walk

Verdict = Literal["passed", "failed", "skipped"]
SIGNS: dict[str, str] = {"passed": "✓", "failed": "✗", "skipped": "–"}


class Check(NamedTuple):
    """One promise. `run` returns a few words on what was seen, raises Red where the promise is broken, and Unproved where
    it can't be seen here or now.
    """

    name: str
    proves: str
    run: Callable[[Walk], str]


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a check. `skipped` is no verdict on the server: `said` has why."""

    name: str
    proves: str
    verdict: Verdict
    said: str
    seconds: float


class Report(msgspec.Struct, kw_only=True):
    """A drill on one server. `clean` says what was left behind; empty when nothing was."""

    drill: str
    target: str
    url: str
    began_at: str
    seconds: float
    outcomes: list[Outcome]
    left_behind: list[str]

    @property
    def ok(self) -> bool:
        """Whether every promise that could be looked at was kept, at least one, and nothing is left behind."""
        verdicts = {outcome.verdict for outcome in self.outcomes}
        return "failed" not in verdicts and "passed" in verdicts and not self.left_behind


class Drill(NamedTuple):
    """A named list of checks."""

    name: str
    checks: tuple[Check, ...]


def fly(
    drill: Drill, walk: Walk, clock: Clock, *, target: str = "", told: Callable[[Outcome], None] = lambda _: None
) -> Report:
    """Fly a drill. It cleans up also when a check fails and when it is interrupted; then the interruption goes on its way."""
    began_at, began = clock.now_ns(), clock.monotonic_ns()
    outcomes: list[Outcome] = []
    gone = ""
    try:
        for check in drill.checks:
            walk.go_on()
            outcome = _skip(check, gone) if gone else _run(check, walk, clock)
            gone = gone or (outcome.said if walk.unreachable else "")
            outcomes.append(outcome)
            told(outcome)
    finally:
        left_behind = walk.clean_up()
    return Report(
        drill=drill.name,
        target=target or walk.target.url,
        url=walk.target.url,
        began_at=format_ns(began_at),
        seconds=(clock.monotonic_ns() - began) / NS_PER_SECOND,
        outcomes=outcomes,
        left_behind=left_behind,
    )


def _run(check: Check, walk: Walk, clock: Clock) -> Outcome:
    began = clock.monotonic_ns()
    verdict: Verdict = "failed"
    try:
        said = check.run(walk)
        verdict = "passed"
    except Unproved as why:
        said, verdict = str(why), "skipped"
    except Red as why:
        said = str(why)
    except Unreachable as why:
        walk.unreachable = True
        said = f"the server can't be reached: {why}"
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        said = f"an answer is not what it should be: {type(error).__name__}: {error}"
    seconds = (clock.monotonic_ns() - began) / NS_PER_SECOND
    return Outcome(name=check.name, proves=check.proves, verdict=verdict, said=said, seconds=seconds)


def _skip(check: Check, why: str) -> Outcome:
    return Outcome(name=check.name, proves=check.proves, verdict="skipped", said=f"not tried: {why}", seconds=0.0)
