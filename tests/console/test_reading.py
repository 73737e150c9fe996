"""A run to be read: steps with their answers, what is new of each request, every step once over all pages."""

from __future__ import annotations

import html
import itertools
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightlog.api.app import Services
from flightlog.console.conversation import Conversation
from flightlog.console.pages.reading import reading_of
from flightlog.console.transcript import window_of
from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import Event
from flightlog.runs.summary import get_run
from tests.api.serving import Client, event
from tests.console.markup import NASTY, parsed


def reading(client: Client, **params: Any) -> str:
    answer = client.get("/runs/r1/reading", params=params or None, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def cards(page: str) -> list[str]:
    """Each card's text, with single spaces."""
    found = re.findall(r'<li class="card.*?</li>\n', page + "\n", re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", card)).split()) for card in found]


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="c(\d+)"', page)]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def asked(number: int, *messages: Any, call: str = "c") -> Event:
    payload = {"model": "m", "messages": list(messages)}
    return event(number, "llm_request", name="m", correlation_id=call + str(number), payload=payload)


def answered(number: int, text: str, of: int, call: str = "c", **fields: Any) -> Event:
    payload = {"model": "m", "message": assistant(text), **fields}
    return event(number, "llm_response", name="m", correlation_id=call + str(of), payload=payload, status="ok")


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_told_with_its_result_where_it_began(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_call", name="read", correlation_id="a", payload={"tool": "read", "arguments": {"path": "x.py"}}),
            event(2, payload={"text": "meanwhile"}),
            event(
                3, "tool_result", name="read", correlation_id="a", status="ok", duration_ns=2_000_000,
                payload={"tool": "read", "result": "the text"},
            ),
        ]
    )  # fmt: skip
    page = reading(client)
    assert ids(page) == [1, 2]
    assert cards(page)[0] == "+0 ms Tool read ✓ 2 ms #1 #3 path x.py Result the text".replace("✓ ", "ok ")
    assert "meanwhile" in cards(page)[1]


def test_a_result_far_away_is_with_its_call_and_is_not_told_again(client: Client, services: Services) -> None:
    call = {"tool": "slow"}
    services.journal.append(
        [
            event(1, "tool_call", correlation_id="a", payload=call),
            *(event(number) for number in range(2, 60)),
            event(60, "tool_result", correlation_id="a", status="ok", payload={**call, "result": "at last"}),
            event(61),
        ]
    )
    first = reading(client, limit=10)
    assert "at last" in cards(first)[0]
    assert ids(first) == list(range(1, 11))
    rest = reading(client, afterId=10, limit=100)
    assert ids(rest) == [*range(11, 60), 61]
    assert "at last" not in rest


def test_a_result_without_a_call_is_told_by_itself(client: Client, services: Services) -> None:
    services.journal.append(
        [event(1), event(2, "tool_result", correlation_id="lost", payload={"tool": "x", "result": "r"})]
    )
    assert ids(reading(client)) == [1, 2]
    assert ids(reading(client, afterId=1)) == [2]


def test_the_same_correlation_in_another_run_is_another_call(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_call", run_id="other", correlation_id="a", payload={"tool": "x"}),
            event(2, "tool_call", correlation_id="a", payload={"tool": "x"}),
            event(3, "tool_result", run_id="other", correlation_id="a", payload={"tool": "x", "result": "theirs"}),
        ]
    )
    [card] = cards(reading(client))
    assert "theirs" not in card
    assert "no answer yet" in card


def test_signs_of_life_are_no_steps_however_many(client: Client, services: Services) -> None:
    services.journal.append([event(1), *(event(n, "run_heartbeat", payload={}) for n in range(2, 500)), event(500)])
    page = reading(client)
    assert ids(page) == [1, 500]
    assert 'data-at-end="true"' in page


numbers = itertools.count(1)
kinds = st.sampled_from(
    ["note", "tool_call", "tool_result", "llm_request", "llm_response", "capability_decision", "run_heartbeat"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.tuples(kinds, st.sampled_from(["a", "b", "c", None])), max_size=30), size=st.integers(1, 7))
def test_over_all_pages_every_event_is_told_once(
    services: Services, events: list[tuple[str, str | None]], size: int
) -> None:
    run = f"r{next(numbers)}"
    needs = {"note": {"text": "t"}, "capability_decision": {"capability": "x", "decision": "requested"}}
    services.journal.append(
        [
            event(
                n,
                type_,
                event_id=f"{run}-{n}",
                run_id=run,
                correlation_id=of,
                payload=needs.get(type_, {"tool": "t", "model": "m"}),
            )
            for n, (type_, of) in enumerate(events)
        ]
    )
    told: list[str] = []
    after, at_end = 0, False
    while not at_end:
        window = window_of(services, run, after, size)
        assert window.last_id > after or window.at_end
        after, at_end = window.last_id, window.at_end
        told += [one.event_id for step in window.steps for one in step.events]
    assert sorted(told) == sorted(f"{run}-{n}" for n, (type_, _) in enumerate(events) if type_ != "run_heartbeat")


