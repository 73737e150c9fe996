"""The little language: what it says, what it refuses and where, and that it prints what it read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.errors import QueryInvalid
from flightlog.filters.compile import event_filter, run_filter
from flightlog.filters.fields import EVENTS, RUNS, SCOPES, Scope
from flightlog.filters.language import CHARS_MAX, Query, parse
from flightlog.journal.condition import Condition
from flightlog.runs.filter import RunFilter

NOW = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "filters.md"

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
pieces = st.sampled_from(
    [
        *RUNS.fields,
        *EVENTS.fields,
        ":",
        ",",
        "-",
        '"',
        "*",
        ">",
        "<=",
        "..",
        " ",
        "\\",
        "failed",
        "1.5k",
        "2s",
        "24h",
        "gpt*",
    ]
)
texts = st.lists(pieces | words, max_size=12).map("".join)
scopes = st.sampled_from(sorted(SCOPES)).map(SCOPES.__getitem__)


def test_plain_values_become_plain_fields_and_all_else_a_condition() -> None:
    found = run_filter(
        "status:failed,hung actor:bob model:gpt* cost:>0.1 tokens:1k..2M -project:old since:1h log in", NOW
    )
    assert found == RunFilter(
        statuses=("failed", "hung"),
        actor="bob",
        text="log",
        since=NOW - HOUR,
        also=(
            Condition(field="models", patterns=("gpt*",)),
            Condition(field="cost", low=0.1, low_open=True),
            Condition(field="tokens", low=1_000, high=2_000_000),
            Condition(field="project", values=("old",), negated=True),
            Condition(field="text", values=("in",)),
        ),
    )


def test_two_terms_of_one_field_must_both_hold() -> None:
    found = event_filter("type:note,error type:error", NOW)
    assert found.types == ("note", "error")
    assert found.also == (Condition(field="type", values=("error",)),)


def test_a_star_between_quotes_is_a_star() -> None:
    assert event_filter('name:"a*b"', NOW).name == "a*b"
    assert event_filter("name:a*b", NOW).also == (Condition(field="name", patterns=("a*b",)),)


@pytest.mark.parametrize(
    ("text", "at", "length", "says"),
    [
        ("stauts:failed", 0, 6, "did you mean 'status'"),
        ("login  http://x", 7, 4, "goes in quotes"),
        ("status:", 7, 0, "a value follows"),
        ("status: failed", 7, 1, "a value follows"),
        ("status:failde", 7, 6, "is one of running"),
        ("status:failed,", 14, 0, "a value follows"),
        ("actor:>3", 6, 1, "is not a number"),
        ("cost:cheap", 5, 5, "dollars are expected"),
        ("cost:5..1", 5, 4, "begins after its end"),
        ("cost:1..", 5, 3, "two ends"),
        ("duration:2", 9, 1, "a duration is expected"),
        ('name:"open', 5, 5, "not closed"),
        ('name:"a"b', 8, 1, "a space or a comma"),
        ("a - b", 2, 1, "follows the minus"),
        ("since:yesterday", 6, 9, "neither"),
        ("since:1h since:2h", 9, 8, "said once"),
        ("cost:1,2", 0, 8, "one number or one range"),
        ("x" * (CHARS_MAX + 5), CHARS_MAX, 5, "characters"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, at: int, length: int, says: str) -> None:
    with pytest.raises(QueryInvalid) as caught:
        run_filter(text, NOW)
    assert (caught.value.facts["at"], caught.value.facts["length"]) == (at, length)
    assert says in caught.value.message


def test_words_beside_each_other_must_all_be_there() -> None:
    assert run_filter('"log in" -old fix*build', NOW) == RunFilter(
        text="log in",
        also=(
            Condition(field="text", values=("old",), negated=True),
            Condition(field="text", patterns=("fix*build",)),
        ),
    )


def test_payloads_are_not_searched_for_what_is_not_in_them() -> None:
    with pytest.raises(QueryInvalid, match="can't be negated") as caught:
        event_filter("level:error -login", NOW)
    assert (caught.value.facts["at"], caught.value.facts["length"]) == (12, 6)


@given(texts, scopes)
def test_what_is_printed_reads_the_same_again(text: str, scope: Scope) -> None:
    try:
        query = parse(text, scope)
    except QueryInvalid:
        return
    assert parse(str(query), scope) == query
    assert str(parse(str(query), scope)) == str(query)


@given(texts, scopes)
def test_every_text_is_read_or_refused_at_a_place_inside_it(text: str, scope: Scope) -> None:
    try:
        (run_filter if scope is RUNS else event_filter)(text, NOW)
    except QueryInvalid as error:
        at, length = error.facts["at"], error.facts["length"]
        assert 0 <= at <= len(text)
        assert length >= 0
        assert at + length <= len(text)


@given(words.filter(bool), st.booleans())
def test_any_value_can_be_added_and_taken_away_again(value: str, beside: bool) -> None:
    query = parse("actor:bob login" if beside else "login", RUNS)
    wider = query.with_value("actor", value)
    assert value in parse(str(wider), RUNS).values("actor")
    if value != "bob":
        assert parse(str(wider), RUNS).without("actor", value) == query


def test_a_negated_term_stays_when_a_value_is_taken_away() -> None:
    assert str(parse("-actor:bob actor:bob", RUNS).without("actor", "bob")) == "-actor:bob"
    assert Query().values("actor") == ()


@pytest.mark.parametrize("scope", [RUNS, EVENTS], ids=lambda scope: str(scope.name))
def test_the_reference_has_every_field_and_every_choice(scope: Scope) -> None:
    section = REFERENCE.read_text("utf-8").split(f"## Fields of {scope.name}")[1].split("##")[0]
    for field in scope.fields.values():
        assert f"`{field.name}`" in section
        if field.kind == "choice":
            assert all(f"`{choice}`" in section for choice in field.choices)
