"""Whatever a sender puts into an attribute, its span arrives, and the journal takes it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flightlog.events.catalogue import check_event
from flightlog.ingest.otlp.leftover import left_in, leftover
from flightlog.ingest.otlp.mapping import map_log, map_metric, map_resource, map_span, mapped_span, origin_of
from flightlog.ingest.otlp.mapping.dialects import DIALECTS
from flightlog.ingest.otlp.model import Link, LogRecord, Metric, Scope, Span, SpanEvent
from flightlog.runs.calls import read_call
from tests.ingest.otlp.key_examples import EXAMPLES
from tests.ingest.otlp.mapped import START, a_span, events_of, mapped, payload_of

KEYS = [key for dialect in DIALECTS for key in dialect.keys]
PREFIXES = [prefix for dialect in DIALECTS for prefix in dialect.prefixes]
NAMES = ["exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.tool.message", "gen_ai.content.prompt"]
NAMES += ["gen_ai.content.completion", "gen_ai.content.completion.chunk", "First Token Stream Event"]
NAMES += ["gen_ai.client.inference.operation.details", "gen_ai.evaluation.result", "anything"]

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "{", "[", "[]", "{}", "[1]", '{"a": 1}', '[{"role": 1}]', '[{"role": "user", "parts": 5}]', "chat"]
    ),
    st.sampled_from(["\ud800", "[" * 2000, '{"a":' * 300 + "1" + "}" * 300, "NaN", "-1", "1e400", "9" * 30]),
)
_WORDS = """role parts content type text tool_calls id function name arguments messages choices message usage input_tokens
prompt_tokens_details data embedding model finish_reason 0 1"""
_words = st.sampled_from(_WORDS.split())
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_words, inner, max_size=4)),
    max_leaves=12,
)
_as_json = values.map(lambda value: json.dumps(value, default=str))
_any_value = st.one_of(values, _as_json)
_suffixes = st.lists(st.one_of(_words, st.sampled_from(["message", "tool_call", "document", "evaluation"])), max_size=5)
_families = st.builds(lambda prefix, parts: prefix + ".".join(parts), st.sampled_from(PREFIXES), _suffixes)
attributes = st.dictionaries(st.one_of(st.sampled_from(KEYS), _families, st.text(max_size=5)), _any_value, max_size=8)
_kinds = st.sampled_from([{}, {"gen_ai.operation.name": "chat"}, {"gen_ai.operation.name": "execute_tool"}])


@settings(max_examples=250)
@given(kind=_kinds, given_attributes=attributes)
@example(
    kind={}, given_attributes={"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":NaN}]}]'}
)
@example(kind={}, given_attributes={"gen_ai.system_instructions": {"role": None, "type": []}})
def test_attributes_of_any_kind_never_lose_a_span(kind: dict[str, Any], given_attributes: dict[str, Any]) -> None:
    for event in events_of({**kind, **given_attributes}):
        payload = payload_of(event)
        assert "mapping_failed" not in payload.get("otlp", {})


@settings(max_examples=250)
@given(kind=_kinds, given_attributes=attributes)
@example(kind={}, given_attributes={"gen_ai.operation.name": "chat", "server.port": 443, "gen_ai.provider.name": "x"})
@example(kind={}, given_attributes={"gen_ai.operation.name": "chat", "share": float("nan")})
@example(kind={}, given_attributes={"gen_ai.operation.name": "chat", "half": "\ud800"})
def test_a_payload_that_is_handed_on_is_what_its_bytes_hold(
    kind: dict[str, Any], given_attributes: dict[str, Any]
) -> None:
    span = a_span({**kind, **given_attributes})
    (event, *_), payload = mapped_span(span, Scope("s"), origin_of({}, "", "p"))
    if payload is not None:
        assert msgspec.json.decode(event.payload) == payload
        assert left_in(payload) == leftover(event)
        if event.type == "llm_response":
            assert read_call(event, payload) == read_call(event)  # type: ignore[arg-type]  # nothing of its place is read


@settings(max_examples=100)
@given(
    names=st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 2**63), attributes), max_size=4),
    given_attributes=attributes,
    status=st.integers(0, 3),
)
def test_events_of_any_kind_never_lose_a_span(names: Any, given_attributes: dict[str, Any], status: int) -> None:
    happened = [SpanEvent(name, at_ns, said) for name, at_ns, said in names]
    for event in events_of(given_attributes, events=happened, status=status, status_message="no", dropped=3):
        assert "mapping_failed" not in payload_of(event).get("otlp", {})


@settings(max_examples=100)
@given(name=st.sampled_from([*NAMES, ""]), body=_any_value, given_attributes=attributes, severity=st.integers(-5, 30))
def test_log_records_of_any_kind_arrive(name: str, body: Any, given_attributes: dict[str, Any], severity: int) -> None:
    for trace, span in (("a" * 32, "b" * 16), (None, None)):
        record = LogRecord(START, name, severity, "", body, given_attributes, trace, span)
        for event in map_log(record, Scope("s"), origin_of({}, "", "p"), 1):
            check_event(event)
            assert "mapping_failed" not in payload_of(event).get("otlp", {})


@given(attributes=attributes, times=st.lists(values, max_size=3))
def test_resources_and_metrics_of_any_kind_arrive(attributes: dict[str, Any], times: list[Any]) -> None:
    origin = origin_of(attributes, "", "p")
    metric = Metric("m" * 2000, "sum", points=[{"time_ns": time, "value": time} for time in times])
    check_event(map_metric(metric, Scope("s", attributes=attributes), origin))
    [place] = origin.places.values()
    check_event(map_resource(origin, place, START))


def test_each_known_attribute_with_each_kind_of_nonsense() -> None:
    nonsense: list[Any] = [None, True, -1, 2**63, 1.5, float("nan"), float("inf"), "", "x", "{", [], {}, [None], [[1]]]
    nonsense += [{"a": float("nan")}, "\ud800", '{"a":' * 300 + "1" + "}" * 300, ["\ud800"], {"role": []}]
    for known in EXAMPLES.values():
        for key in known:
            for value in nonsense:
                for kind in ({}, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}):
                    for event in events_of({**kind, key + ("0.x" if key.endswith(".") else ""): value}):
                        assert "mapping_failed" not in payload_of(event).get("otlp", {}), (key, value)


def test_a_span_with_odd_ids_times_and_names_arrives() -> None:
    odd = Span("a" * 32, "b" * 16, "n" * 5000, -5, 2**70, kind=99, status=77, links=[Link("", "", {"a": float("nan")})])
    (event,) = map_span(odd, Scope(), origin_of({"service.name": "s" * 500, "flightlog.run.id": "r" * 200}, "", "p"))
    assert (len(str(event.name)), len(str(event.source)), event.duration_ns) == (512, 128, 0)
    check_event(event)
    (event,) = map_span(a_span({}, start_ns=0, end_ns=0), Scope(), origin_of({}, "", "p"))
    check_event(event)


def test_numbers_that_are_none_are_told_as_the_words_that_they_are() -> None:
    linked = mapped({}, links=[Link("d" * 32, "e" * 16, {"a": float("nan")})])
    assert linked["otlp"]["links"][0]["attributes"] == {"a": "NaN"}
    payload = mapped({"a": float("nan"), "b": [float("inf")], "c": {"d": float("-inf")}})
    assert payload["attributes"] == {"a": "NaN", "b": ["Infinity"], "c": {"d": "-Infinity"}}


def test_a_mapping_that_fails_keeps_the_span_as_it_came(monkeypatch: Any) -> None:
    def fails(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr("flightlog.ingest.otlp.mapping.spans.type_of", fails)
    (event,) = events_of({"gen_ai.request.model": "gpt-4o"}, parent_span_id="c" * 16)
    payload = payload_of(event)
    assert (event.type, event.run_id, event.status) == ("span_finished", event.trace_id, "ok")
    assert payload["attributes"] == {"gen_ai.request.model": "gpt-4o"}
    assert payload["otlp"]["mapping_failed"] == "KeyError"