def test_the_way_to_earlier_and_later_steps(client: Client, services: Services) -> None:
    services.journal.append([event(number) for number in range(1, 201)])
    page = client.get("/runs/r1?view=reading&afterId=100", headers={"Accept": "text/html"}).text
    assert ids(page) == list(range(101, 141))
    assert 'rel="next" href="/runs/r1?view=reading&amp;afterId=140"' in page
    assert 'rel="prev" href="/runs/r1?view=reading&amp;afterId=20"' in page
    assert 'rel="prev"' not in reading(client)


# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_a_request_only_what_is_new_is_open(client: Client, services: Services) -> None:
    system, task = {"role": "system", "content": "Be careful."}, user("Fix it")
    services.journal.append(
        [
            asked(1, system, task),
            answered(2, "I will look", of=1),
            asked(3, system, task, assistant("I will look"), user("Look closer")),
            answered(
                4, "Done", of=3, usage={"input_tokens": 1200, "output_tokens": 7}, cost_usd=0.5, finish_reasons=["stop"]
            ),
        ]
    )
    first, second = cards(reading(client))
    assert "Fix it" in first
    assert second.startswith("+2.00 s Model m 1,200 → 7 tokens $0.50 stopped: stop")
    assert "2 earlier messages" in second
    assert "user Look closer assistant Done" in second
    assert "I will look" not in second
    page = reading(client)
    assert re.search(r"<details[^>]*r-system[^>]*><summary><b>system</b>", page)
    # The same on a page that begins with the second request.
    assert "2 earlier messages" in cards(reading(client, afterId=2))[0]
    assert "I will look" not in cards(reading(client, afterId=2))[0]


def test_a_result_that_comes_back_as_a_message_is_folded(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_call", correlation_id="t", payload={"tool": "ls"}),
            event(2, "tool_result", correlation_id="t", payload={"tool": "ls", "result": "a.py\nb.py"}, status="ok"),
            asked(3, {"role": "tool", "tool_call_id": "1", "content": "a.py\nb.py"}, user("And now?")),
        ]
    )
    page = reading(client)
    assert re.search(r'<details class="part group r-tool"><summary><b>tool</b> <span class="teaser">a.py b.py', page)
    assert '<div class="part group r-user"><b class="label">user</b>' in page


def talk(*requests: list[Any]) -> Any:
    conversation = Conversation()
    return [conversation.news({"messages": request}) for request in requests][-1]


def test_conversations_of_several_agents_are_told_apart() -> None:
    one, two = [user("one")], [user("two")]
    news = talk(one, two, [*one, assistant("x"), user("more")])
    assert (len(news.earlier), len(news.fresh), news.dropped) == (1, 2, 0)


def test_messages_that_are_gone_are_said_to_be_gone() -> None:
    system = {"role": "system", "content": "s"}
    news = talk([system, user("a"), user("b")], [system, user("a summary")])
    assert (len(news.earlier), news.fresh, news.dropped) == (1, [user("a summary")], 2)


def test_a_message_that_was_cut_for_size_is_the_same_message() -> None:
    def cut(size: int) -> dict[str, Any]:
        return user(f"The beginning of a long text that was cut…[cut {size} of 9000 bytes, sha256:ab]…the end")

    assert talk([cut(100)], [cut(2000), user("new")]).fresh == [user("new")]


def test_what_comes_after_a_middle_that_was_left_out_is_new() -> None:
    head, last = user("head"), user("last of before")
    news = talk([head, user("x"), last], [head, "…[cut 1 of 4 items]…", last, user("new")])
    assert news.fresh == [user("new")]


def test_a_window_that_slides_over_a_conversation_shows_only_what_comes_in() -> None:
    told = [user(f"message {n}") for n in range(9)]
    news = talk(told[:6], told[3:8])
    assert (news.earlier, news.fresh, news.dropped) == (told[3:6], told[6:8], 3)


def test_a_message_that_happens_to_be_the_same_is_no_sign_of_the_same_conversation() -> None:
    news = talk([user("one"), user("go on")], [user("two"), user("go on")])
    assert len(news.fresh) == 2


messages = st.lists(
    st.sampled_from([user("a"), user("b"), assistant("c"), "…[cut 5 of 9 items]…", None, 7]), max_size=6
)


@given(st.lists(messages, min_size=1, max_size=5))
def test_every_message_of_a_request_is_either_old_or_new(requests: list[list[Any]]) -> None:
    news = talk(*requests)
    assert news.earlier + news.fresh == requests[-1]
    assert len(news.echoes) == len(news.fresh)


