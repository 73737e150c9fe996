"""Model calls that are told twice count once, whichever of their spans comes first."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flightlog.events.envelope import Event
from flightlog.ids import SystemIds
from flightlog.journal.append import Journal
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.runs.generations import list_generations
from flightlog.runs.pricing import Price, PriceList
from flightlog.runs.reprice import recompute_costs
from flightlog.runs.rollup import rollup
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from tests.contract.making import SECOND, START, event

MODEL = "gpt-4o-mini"
LAST = 100  # seconds that the outermost span takes


def used(tokens: int | None) -> dict[str, Any]:
    return {} if tokens is None else {"usage": {"input_tokens": tokens, "output_tokens": 1}}


def span(run: str, number: int, parent: int | None, kind: str, tokens: int | None = None) -> Event:
    """Span `number`: within its parent, whose number is less, and of one second less at each end."""
    types = {"call": "llm_response", "tool": "tool_result", "plain": "span_finished"}
    payload = {"otlp": {"resource": "r"}} | ({"model": MODEL} | used(tokens) if kind == "call" else {"tool": "t"})
    return event(
        number, types[kind], payload=payload, event_id=f"{run}-s{number}", run_id=run, trace_id=run, span_id=f"s{number}",
        parent_span_id=None if parent is None else f"s{parent}", name=MODEL if kind == "call" else kind, status="ok",
        created_at=START + (LAST - number) * SECOND, duration_ns=(LAST - 2 * number) * SECOND,
    )  # fmt: skip


def recorded(run: str, inside: int, first: int, last: int, tokens: int) -> list[Event]:
    """A recorder's call in span `inside`, from one second to another."""
    asked = {"correlation_id": f"c{inside}", "run_id": run, "trace_id": run, "span_id": f"s{inside}", "name": MODEL}
    return [
        event(1, "llm_request", payload={"model": MODEL}, event_id=f"{run}-q{inside}", created_at=START + first * SECOND,
              **asked),
        event(2, "llm_response", payload={"model": MODEL} | used(tokens), event_id=f"{run}-a{inside}", status="ok",
              created_at=START + last * SECOND, **asked),
    ]  # fmt: skip


def found(store: Store, run: str) -> tuple[set[str], int, int]:
    """The spans of covered calls (with a c, of a recorder), the tokens of the run, and the sum of what is not covered."""
    rows = list_generations(store, GenerationFilter(run_id=run), limit=100).generations
    covered = {one.generation_id.removeprefix(f"{run}-") for one in rows if one.covered}
    counted = sum(one.tokens_input or 0 for one in rows if not one.covered)
    costs = sum(one.cost_nano_usd or 0 for one in rows if not one.covered)
    state = get_run(store, run)
    assert round(state.cost_usd * 1e9) == costs
    return covered, state.tokens_input, counted


def test_a_framework_and_the_client_below_it_tell_of_one_call(store: Store, journal: Journal) -> None:
    journal.append([span("t", 3, 2, "call", 40), span("t", 2, 1, "call", 40), span("t", 1, None, "plain")])
    assert found(store, "t") == ({"s2"}, 40, 40)


def test_the_call_of_a_recorder_around_an_instrumented_client_is_one_too(store: Store, journal: Journal) -> None:
    journal.append([*recorded("t", 1, 1, 99, 40), span("t", 2, 1, "call", 40)])
    journal.append([*recorded("u", 1, 1, 50, 40), span("u", 2, 1, "call", 40)])  # it was over before the client was
    assert found(store, "t") == ({"c1"}, 40, 40)
    assert found(store, "u") == (set(), 80, 80)


def test_a_call_that_says_nothing_of_tokens_covers_none(store: Store, journal: Journal) -> None:
    journal.append([span("t", 2, 1, "call", None), span("t", 1, None, "call", 40)])
    assert found(store, "t") == (set(), 40, 40)


def test_prices_that_change_do_not_bring_back_what_is_covered(store: Store, journal: Journal) -> None:
    journal.append([span("t", 2, 1, "call", 1_000_000), span("t", 1, None, "call", 1_000_000)])
    before = get_run(store, "t").cost_usd
    dearer = Price(price_id="own", model=MODEL, provider="*", input=2_000_000_000, output=0, is_users=True)
    recompute_costs(store, journal, PriceList([dearer], {}), GenerationFilter(run_id="t"), ids=SystemIds())
    assert (before > 0, get_run(store, "t").cost_usd) == (True, 2.0)


def test_a_run_added_up_has_a_call_once(store: Store, journal: Journal) -> None:
    journal.append([span("t", 2, 1, "call", 40), span("t", 1, None, "call", 40), span("t", 3, 2, "tool")])
    [group] = rollup(store, get_run(store, "t")).models
    assert (group.calls, group.tokens_input) == (1, 40)


NODES = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "call", "plain", "tool"]),
        st.integers(0, 8),  # which of those before is its parent
        st.one_of(st.none(), st.integers(1, 50)),
        st.one_of(st.none(), st.tuples(st.integers(1, 40), st.integers(60, 99), st.integers(1, 50))),
    ),
    min_size=2,
    max_size=7,
)


def expected(nodes: list[tuple[Any, ...]], parents: list[int | None]) -> set[str]:
    """What is covered, told by looking up from every call that says its tokens."""
    covered = set()
    for number, (kind, _, tokens, _) in enumerate(nodes, 1):
        above = parents[number - 1] if kind == "call" and tokens is not None else None
        while above is not None:
            over, _, _, around = nodes[above - 1]
            if over == "call":
                covered.add(f"s{above}")
            if around is not None and around[0] <= number and LAST - number <= around[1]:
                covered.add(f"c{above}")
            above = None if over == "tool" else parents[above - 1]
    return covered


def test_what_is_covered_does_not_depend_on_the_order_or_the_batches(store: Store, journal: Journal) -> None:
    tries = count()

    @given(NODES, st.data())
    def check(nodes: list[tuple[Any, ...]], data: st.DataObject) -> None:
        run = f"r{next(tries)}"
        parents = [None if at == 0 else 1 + one[1] % at for at, one in enumerate(nodes)]
        events: list[Event] = []
        for number, (kind, _, tokens, around) in enumerate(nodes, 1):
            events.append(span(run, number, parents[number - 1], kind, tokens))
            if around is not None:
                events += recorded(run, number, *around)
        rest = data.draw(st.permutations(events))
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            journal.append(rest[:size])
            rest = rest[size:]
        covered, told, counted = found(store, run)
        assert covered == expected(nodes, parents)
        assert told == counted

    check()
