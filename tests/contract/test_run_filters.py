"""Queries over runs give what looking at each run gives, however odd the names in them are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightlog.clock import FakeClock
from flightlog.filters.compile import run_filter
from flightlog.filters.language import quote
from flightlog.journal.append import Journal
from flightlog.runs.listing import SORTS, list_runs
from flightlog.runs.summary import RunSummary
from flightlog.store.contract import Store
from tests.contract.making import SECOND, START, event

CLOCK = FakeClock(START + 1_000_000 * SECOND)
MODELS = ("gpt-4o", "GPT-4o", "gpt-4o-mini", 'odd"name', "a,b", ",", "back\\slash", "日本", "x]y", "[", "st*r", "new\nline",
          "100%", "under_score", "", ":1,")  # fmt: skip
NAMES = (None, "fix the build", "Fix the BUILD", "log in", "100% done", "under_score", "a*b", "été", "r001")
ACTORS = (None, "bob", "Bob", "agent-7", "a,b", "日本")
RUNS = 60

Holds = Callable[[RunSummary], bool]
Asked = st.SearchStrategy[tuple[str, Holds]]


@pytest.fixture
def filled(store: Store, journal: Journal) -> Store:
    """Runs of which each value meets each other one sooner or later."""
    events = []
    for number in range(RUNS):
        at = START + number * SECOND
        run: dict[str, Any] = {"run_id": f"r{number:03d}", "created_at": at, "actor": ACTORS[number % len(ACTORS)]}
        name = NAMES[number % len(NAMES)]
        events.append(event(5 * number, "run_started", name=name, **run))
        for place in range(number % 3):
            model = MODELS[(number * 3 + place * 5) % len(MODELS)]
            usage = {"usage": {"input_tokens": number * 10, "output_tokens": place}, "cost_usd": number / 100}
            events.append(event(5 * number + 1 + place, "llm_response", name=model, payload=usage, **run))
        if number % 4:
            run["created_at"] = at + number * SECOND // 7
            took = {"duration_ns": number * SECOND // 3} if number % 5 == 0 else {}
            status = "failed" if number % 4 == 1 else "succeeded"
            events.append(event(5 * number + 4, "run_finished", status=status, level="error", **run, **took))
    journal.append(events)
    return store


def folded(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def like(pattern: str, text: str | None) -> bool:
    expression = ".*".join(re.escape(part) for part in folded(pattern).split("*"))
    return text is not None and re.fullmatch(expression, folded(text), re.DOTALL) is not None


def exact(field: str, read: Callable[[RunSummary], list[str | None]], pool: tuple[str | None, ...]) -> Asked:
    values = st.lists(st.sampled_from([value for value in pool if value is not None]), min_size=1, max_size=3)
    return values.map(
        lambda found: (f"{field}:{','.join(map(quote, found))}", lambda run: any(one in found for one in read(run)))
    )


PIECES = (
    "*",
    "gpt",
    "GPT",
    "-4o",
    "mini",
    "b",
    "日",
    "\\",
    "%",
    "_",
    "1",
    "]",
    "[",
    ":",
    "é",
    "fix",
    "tool",
    "run_",
    "llm",
)
patterns = (
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)
    .map("".join)
    .map(lambda text: text + "*" * ("*" not in text))
)


def starred(field: str, read: Callable[[RunSummary], list[str | None]]) -> Asked:
    return patterns.map(
        lambda pattern: (f"{field}:{pattern}", lambda run: any(like(pattern, one) for one in read(run)))
    )


def number(field: str, read: Callable[[RunSummary], float | None], most: int) -> Asked:
    def made(bound: str, value: int) -> tuple[str, Holds]:
        def holds(run: RunSummary) -> bool:
            found = read(run)
            if found is None:
                return False
            return {">": found > value, ">=": found >= value, "<": found < value, "": found == value}[bound]

        return f"{field}:{bound}{value}{'s' if field == 'duration' else ''}", holds

    return st.builds(made, st.sampled_from((">", ">=", "<", "")), st.integers(0, most))


def seconds(run: RunSummary) -> float | None:
    return None if run.duration_ns is None else run.duration_ns / SECOND


texts = st.sampled_from(("fix", "BUILD", "log in", "r00", "001", "100%", "_", "été", "nobody"))
terms = st.one_of(
    exact("model", lambda run: [*run.models], MODELS),
    exact("actor", lambda run: [run.actor], ACTORS),
    exact("name", lambda run: [run.name], NAMES),
    exact("status", lambda run: [run.status, "hung" if run.hung else None], ("failed", "succeeded", "running", "hung")),
    exact("type", lambda run: [*run.counts], ("run_finished", "llm_response", "tool_call")),
    starred("model", lambda run: [*run.models]),
    starred("actor", lambda run: [run.actor]),
    starred("type", lambda run: [*run.counts]),
    number("tokens", lambda run: run.tokens_input + run.tokens_output, 1_200),
    number("events", lambda run: run.event_count, 5),
    number("errors", lambda run: run.error_count, 2),
    number("duration", seconds, 12),
    texts.map(lambda text: (quote(text), lambda run: like(f"*{text}*", run.name) or run.run_id.startswith(text))),
    st.sampled_from(("fix*build", "r*1", "*_", "log")).map(
        lambda text: (text, lambda run: like(f"*{text}*", run.name) or like(f"{text}*", run.run_id))
    ),
)  # fmt: skip
signed = st.tuples(terms, st.booleans())


def test_a_query_gives_the_runs_that_looking_at_each_gives(filled: Store) -> None:
    everything = list_runs(filled, limit=RUNS, clock=CLOCK).runs
    assert len(everything) == RUNS

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(signed, min_size=1, max_size=3))
    def check(asked: list[tuple[tuple[str, Holds], bool]]) -> None:
        query = " ".join(("-" if negated else "") + text for (text, _), negated in asked)
        expected = [run.run_id for run in everything if all(holds(run) != negated for (_, holds), negated in asked)]
        found = list_runs(filled, run_filter(query, CLOCK.now_ns()), limit=RUNS, clock=CLOCK).runs
        assert [run.run_id for run in found] == expected, query

    check()


@pytest.mark.parametrize("model", [model for model in MODELS if model])
def test_each_model_finds_its_own_runs_and_no_others(filled: Store, model: str) -> None:
    everything = list_runs(filled, limit=RUNS, clock=CLOCK).runs
    found = list_runs(filled, run_filter(f"model:{quote(model)}", 0), limit=RUNS, clock=CLOCK).runs
    assert found == [run for run in everything if model in run.models]
    assert found


@pytest.mark.parametrize("piece", [piece for piece in PIECES if piece != "*"])
def test_where_a_pattern_has_its_star_matters(filled: Store, piece: str) -> None:
    everything = list_runs(filled, limit=RUNS, clock=CLOCK).runs
    for pattern in (f"{piece}*", f"*{piece}", f"*{piece}*", f"*{piece}*{piece}"):
        found = list_runs(filled, run_filter(f"model:{pattern}", 0), limit=RUNS, clock=CLOCK).runs
        assert found == [run for run in everything if any(like(pattern, model) for model in run.models)], pattern
        found = list_runs(filled, run_filter(f"type:{pattern}", 0), limit=RUNS, clock=CLOCK).runs
        assert found == [run for run in everything if any(like(pattern, kind) for kind in run.counts)], pattern


@pytest.mark.parametrize("sort", SORTS)
def test_what_is_as_large_as_numbers_get_is_sorted_and_paged(store: Store, journal: Journal, sort: str) -> None:
    usage = {"usage": {"input_tokens": 2**63 - 1, "output_tokens": 2**63 - 1}}
    journal.append([event(n, "llm_response", name="m", payload=usage, run_id=f"r{n}") for n in range(3)])
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = list_runs(store, sort=f"-{sort}", limit=1, cursor=cursor, clock=CLOCK)
        seen += [run.run_id for run in page.runs]
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(seen) == ["r0", "r1", "r2"]
