"""A newer mapping reads stored events again: what it understands comes to where it would be, had it been there all along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.events.envelope import Event, StoredEvent
from flightlog.ingest.otlp.mapping import MAPPING_VERSION, draft, making, map_resource, map_span, origin_of
from flightlog.ingest.otlp.mapping import origin as origins
from flightlog.ingest.otlp.mapping.values import count, text
from flightlog.ingest.otlp.model import Scope, SpanEvent
from flightlog.ingest.otlp.remap import as_understood
from flightlog.ingest.otlp.sources import Source, say_in_full
from flightlog.ingest.otlp.unmapped import list_unmapped
from flightlog.journal.read import EventFilter, read_events
from flightlog.ops.remap import Remap, Wanted, is_half_done
from flightlog.runs.feedback import feedback_on
from flightlog.runs.generation_content import read_content
from flightlog.runs.generations import Generation, list_generations
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from flightlog.wiring import Keeper
from tests.ingest.otlp.mapped import START, a_span

SCOPE = Scope("acme.agent", "2")
NEWER = MAPPING_VERSION + 1
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.output_tokens": 5}


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    opened = Keeper(tmp_path / "flight", Settings(), writable=True)
    yield opened
    opened.close()


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping that knows a dialect more: `acme.*`."""
    learnt = {
        "acme.tokens.in": ("input_tokens", count),
        "acme.model": ("request_model", text),
        "acme.does": ("operation", text),
        "acme.end": ("finish_reasons", lambda value: [value]),
        "acme.judged": ("evaluations", lambda value: [{"name": "mood", "score": value}]),
    }
    for key, (field, reader) in learnt.items():
        monkeypatch.setitem(draft._keys, key, (field, reader, (90_000, key), 0))
    for module in (making, origins):
        monkeypatch.setattr(module, "MAPPING_VERSION", NEWER)


