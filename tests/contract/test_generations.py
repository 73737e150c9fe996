"""Generations: one row per model call, the same whatever the order, batching and repetition of its events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, GenerationNotFound, LimitInvalid
from flightlog.events.envelope import Event
from flightlog.filters.compile import generation_filter
from flightlog.ids import SystemIds
from flightlog.journal.append import Journal
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.runs.generation_content import read_content
from flightlog.runs.generation_filter import GenerationFilter, conditions
from flightlog.runs.generation_table import generations
from flightlog.runs.generations import SORTS, Generation, get_generation, list_generations
from flightlog.runs.pricing import PriceBook, PriceList
from flightlog.runs.project import RunProjector
from flightlog.runs.reprice import recompute_costs
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from tests.contract.backends import Backend
from tests.contract.making import SECOND, START, event

MINI = "gpt-4o-mini"


def request(number: int, /, *, payload: Any = None, **fields: Any) -> Event:
    said = {"model": MINI, "provider": "openai", "messages": [{"role": "user", "content": "Mend the login"}]}
    return event(number, "llm_request", **{"payload": payload or said, "correlation_id": "c1", "name": MINI, **fields})


def answer(number: int, /, *, payload: Any = None, **fields: Any) -> Event:
    said = {
        "model": f"{MINI}-2024-07-18",
        "provider": "openai",
        "message": {"role": "assistant", "content": "Done"},
        "finish_reasons": ["stop"],
        "usage": {"input_tokens": 1_000, "output_tokens": 100, "cached_input_tokens": 800},
    }
    given_ = {"payload": said if payload is None else payload, "correlation_id": "c1", "name": MINI, "status": "ok"}
    return event(number, "llm_response", **{**given_, **fields})


def span(number: int, /, *, payload: Any = None, **fields: Any) -> Event:
    """A model call as OpenTelemetry tells it: one event, when it is over."""
    said = {
        "model": "claude-sonnet-5",
        "provider": "anthropic",
        "operation": "chat",
        "request": {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": f"number {number}"}]},
        "message": {"role": "assistant", "content": "yes"},
        "usage": {"input_tokens": 10, "output_tokens": number},
        "otlp": {"name": "chat claude"},
    }
    given_ = {
        "payload": said if payload is None else payload,
        "event_id": f"t1-s{number:03d}",
        "trace_id": "t1",
        "span_id": f"s{number:03d}",
        "run_id": "t1",
        "status": "ok",
        "name": "claude-sonnet-5",
        "duration_ns": SECOND,
    }
    return event(number, "llm_response", **{**given_, **fields})


def only(store: Store) -> Generation:
    (found,) = list_generations(store).generations
    return found


def test_a_request_and_its_answer_are_one_generation(store: Store, journal: Journal) -> None:
    journal.append([request(1, actor="agent-7", span_id="work", task_id="T1"), answer(3)])
    found = only(store)
    assert found == Generation(
        generation_id="r1-c1",
        id=1,
        event_id="e000003",
        request_event_id="e000001",
        answer_id=2,
        request_id=1,
        run_id="r1",
        project="default",
        trace_id=None,
        span_id="work",
        parent_span_id=None,
        task_id="T1",
        actor="agent-7",
        source=None,
        name=None,
        started_at=START + 1 * SECOND,
        ended_at=START + 3 * SECOND,
        duration_ns=2 * SECOND,
        time_to_first_chunk_ns=None,
        provider="openai",
        model="gpt-4o-mini-2024-07-18",
        request_model=MINI,
        operation=None,
        status="ok",
        error_kind=None,
        finish_reason="stop",
        streamed=None,
        tokens_input=1_000,
        tokens_output=100,
        tokens_cached_input=800,
        tokens_cache_write=None,
        tokens_reasoning=None,
        cost_nano_usd=150_000,
        cost_source="priced",
        price_id="openai/gpt-4o-mini",
        input_preview="Mend the login",
        output_preview="Done",
        covered=False,
    )
    assert found == get_generation(store, "r1-c1")


def test_a_finished_span_is_a_generation_by_itself(store: Store, journal: Journal) -> None:
    journal.append([span(5, status="error", level="error", payload={"error": {"kind": "Boom"}, "otlp": {"name": "x"}})])
    found = only(store)
    assert (found.generation_id, found.name, found.status, found.error_kind) == ("t1-s005", "x", "error", "Boom")
    assert (found.started_at, found.ended_at, found.duration_ns) == (START + 4 * SECOND, START + 5 * SECOND, SECOND)
    assert (found.event_id, found.request_event_id) == ("t1-s005", None)


def test_a_call_whose_answer_never_came_stays_running_even_when_its_run_ended(store: Store, journal: Journal) -> None:
    journal.append([request(1), event(2, "run_finished", payload={}, status="failed")])
    assert (only(store).status, only(store).ended_at) == ("running", None)
    assert get_run(store, "r1").status == "failed"


def test_an_answer_that_came_first_waits_for_its_request(store: Store, journal: Journal) -> None:
    journal.append([answer(3)])
    assert (only(store).started_at, only(store).duration_ns) == (START + 3 * SECOND, None)
    journal.append([request(1)])
    found = only(store)
    assert (found.started_at, found.duration_ns, found.input_preview) == (START + SECOND, 2 * SECOND, "Mend the login")


def test_calls_without_a_correlation_are_told_apart_by_their_events(store: Store, journal: Journal) -> None:
    journal.append([answer(n, correlation_id=None, span_id="same") for n in (1, 2)])
    assert {one.generation_id for one in list_generations(store).generations} == {"r1-e000001", "r1-e000002"}


def test_a_cost_that_the_sender_reported_wins(store: Store, journal: Journal) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 100}
    journal.append([answer(1, payload={"model": MINI, "usage": usage, "cost_usd": 0.5})])
    assert (only(store).cost_usd, only(store).cost_source, only(store).price_id) == (0.5, "reported", None)
    assert get_run(store, "r1").cost_usd == 0.5


def test_what_nobody_knows_the_price_of_has_no_cost(store: Store, journal: Journal) -> None:
    journal.append([answer(1, payload={"model": MINI, "provider": "ollama", "usage": {"input_tokens": 5}})])
    assert (only(store).cost_nano_usd, only(store).cost_source) == (None, None)


ODD = (None, "12", [1], {}, True, -4, 2**70, 1e300, 1.5, "a\x00b")


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_odd_payloads_still_make_a_row_and_leave_the_rest_of_it(store: Store, journal: Journal, value: Any) -> None:
    keys = (
        "model",
        "provider",
        "operation",
        "usage",
        "error",
        "otlp",
        "message",
        "choices",
        "finish_reasons",
        "request",
    )
    usual = {"usage": {"input_tokens": 7}, "finish_reasons": ["stop"]}
    odd = [{**usual, key: value} for key in keys]
    odd += [{"usage": {"input_tokens": value, "output_tokens": 3}, "cost_usd": value, "streamed": value}]
    odd += [{"request": {"messages": value, "parameters": value}, "message": {"content": value, "tool_calls": value}}]
    odd += [{"request": {"messages": [value]}, "choices": [value], "time_to_first_chunk_ns": value}, value, [value]]
    journal.append([answer(n, payload=payload, correlation_id=f"c{n}") for n, payload in enumerate(odd)])
    found = list_generations(store, sort="started").generations
    assert len(found) == len(odd)
    assert found[0].tokens_input == 7
    for one in found:
        read_content(store, one)


def test_a_list_has_the_beginning_of_what_was_said_alone(store: Store, journal: Journal) -> None:
    long = "word " * 5_000
    journal.append([span(1, payload={"otlp": {}, "message": {"content": long}, "request": {"input": [long, long]}})])
    found = only(store)
    assert found.output_preview is not None
    assert len(found.output_preview) <= 200
    assert found.input_preview is not None
    assert found.input_preview.startswith("word word")


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────

CALLS = st.builds(
    lambda kind, key, at, model, tokens, cost, actor: (kind, key, at, model, tokens, cost, actor),
    st.sampled_from(["request", "answer", "span", "note"]),
    st.sampled_from(["c1", "c2", "c3"]),
    st.integers(0, 5),
    st.sampled_from([None, MINI, "claude-sonnet-5", "nobody-knows"]),
    st.sampled_from([None, 0, 12, 10**6]),
    st.sampled_from([None, None, 0.25, "odd"]),
    st.sampled_from([None, "a1"]),
)


def drawn_event(number: int, run_id: str, drawn: tuple[Any, ...]) -> Event:
    kind, key, at, model, tokens, cost, actor = drawn
    said: dict[str, Any] = {"model": model, "usage": {"input_tokens": tokens, "output_tokens": 5}, "cost_usd": cost}
    fields: dict[str, Any] = {"event_id": f"{run_id}-{number:02d}", "run_id": run_id, "created_at": START + at}
    fields |= {"actor": actor, "name": model}
    if kind == "request":
        return event(0, "llm_request", **fields, correlation_id=key, payload={"model": model, "input": f"{number}"})
    if kind == "answer":
        return event(0, "llm_response", **fields, correlation_id=key, payload=said)
    if kind == "span":
        return event(0, "llm_response", **fields, span_id=f"s{number}", payload={**said, "otlp": {"name": key}})
    return event(0, **fields)


def test_order_batching_and_repetition_do_not_matter(backend: Backend) -> None:
    store = backend.open()
    journal = Journal(store, [RunProjector()])
    tries = iter(range(10**9))

    @given(st.lists(CALLS, min_size=1, max_size=12), st.data())
    def check(drawn: list[tuple[Any, ...]], data: st.DataObject) -> None:
        attempt = next(tries)

        def made(run_id: str) -> list[Event]:
            return [drawn_event(number, run_id, one) for number, one in enumerate(drawn)]

        in_order, shuffled = f"o{attempt}", f"s{attempt}"
        journal.append(made(in_order))
        rest = data.draw(st.permutations(made(shuffled)))
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            journal.append(rest[:size])
            if data.draw(st.booleans()):
                journal.append(rest[:size])
            rest = rest[size:]
        assert rows_of(store, in_order) == rows_of(store, shuffled)

    check()


def rows_of(store: Store, run_id: str) -> dict[str, dict[str, Any]]:
    """The generations of a run without what says where they came from."""
    made = {}
    for one in list_generations(store, GenerationFilter(run_id=run_id), limit=100).generations:
        row = msgspec.structs.asdict(one)
        for name in ("id", "answer_id", "request_id", "run_id"):
            del row[name]
        for name in ("generation_id", "event_id", "request_event_id"):
            row[name] = row[name] and row[name].removeprefix(run_id)
        made[row["generation_id"]] = row
    return made


def test_the_total_of_a_run_is_the_sum_of_its_generations(store: Store, journal: Journal) -> None:
    journal.append([span(n, run_id="r1") for n in range(1, 40)])
    found = list_generations(store, limit=100).generations
    run = get_run(store, "r1")
    assert run.cost_usd == sum(one.cost_nano_usd or 0 for one in found) / 1e9 > 0
    assert run.tokens_output == sum(one.tokens_output or 0 for one in found)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def many(store: Store, journal: Journal) -> Store:
    models = [MINI, "claude-sonnet-5", "nobody-knows"]
    journal.append(
        span(
            n,
            project=f"p{n % 2}",
            trace_id=f"t{n % 3}",
            run_id=f"t{n % 3}" if n % 2 else f"run{n % 3}",
            duration_ns=None if n % 7 == 0 else (n % 5) * SECOND,
            status="error" if n % 6 == 0 else "ok",
            payload={
                "model": models[n % 3],
                "otlp": {"name": f"chat {n}"},
                "request": {"messages": [{"role": "user", "content": f"Say 100% of _{n}"}]},
                "message": {"role": "assistant", "content": "Right"},
                "usage": {} if n % 4 == 0 else {"input_tokens": n % 3, "output_tokens": n},
                "time_to_first_chunk_ns": None if n % 2 else n,
            },
        )
        for n in range(40)
    )
    journal.append([request(50, correlation_id="open")])
    return store


@pytest.mark.parametrize("sort", [sign + name for name in SORTS for sign in ("", "-")])
def test_pages_follow_each_other_in_every_order(many: Store, sort: str) -> None:
    whole = list_generations(many, sort=sort, limit=100, count=True)
    assert (len(whole.generations), whole.total, whole.next_cursor) == (41, 41, None)
    found: list[Generation] = []
    cursor: str | None = None
    while True:
        page = list_generations(many, sort=sort, limit=7, cursor=cursor)
        found += page.generations
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == whole.generations

    def value(one: Generation) -> int:
        known = {
            "started": one.started_at,
            "duration": one.duration_ns,
            "cost": one.cost_nano_usd,
            "tokens": None
            if one.tokens_input is None and one.tokens_output is None
            else (one.tokens_input or 0) + (one.tokens_output or 0),
            "ttfc": one.time_to_first_chunk_ns,
        }[sort.removeprefix("-")]
        return -1 if known is None else known

    values = [(value(one), one.id) for one in found]
    assert values == sorted(values, reverse=sort.startswith("-"))


QUERIES: dict[str, Any] = {
    "model:gpt-4o-mini": lambda g: g.model == MINI,
    "model:gpt*,claude-sonnet-5": lambda g: g.model in (MINI, "claude-sonnet-5"),
    "-model:gpt*": lambda g: not (g.model or "").startswith("gpt"),
    "status:running": lambda g: g.status == "running",
    "status:error,running": lambda g: g.status != "ok",
    "-status:ok": lambda g: g.status != "ok",
    "provider:openai": lambda g: g.provider == "openai",
    "cost:>0.0001": lambda g: (g.cost_nano_usd or 0) > 100_000,
    "tokens:>20": lambda g: (g.tokens_input or 0) + (g.tokens_output or 0) > 20,
    "-tokens:>20": lambda g: not (g.tokens_input or 0) + (g.tokens_output or 0) > 20,
    "input:1": lambda g: g.tokens_input == 1,
    "output:3..7": lambda g: 3 <= (g.tokens_output or 0) <= 7,
    "duration:>2s": lambda g: (g.duration_ns or 0) > 2 * SECOND,
    "ttfc:<10ns": lambda g: g.time_to_first_chunk_ns is not None and g.time_to_first_chunk_ns < 10,
    "project:p1": lambda g: g.project == "p1",
    "trace:t1": lambda g: g.trace_id == "t1",
    "run:t1": lambda g: g.run_id == "t1",
    "trace:t1 project:p0": lambda g: g.trace_id == "t1" and g.project == "p0",
    "costed:priced": lambda g: g.cost_source == "priced",
    "-costed:priced": lambda g: g.cost_source != "priced",
    "price:openai*": lambda g: (g.price_id or "").startswith("openai"),
    '"100% of _1"': lambda g: "100% of _1" in (g.input_preview or ""),
    "RIGHT": lambda g: g.output_preview == "Right",
    "-right": lambda g: g.output_preview != "Right",
    '"chat 1"': lambda g: "chat 1" in (g.name or ""),
    "login right": lambda g: False,
    f"since:{START + 20 * SECOND} until:{START + 30 * SECOND}": lambda g: 20 <= (g.started_at - START) / SECOND < 30,
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_finds_what_one_finds_by_looking(many: Store, query: str) -> None:
    everything = list_generations(many, limit=100).generations
    wanted = [one.generation_id for one in everything if QUERIES[query](one)]
    found = list_generations(many, generation_filter(query, 0), limit=100, count=True)
    assert [one.generation_id for one in found.generations] == wanted
    assert found.total == len(wanted)
    assert wanted or query == "login right"


def test_counting_stops_at_its_limit(many: Store) -> None:
    page = list_generations(many, count=True, settings=Settings(facet_runs_max=10))
    assert (page.total, page.counted_all) == (10, False)


@pytest.mark.parametrize("cursor", ["", "x", "é", "bm90IGpzb24", "WzEsMl0", "\ud800"])
def test_a_cursor_that_was_never_given_out_is_refused(many: Store, cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        list_generations(many, cursor=cursor)


def test_what_can_not_be_asked_is_refused(many: Store) -> None:
    with pytest.raises(LimitInvalid):
        list_generations(many, limit=0)
    with pytest.raises(FilterInvalid):
        list_generations(many, sort="beauty")
    for wanted in (GenerationFilter(text="\ud800"), GenerationFilter(since=2**63), GenerationFilter(statuses=("odd",))):
        with pytest.raises(FilterInvalid):
            list_generations(many, wanted)
    for unknown in ("nobody", "", "\ud800"):
        with pytest.raises(GenerationNotFound):
            get_generation(many, unknown)


@pytest.mark.parametrize("query", ["", "trace:t1", "run:t1", "status:error", "model:gpt-4o-mini", "task:T1"])
def test_common_pages_are_read_by_an_index(many: Store, backend: Backend, query: str) -> None:
    asked = select(generations.c.id).where(*conditions(generation_filter(query, 0)))
    asked = asked.order_by(generations.c.started_at.desc(), generations.c.id.desc()).limit(10)
    with many.read() as connection:
        text = str(asked.compile(connection, compile_kwargs={"literal_binds": True}))
    plan = backend.plan(many, text, ())
    assert all(backend.is_by_index(step) for step in plan if "generations" in step), plan


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_said_is_read_from_both_events_with_the_results_of_its_tools(store: Store, journal: Journal) -> None:
    calls = [{"id": "call_1", "name": "ls", "arguments": {}}, {"id": "call_2", "name": "rm", "arguments": {}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    journal.append(
        [
            request(1),
            answer(2, payload={"message": message}),
            event(3, "tool_result", correlation_id="call_2", payload={"tool": "rm", "result": "gone"}, name="rm"),
            event(4, "tool_result", correlation_id="x", payload={"tool": "ls", "result": [1], "call_id": "call_1"}),
            event(5, "tool_result", correlation_id="y", payload={"tool": "cd", "call_id": "call_3"}),
        ]
    )
    content = read_content(store, only(store))
    assert content.request is not None
    assert content.request["messages"][0]["content"] == "Mend the login"
    assert content.message == message
    assert [(one.call_id, one.result) for one in content.tool_answers] == [("call_1", [1]), ("call_2", "gone")]
    assert content.event is not None
    assert content.event.event_id == "e000002"
    assert content.request_event is not None
    assert content.request_event.event_id == "e000001"


def test_content_that_came_as_log_records_of_the_span_is_found(store: Store, journal: Journal) -> None:
    where = {"trace_id": "t1", "span_id": "s002", "run_id": None}
    user, system = {"role": "user", "content": "Hi"}, {"role": "system", "content": "Be kind"}
    journal.append(
        [
            event(3, "log", **where, payload={"message": {"role": "assistant", "content": "Hello"}}),
            event(1, "log", **where, payload={"request": {"messages": [system]}}),
            span(2, payload={"otlp": {"name": "chat"}, "model": "m"}),
            event(2, "log", **where, payload={"request": {"messages": [user]}}),
            event(4, "log", trace_id="t1", span_id="other", payload={"message": {"content": "no"}}),
        ]
    )
    content = read_content(store, only(store))
    assert content.request == {"messages": [system, user]}
    assert content.message == {"role": "assistant", "content": "Hello"}
    assert content.from_logs


# ── prices that change ───────────────────────────────────────────────────────────────────────────────────────────────


def priceless() -> PriceBook:
    book = PriceBook()
    book._current = PriceList([], {})
    return book


def test_costs_are_worked_out_again_only_when_asked_and_the_journal_says_so(store: Store) -> None:
    journal = Journal(store, [RunProjector(priceless())])
    usage = {"input_tokens": 1_000, "output_tokens": 100, "cached_input_tokens": 800}
    journal.append([request(1), answer(2), answer(3, correlation_id="c3", payload={"usage": usage, "cost_usd": 0.5})])
    assert get_run(store, "r1").cost_usd == 0.5
    prices, everything = PriceBook().current, GenerationFilter()

    dry = recompute_costs(store, journal, prices, everything, ids=SystemIds(), dry_run=True)
    assert (dry.looked_at, dry.changed, dry.after_nano_usd, dry.event_ids) == (1, 1, 150_000, [])
    assert get_run(store, "r1").cost_usd == 0.5

    made = recompute_costs(store, journal, prices, everything, ids=SystemIds(), actor="ann")
    assert (made.changed, made.before_nano_usd, made.after_nano_usd) == (1, 0, 150_000)
    assert get_generation(store, "r1-c1").price_id == "openai/gpt-4o-mini"
    assert get_generation(store, "r1-c3").cost_source == "reported"
    assert get_run(store, "r1").cost_usd == pytest.approx(0.50015)
    (audit,) = read_events(store, EventFilter(types=("audit",))).events
    assert made.event_ids == [audit.event_id]
    told = msgspec.json.decode(audit.payload)
    assert (told["operation"], audit.actor, told["details"]["changed"]) == ("prices.recompute", "ann", 1)

    again = recompute_costs(store, journal, prices, everything, ids=SystemIds())
    assert (again.looked_at, again.changed, again.event_ids) == (1, 0, [])


def test_only_what_passes_the_filter_is_priced_anew(store: Store) -> None:
    journal = Journal(store, [RunProjector(priceless())])
    journal.append([answer(n, correlation_id=f"c{n}") for n in range(1, 6)])
    wanted = GenerationFilter(since=START + 3 * SECOND, until=START + 5 * SECOND)
    made = recompute_costs(store, journal, PriceBook().current, wanted, ids=SystemIds())
    assert (made.looked_at, made.changed) == (2, 2)
    assert get_run(store, "r1").cost_usd == pytest.approx(2 * 0.00015)
