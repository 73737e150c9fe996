"""How events become a tree, asked of the module itself with events of all sorts: late, lost, doubled, and in circles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import Visits

TREE = """async ({ events, folded }) => {
  const { Store } = await import("/static/timeline/data.js");
  const { treeSteps, lay, treeRows } = await import("/static/timeline/tree.js");
  const store = new Store();
  const cells = ["type", "name", "status", "span", "parent", "correlation"];
  const places = new Map([["", 0]]);
  store.begin({ events: events.length });
  events.forEach((event, n) => {
    const { at, took, level, flags = 0 } = event;
    const strings = [], chunk = { n: 1, id: [n + 1], at: [at], took: [took], level: [level], flags: [flags] };
    for (const name of cells) {
      if (!places.has(event[name])) places.set(event[name], places.size) && strings.push(event[name]);
      chunk[name] = [places.get(event[name])];
    }
    store.add({ ...chunk, strings });
  });
  const steps = treeSteps(store), laid = lay(steps);
  const rows = treeRows(laid, (step) => folded.includes(store.id[steps.first[step]]));
  return Array.from({ length: rows.count }, (_, row) => {
    const step = rows.step[row], last = steps.last[step];
    const ids = [store.id[steps.first[step]], last < 0 ? 0 : store.id[last]];
    return [laid.depth[step], ...ids, laid.size[step], steps.bad[step], steps.open[step], steps.start[step], steps.end[step]];
  });
}"""


class Row(NamedTuple):
    depth: int
    first: int
    last: int
    inside: int
    bad: int
    open: int
    start: float
    end: float


@pytest.fixture(scope="module")
def page(browser: Any, served_empty: Any) -> Iterator[Page]:
    visits = Visits(browser, served_empty.url)
    yield visits.open("/")
    visits.close()


def tree(page: Page, *events: dict[str, Any], folded: tuple[int, ...] = ()) -> list[Row]:
    return [Row(*row) for row in page.evaluate(TREE, {"events": list(events), "folded": list(folded)})]


def event(at: int, type_: str, span: str = "", parent: str = "", **more: Any) -> dict[str, Any]:
    given = {
        "at": at * 1_000,
        "type": type_,
        "span": span,
        "parent": parent,
        "name": "",
        "status": "",
        "correlation": "",
    }
    return {**given, "took": -1, "level": 1, **more}


def shape(rows: list[Row]) -> list[tuple[int, int, int]]:
    return [(row.depth, row.first, row.last) for row in rows]


def test_a_request_and_its_answer_are_one_row_in_their_span(page: Page) -> None:
    rows = tree(
        page,
        event(0, "run_started", "r"),
        event(1, "span_started", "a", "r"),
        event(2, "llm_request", "a", correlation="c"),
        event(5, "llm_response", "a", correlation="c", took=3_000),
        event(6, "span_finished", "a", "r"),
        event(7, "run_finished", "r"),
    )
    assert shape(rows) == [(0, 1, 6), (1, 2, 5), (2, 3, 4)]
    assert (rows[2].start, rows[2].end, rows[2].open) == (2_000, 5_000, 0)
    assert [row.inside for row in rows] == [2, 1, 0]


def test_calls_under_way_at_the_same_time_find_their_own_answers(page: Page) -> None:
    calls = [event(n, "tool_call", correlation=f"c{n}") for n in range(3)]
    answers = [event(3 + n, "tool_result", correlation=f"c{2 - n}") for n in range(3)]
    assert shape(tree(page, *calls, *answers)) == [(0, 1, 6), (0, 2, 5), (0, 3, 4)]


def test_one_correlation_for_a_tool_and_its_command_keeps_them_apart(page: Page) -> None:
    names = ["tool_call", "exec_started", "exec_result", "tool_result"]
    assert shape(tree(page, *(event(n, name, correlation="c") for n, name in enumerate(names)))) == [
        (0, 1, 4),
        (0, 2, 3),
    ]


def test_an_answer_without_a_request_began_when_it_says(page: Page) -> None:
    (row,) = tree(page, event(9, "llm_response", correlation="c", took=4_000))
    assert (row.start, row.end, row.open) == (5_000, 9_000, 0)


def test_what_has_no_answer_yet_is_open_but_a_patch_is_done(page: Page) -> None:
    rows = tree(page, event(0, "llm_request", correlation="a"), event(1, "patch_proposed", correlation="b"))
    assert [row.open for row in rows] == [1, 0]


def test_a_permission_asked_for_and_denied_is_one_row_that_went_wrong(page: Page) -> None:
    asked, denied = (
        event(n, "capability_decision", correlation="c", status=s) for n, s in ((0, "requested"), (2, "denied"))
    )
    (row,) = tree(page, asked, denied)
    assert (row.first, row.last, row.bad) == (1, 2, 1)


def test_a_step_with_a_span_of_its_own_holds_what_names_it(page: Page) -> None:
    rows = tree(
        page,
        event(0, "run_started", "r"),
        event(1, "tool_call", "t", "r", correlation="c"),
        event(2, "note", "t"),
        event(3, "tool_result", "t", "r", correlation="c"),
    )
    assert shape(rows) == [(0, 1, 0), (1, 2, 4), (2, 3, 0)]


ROOT = 64


def test_finished_spans_lie_inside_each_other_though_the_outermost_comes_last(page: Page) -> None:
    """As OpenTelemetry sends them: one event each, by the time that it ended; a log record names the span that it is of."""
    rows = tree(
        page,
        event(3, "llm_response", "m1", "agent", took=2_000),
        event(4, "log", "m2"),
        event(5, "tool_result", "t", "agent", took=1_000, correlation="call_1"),
        event(7, "llm_response", "m2", "agent", took=2_000),
        event(8, "span_finished", "http", "m2", took=500),
        event(9, "span_finished", "agent", took=9_000, flags=ROOT),
    )
    assert shape(rows) == [(0, 6, 0), (1, 1, 0), (1, 3, 0), (1, 4, 0), (2, 2, 0), (2, 5, 0)]
    assert (rows[0].start, rows[0].end, rows[0].open) == (0, 9_000, 0)
    assert (rows[1].start, rows[1].end) == (1_000, 3_000)


def test_a_model_call_that_is_the_whole_run_holds_what_happened_in_it(page: Page) -> None:
    rows = tree(
        page, event(1, "span_finished", "http", "m", took=500), event(2, "llm_response", "m", took=2_000, flags=ROOT)
    )
    assert shape(rows) == [(0, 2, 0), (1, 1, 0)]


def test_a_span_whose_parent_never_came_stands_under_the_run(page: Page) -> None:
    rows = tree(page, event(1, "tool_result", "t", "gone"), event(3, "span_finished", "agent", took=3_000, flags=ROOT))
    assert shape(rows) == [(0, 2, 0), (1, 1, 0)]


def test_a_span_of_another_library_is_inside_the_span_that_called_it(page: Page) -> None:
    rows = tree(
        page,
        event(0, "run_started", "r"),
        event(1, "span_started", "s", "r"),
        event(4, "llm_response", "m", "s", took=2_000),
        event(4, "note", "m"),
        event(5, "span_finished", "s", "r"),
    )
    assert shape(rows) == [(0, 1, 0), (1, 2, 5), (2, 3, 0), (3, 4, 0)]


def test_a_span_that_is_told_after_what_happened_in_it_still_holds_it(page: Page) -> None:
    rows = tree(page, event(0, "run_started", "r"), event(2, "note", "a"), event(1, "span_started", "a", "r"))
    assert shape(rows) == [(0, 1, 0), (1, 3, 0), (2, 2, 0)]


def test_spans_in_a_circle_and_spans_of_nowhere_are_shown_under_the_run(page: Page) -> None:
    rows = tree(
        page,
        event(0, "run_started", "r"),
        event(1, "span_started", "a", "b"),
        event(2, "span_started", "b", "a"),
        event(3, "span_started", "self", "self"),
        event(4, "note", "unknown", "nowhere"),
    )
    assert sorted(row.first for row in rows) == [1, 2, 3, 4, 5]
    assert [row.depth for row in rows].count(0) == 1


def test_without_a_run_around_them_steps_stand_at_the_top(page: Page) -> None:
    rows = tree(page, event(0, "span_started", "a", "b"), event(1, "span_started", "b", "a"), event(2, "note"))
    assert sorted(row.first for row in rows) == [1, 2, 3]


def test_signs_of_life_are_no_steps(page: Page) -> None:
    assert shape(tree(page, event(0, "run_started", "r"), event(1, "run_heartbeat", "r"))) == [(0, 1, 0)]


def test_folding_hides_all_that_lies_inside_and_says_how_much(page: Page) -> None:
    events = [
        event(0, "run_started", "r"),
        event(1, "span_started", "a", "r"),
        event(2, "note", "a"),
        event(3, "note", "r"),
    ]
    rows = tree(page, *events, folded=(2,))
    assert [(row.first, row.inside) for row in rows] == [(1, 3), (2, 1), (4, 0)]
    assert [row.first for row in tree(page, *events, folded=(1,))] == [1]


def test_a_thousand_spans_inside_each_other_are_a_thousand_rows(page: Page) -> None:
    spans = [event(n, "span_started", f"s{n}", f"s{n - 1}") for n in range(1_000)]
    rows = tree(page, *spans)
    assert [row.depth for row in rows] == list(range(1_000))
    assert rows[0].inside == 999
