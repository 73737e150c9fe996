"""The pages as a browser gets them: what they show, that text stays text, and that they are dataclasses and no more."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from jinja2 import meta, nodes

from flightlog.api.app import DrainHealth, Services
from flightlog.console.blocks import Block, Pair
from flightlog.console.diffview import DiffFile, DiffLine
from flightlog.console.kinds import KINDS
from flightlog.console.page import Fragment, Notice, QueryFault, ViewLink
from flightlog.console.pages import compare
from flightlog.console.pages import facets as numbers
from flightlog.console.pages.audit import AuditListPage, CapabilityRow, Choice, Count, Matrix
from flightlog.console.pages.audit_rows import AuditRow, AuditRows
from flightlog.console.pages.columns import Column, ColumnChoice
from flightlog.console.pages.deadletter import ChainLetter, DeadLetterPage
from flightlog.console.pages.deadletters import DeadLettersPage
from flightlog.console.pages.event import EventPage, Fact, Flag, Panel
from flightlog.console.pages.events import EventRows, EventsPage, Facet, TailRow
from flightlog.console.pages.given import Earlier, Given
from flightlog.console.pages.letters_rows import LetterGroup, LetterRow, LetterRows, SparkBar
from flightlog.console.pages.panel import Neighbour, Neighbours, PanelFragment
from flightlog.console.pages.problem import ProblemPage
from flightlog.console.pages.reading import Card, CardEvent, Reading, ReadingFragment
from flightlog.console.pages.replay import ReplayPage
from flightlog.console.pages.replay_items import ReplayItem
from flightlog.console.pages.replays import PlanRow, ReplaysPage
from flightlog.console.pages.retention import RetentionHold, RetentionPage, RetentionReceipt, RetentionRule
from flightlog.console.pages.run import KindChoice, RunPage, Tab, Tile, Timeline
from flightlog.console.pages.run_events import EventList, EventRow
from flightlog.console.pages.runs import Part, RunsPage
from flightlog.console.pages.runs_rows import RunRow, RunRows
from flightlog.console.pages.sql import (
    SqlCell,
    SqlColumn,
    SqlDownload,
    SqlExample,
    SqlFault,
    SqlHead,
    SqlPage,
    SqlResult,
    SqlResultFragment,
    SqlTable,
)
from flightlog.console.pages.stats import BucketChoice, StatsPage, StatsTile
from flightlog.console.pages.stats_charts import StatsChart, StatsMoment, StatsPoint
from flightlog.console.pages.stats_tables import StatsCell, StatsRow, StatsTable
from flightlog.console.pages.task import LedgerMove, TaskLetter, TaskPage
from flightlog.console.pages.task_story import Attempt, Stay, Stretch, TrackState
from flightlog.console.pages.tasks import StateChoice, TasksPage
from flightlog.console.pages.tasks_rows import TaskRow, TaskRows
from flightlog.console.pages.totals import Totals, TotalsError, TotalsFact, TotalsRow, TotalsTable
from flightlog.console.pages.trace import ToolTurn, TraceLink, TracePage
from flightlog.console.pages.traces import TracesPage
from flightlog.console.pages.traces_rows import TraceRow, TraceRows
from flightlog.console.pages.trust import Trust, TrustFragment
from flightlog.console.pages.unmapped import UnmappedPage, UnmappedRow, UnmappedScope
from flightlog.console.render import STATIC, TEMPLATES, environment
from flightlog.console.strip import StripRow
from flightlog.events.envelope import FLAG_INVALID, FLAG_NAMES, FLAG_TRUNCATED, FLAG_WITHHELD
from tests.api.serving import SECOND, START, Client, changed, client_of, event, fill
from tests.console.markup import NASTY, parsed

HTML = {"Accept": "text/html"}
PAGES: list[type[Fragment]] = [RunsPage, RunPage, EventPage, ProblemPage, PanelFragment, ReadingFragment]
PARTS: list[Any] = [Notice, QueryFault, ViewLink, RunRow, Column, ColumnChoice, Part, Panel, Fact, Flag]
PARTS += [Tile, KindChoice, Tab, Timeline, EventList, EventRow]
PARTS += [Neighbour, Neighbours, Block, Pair, DiffFile, Card, CardEvent, Reading]
PAGES += [EventsPage, EventRows, RunRows, numbers.FacetsFragment, compare.ComparePage]
PARTS += [TailRow, Facet, numbers.FacetsPanel, numbers.Facet, numbers.FacetValue, numbers.Chart, numbers.Column]
PARTS += [compare.ComparedRun, compare.Compared, compare.StepCell, compare.StepPair, compare.Stretch, compare.RunChoice]
PAGES += [TracesPage, TraceRows, TracePage, UnmappedPage]
PARTS += [UnmappedRow, UnmappedScope]
PAGES += [RetentionPage]
PARTS += [RetentionHold, RetentionReceipt, RetentionRule]
PARTS += [TraceRow, TraceLink, ToolTurn, Given, Earlier, StripRow]
PAGES += [AuditListPage, AuditRows, TrustFragment]
PARTS += [Count, CapabilityRow, Matrix, Choice, AuditRow, Trust]
PAGES += [StatsPage]
PARTS += [StatsTile, BucketChoice, StatsChart, StatsMoment, StatsPoint, StatsTable, StatsRow, StatsCell]
PAGES += [SqlPage, SqlResultFragment]
PARTS += [SqlCell, SqlColumn, SqlDownload, SqlExample, SqlFault, SqlHead, SqlResult, SqlTable]
PAGES += [TasksPage, TaskRows, TaskPage]
PARTS += [TaskRow, StateChoice, TaskLetter, LedgerMove, Attempt, Stay, Stretch, TrackState]
PAGES += [DeadLettersPage, LetterRows, DeadLetterPage, ReplaysPage, ReplayPage]
PARTS += [LetterRow, LetterGroup, SparkBar, ChainLetter, PlanRow, ReplayItem]
PARTS += [Totals, TotalsTable, TotalsRow, TotalsFact, TotalsError]


def page(client: Client, path: str, **params: Any) -> str:
    answer = client.get(path, params=params or None, headers=HTML)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def started(run_id: str, at: int, name: str, **fields: Any) -> Any:
    return event(at, "run_started", event_id=f"s-{run_id}", run_id=run_id, name=name, payload={"name": name}, **fields)


# ── what a page is ───────────────────────────────────────────────────────────────────────────────────────────────────


def sources_of(template: str) -> Iterator[nodes.Template]:
    """A template and those that it extends or imports."""
    tree = environment.parse((TEMPLATES / template).read_text("utf-8"))
    yield tree
    for name in meta.find_referenced_templates(tree):
        assert name is not None
        yield from sources_of(name)


@pytest.mark.parametrize("page_class", PAGES, ids=lambda cls: cls.__name__)
def test_a_template_shows_exactly_the_fields_of_its_page(page_class: type[Fragment]) -> None:
    trees = list(sources_of(page_class.template))
    used = set().union(*(meta.find_undeclared_variables(tree) for tree in trees))
    used -= {node.target for tree in trees for node in tree.find_all(nodes.Import)}
    used -= {getattr(node.target, "name", "") for tree in trees for node in tree.find_all(nodes.Assign)}
    assert used == {field.name for field in dataclasses.fields(page_class)}


def test_templates_ask_for_no_attribute_that_no_part_has_and_every_part_is_shown() -> None:
    asked: set[str] = set()
    macros: set[str] = set()
    for file in TEMPLATES.glob("*.html"):
        tree = environment.parse(file.read_text("utf-8"))
        asked |= {node.attr for node in tree.find_all(nodes.Getattr)}
        macros |= {node.name for node in tree.find_all(nodes.Macro)}
    known = {field.name for part in PARTS for field in dataclasses.fields(part)}
    known |= {"exact", "ago"} | {"key", "x", "width"} | {"text", "mark", "title"}  # Moment, Segment, Piece
    known |= set(DiffLine._fields)
    assert asked <= known | macros | {"items"}  # a dict's method
    assert known - macros <= asked


@pytest.mark.parametrize("part", [*PAGES, *PARTS], ids=lambda cls: cls.__name__)
def test_every_field_of_a_page_has_a_sentence(part: type) -> None:
    for name, hint in get_type_hints(part, include_extras=True).items():
        if name == "template":
            continue
        assert get_origin(hint) is Annotated, f"{part.__name__}.{name} has no sentence"
        assert re.fullmatch(r"[A-Za-z].+\.", get_args(hint)[1])


def nasty_store(services: Services) -> None:
    services.journal.append(
        [
            started("r<1>", 1, NASTY, actor=NASTY, project=NASTY[:100]),
            event(2, run_id="r<1>", event_id="n<2>", payload={"text": NASTY, NASTY: [NASTY]}, name=NASTY, status="<b>"),
            event(3, "degraded", run_id="r<1>", payload={"reason": "<i>x</i>", "count": 2}, source=NASTY[:100]),
            event(4, "error", run_id="r<1>", payload={"kind": NASTY, "message": NASTY}, level="error"),
            event(5, "acme.x", run_id="r<1>", payload={"t": "x"}, flags=63),
            event(6, "llm_response", run_id="r<1>", name=NASTY, payload={"model": NASTY, "usage": {"input_tokens": 5}}),
        ]
    )


NASTY_PATHS = ["/", "/?q=-actor:%3Cb%3E&facets=true", "/?q=%22%3E%3Cscript%3E", "/runs/r%3C1%3E",
               "/runs/r%3C1%3E?event=n%3C2%3E&types=note",
               "/events/n%3C2%3E", "/runs/%3Cscript%3E", "/events/%22onload=", "/?cursor=%3Cx%3E", "/?%3Cscript%3E=1"]  # fmt: skip


@pytest.mark.parametrize("path", NASTY_PATHS)
def test_text_stays_text_and_nothing_inline_is_left(client: Client, services: Services, path: str) -> None:
    nasty_store(services)
    html = client.get(path, headers=HTML).text
    assert "<script>alert" not in html
    assert "<img" not in html
    found = parsed(html)
    assert found.forbidden == []
    assert len(found.ids) == len(set(found.ids))
    assert all(link.startswith(("/", "#")) for link in found.links), found.links


def test_what_a_page_links_to_is_there(client: Client, services: Services) -> None:
    nasty_store(services)
    links: set[str] = set()
    for path in NASTY_PATHS[:6]:
        links |= parsed(page(client, path)).links
    for link in sorted(links - {"#main"}):
        assert client.get(link, headers=HTML).status_code == 200, link


# ── the list of runs ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_store_teaches_how_to_fill_it(client: Client) -> None:
    html = page(client, "/")
    assert "No runs yet" in html
    assert 'flightlog.open("http://127.0.0.1:4747")' in html
    assert "flightlog exec" in html


def test_a_run_is_shown_with_its_totals(client: Client, services: Services) -> None:
    usage = {"input_tokens": 121402, "output_tokens": 1930}
    services.journal.append(
        [
            started("r1", 1, "Fix the login", actor="agent-7"),
            event(2, "llm_response", name="gpt-x", payload={"model": "gpt-x", "cost_usd": 1.274, "usage": usage}),
            event(3, "error", payload={"message": "m"}, level="error"),
            event(4, "degraded", payload={"reason": "spool_full", "count": 312}, level="warn"),
            event(5, "run_finished", status="failed", payload={}, duration_ns=161 * SECOND),
        ]
    )  # fmt: skip
    html = page(client, "/")
    for text in (
        "Fix the login",
        "agent-7",
        "gpt-x",
        "121 k / 1.9 k",
        "121,402 / 1,930",
        "$1.27",
        "2 m 41 s",
        "312 lost",
        "st failed",
    ):
        assert text in html
    assert "1 model, 1 errors, 1 losses, 2 other" in html


def test_a_filter_that_can_not_be_is_a_page_that_says_so(client: Client) -> None:
    for path in ("/?since=soon", "/?sort=luck", "/?cursor=x", "/?prject=x"):
        answer = client.get(path, headers=HTML)
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/html")
    assert "did you mean &#39;project&#39;?" in client.get("/?prject=x", headers=HTML).text


def test_recent_losses_and_a_stuck_drain_are_said_over_the_list(services: Services) -> None:
    services.journal.append(
        [event(1, "degraded", run_id=None, created_at=services.clock.now_ns(), payload={"reason": "gap", "count": 7})]
    )
    assert "7 events were lost in the last 24 hours" in page(client_of(services), "/")

    def stuck() -> DrainHealth:
        return DrainHealth(state="here", error="the disk is full")

    assert "the disk is full" in page(client_of(changed(services, drain=stuck)), "/")


def test_old_losses_are_not_news(client: Client, services: Services) -> None:
    services.journal.append([event(1, "degraded", run_id=None, payload={"reason": "gap", "count": 7})])
    assert "were lost" not in page(client, "/")


# ── one event ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_of_text_in_a_payload_are_lines_on_the_page(client: Client, services: Services) -> None:
    services.journal.append([event(1, payload={"text": "one\ntwo", "path": "C:\\new"})])
    html = page(client, "/events/e000001")
    assert '<span class="eol">\\n\n</span>two' in html
    assert "C:\\\\new&#34;" in html


def test_an_event_opens_beside_the_list_and_on_a_page_of_its_own(client: Client, services: Services) -> None:
    services.journal.append([event(1, payload={"text": "t", "deep": {"list": [1, 2]}}, actor="me", duration_ns=5)])
    for html in (page(client, "/runs/r1", event="e000001"), page(client, "/events/e000001")):
        assert "&#34;deep&#34;: {\n    &#34;list&#34;: [" in html
        assert "2023-11-14 22:13:21.000000000 UTC" in html
        assert "sha256:" in html
    assert 'id="panel"' not in page(client, "/runs/r1")
    assert 'id="panel"' not in page(client, "/runs/r1", event="gone")


def test_what_was_done_to_a_payload_is_shown_for_what_it_is(client: Client, services: Services) -> None:
    cut = "head…[cut 123456 of 130000 bytes, sha256:" + "ab" * 32 + "]…tail"
    services.journal.append(
        [
            event(1, payload={"text": cut, "token": "[REDACTED:github:3f9a1c2b]"}, flags=FLAG_TRUNCATED | 2),
            event(2, payload={"withheld": "redaction failed"}, flags=FLAG_WITHHELD),
            event(3, payload={"text": "odd"}, flags=FLAG_INVALID),
        ]
    )
    html = page(client, "/events/e000001")
    assert '<span class="cut" title="Only a preview was kept; the whole is sha256:' in html
    assert "cut: 123456 of 130000 bytes</span>" in html
    assert "redacted: github</span>" in html
    assert "Parts of this payload are previews" in html
    assert "The payload was not stored" in page(client, "/events/e000002")
    assert "The caller broke a rule" in page(client, "/events/e000003")
    listed = page(client, "/runs/r1")
    for name in ("truncated", "redacted", "withheld", "invalid"):
        assert f'class="flag {name}"' in listed


def test_every_flag_has_a_sentence() -> None:
    from flightlog.console.pages.event import FLAG_SENTENCES

    assert set(FLAG_SENTENCES) == set(FLAG_NAMES)


def test_a_run_that_is_not_there_is_a_page(client: Client) -> None:
    for path in ("/runs/none", "/events/none", "/nothing/here"):
        answer = client.get(path, headers=HTML)
        assert answer.status_code == 404
        assert parsed(answer.text).forbidden == []
        assert answer.headers["x-request-id"] in answer.text


def test_looking_at_pages_changes_nothing(client: Client, services: Services, tmp_path: Path) -> None:
    fill(services, 3)
    with services.store.read() as connection:
        before = connection.exec_driver_sql("SELECT count(*), max(id) FROM run_events").one()
    for path in ("/", "/runs/r1", "/runs/r1?event=e000001", "/events/e000002"):
        page(client, path)
    with services.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*), max(id) FROM run_events").one() == before
    assert START > 0


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


FILES = sorted(file for file in STATIC.rglob("*") if file.is_file())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(STATIC)))
def test_static_files_are_ours_are_served_and_ask_nobody_else(client: Client, file: Path) -> None:
    path = f"/static/{file.relative_to(STATIC)}"
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == file.read_bytes()
    assert answer.headers["cache-control"] == "no-cache"
    text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    text = re.sub(r"\A/\*!.*?\*/", "", text)  # whose it is
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/render.py", "/static/", "/static/nothing.js"])
def test_nothing_else_is_served_from_the_disk(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_every_kind_has_a_colour_in_the_style_sheet() -> None:
    css = (STATIC / "base.css").read_text("utf-8")
    for kind in KINDS:
        assert re.search(rf"\.{kind.key} {{ --kind:", css)


def loaded(path: str, seen: set[str]) -> int:
    """How many bytes a script or a sheet takes, packed, with all that it imports."""
    if path in seen:
        return 0
    seen.add(path)
    text = (STATIC / path).read_text("utf-8")
    inside = re.findall(r'from "(\.[^"]+)"', text) if path.endswith(".js") else []
    beside = [os.path.normpath(os.path.join(os.path.dirname(path), name)) for name in inside]
    return len(gzip.compress(text.encode())) + sum(loaded(name, seen) for name in beside)


@pytest.mark.parametrize("path", ["/", "/runs/r1", "/runs/r1?view=reading", "/runs/r1?view=events", "/events"])
def test_the_first_load_is_small(client: Client, services: Services, path: str) -> None:
    fill(services, 1)
    seen: set[str] = set()
    links = parsed(page(client, path)).links
    assert sum(loaded(link.removeprefix("/static/"), seen) for link in links if link.startswith("/static/")) < 56 * 1024
    assert seen >= {"base.css", "page.js"}