@pytest.fixture(params=[True, False], ids=["named by a digest", "said by each"], autouse=True)
def by_digest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How events tell their source: as they do now, and as those of the first mapping did."""
    monkeypatch.setitem(FORM, "by_digest", request.param)


FORM = {"by_digest": True}


def mapped(number: int, attributes: dict[str, Any], **more: Any) -> list[Event]:
    """The events of a span, and what describes their source where they name it."""
    begin = START + number * 10**9
    made = a_span(attributes, span_id=f"{number:016x}", start_ns=begin, end_ns=begin + 10**6, **more)
    origin = origin_of({"service.name": "shop"}, "", "shop")
    own, *others = map_span(made, SCOPE, origin)
    [place] = origin.places.values()
    if FORM["by_digest"]:
        return [map_resource(origin, place, START), own, *others]
    payload = msgspec.json.decode(own.payload)
    source = Source(place.scope.label, {}, place.dialect, making.MAPPING_VERSION)
    say_in_full(StoredEvent(**msgspec.structs.asdict(own)), payload, source)
    return [msgspec.structs.replace(own, payload=msgspec.Raw(msgspec.json.encode(payload))), *others]


SAID: list[dict[str, Any]] = [
    CALL | {"acme.tokens.in": 30, "acme.other": "x"},
    CALL | {"gen_ai.usage.input_tokens": 7, "acme.tokens.in": 30},  # what was understood stays
    {"acme.does": "chat", "acme.model": "gpt-4o", "acme.tokens.in": 11, "gen_ai.usage.output_tokens": 2},
    CALL | {"acme.judged": 0.5, "acme.end": "stop"},
    {"http.method": "GET"},
]


def events_then() -> list[Event]:
    """What the mapping of the day made."""
    return [event for number, attributes in enumerate(SAID, 1) for event in mapped(number, attributes)]


def generations(store: Store) -> list[dict[str, Any]]:
    """All but where in the journal they are."""
    found = []
    for one in list_generations(store).generations:
        members = msgspec.structs.asdict(one)
        for name in ("id", "answer_id", "request_id", "event_id", "request_event_id"):
            members.pop(name, None)
        found.append(members)
    return sorted(found, key=lambda one: str(one["span_id"]))


def projected(store: Store) -> dict[str, Any]:
    """Everything that is made from the events, as far as a mapping decides it."""
    run = get_run(store, a_span({}).trace_id)
    unmapped = {(one.scope, one.key): one.count for one in list_unmapped(store).attributes}
    said = [
        (one.kind, one.name, one.value, one.status, one.generation_id) for one in feedback_on(store, run_id=run.run_id)
    ]
    totals = (run.tokens_input, run.tokens_output, run.cost_usd, run.models)
    return {"generations": generations(store), "run": totals, "unmapped": unmapped, "feedback": said}


def audits(store: Store) -> list[dict[str, Any]]:
    found = read_events(store, EventFilter(types=("audit",))).events
    return [msgspec.json.decode(event.payload)["details"] for event in found]


def test_it_comes_to_what_the_newer_mapping_would_have_made(
    keeper: Keeper, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    keeper.journal.append(events_then())
    before = projected(keeper.store)
    assert (before["run"][0], len(before["generations"])) == (7, 3)
    request.getfixturevalue("newer")
    made = Remap(keeper, Wanted(), version=NEWER).run()
    other = Keeper(tmp_path / "other", Settings(), writable=True)
    try:
        other.journal.append(events_then())  # by the newer mapping
        assert projected(keeper.store) == projected(other.store)
    finally:
        other.close()
    after = projected(keeper.store)
    assert (after["run"][0], len(after["generations"])) == (30 + 7 + 11, 4)
    assert (made.looked_at, made.events, made.generations_new, made.generations_changed, made.feedback) == (
        5,
        3,
        1,
        2,
        1,
    )
    learnt = {"acme.tokens.in": 2, "acme.does": 1, "acme.model": 1, "acme.end": 1, "acme.judged": 1}
    assert made.attributes == learnt | {"gen_ai.usage.output_tokens": 1}  # a number of tokens says more of a model call
    assert [one[:4] for one in after["feedback"]] == [("score", "mood", 0.5, "linked")]


def test_an_audit_event_says_what_was_done_and_the_events_stay_as_they_were(keeper: Keeper, newer: None) -> None:
    keeper.journal.append(events_then_as_old())
    stored = read_events(keeper.store, EventFilter(types=("llm_response", "span_finished"))).events
    made = Remap(keeper, Wanted(), version=NEWER).run()
    [told] = audits(keeper.store)
    assert (told["mapping"], told["events"], told["generations_new"], told["generations_changed"]) == (NEWER, 3, 1, 2)
    assert made.event_ids == [read_events(keeper.store, EventFilter(types=("audit",))).events[0].event_id]
    assert read_events(keeper.store, EventFilter(types=("llm_response", "span_finished"))).events == stored


def events_then_as_old() -> list[Event]:
    """What the mapping of the day made, made while a newer one is there."""
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in draft._keys if key.startswith("acme.")]:
            patch.delitem(draft._keys, key)
        for module in (making, origins):
            patch.setattr(module, "MAPPING_VERSION", MAPPING_VERSION)
        return events_then()


def learn_later(keeper: Keeper) -> None:
    keeper.journal.append(events_then_as_old())


def test_again_changes_nothing_and_says_nothing(keeper: Keeper, newer: None) -> None:
    learn_later(keeper)
    Remap(keeper, Wanted(), version=NEWER).run()
    after = projected(keeper.store)
    made = Remap(keeper, Wanted(), version=NEWER).run()
    assert (made.generations_new, made.generations_changed, made.feedback, made.event_ids) == (0, 0, 0, [])
    assert projected(keeper.store) == after
    assert len(audits(keeper.store)) == 1


def test_a_dry_run_says_the_same_and_changes_nothing(keeper: Keeper, newer: None) -> None:
    learn_later(keeper)
    before = projected(keeper.store)
    asked = Remap(keeper, Wanted(), version=NEWER, batch_events=2).dry_run()
    assert projected(keeper.store) == before
    assert audits(keeper.store) == []
    made = Remap(keeper, Wanted(), version=NEWER).run()
    for name in ("looked_at", "events", "attributes", "generations_new", "generations_changed", "feedback"):
        assert getattr(asked, name) == getattr(made, name), name


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_stopped_half_way_it_goes_on_and_counts_nothing_twice(keeper: Keeper, newer: None, pieces: int) -> None:
    learn_later(keeper)
    left = iter(range(pieces))

    def stop(done: int, total: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Remap(keeper, Wanted(), version=NEWER, batch_events=2).run(stop)
    with keeper.store.read() as connection:
        assert is_half_done(connection)
    # What comes meanwhile is counted as it comes.
    keeper.journal.append(mapped(90, {"http.method": "PUT"}))
    Remap(keeper, Wanted(), version=NEWER, batch_events=2).run()
    with keeper.store.read() as connection:
        assert not is_half_done(connection)
    found = projected(keeper.store)
    assert found["run"][0] == 30 + 7 + 11
    assert found["unmapped"] == {
        ("acme.agent@2", "http.method"): 2,
        ("acme.agent@2", "acme.other"): 1,
    }


def test_what_a_call_found_later_said_is_read_with_it(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, newer: None
) -> None:
    monkeypatch.setattr("flightlog.ingest.otlp.remap.read_again.__defaults__", (NEWER,))
    monkeypatch.setitem(draft._keys, "acme.said", ("answer_text", text, (90_001, "acme.said"), 0))
    monkeypatch.setitem(SAID[2], "acme.said", "It is paid.")
    learn_later(keeper)
    Remap(keeper, Wanted(), version=NEWER).run()
    [found] = [one for one in list_generations(keeper.store).generations if one.span_id == f"{3:016x}"]
    content = read_content(keeper.store, found, as_understood(keeper.store))
    assert content.message == {"role": "assistant", "content": "It is paid."}
    assert content.request == {"model": "gpt-4o"}
    assert found.output_preview == "It is paid."
    assert content.event is not None
    assert content.event.type == "span_finished"  # the event itself is as it was stored


def test_only_what_was_asked_for_is_read_again(keeper: Keeper, newer: None) -> None:
    learn_later(keeper)
    counted = list_unmapped(keeper.store)
    assert Remap(keeper, Wanted(run_id="another"), version=NEWER).run().looked_at == 0
    made = Remap(keeper, Wanted(until=START + 2 * 10**9), version=NEWER).run()
    assert (made.looked_at, made.generations_changed) == (1, 1)
    assert list_unmapped(keeper.store) == counted  # counted anew only by a pass over everything
    assert get_run(keeper.store, a_span({}).trace_id).tokens_input == 37


def test_a_cost_changes_with_what_it_is_of_and_not_with_prices(keeper: Keeper, newer: None) -> None:
    learn_later(keeper)
    before = {one.span_id: one for one in list_generations(keeper.store).generations}
    (keeper.folder / "prices.toml").write_text('[[price]]\nmodel = "gpt-4o"\ninput = 900.0\noutput = 900.0\n')
    keeper.prices.reload()
    Remap(keeper, Wanted(), version=NEWER).run()
    after = {one.span_id: one for one in list_generations(keeper.store).generations}
    more_tokens, as_many = (f"{number:016x}" for number in (1, 4))
    assert _cost(after[more_tokens]) == (30 + 5) * 900_000
    assert after[as_many].finish_reason == "stop"
    assert _cost(after[as_many]) == _cost(before[as_many])


def _cost(one: Generation) -> int:
    assert one.cost_nano_usd is not None
    return one.cost_nano_usd


def test_a_mapping_that_learnt_nothing_changes_nothing(keeper: Keeper) -> None:
    events = events_then() + mapped(8, {"a": 1}, events=[SpanEvent("odd", START, {"b": 2})])
    keeper.journal.append(events)
    before = projected(keeper.store)
    made = Remap(keeper, Wanted(), version=NEWER).run()
    assert (made.events, made.generations_new, made.generations_changed) == (0, 0, 0)
    assert projected(keeper.store) == before
