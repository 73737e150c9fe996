"""Completion: what may be written next, wherever the caret is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flightlog.filters.complete import complete
from flightlog.filters.fields import EVENTS, RUNS, SCOPES
from flightlog.filters.language import parse

ACTORS = {"agent-7": 3, "big agent": 9, 'odd"one': 1}


def texts(query: str, at: int | None = None) -> list[str]:
    found = complete(query, len(query) if at is None else at, RUNS, lambda field: ACTORS if field == "actor" else {})
    return [one.text for one in found.suggestions]


def test_fields_come_first_then_their_values() -> None:
    assert texts("sta") == ["status:"]
    assert texts("status:") == ["running", "succeeded", "failed", "canceled", "hung"]
    assert texts("status:failed,h") == ["hung"]
    assert texts("-status:f") == ["failed"]
    assert texts("cost:") == [">0.1", "<1", "0.5..2"]
    assert "24h" in texts("since:")


def test_values_that_are_in_the_store_are_written_so_that_they_can_be_read() -> None:
    assert texts("actor:") == ['"big agent"', "agent-7", '"odd\\"one"']
    assert texts("actor:ag") == ["agent-7", '"big agent"']
    assert texts('actor:"big') == ['"big agent"']
    for text in texts("actor:"):
        assert parse(f"actor:{text}", RUNS).values("actor")[0] in ACTORS


def test_the_caret_may_stand_in_the_middle() -> None:
    found = complete("login sta actor:x", 9, RUNS, lambda field: {})
    assert (found.start, found.end) == (6, 9)


@given(st.text(max_size=30), st.integers(-5, 40), st.sampled_from(sorted(SCOPES)))
def test_nothing_that_is_being_written_breaks_it(query: str, at: int, scope: str) -> None:
    found = complete(query, at, SCOPES[scope], lambda field: ACTORS)
    assert 0 <= found.start <= found.end <= len(query)


def test_event_types_are_suggested() -> None:
    assert complete("type:tool", 9, EVENTS, lambda field: {}).suggestions[0].text == "tool_call"
