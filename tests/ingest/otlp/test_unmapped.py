"""What no mapping understood is counted by instrumentation, in whatever order and batches it comes, within limits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.errors import LimitInvalid
from flightlog.events.envelope import Event
from flightlog.ingest.otlp.mapping import map_resource, map_span, origin_of
from flightlog.ingest.otlp.model import Scope
from flightlog.ingest.otlp.unmapped import OTHERS, Unmapped, UnmappedProjector, list_unmapped
from flightlog.journal.append import Journal
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.ingest.otlp.mapped import START, a_span

ORIGIN = origin_of({}, "", "default")
AGENT, SHOP = Scope("acme.agent", "2.0"), Scope("shop")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "flight", settings=Settings(), writable=True)
    yield opened
    opened.close()


def journal_of(store: Store, **settings: Any) -> Journal:
    journal = Journal(store, [UnmappedProjector(Settings(**settings))])
    for scope in (AGENT, SHOP, Scope("till")):
        for attributes in ({}, {"gen_ai.operation.name": "chat"}):
            map_span(a_span(attributes), scope, ORIGIN)
    journal.append([map_resource(ORIGIN, place) for place in ORIGIN.places.values()])
    return journal


def said(number: int, scope: Scope, /, **attributes: Any) -> Event:
    """The event of span `number`, one second after the one before; double underscores are dots."""
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    begin = START + number * 10**9
    made = a_span(given, span_id=f"{number:016x}", start_ns=begin, end_ns=begin + 1)
    return map_span(made, scope, ORIGIN)[0]


def counted(store: Store, scope: str | None = None) -> dict[tuple[str, str], int]:
    return {(one.scope, one.key): one.count for one in list_unmapped(store, scope, 1_000).attributes}


def test_what_is_left_over_is_counted_by_scope_and_what_is_understood_is_not(store: Store) -> None:
    journal_of(store).append(
        [
            said(1, AGENT, acme__mood="good", gen_ai__request__model="gpt-4o", gen_ai__operation__name="chat"),
            said(2, AGENT, acme__mood="bad", acme__depth=3),
            said(3, SHOP, acme__mood="bad"),
        ]
    )
    assert counted(store) == {
        ("acme.agent@2.0", "acme.mood"): 2,
        ("acme.agent@2.0", "acme.depth"): 1,
        ("shop", "acme.mood"): 1,
    }
    assert counted(store, "shop") == {("shop", "acme.mood"): 1}


def test_a_row_says_when_it_was_seen_and_names_the_latest_event(store: Store) -> None:
    events = [said(number, SHOP, odd=number) for number in (5, 9, 2)]
    journal_of(store).append(events)
    assert list_unmapped(store).attributes == [
        Unmapped(
            scope="shop",
            key="odd",
            count=3,
            first_at=START + 2 * 10**9 + 1,
            last_at=START + 9 * 10**9 + 1,
            event_id=events[1].event_id,
        )
    ]


def test_batches_order_and_repeats_change_nothing(store: Store, tmp_path: Path) -> None:
    chance = random.Random(7)
    events = [
        said(number, chance.choice([AGENT, SHOP]), **{f"key{at}": at for at in chance.sample(range(9), 2)})
        for number in range(200)
    ]
    journal_of(store).append(events)
    other = open_store(tmp_path / "other", settings=Settings(), writable=True)
    try:
        journal = journal_of(other)
        shuffled = events + chance.sample(events, 50)
        chance.shuffle(shuffled)
        while shuffled:
            size = chance.randrange(1, 30)
            journal.append(shuffled[:size])
            shuffled = shuffled[size:]
        assert list_unmapped(other, limit=1_000) == list_unmapped(store, limit=1_000)
    finally:
        other.close()


def test_numbers_in_keys_are_one_key(store: Store) -> None:
    odd = {f"acme.steps.{number}.name": "x" for number in range(30)} | {"acme.v2": 1, "acme.last.7": 1}
    journal_of(store).append([said(1, SHOP, **odd), said(2, SHOP, **odd)])
    assert counted(store) == {
        ("shop", "acme.steps.N.name"): 2,
        ("shop", "acme.v2"): 2,
        ("shop", "acme.last.N"): 2,
    }


def test_beyond_the_limit_of_keys_the_others_of_the_scope_are_counted_together(store: Store) -> None:
    journal = journal_of(store, unmapped_keys_max=2)
    journal.append([said(1, SHOP, a=1, b=1)])
    assert counted(store) == {("shop", "a"): 1, ("shop", "b"): 1}
    journal.append([said(2, SHOP, a=1, c=1), said(3, SHOP, d=1), said(4, AGENT, c=1)])
    journal.append([said(5, SHOP, e=1, b=1)])
    assert counted(store) == {
        ("shop", "a"): 2,
        ("shop", "b"): 2,
        ("shop", OTHERS): 3,
        ("acme.agent@2.0", "c"): 1,
    }


def test_beyond_the_limit_of_scopes_all_others_are_counted_together(store: Store) -> None:
    journal = journal_of(store, unmapped_scopes_max=1)
    journal.append([said(1, AGENT, a=1)])
    journal.append([said(2, SHOP, a=1, b=1), said(3, Scope("till"), a=1), said(4, AGENT, b=1)])
    journal.append([said(5, SHOP, a=1)])
    assert counted(store) == {("acme.agent@2.0", "a"): 1, ("acme.agent@2.0", "b"): 1, (OTHERS, OTHERS): 4}


def test_events_of_other_producers_and_odd_payloads_are_passed_over(store: Store) -> None:
    payloads = [
        {"attributes": {"a": 1}},
        {"attributes": ["a"], "otlp": {"scope": "x"}},
        {"attributes": {"a": 1}, "otlp": "x"},
        {"attributes": {}, "otlp": {"scope": "x"}},
        {"text": '"attributes" "otlp"'},
    ]
    events = [
        Event(event_id=f"e{at}", type="note", created_at=START, payload=msgspec.Raw(msgspec.json.encode(payload)))
        for at, payload in enumerate(payloads)
    ]
    journal_of(store).append(events)
    assert counted(store) == {}


def test_the_most_frequent_come_first_and_the_rest_is_told(store: Store) -> None:
    journal_of(store).append([said(1, SHOP, a=1, b=1), said(2, SHOP, b=1), said(3, AGENT, c=1)])
    found = list_unmapped(store, limit=1)
    assert [one.key for one in found.attributes] == ["b"]
    assert (found.keys, found.scopes) == (3, 2)
    for limit in (0, 1_001):
        with pytest.raises(LimitInvalid):
            list_unmapped(store, limit=limit)


def test_what_is_read_but_has_no_other_place_is_no_riddle(store: Store) -> None:
    journal_of(store).append(
        [
            said(1, AGENT, gen_ai__provider__name="openai", gen_ai__usage__input_tokens=5, acme__mood="good"),
            said(2, AGENT, gen_ai__usage__input_tokens="many"),  # this can't be read
        ]
    )
    assert counted(store) == {("acme.agent@2.0", "acme.mood"): 1, ("acme.agent@2.0", "gen_ai.usage.input_tokens"): 1}