# ── what a card says ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (
            [
                ("capability_decision", {"capability": "write", "decision": "requested", "resource": "a.py"}, "requested"),
                ("capability_decision", {"capability": "write", "decision": "denied", "resource": "a.py", "rule": "no"}, "denied"),
            ],
            "Permission denied #1 #2 On a.py By rule no",
        ),
        ([("degraded", {"reason": "disk_full", "count": 14}, None)], "Gap #1 14 events lost here: disk full"),
        ([("error", {"kind": "ValueError", "message": "no", "stack": "File x"}, None)], "Error #1 ValueError: no Stack File x"),
        (
            [("exec_started", {"command": ["git", "diff"]}, None),
             ("exec_result", {"command": ["git", "diff"], "exit_code": 1}, "error")],
            "Command exit 1 error #1 #2 $ git diff",
        ),
        (
            [
                ("test_started", {"name": "unit", "framework": "pytest"}, None),
                ("test_result", {"passed": 3, "failed": 1, "failures": [{"name": "t1", "message": "assert"}]}, "failed"),
            ],
            "Tests pytest 3 passed 1 failed failed #1 #2 Failures ✕ t1 assert",
        ),
        ([("llm_request", {"model": "m"}, None), ("llm_response", {"error": {"message": "overloaded"}}, "error")],
         "Model error #1 #2 assistant overloaded"),
        ([("acme.reindexed", {"rows": 5}, None)], "acme.reindexed #1 rows 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_card_says_what_happened(client: Client, services: Services, events: list[Any], text: str) -> None:
    services.journal.append(
        [
            event(n, type_, payload=payload, status=status, correlation_id="c")
            for n, (type_, payload, status) in enumerate(events, 1)
        ]
    )
    [card] = cards(reading(client))
    assert card == f"+0 ms {text}"


def test_a_patch_that_was_applied_as_proposed_is_shown_once(client: Client, services: Services) -> None:
    patch = {"files": [{"path": "x.py", "change": "modified"}], "diff": "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n"}
    services.journal.append(
        [
            event(1, "patch_proposed", correlation_id="c", payload=patch),
            event(2, "patch_applied", correlation_id="c", payload=patch, status="ok"),
        ]
    )
    assert reading(client).count('class="d-del"') == 1


def test_long_results_fold_and_huge_ones_are_cut_with_the_way_to_the_whole(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_result", payload={"tool": "x", "result": "\n".join(f"line {n}" for n in range(1, 101))}),
            event(2, "tool_result", payload={"tool": "x", "result": "word\n" * 10_000}),
        ]
    )
    page = reading(client)
    assert "<summary>80 more lines</summary>" in page
    assert "33,616 more characters, in the payload" in page
    assert 'href="/events/e000002"' in page
    assert len(page) < 60_000


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.type)
def test_markup_in_a_run_is_text(client: Client, services: Services, kind: Any) -> None:
    payload = msgspec.json.decode(
        msgspec.json.encode(kind.example["payload"]).replace(b"shop", NASTY.replace('"', "'").encode())
    )
    payload |= {"text": NASTY, "message": {"role": NASTY, "content": NASTY}, "messages": [user(NASTY)], "result": NASTY}
    services.journal.append(
        [event(1, kind.type, payload=payload | ({"message": NASTY} if kind.type == "error" else {}), name=NASTY)]
    )
    page = reading(client)
    assert parsed(page).forbidden == []
    assert "<script" not in page
    assert "<img" not in page


def test_news_come_as_the_steps_after_the_last(client: Client, services: Services) -> None:
    services.journal.append([event(1, "tool_call", correlation_id="a", payload={"tool": "x"})])
    page = reading(client)
    assert 'data-more="/runs/r1/reading?afterId=1"' in page
    assert 'data-card="/runs/r1/reading?limit=1&amp;afterId="' in page
    assert 'data-pending="true"' in page
    services.journal.append(
        [event(2, "tool_result", correlation_id="a", payload={"tool": "x", "result": "r"}), event(3)]
    )
    assert ids(reading(client, afterId=1)) == [3]
    fresh = reading(client, afterId=0, limit=1)
    assert ids(fresh) == [1]
    assert "data-pending" not in fresh


def test_parameters_that_can_not_be_are_refused(client: Client, services: Services) -> None:
    services.journal.append([event(1)])
    for query in ("limit=0", "limit=101", "afterId=x", "nothing=1"):
        assert client.get(f"/runs/r1/reading?{query}").status_code == 400
    assert client.get("/runs/none/reading").status_code == 404


def test_a_stretch_costs_the_same_wherever_it_is(services: Services) -> None:
    services.journal.append([event(number) for number in range(1, 400)])
    run = get_run(services.store, "r1", clock=services.clock, settings=services.settings)
    assert len(reading_of(services, run, {"afterId": "300"}).cards) == len(reading_of(services, run, {}).cards) == 40
