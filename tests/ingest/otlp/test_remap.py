"""Reading a stored event again: what was understood stays, whatever it is, and nothing in it makes the reading fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from flightlog.events.envelope import Event, StoredEvent
from flightlog.ingest.otlp.leftover import not_understood
from flightlog.ingest.otlp.mapping import MAPPING_VERSION, draft
from flightlog.ingest.otlp.mapping.values import count, text
from flightlog.ingest.otlp.remap import TYPES, read_again
from flightlog.runs.calls import CALL_TYPES, read_call
from flightlog.runs.generation_fold import state_of_call
from tests.ingest.otlp.mapped import START, events_of, happened, payload_of, sample_events, source_of

NEWER = MAPPING_VERSION + 1
REPLAYS = [
    ("genai", "traces"),
    ("genai", "logs"),
    ("openinference", "traces"),
    ("openinference", "agent_traces"),
    ("openllmetry", "traces"),
    ("openllmetry", "agent_traces"),
]


def stored(event: Event) -> StoredEvent:
    return StoredEvent(**asdict(event), id=1)


def learn(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Have the mapping understand `acme.<name>` as a field."""
    for name, (field, reader) in fields.items():
        monkeypatch.setitem(draft._keys, f"acme.{name}", (field, reader, (90_000, f"acme.{name}"), 0))


def again(attributes: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    """The type and payload of such a span's event, read again."""
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in draft._keys if key.startswith("acme.")]:
            patch.delitem(draft._keys, key)
        event = stored(events_of(attributes, **more)[0])
    reading = read_again(event, source_of, NEWER)
    assert reading is not None
    assert reading.event is not None
    return reading.event.type, payload_of(reading.event)


def said_by_itself(event: StoredEvent) -> StoredEvent:
    """The event as the first mapping wrote it."""
    return msgspec.structs.replace(event, payload=msgspec.Raw(msgspec.json.encode(payload_of(event))))


@pytest.mark.parametrize("form", [stored, lambda event: said_by_itself(stored(event))], ids=["now", "first mapping"])
@pytest.mark.parametrize(("dialect", "name"), REPLAYS)
def test_a_mapping_that_learnt_nothing_reads_a_replay_as_it_was(
    dialect: str, name: str, form: Callable[[Event], StoredEvent]
) -> None:
    for event in map(form, sample_events(dialect, name)):
        reading = read_again(event, source_of, NEWER)
        assert reading is not None
        attributes = payload_of(event).get("attributes", {})
        assert set(reading.left) <= set(attributes)
        assert reading.understood == ()
        now = reading.event or event
        assert (now.type, now.name) == (event.type, event.name)
        if event.type in CALL_TYPES:
            assert state_of_call(read_call(now)) == state_of_call(read_call(event))


def test_what_is_understood_later_is_added_to_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    learn(monkeypatch, cached=("cached_input_tokens", count), why=("finish_reasons", lambda value: [value]))
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 9}
    kind, payload = again(call | {"acme.cached": 4, "acme.why": "stop", "acme.other": 1})
    assert (kind, payload["finish_reasons"], payload["attributes"]) == ("llm_response", ["stop"], {"acme.other": 1})
    assert payload["usage"] == {"input_tokens": 9, "cached_input_tokens": 4}


def test_a_span_may_turn_out_to_be_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    learn(monkeypatch, does=("operation", text), tool=("tool", text))
    kind, payload = again({"acme.does": "execute_tool", "acme.tool": "grep", "input.value": '{"for": "till"}'})
    assert (kind, payload["tool"], payload["arguments"]) == ("tool_result", "grep", {"for": "till"})


def test_messages_in_span_events_that_nobody_took_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    learn(monkeypatch, does=("operation", text), model=("request_model", text))
    odd = happened("acme.unheard", START + 5, acme__x=1)
    kind, payload = again({"acme.does": "chat", "acme.model": "m"}, events=[odd])
    assert (kind, payload["request"]) == ("llm_response", {"model": "m"})
    assert payload["otlp"]["events"][0]["name"] == "acme.unheard"


def test_what_the_mapping_of_today_wrote_is_not_read_again() -> None:
    reading = read_again(stored(events_of({"acme.x": 1})[0]), source_of)
    assert reading is not None
    assert (reading.left, reading.event, reading.scope) == (("acme.x",), None, "tests@1")


def test_events_of_other_producers_are_none() -> None:
    for payload in ({"attributes": {"a": 1}}, {"otlp": 7}, {"otlp": None}):
        event = StoredEvent(
            event_id="e", type="span_finished", created_at=1, payload=msgspec.Raw(msgspec.json.encode(payload)), id=1
        )
        assert read_again(event, source_of, NEWER) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "attributes",
    "request",
    "message",
    "choices",
    "usage",
    "input",
    "output",
    "operation",
    "tool",
    "error",
    "finish_reasons",
)


@given(
    st.booleans(),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), JSON),
    st.dictionaries(st.sampled_from(("events", "kind", "name", "scope", "status_message")), JSON),
    st.dictionaries(st.sampled_from(sorted(draft._keys)), JSON, max_size=4),
)
def test_nothing_in_an_event_makes_it_fail(
    by_digest: bool, kind: str, payload: dict[str, Any], otlp: dict[str, Any], attributes: dict[str, Any]
) -> None:
    payload["otlp"] = ({"resource": "0" * 16} if by_digest else {"mapping": MAPPING_VERSION}) | otlp
    if attributes:
        payload["attributes"] = attributes
    try:
        data = msgspec.Raw(msgspec.json.encode(payload))
    except (ValueError, OverflowError):
        return
    event = StoredEvent(event_id="e", type=kind, created_at=START, run_id="r", span_id="s", payload=data, id=1)
    reading = read_again(event, source_of, NEWER)
    assert reading is not None
    given_keys = payload["attributes"] if isinstance(payload.get("attributes"), dict) else {}
    assert {*reading.left, *reading.understood} >= set(not_understood(given_keys))
