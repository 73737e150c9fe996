"""Keys of requests, whatever order the same and other requests come in: each is done once, and answered as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flightlog.errors import KeyMisused, MoveIllegal
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from tests.contract.backends import BACKENDS
from tests.contract.test_tasks import ask, make_tasks

DAY = 24 * 3600
KEPT_NS = DAY * 1_000_000_000

asked = st.tuples(
    st.just("submit"),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from([None, "k1", "k2"]),
    st.sampled_from([b"1", b"2"]),
)
acted = st.tuples(
    st.sampled_from(["cancel", "retry"]), st.integers(0, 3), st.sampled_from([None, "k1", "k2"]), st.just(b"")
)
waited = st.tuples(st.just("wait"), st.sampled_from([1, DAY]), st.none(), st.just(b""))


class Expected:
    """What was answered under which key, as somebody would note it down by hand."""

    def __init__(self, clock: FakeClock) -> None:
        self.said: dict[Any, tuple[Any, Task, int]] = {}
        self._clock = clock

    def check(self, place: Any, request: Any, do: Any) -> tuple[Task, bool] | None:
        """Do it; hold what came of it against what has to come of it."""
        known = self.said.get(place)
        if known is None or place[-1] is None or known[2] <= self._clock.now_ns():
            task, is_new = do()
            assert is_new
            self.said[place] = (request, task, self._clock.now_ns() + KEPT_NS)
            return task, True
        if known[0] != request:
            with pytest.raises(KeyMisused):
                do()
            return None
        assert do() == (known[1], False)
        return known[1], False


@pytest.mark.parametrize(("name", "examples"), [("sqlite", 25), ("postgresql", 3)])
def test_each_request_is_done_once_and_answered_as_it_was(
    name: str, examples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backend = BACKENDS[name](tmp_path_factory.mktemp("keys"))
    store = backend.open()
    number = iter(range(10_000))

    @settings(max_examples=examples, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(st.lists(st.one_of(asked, acted, waited), min_size=5, max_size=25))
    def run(requests: list[Any]) -> None:
        clock = FakeClock()
        tasks = make_tasks(store, clock)
        expected = Expected(clock)
        mark = next(number)  # the store is the same for all examples, and nobody in it
        made: list[Task] = []
        for what, who, key, body in requests:
            if what == "wait":
                clock.advance(who)
            elif what == "submit":
                one = ask(f"{who}-{mark}", key=key, body=body)
                done = expected.check(("submit", who, key), body, lambda one=one: tasks.submit(one))
                if done is not None and done[1]:
                    made.append(done[0])
            elif who < len(made):
                task = made[who]
                try:
                    expected.check(
                        ("act", task.user_id, key), (task.task_id, what),
                        lambda task=task, what=what, key=key: tasks.act(task.task_id, what, key=key),
                    )  # fmt: skip
                except MoveIllegal:
                    pass  # nothing was done under the key, so it is free

    try:
        run()
    finally:
        backend.close()
