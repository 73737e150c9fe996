"""The list of model calls and the page of one: what they show, how they are walked, and what people think of a call."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from flightlog.api.app import Services
from flightlog.console.strip import strip_of
from flightlog.runs.generations import get_generation
from tests.api.serving import SECOND, Client, event
from tests.console.markup import NASTY, parsed
from tests.console.spans import ASK, CALL, SYSTEM, TRACE, llm, log, parcel_trace, span

HTML = {"Accept": "text/html"}
FIRST, SECOND_CALL = f"{TRACE}-b2", f"{TRACE}-b4"


def page(client: Client, path: str, **params: Any) -> str:
    answer = client.get(path, params=params or None, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(text: str) -> list[str]:
    return re.findall(r'data-trace="([^"]+)"', text)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def judge(client: Client, target: str, **fields: Any) -> None:
    answer = client.post("/api/feedback", json={"target_id": target, **fields})
    assert answer.status_code in (201, 202), answer.text


def calls(count: int) -> list[Any]:
    """Single model calls, a second after each other, that took longer and longer."""
    said = {"role": "assistant", "content": "so"}
    return [
        replace(llm(f"s{n}", None, n, n + 0.1 * n, [ASK], said), event_id=f"e{n}", run_id=f"r{n}", trace_id=f"r{n}")
        for n in range(1, count + 1)
    ]


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_call_comes_first_with_what_was_asked_answered_and_spent(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    text = page(client, "/traces")
    assert rows(text) == [SECOND_CALL, FIRST]
    for said in (
        "gpt-4o-mini-2024-07-18",
        "Where is my parcel 4711?",
        "Your parcel left",
        "120 / 20",
        "$0.0003",
        "200 ms",
    ):
        assert said in text
    assert "2 model calls" in text


def test_all_pages_together_show_every_call_once(client: Client, services: Services) -> None:
    services.journal.append(calls(120))
    url: str | None = "/traces"
    seen = []
    while url:
        text = page(client, url)
        seen += rows(text)
        found = re.search(r'id="older" href="([^"]+)"|data-more="([^"]+)"', text)
        url = (found[1] or found[2]).replace("&amp;", "&") if found else None
    assert seen == [f"r{n}-s{n}" for n in range(120, 0, -1)]


def test_a_head_sorts_and_sorts_the_other_way_round(client: Client, services: Services) -> None:
    services.journal.append(calls(3))
    assert rows(page(client, "/traces", sort="-duration")) == ["r3-s3", "r2-s2", "r1-s1"]
    text = page(client, "/traces", sort="-duration")
    assert 'aria-sort="descending"><a href="/traces?sort=duration"' in text
    assert rows(page(client, "/traces", sort="duration")) == ["r1-s1", "r2-s2", "r3-s3"]


def test_a_filter_narrows_and_each_term_can_be_taken_away(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    text = page(client, "/traces", q='model:gpt* "left Hamburg"')
    assert rows(text) == [SECOND_CALL]
    assert 'title="Remove this term"' in text
    assert "No model call matches" in page(client, "/traces", q="status:error")


def test_a_filter_that_can_not_be_read_is_told_on_the_page(client: Client) -> None:
    answer = client.get("/traces", params={"q": "colour:red"}, headers=HTML)
    assert answer.status_code == 400
    assert 'id="query-error"' in answer.text


def test_an_empty_store_says_which_variable_fills_the_page(client: Client) -> None:
    text = page(client, "/traces")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4747" in text


def test_columns_are_chosen_and_two_are_always_there(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    heads = re.findall(r'<th class="c-(\w+)', page(client, "/traces", columns="finish"))
    assert heads == ["status", "model", "finish"]


def test_what_people_think_stands_in_the_row(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    judge(client, FIRST, kind="thumb", value="down")
    judge(client, FIRST, kind="score", value=0.5)
    text = page(client, "/traces")
    assert "▼ 1 ∅ 0.5" in text
    assert "1 thumb down, 0.5 on average of 1 score" in text
    assert rows(page(client, "/traces", q="thumb:down")) == [FIRST]


# ── one call ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_a_conversation_with_what_its_tools_gave(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    text = words(page(client, f"/traces/{FIRST}"))
    order = [
        "You help with parcels.",
        "Where is my parcel 4711?",
        "→ find_parcel",
        "tool (find_parcel)",
        "It left Hamburg",
    ]
    assert [text.index(each) for each in order] == sorted(text.index(each) for each in order)


def test_the_head_says_what_it_came_to_and_who_says_what_it_cost(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    text = words(page(client, f"/traces/{FIRST}"))
    for said in (
        "120 / 20",
        "64 cached",
        "$0.0003",
        "as the sender reported it",
        "asked for gpt-4o-mini",
        "tool_calls",
    ):
        assert said in text


def test_what_no_convention_took_is_shown(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    text = page(client, f"/traces/{SECOND_CALL}")
    assert "acme.tier" in text
    assert "gold" in text


def test_the_calls_of_a_run_lead_to_each_other(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    assert f'<a href="/traces/{SECOND_CALL}" rel="next"' in page(client, f"/traces/{FIRST}")
    assert f'<a href="/traces/{FIRST}" rel="prev"' in page(client, f"/traces/{SECOND_CALL}")
    assert 'rel="next"' not in page(client, f"/traces/{SECOND_CALL}")


def test_content_in_log_records_of_the_span_is_its_content(client: Client, services: Services) -> None:
    said = {"role": "assistant", "content": "It is on its way."}
    services.journal.append(
        [
            llm("b1", None, 0, 1, [], None, payload={"request": {"model": "m"}}),
            log(1, "b1", 1, {"event_name": "gen_ai.choice", "request": {"messages": [ASK]}, "message": said}),
        ]
    )
    text = page(client, f"/traces/{TRACE}-b1")
    assert "in log records" in text
    assert "It is on its way." in text


def test_a_call_without_content_says_how_to_get_it(client: Client, services: Services) -> None:
    services.journal.append([llm("b1", None, 0, 1, [], None, payload={"request": {"model": "m"}})])
    assert "CAPTURE_MESSAGE_CONTENT" in page(client, f"/traces/{TRACE}-b1")


def test_a_recorders_call_is_shown_the_same_way(client: Client, services: Services) -> None:
    asked = {"model": "m", "messages": [SYSTEM, ASK]}
    services.journal.append(
        [
            event(1, "llm_request", name="m", correlation_id="c1", span_id="s", payload=asked),
            event(2, "llm_response", name="m", correlation_id="c1", span_id="s", status="ok", duration_ns=SECOND,
                  payload={"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}),
            event(3, "tool_call", name="find_parcel", correlation_id="c2", span_id="s", payload={"tool": "find_parcel"}),
            event(4, "tool_result", name="find_parcel", correlation_id="c2", span_id="s", status="ok",
                  payload={"tool": "find_parcel", "result": "found it", "call_id": "call_1"}),
        ]
    )  # fmt: skip
    text = words(page(client, "/traces/r1-c1"))
    assert "Where is my parcel 4711?" in text
    assert "found it" in text


def test_a_call_that_is_not_there_is_said_not_to_be_there(client: Client) -> None:
    assert client.get("/traces/nowhere", headers=HTML).status_code == 404


@pytest.mark.parametrize("target", ["/traces", "/traces/{id}"])
def test_markup_in_a_call_is_text(client: Client, services: Services, target: str) -> None:
    said = {
        "role": "assistant",
        "content": NASTY,
        "tool_calls": [{"id": NASTY, "name": NASTY, "arguments": {NASTY: NASTY}}],
    }
    body = {"provider": NASTY, "model": NASTY, "error": {"kind": NASTY, "message": NASTY}, "attributes": {NASTY: NASTY}}
    services.journal.append(
        [llm("b1", None, 0, 1, [{"role": NASTY, "content": NASTY}], said, name=NASTY, payload=body)]
    )
    judge(client, f"{TRACE}-b1", kind="label", value=NASTY, comment=NASTY)
    parsed(page(client, target.format(id=f"{TRACE}-b1")))


@pytest.mark.parametrize("own", [True, False])
def test_the_panel_of_an_event_leads_to_its_model_call(client: Client, services: Services, own: bool) -> None:
    services.journal.append(parcel_trace())
    services.journal.append(
        [event(1, "llm_request", name="m", correlation_id="c1", span_id="s", payload={"model": "m"})]
    )
    text = page(client, f"/events/{TRACE}-b2" if own else "/events/e000001")
    found = re.search(r'href="(/traces/[^"]+)"', text)
    assert found is not None
    assert client.get(found[1], headers=HTML).status_code == 200


# ── what people think of it ──────────────────────────────────────────────────────────────────────────────────────────


def test_feedback_is_listed_with_what_it_was_before(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    judge(client, FIRST, kind="thumb", value="up", key="mine", actor="ann")
    judge(client, FIRST, kind="thumb", value="down", key="mine", actor="ann", comment="too short")
    text = words(page(client, f"/traces/{FIRST}"))
    assert "thumb down" in text
    assert "too short" in text
    assert "1 earlier thumb up" in text


def test_feedback_is_summed_up_on_the_page_of_the_run(client: Client, services: Services) -> None:
    services.journal.append(parcel_trace())
    assert "Feedback" not in page(client, f"/runs/{TRACE}")
    judge(client, FIRST, kind="thumb", value="down")
    judge(client, TRACE, kind="score", value=0.25)
    assert "▼ 1 ∅ 0.25" in page(client, f"/runs/{TRACE}")


# ── the work around it ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_strip_nests_finished_spans_and_marks_the_call(services: Services) -> None:
    services.journal.append(parcel_trace())
    one = get_generation(services.store, SECOND_CALL)
    shown = strip_of(services, TRACE, one.id)
    assert [(row.depth, row.name, row.is_here) for row in shown] == [
        (0, "answer about parcels", False),
        (1, "search faq", False),
        (1, "gpt-4o-mini", False),
        (1, "find_parcel", False),
        (1, "gpt-4o-mini", True),
    ]
    assert (shown[-1].x, shown[-1].width) == (571.4, 428.6)  # 5 to 8 of 1 to 8 seconds


def test_the_strip_of_a_recorders_run_joins_requests_with_answers(services: Services) -> None:
    services.journal.append(
        [
            event(1, "run_started", name="run", span_id="r"),
            event(2, "span_started", name="step", span_id="s", parent_span_id="r"),
            event(3, "llm_request", name="m", correlation_id="c", span_id="s", parent_span_id="r"),
            event(
                5, "llm_response", name="m", correlation_id="c", span_id="s", parent_span_id="r", duration_ns=2 * SECOND
            ),
            event(6, "span_finished", name="step", span_id="s", parent_span_id="r"),
        ]
    )
    shown = strip_of(services, "r1", get_generation(services.store, "r1-c").id)
    assert [(row.depth, row.name, row.took) for row in shown] == [
        (0, "run", "…"),
        (1, "step", "4.0 s"),
        (2, "m", "2.0 s"),
    ]


def test_spans_in_a_circle_do_not_hang_the_strip(services: Services) -> None:
    services.journal.append(
        [
            span("span_finished", "x", "y", 0, 1, {}),
            span("span_finished", "y", "x", 0, 1, {}),
            llm("m", "gone", 0, 1, [ASK], {"role": "assistant", "content": "so"}),
            span("tool_result", "t", None, 0, 1, {"tool": "t"}),
        ]
    )
    one = get_generation(services.store, f"{TRACE}-m")
    assert sum(row.is_here for row in strip_of(services, TRACE, one.id)) == 1
