"""One event in full, and one line for each of many."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightlog.api.app import Services
from flightlog.console.cards import blocks_of, tell
from flightlog.console.pages.panel import PANEL_LIMITS, PanelFragment, panel_of
from flightlog.console.render import render
from flightlog.console.summary import summarize
from flightlog.errors import EventNotFound
from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import FLAG_REDACTED, FLAG_TRUNCATED, FLAG_WITHHELD, StoredEvent
from flightlog.events.payload import encode_payload
from flightlog.journal.read import get_event_at
from tests.api.serving import Client, event
from tests.console.markup import NASTY, parsed
from tests.events.payloads import payloads, plain


def panel(client: Client, event_id: int | str, status: int = 200) -> str:
    answer = client.get(f"/panel/{event_id}", headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return answer.text


def stored(type_: str, payload: Any, **fields: Any) -> StoredEvent:
    data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    return StoredEvent(event_id="e1", type=type_, created_at=1, id=1, payload=msgspec.Raw(data), **fields)


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


# ── by its place ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_found_by_its_place_in_commit_order(services: Services) -> None:
    services.journal.append([event(1), event(2)])
    assert get_event_at(services.store, 2).event_id == "e000002"
    for nowhere in (0, -1, 3, 2**63, 2**80):
        with pytest.raises(EventNotFound):
            get_event_at(services.store, nowhere)


def test_the_panel_is_a_part_of_a_page_and_nothing_else(client: Client, services: Services) -> None:
    services.journal.append([event(1)])
    page = panel(client, 1)
    assert page.lstrip().startswith('<aside class="sheet panel" id="panel"')
    assert parsed(page).forbidden == []


@pytest.mark.parametrize("nowhere", ["7", "0", "-1", "x", "1e3", "9" * 30, "%00"])
def test_an_event_that_is_not_there_is_said_not_to_be_there(client: Client, nowhere: str) -> None:
    panel(client, nowhere, status=404)


def test_the_way_leads_to_the_same_kind_and_to_the_partner(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "tool_call", payload={"tool": "a"}, correlation_id="c1"),
            event(2, "tool_call", payload={"tool": "b"}, correlation_id="c2"),
            event(3, "tool_call", run_id="other", payload={"tool": "b"}, correlation_id="c2"),
            event(4, "tool_result", payload={"tool": "b"}, correlation_id="c2"),
            event(5, "tool_call", payload={"tool": "c"}, correlation_id="c3"),
        ]
    )
    ways = re.findall(r'data-panel="(\d+)"(?: rel="\w+")?>([^<]+)<', panel(client, 2))
    assert ways == [("1", "Previous"), ("5", "Next"), ("4", "tool_result")]
    assert re.findall(r'data-panel="(\d+)">([^<]+)<', panel(client, 4)) == [("2", "tool_call")]


def test_a_decision_leads_to_what_was_asked_and_not_to_itself(client: Client, services: Services) -> None:
    said = {"capability": "write"}
    services.journal.append(
        [
            event(1, "capability_decision", payload={**said, "decision": "requested"}, correlation_id="c"),
            event(2, "capability_decision", payload={**said, "decision": "granted"}, correlation_id="c"),
        ]
    )
    assert ("1", "capability_decision") in re.findall(r'data-panel="(\d+)">([^<]+)<', panel(client, 2))
    assert ("2", "capability_decision") not in re.findall(r'data-panel="(\d+)">([^<]+)<', panel(client, 2))


# ── what was done to it ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_missing_is_told_with_its_size_digest_and_rule(client: Client, services: Services) -> None:
    cut = "head…[cut 123456 of 130000 bytes, sha256:" + "ab" * 32 + "]…tail"
    services.journal.append(
        [
            event(1, payload={"text": cut}, flags=FLAG_TRUNCATED),
            event(
                2, payload={"a": "[REDACTED:github:3f9a] [REDACTED:github]", "b": "[REDACTED:aws]"}, flags=FLAG_REDACTED
            ),
            event(3, payload={"withheld": "redaction failed", "reason": "too deep"}, flags=FLAG_WITHHELD),
        ]
    )
    assert "missing: 123456 of 130000 bytes, sha256:" + "ab" * 32 in panel(client, 1)
    redacted = panel(client, 2)
    assert "github: 2" in redacted
    assert "aws: 1" in redacted
    assert "why: too deep" in panel(client, 3)
    assert "The payload was not stored: too deep" in panel(client, 3)


def test_copies_are_an_address_the_json_and_a_command(client: Client, services: Services) -> None:
    services.journal.append([event(1, event_id="it's <1>")])
    page = panel(client, 1)
    assert 'href="/events/it&#39;s%20%3C1%3E" data-copy="link"' in page
    assert 'href="/api/events/it&#39;s%20%3C1%3E" data-copy="json"' in page
    assert (
        """data-text="curl -s &#39;http://127.0.0.1:4747/api/events/it&#39;&#34;&#39;&#34;&#39;s%20%3C1%3E&#39;\""""
        in page
    )


# ── its payload ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.type)
def test_every_type_can_be_read(kind: Any) -> None:
    given_ = stored(kind.type, kind.example["payload"])
    assert blocks_of(given_, PANEL_LIMITS), kind.type


