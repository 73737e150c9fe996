"""When a thread looks for work: after commits, sooner when it is told, seldom while they bring nothing."""

from __future__ import annotations

import threading
import time

from flightlog.store.lookout import PAUSE_SECONDS_MAX, Lookout
from flightlog.store.signal import Signal

LONG = 60.0


def resting(lookout: Lookout, seconds: float | None = None) -> tuple[threading.Thread, list[bool]]:
    """A thread that rests, and what came of it."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(lookout.rest(seconds)))
    thread.start()
    while not lookout._resting:
        thread.join(0.001)
    return thread, answers


def test_a_commit_after_the_beginning_ends_the_rest_even_if_it_came_before() -> None:
    signal = Signal()
    lookout = Lookout(signal, LONG)
    assert lookout.begin() is False
    signal.notify()
    assert lookout.rest() is True


def test_a_poke_ends_the_rest_and_is_told_once() -> None:
    lookout = Lookout(Signal(), LONG)
    lookout.begin()
    thread, answers = resting(lookout)
    lookout.poke()
    thread.join(LONG)
    assert answers == [True]
    assert [lookout.begin(), lookout.begin()] == [True, False]


def test_a_hint_alone_does_not_wake_for_nothing_but_is_not_forgotten() -> None:
    signal = Signal()
    lookout = Lookout(signal, LONG)
    lookout.begin()
    thread, answers = resting(lookout)
    lookout.hint()  # in a transaction that is not committed yet
    assert answers == []
    signal.notify()
    thread.join(LONG)
    assert answers == [True]
    assert lookout.begin() is True


def test_the_end_of_a_short_rest_is_no_reason_to_look_and_the_sweep_is_one() -> None:
    lookout = Lookout(Signal(), LONG)
    lookout.begin()
    assert lookout.rest(0.001) is False
    swept = Lookout(Signal(), 0.0)
    began = time.monotonic()
    swept.begin()
    assert swept.rest() is True
    assert time.monotonic() - began >= PAUSE_SECONDS_MAX * 0.9  # however small it is set


def test_looks_that_find_nothing_get_further_apart_up_to_a_bound_while_commits_come() -> None:
    signal = Signal()
    lookout = Lookout(signal, LONG)
    began = time.monotonic()
    for _ in range(9):
        lookout.begin()
        signal.notify()
        lookout.rest()
    took = time.monotonic() - began
    assert took >= sum(0.001 * 2**turn for turn in range(7)) + 2 * PAUSE_SECONDS_MAX
    lookout.begin()
    lookout.found()
    signal.notify()
    assert lookout.rest() is True
