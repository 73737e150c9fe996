"""The report as Markdown and HTML: complete, linked, and whatever payloads hold stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from flightlog.api.app import Services
from flightlog.errors import BadInput
from flightlog.events.envelope import FLAG_REDACTED, Event
from flightlog.journal.erase import erase_payloads
from flightlog.reports.render import FORMATS, render
from tests.contract.making import event
from tests.reports.flights import record, report_of, whole_flight

HERE = "http://127.0.0.1:4747"
HOSTILE = (
    "</code></pre></style><script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3)) **b** "
    "` `` ``` ```` ~~~\n```\n# heading\n| a | b |\n|---|---|\n</section>\n> quote\n- item\n1. one\n\n    code\n"
    "<https://evil.example> https://evil.example www.evil.example &lt;b&gt; \\` \x1b[31mred\x1b[0m \x00 a\u202eb \u2028 "
    "{{ 77777 * 7 }} {% raw %}"
)
VOID = frozenset({"meta", "br"})


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(services: Services, link_base: str | None = None) -> tuple[str, Page]:
    html = render(report_of(services), "html", link_base).decode()
    page = Page()
    page.feed(html)
    assert page.open == []
    return html, page


def markdown_of(services: Services, link_base: str | None = None) -> tuple[str, list[Any]]:
    text = render(report_of(services), "md", link_base).decode()
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable("table").parse(text)
    return text, [one for token in tokens for one in (token, *(token.children or []))]


def hostile_flight() -> list[Event]:
    """Every field that a report shows, with text that would like to be more than text."""
    bad = HOSTILE
    return [
        event(
            1,
            "run_started",
            payload={"name": bad, "input": bad, "attributes": {bad: bad}},
            name=bad[:500],
            actor=bad[:200],
            project=bad[:100],
            task_id=bad[:200],
            source=bad[:100],
        ),
        event(
            2,
            "exec_result",
            payload={"command": [bad], "exit_code": 1, "signal": None, "stdout": {"head": bad}, "stderr": bad},
            status="error",
            name=bad[:500],
        ),
        event(
            3,
            "test_result",
            payload={"failed": 1, "failures": [{"name": bad, "message": bad}], "output_tail": bad},
            status=bad[:60],
            name=bad[:500],
        ),
        event(
            4,
            "patch_applied",
            payload={
                "files": [{"path": bad, "change": bad, "old_path": bad}],
                "diff": "+" + bad,
                "error": {"kind": bad, "message": bad},
            },
            status="error",
        ),
        event(
            5,
            "capability_decision",
            payload={"capability": bad, "rule": bad, "approver": bad, "reason": bad, "resource": bad},
            status=bad[:60],
            actor=bad[:200],
        ),
        event(6, "error", payload={"kind": bad, "message": bad}, level="error"),
        event(7, "note", payload={"text": bad}),
        event(8, "degraded", payload={"reason": bad, "count": 3, "since": bad, "detail": bad}),
        event(9, "llm_response", payload={"model": bad}, name=bad[:500], status="ok"),
        event(
            10,
            "tool_result",
            payload={"tool": bad, "arguments": {"command": bad}, "result": bad},
            name=bad[:500],
            status="ok",
        ),
        event(
            11,
            "feedback",
            payload={
                "target_type": "run",
                "target_id": "r1",
                "kind": "label",
                "name": bad[:60],
                "value": bad,
                "comment": bad,
                "by": bad,
            },
        ),
        event(12, flags=FLAG_REDACTED, event_id="a`|](x)<b>\"'&/../ ?#"),
        event(
            13,
            "run_finished",
            payload={"output": bad, "error": {"kind": bad, "message": bad}},
            status="failed",
            duration_ns=1,
        ),
    ]


def test_markdown_tells_what_data_tells(services: Services) -> None:
    record(services, *whole_flight())
    text, _ = markdown_of(services)
    for said in (
        "# Run report: mend the till",
        "**succeeded in 9.0 s, 1 test run failed on the way, 14 events lost**",
        "- `pytest -q` **exit 1**, 2 ms",
        "- `ls -l` **ok**, by the tool `bash`",
        "- **failed** `pytest -q`: 1 passed, 1 failed, exit 1",
        "  - `test_till.py::test_sum`: `assert 3 == 4`",
        "- **applied** +1 −1 in 1 file",
        "- **granted** `fs.write` on `till.py`, asked by `agent-7`, by rule `inside`, because `to mend`",
        "- `ValueError: no till`",
        "14 events lost here: disk full",
        "Not sealed yet",
    ):
        assert said in text
    assert "`e000003`" in text
    assert "](" not in text


def test_with_an_address_every_line_links_to_its_event(services: Services) -> None:
    record(services, *whole_flight())
    told = {f"{HERE}/events/e{number:06d}" for number in (1, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16)}
    _, page = page_of(services, HERE)
    assert page.links == told | {f"{HERE}/runs/r1"}
    _, tokens = markdown_of(services, HERE)
    assert {token.attrs["href"] for token in tokens if token.type == "link_open"} == told | {f"{HERE}/runs/r1"}


def test_nothing_in_a_payload_becomes_html(services: Services) -> None:
    record(services, *whole_flight())
    _, plain = page_of(services)
    record(services, *(msgspec.structs.replace(one, event_id=f"h-{one.event_id}") for one in hostile_flight()))
    html, page = page_of(services)
    assert page.tags <= plain.tags | {"section", "br", "li", "p"}
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert page.links == set()
    assert "{{ 77777 * 7 }}" in html
    assert "544439" not in html  # what a template would make of it; no clock shows that
    assert "\x00" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "a[U+202E]b" in html


def test_nothing_in_a_payload_becomes_markdown(services: Services) -> None:
    record(services, *hostile_flight())
    text, tokens = markdown_of(services)
    assert not [
        token for token in tokens if token.type in ("html_block", "html_inline", "link_open", "image", "code_block")
    ]
    assert not [token for token in tokens if token.type in ("blockquote_open", "ordered_list_open", "hr")]
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[1:] == [
        "What was asked", "What came of it", "Commands", "Tests", "Patches", "Model calls", "Tools", "Permissions", "Errors",
        "Notes", "Feedback", "How far this can be trusted",
    ]  # fmt: skip
    assert len([token for token in tokens if token.type == "table_open"]) == 3
    fences = [token.content for token in tokens if token.type == "fence"]
    assert any("# heading\n" in content and "1. one" in content for content in fences)
    assert "\u202e" not in text
    assert "\x00" not in text


def test_hostile_ids_stay_inside_their_links(services: Services) -> None:
    record(services, *hostile_flight())
    _, page = page_of(services, HERE)
    _, tokens = markdown_of(services, HERE)
    in_markdown = {token.attrs["href"] for token in tokens if token.type == "link_open"}
    assert page.links == in_markdown
    assert f"{HERE}/events/a%60%7C%5D%28x%29%3Cb%3E%22%27%26%2F..%2F%20%3F%23" in page.links
    assert all(link.startswith((f"{HERE}/events/", f"{HERE}/runs/r1")) for link in page.links)


def test_the_page_is_one_file_that_loads_nothing(services: Services) -> None:
    record(services, *whole_flight())
    html, page = page_of(services)
    assert not page.tags & {"script", "link", "img", "iframe", "form"}
    assert "url(" not in html
    assert "@import" not in html
    assert html.startswith("<!doctype html>")
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in html


def test_an_empty_run_reads_well_in_every_format(services: Services) -> None:
    record(services, event(1, "run_started", payload={"name": ""}))
    for form in FORMATS:
        assert render(report_of(services), form)
    text, _ = markdown_of(services)
    assert re.findall("^## .*", text, re.MULTILINE) == ["## How far this can be trusted"]


def test_erased_payloads_are_told_as_erased(services: Services) -> None:
    record(
        services,
        *whole_flight(),
        event(17, "audit", payload={"operation": "erase", "details": {"reason": "asked to"}}, actor="ann", run_id="r2"),
    )
    services.store.write(lambda tx: erase_payloads(tx, [3, 13], 17))
    made = report_of(services)
    assert made.commands[0].command == "(erased)"
    [care] = [one for one in made.care if one.what == "erased"]
    assert (care.count, care.examples, [one.event_id for one in care.because]) == (
        2,
        ["e000003", "e000013"],
        ["e000017"],
    )
    text, _ = markdown_of(services)
    assert "by ann because: asked to" in text


@pytest.mark.parametrize(
    "bad", ["ftp://x", "javascript:alert(1)", "x", "http://", "http://a/?q=1", "http://u:p@host", "http://a/#f"]
)
def test_an_address_that_is_none_is_refused(services: Services, bad: str) -> None:
    record(services, *whole_flight())
    with pytest.raises(BadInput, match="address"):
        render(report_of(services), "md", bad)


def test_an_address_can_not_end_its_link(services: Services) -> None:
    record(services, *whole_flight())
    text = render(report_of(services), "md", "http://a/b) <script> [").decode()
    assert "http://a/b%29%20%3Cscript%3E%20[/events/" in text


def test_another_format_is_refused(services: Services) -> None:
    record(services, *whole_flight())
    with pytest.raises(BadInput, match="md, html, json"):
        render(report_of(services), "pdf")