def test_both_views_are_there_without_a_script(client: Client, services: Services) -> None:
    diff = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old\n+new\n"
    payload = {"files": [{"path": "x.py", "change": "modified"}], "added": 1, "deleted": 1, "diff": diff}
    services.journal.append([event(1, "patch_proposed", payload=payload)])
    page = panel(client, 1)
    assert '<span class="d-del" data-old="1" data-new="">-old' in page
    assert "&#34;diff&#34;: &#34;--- a/x.py" in page
    assert 'hidden id="panel-raw"' not in page


def test_terminal_colours_are_classes(client: Client, services: Services) -> None:
    out = {"head": "\x1b[31mred\x1b[0m <b>", "tail": "", "bytes": 10, "truncated": False}
    services.journal.append([event(1, "exec_result", payload={"command": ["x"], "exit_code": 1, "stdout": out})])
    page = panel(client, 1)
    assert '<span class="sgr ink-1">red</span> &lt;b&gt;' in page


def test_output_that_was_not_kept_is_a_gap_with_its_size() -> None:
    out = {"head": "abc", "tail": "xyz", "bytes": 2054, "truncated": True}
    told = tell(stored("exec_result", {"command": ["x"], "exit_code": 0, "stdout": out}), PANEL_LIMITS)
    assert ["".join(piece.text for piece in block.shown) for block in told.blocks] == [
        "$ x",
        "abc",
        "2.0 KiB of the output was not kept",
        "xyz",
    ]


def nasty_everywhere(value: Any) -> Any:
    """The same shape with markup for each text."""
    if isinstance(value, dict):
        return {key: nasty_everywhere(item) for key, item in value.items()} | {NASTY: NASTY}
    if isinstance(value, list):
        return [nasty_everywhere(item) for item in value] + [NASTY]
    return NASTY if isinstance(value, str) else value


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.type)
def test_markup_in_a_payload_is_text(client: Client, services: Services, kind: Any) -> None:
    services.journal.append([event(1, kind.type, payload=nasty_everywhere(kind.example["payload"]), name=NASTY)])
    page = panel(client, 1)
    assert parsed(page).forbidden == []
    assert "<script" not in page
    assert "<img" not in page
    assert NASTY in text_of(page)


keys = sorted(
    {key for kind in CATALOGUE.values() for key in kind.schema["properties"]} | {"role", "content", "text", "name"}
)
crooked = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(keys), inner, max_size=6),
    max_leaves=14,
)


def shown(given_: StoredEvent) -> str:
    page = bytes(render(PanelFragment(panel=panel_of(given_))).body).decode()
    summarize(given_)
    return page


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CATALOGUE)), st.dictionaries(st.sampled_from(keys), crooked, max_size=8))
def test_no_shape_of_a_payload_breaks_the_panel(type_: str, payload: dict[str, Any]) -> None:
    parsed(shown(stored(type_, payload)))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CATALOGUE)), payloads)
def test_whatever_a_host_records_can_be_read(type_: str, value: Any) -> None:
    parsed(shown(stored(type_, encode_payload({"messages": value, "result": value, "text": value}).data)))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"not json", b'{"a":', b"[" * 5000, b'{"text":"\\ud800"}',
     b'{"messages":' + b"[" * 900 + b"]" * 900 + b"}"],
)  # fmt: skip
def test_a_payload_that_is_no_object_is_shown_as_it_is(data: bytes) -> None:
    for type_ in CATALOGUE:
        parsed(shown(stored(type_, data)))


def test_a_huge_payload_is_bounded_on_the_page() -> None:
    page = shown(stored("tool_result", {"tool": "x", "result": "word " * 100_000}))
    assert "more characters, in the payload" in page


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_are_told_in_one_line_each(client: Client, services: Services) -> None:
    usage = {"input_tokens": 1240, "output_tokens": 96}
    services.journal.append(
        [
            event(1, "llm_response", payload={"usage": usage, "cost_usd": 0.02, "message": {"content": "Let me\nsee"}}),
            event(2, "tool_call", payload={"tool": "read", "arguments": {"path": "a.py"}}),
            event(3, "tool_result", payload={"tool": "read", "result": "\nfirst line\nsecond"}),
            event(4, "exec_result", payload={"exit_code": 0, "stdout": {"head": "\x1b[1m5 passed\x1b[0m\nmore"}}),
            event(5, run_id="other"),
        ]
    )
    answer = client.get("/runs/r1/lines", params={"ids": "1,2,3,4,5,99"})
    assert answer.json() == {
        "1": "1.2 k → 96 · $0.02 · Let me",
        "2": "path=a.py",
        "3": "first line",
        "4": "exit 0: 5 passed",
    }


def test_too_many_lines_at_once_are_refused(client: Client) -> None:
    assert client.get("/runs/r1/lines", params={"ids": ",".join(map(str, range(1, 202)))}).status_code == 400
    assert client.get("/runs/r1/lines", params={"ids": "x"}).status_code == 400
    assert client.get("/runs/r1/lines").json() == {}
