"""Runs made of finished spans: every page reads them as well as it reads what a recorder tells."""

from __future__ import annotations

import html
import re

import msgspec
from msgspec.structs import replace

from flightlog.api.app import Services
from flightlog.cli.lines import summary as line_of
from flightlog.console.blocks import Limits
from flightlog.console.cards import blocks_of
from flightlog.console.pages.reading import reading_of
from flightlog.console.summary import summarize
from flightlog.events.envelope import StoredEvent
from flightlog.journal.columns import COLUMNS as ALL
from flightlog.journal.columns import read_columns
from flightlog.journal.read import EventFilter, get_event, read_events
from flightlog.runs.compare import compare_runs
from flightlog.runs.steps import COLUMNS, steps_of
from flightlog.runs.summary import get_run
from tests.api.serving import SECOND, START, Client
from tests.console.spans import ASK, CALL, FOUND, SYSTEM, TRACE, llm, log, parcel_trace, span


def told(services: Services) -> dict[str, StoredEvent]:
    services.journal.append(parcel_trace())
    return {
        event.span_id or "": event
        for event in read_events(services.store, EventFilter(run_id=TRACE)).events
        if event.type != "log"
    }


def reading(client: Client) -> list[str]:
    page = client.get(f"/runs/{TRACE}/reading", headers={"Accept": "text/html"}).text
    found = re.findall(r'<li class="card.*?</li>\n', page + "\n", re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", card)).split()) for card in found]


# ── to be read ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_spans_are_read_in_the_order_in_which_they_began(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    assert [card.split(" ")[2] for card in reading(client)] == ["Part", "Part", "Model", "Tool", "Model", "Log"]


def test_a_model_span_is_read_as_what_was_asked_and_then_the_answer(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    first = reading(client)[2]
    assert first.index("You help with parcels.") < first.index("Where is my parcel 4711?")
    assert first.index("Where is my parcel 4711?") < first.index("find_parcel(")
    assert "120 → 20 tokens" in first
    assert "64 cached" in first


def test_the_second_request_shows_only_what_is_new(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    second = reading(client)[4]
    assert "earlier message" in second
    assert "Your parcel left Hamburg" in second


def test_tools_with_the_same_call_id_are_told_each(client: Client, services: Services) -> None:
    """Call ids are the sender's: a fake model calls every call `call_1`."""
    twice = [
        span(
            "tool_result",
            f"c{n}",
            None,
            n,
            n + 1,
            {"tool": "t", "arguments": {"n": n}, "result": n},
            correlation_id="call_1",
        )
        for n in range(4)
    ]
    services.journal.append(twice)
    run = get_run(services.store, TRACE)
    first = reading_of(services, run, {"limit": "2"})
    rest = reading_of(services, run, {"afterId": first.more_href.rsplit("=", 1)[1]})
    assert [len(card.events) for card in (*first.cards, *rest.cards)] == [1, 1, 1, 1]


def test_what_a_log_record_says_of_a_call_is_read_as_a_conversation(client: Client, services: Services) -> None:
    said = {"role": "assistant", "content": "It is on its way."}
    services.journal.append(
        [
            llm("b1", None, 0, 1, [], None, payload={"request": {"model": "m"}}),
            log(
                1,
                "b1",
                1,
                {
                    "event_name": "gen_ai.client.inference.operation.details",
                    "request": {"messages": [ASK]},
                    "message": said,
                },
            ),
        ]
    )
    card = next(card for card in reading(client) if " Log " in card)
    assert card.index("Where is my parcel") < card.index("It is on its way.")


# ── in one line ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tool_span_says_what_it_was_called_with_and_what_came(services: Services) -> None:
    assert summarize(told(services)["b3"]) == f"number=4711 → {FOUND}"


def test_a_retrieval_says_how_much_it_found(services: Services) -> None:
    assert summarize(told(services)["b1"]) == "1 document for parcel 4711"


def test_an_agent_says_what_it_was_asked_and_what_it_answered(services: Services) -> None:
    assert summarize(told(services)["a0"]) == "Where is my parcel 4711? → Your parcel left Hamburg this morning."


def test_records_and_metrics_say_what_they_hold() -> None:
    def stored(type_: str, payload: str) -> StoredEvent:
        return StoredEvent(event_id="e", type=type_, created_at=1, payload=msgspec.Raw(payload.encode()))

    assert summarize(stored("log", '{"body":"retrying after 429"}')) == "retrying after 429"
    assert summarize(stored("metric", '{"metric":"m","unit":"{token}","points":[{"value":1240}]}')) == "1240 token"
    assert summarize(stored("metric", '{"metric":"m","unit":"s","points":[{},{}]}')) == "2 points in s"
    assert summarize(stored("resource", '{"attributes":{"service.name":"shop","service.version":"1"}}')) == "shop · 1"


def test_the_command_line_says_the_same() -> None:
    tool = {"type": "tool_result", "status": "ok", "payload": {"tool": "ls", "arguments": {"path": "."}, "result": "a"}}
    assert line_of(tool) == 'ls({"path":"."}) ok a'
    assert line_of({"type": "log", "payload": {"body": "hello"}}) == "hello"
    assert line_of({"type": "metric", "payload": {"metric": "m", "unit": "s", "points": [{"value": 2}]}}) == "m 2 s"


# ── one event ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_panel_of_a_span_has_request_answer_settings_and_what_was_left_over(services: Services) -> None:
    labels = [block.label for block in blocks_of(told(services)["b4"], Limits())]
    assert labels == [
        "",
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "Parameters",
        "Attributes",
        "OpenTelemetry",
    ]


def test_several_answers_are_all_there(services: Services) -> None:
    choices = [{"role": "assistant", "content": "one"}, {"role": "assistant", "content": "two"}]
    services.journal.append([llm("b1", None, 0, 1, [SYSTEM, ASK], choices[0], payload={"choices": choices})])
    turn = next(b for b in blocks_of(get_event(services.store, f"{TRACE}-b1"), Limits()) if b.tone == "assistant")
    assert [block.label for block in turn.inside] == ["", "Another answer"]


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_steps_of_a_run_of_spans_begin_when_they_began(services: Services) -> None:
    services.journal.append(parcel_trace())
    with services.store.read() as connection:
        rows = read_columns(connection, EventFilter(run_id=TRACE), 0, 1_000, 100)
    steps = list(steps_of(_as_steps(rows)))
    assert [(step.kind, (step.at_ns - START) // SECOND, step.status) for step in steps] == [
        ("llm", 2, "ok"), ("tool", 4, "ok"), ("llm", 5, "ok"),
    ]  # fmt: skip
    assert CALL["name"] == steps[1].name


def test_runs_of_spans_that_said_the_same_are_the_same_whatever_their_ids(services: Services) -> None:
    first = parcel_trace()
    again = [replace(event, event_id=f"again-{event.event_id}", run_id="again") for event in first]
    asked = msgspec.json.decode(bytes(again[4].payload))
    asked["message"]["content"] = "It has arrived."
    asked["otlp"]["resource"] = "another"
    again[4] = replace(again[4], payload=msgspec.Raw(msgspec.json.encode(asked)))
    services.journal.append([*first, *again])
    made = compare_runs(services.store, TRACE, "again")
    assert [(row.relation, row.differs) for row in made.rows] == [("same", ()), ("same", ()), ("changed", ("answer",))]
    assert {total.name: total.left for total in made.totals}["model_calls"] == 2


def _as_steps(rows: object) -> list[tuple[object, ...]]:
    place = {name: number for number, name in enumerate(ALL)}
    return [tuple(row[place[name]] if name in place else b"" for name in COLUMNS) for row in rows]  # type: ignore[attr-defined]
