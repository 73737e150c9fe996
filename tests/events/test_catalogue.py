"""The built-in types: their codes for ever, their schemas, their examples, and what the doors refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.clock import parse_ns
from flightlog.errors import EventInvalid, EventTypeNotFound, EventTypeUnknown, FieldTooLong, RunMissing
from flightlog.events import wire
from flightlog.events.catalogue import (
    CATALOGUE,
    check_event,
    check_type,
    event_type,
    is_custom,
    published,
    required_keys,
)
from flightlog.events.envelope import ENVELOPE_FIELDS, FLAG_NAMES, Event
from flightlog.events.feedback import fault_of

TYPES = list(CATALOGUE)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"

# Written out by hand: a code means the same for ever, so a derived list would not notice what this one is for.
CODES = {
    "FR-EVT-001": "run_started",
    "FR-EVT-002": "run_finished",
    "FR-EVT-003": "run_heartbeat",
    "FR-EVT-004": "span_started",
    "FR-EVT-005": "span_finished",
    "FR-EVT-006": "resource",
    "FR-EVT-010": "llm_request",
    "FR-EVT-011": "llm_response",
    "FR-EVT-020": "tool_call",
    "FR-EVT-021": "tool_result",
    "FR-EVT-030": "patch_proposed",
    "FR-EVT-031": "patch_applied",
    "FR-EVT-040": "test_started",
    "FR-EVT-041": "test_result",
    "FR-EVT-050": "exec_started",
    "FR-EVT-051": "exec_result",
    "FR-EVT-060": "note",
    "FR-EVT-061": "error",
    "FR-EVT-062": "log",
    "FR-EVT-063": "metric",
    "FR-EVT-070": "capability_decision",
    "FR-EVT-080": "audit",
    "FR-EVT-081": "feedback",
    "FR-EVT-090": "task_transition",
    "FR-EVT-091": "ledger_entry",
    "FR-EVT-095": "dead_letter",
    "FR-EVT-096": "dead_letter_replayed",
    "FR-EVT-097": "alert",
    "FR-EVT-100": "degraded",
}
WITHOUT_RUN = {
    "resource",
    "log",
    "metric",
    "note",
    "error",
    "capability_decision",
    "audit",
    "feedback",
    "task_transition",
    "ledger_entry",
    "dead_letter",
    "dead_letter_replayed",
    "alert",
    "degraded",
}
ANSWERS = {
    "llm_response": "llm_request",
    "tool_result": "tool_call",
    "patch_applied": "patch_proposed",
    "test_result": "test_started",
    "exec_result": "exec_started",
    "capability_decision": "capability_decision",
}
TIMED = {"run_finished", "span_finished", "llm_response", "tool_result", "test_result", "exec_result"}
STATUSES = {
    "run_finished": ("succeeded", "failed", "canceled"),
    "span_finished": ("ok", "error"),
    "llm_response": ("ok", "error"),
    "tool_result": ("ok", "error"),
    "patch_applied": ("ok", "error"),
    "test_result": ("passed", "failed", "error", "skipped"),
    "exec_result": ("ok", "error"),
    "capability_decision": ("requested", "granted", "denied"),
    "alert": ("raised", "cleared"),
    "degraded": ("began", "ended"),
}
REQUIRED = {
    "resource": {"digest", "attributes"},
    "metric": {"metric", "kind", "points"},
    "run_started": {"name"},
    "llm_request": {"model"},
    "tool_call": {"tool"},
    "tool_result": {"tool"},
    "patch_proposed": {"files"},
    "patch_applied": {"files"},
    "exec_started": {"command"},
    "exec_result": {"command"},
    "note": {"text"},
    "error": {"message"},
    "capability_decision": {"capability", "decision"},
    "audit": {"operation"},
    "feedback": {"target_id"},
    "task_transition": {"from", "to"},
    "ledger_entry": {"status", "units"},
    "dead_letter": {"letter_id", "cause"},
    "dead_letter_replayed": {"letter_id", "plan_id", "outcome"},
    "alert": {"alert", "value", "limit"},
    "degraded": {"reason"},
}


def event(example: dict[str, Any], **changes: Any) -> Event:
    """The event of an example, as a door would have it."""
    members = example | changes
    members["created_at"] = parse_ns(example["created_at"])
    members["payload"] = msgspec.Raw(msgspec.json.encode(members["payload"]))
    return wire.decode(wire.encode(Event(**members)))


def example_of(type_: str) -> dict[str, Any]:
    return event_type(type_).example


def with_payload(type_: str, payload: Any) -> Event:
    return event(example_of(type_), payload=payload)


# ── the types ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_codes_and_types_are_those_that_were_given_out() -> None:
    assert {kind.code: kind.type for kind in CATALOGUE.values()} == CODES
    assert len(CATALOGUE) == len(CODES)
    assert all(name == kind.type for name, kind in CATALOGUE.items())


def test_the_rules_of_the_types_are_those_that_were_promised() -> None:
    assert {kind.type for kind in CATALOGUE.values() if not kind.run_required} == WITHOUT_RUN
    assert {kind.type: kind.answers for kind in CATALOGUE.values() if kind.answers} == ANSWERS
    assert {kind.type for kind in CATALOGUE.values() if kind.timed} == TIMED
    assert {kind.type: kind.statuses for kind in CATALOGUE.values() if kind.statuses} == STATUSES
    assert {name: set(required_keys(name) or ()) for name in TYPES if required_keys(name)} == REQUIRED


@pytest.mark.parametrize("type_", TYPES)
def test_a_schema_is_valid_and_says_a_sentence_of_every_key(type_: str) -> None:
    schema = event_type(type_).schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for part in _parts(schema):
        assert part.get("additionalProperties", True) is True
        for key, property_ in part.get("properties", {}).items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", key)
            assert property_["description"].endswith((".", ".)", "…"))


def _parts(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, dict):
        return [schema, *(part for value in schema.values() for part in _parts(value))]
    return [part for value in schema for part in _parts(value)] if isinstance(schema, list) else []


@pytest.mark.parametrize("type_", TYPES)
def test_an_example_fits_its_schema_and_passes_the_doors(type_: str) -> None:
    kind = event_type(type_)
    jsonschema.Draft202012Validator(kind.schema).validate(kind.example["payload"])
    check_event(event(kind.example))
    assert kind.example["type"] == type_
    assert set(kind.example) <= {*ENVELOPE_FIELDS, "payload"}
    assert kind.example.get("status") in (kind.statuses or (None,))
    assert ("duration_ns" in kind.example) == kind.timed


def test_the_examples_are_one_flight() -> None:
    flight = sorted((kind.example for kind in CATALOGUE.values()), key=lambda one: one["created_at"])
    assert len({one["event_id"] for one in flight}) == len(flight)
    assert len({one["seq"] for one in flight}) == len(flight)
    assert len({one["run_id"] for one in flight if "run_id" in one}) == 1
    for answer, question in ANSWERS.items():
        assert example_of(answer)["correlation_id"] == example_of(question)["correlation_id"]
        assert example_of(answer)["created_at"] >= example_of(question)["created_at"]


def test_an_unknown_type_is_not_found() -> None:
    with pytest.raises(EventTypeNotFound, match="no built-in event type 'reindexed'"):
        event_type("reindexed")


def test_the_published_catalogue_is_json_and_nobody_elses() -> None:
    entries = msgspec.json.decode(msgspec.json.encode(published()))
    assert entries == published()
    assert [entry["code"] for entry in entries] == sorted(CODES)
    assert {entry["type"]: entry["answered_by"] for entry in entries if entry["answered_by"]} == {
        question: answer for answer, question in ANSWERS.items()
    }
    assert {"code", "type", "title", "description", "run_required", "schema", "example"} <= set(entries[0])
    published()[0]["schema"]["properties"].clear()
    assert published() == entries


# ── what the doors refuse ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", ["acme.reindexed", "a.b", "acme.search.index_2.rebuilt", "x" * 60 + "." + "y" * 60])
def test_a_type_with_a_namespace_is_anybodys(type_: str) -> None:
    assert is_custom(type_)
    assert required_keys(type_) == frozenset()
    check_event(event(example_of("note"), type=type_, run_id=None, payload={"any": ["thing"]}))


@pytest.mark.parametrize(
    "type_",
    [
        "reindexed",
        "Acme.reindexed",
        "acme.",
        ".acme",
        "acme..x",
        "acme.Re",
        "acme-x.y",
        "1a.b",
        "acme.x\n",
        "a" * 70 + "." + "b" * 70,
    ],
)
def test_a_type_without_a_namespace_is_refused_with_a_better_one(type_: str) -> None:
    assert not is_custom(type_)
    assert required_keys(type_) is None
    with pytest.raises(EventTypeUnknown) as refused:
        check_type(event(example_of("note"), type=type_))
    assert f"a namespaced one such as 'acme.{type_}'" in str(refused.value)


@pytest.mark.parametrize("type_", TYPES)
def test_a_run_is_asked_for_where_the_type_needs_one(type_: str) -> None:
    for missing in (None, ""):
        lone = event(example_of(type_), run_id=missing)
        if type_ in WITHOUT_RUN:
            check_event(lone)
        else:
            with pytest.raises(RunMissing, match=f"type '{type_}' belongs to a run: give its run_id"):
                check_event(lone)


@pytest.mark.parametrize(("type_", "key"), [(type_, key) for type_, keys in REQUIRED.items() for key in sorted(keys)])
def test_a_required_key_is_required_and_not_null(type_: str, key: str) -> None:
    payload = example_of(type_)["payload"]
    with pytest.raises(EventInvalid, match=f"payload of {type_} needs {key}"):
        check_event(with_payload(type_, {name: value for name, value in payload.items() if name != key}))
    with pytest.raises(EventInvalid, match=rf"payload\.{key} of {type_} is "):
        check_event(with_payload(type_, payload | {key: None}))


def test_tests_are_started_by_a_command_or_a_name() -> None:
    check_event(with_payload("test_started", {"name": "unit"}))
    check_event(with_payload("test_started", {"command": "make test"}))
    with pytest.raises(EventInvalid, match="needs command or name"):
        check_event(with_payload("test_started", {"framework": "pytest"}))


@pytest.mark.parametrize(
    ("type_", "payload", "reason"),
    [
        ("note", {"text": 5}, "payload.text of note is a text"),
        ("exec_result", {"command": "ls"}, "payload.command of exec_result is a list"),
        ("exec_result", {"command": [], "exit_code": 1.5}, "payload.exit_code of exec_result is a whole number"),
        ("exec_result", {"command": [], "timed_out": 1}, "payload.timed_out of exec_result is true or false"),
        ("llm_response", {"cost_usd": "0.1"}, "payload.cost_usd of llm_response is a number"),
        ("llm_response", {"cost_usd": True}, "payload.cost_usd of llm_response is a number"),
        ("llm_response", {"chunks": -1}, "payload.chunks of llm_response is a whole number of at least 0"),
        ("llm_response", {"usage": []}, "payload.usage of llm_response is an object"),
        ("test_started", {"command": 5}, "payload.command of test_started is a list or a text"),
        (
            "capability_decision",
            {"capability": "fs.write", "decision": "maybe"},
            "payload.decision of capability_decision is one of requested, granted, denied",
        ),
    ],
)
def test_a_key_of_the_wrong_type_is_refused_by_name(type_: str, payload: dict[str, Any], reason: str) -> None:
    with pytest.raises(EventInvalid) as refused:
        check_event(with_payload(type_, payload))
    assert reason in str(refused.value)


def test_an_optional_key_may_be_null_and_unknown_keys_are_kept() -> None:
    check_event(
        with_payload("exec_result", {"command": ["ls"], "exit_code": None, "error": None, "of_our_own": {"x": 1}})
    )
    check_event(with_payload("feedback", {"target_id": "x", "kind": None}))
    check_event(with_payload("llm_response", {"chunks": 3.0}))


@pytest.mark.parametrize(
    "text",
    [
        *(
            b'{"text":"\xff"}',
            b'{"text":"\\ud800"}',
            b'{"text":"a\x00"}',
            b'{"text":"a"',
            b'{"text":NaN}',
            b'{"text":1e999}',
        ),
        *(b'{"text":' + b"[" * 100_000, b"{'text':1}", b"{} {}", b""),
    ],
)
def test_what_readers_could_not_read_again_is_refused(text: bytes) -> None:
    broken = event(example_of("note"))
    broken.payload = msgspec.Raw(text)
    with pytest.raises(EventInvalid):
        check_type(broken)


@pytest.mark.parametrize("text", [b"[]", b"null", b'"text"', b"5"])
def test_a_payload_is_an_object(text: bytes) -> None:
    broken = event(example_of("note"))
    broken.payload = msgspec.Raw(text)
    with pytest.raises(EventInvalid, match="payload is a JSON object"):
        check_event(broken)
    with pytest.raises(EventInvalid, match="payload is a JSON object"):
        check_type(broken)


def test_the_envelope_is_checked_too() -> None:
    with pytest.raises(FieldTooLong):
        check_event(event(example_of("note"), actor="a" * 257))
    with pytest.raises(EventInvalid, match="level is one of"):
        check_event(event(example_of("note"), level="loud"))


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2)
    | st.sampled_from(["a", "granted", "score", "span"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=600, deadline=None, database=None)
@given(st.data())
def test_the_doors_and_the_schemas_agree(data: st.DataObject) -> None:
    kind = event_type(data.draw(st.sampled_from(TYPES)))
    properties = kind.schema["properties"]
    drop = data.draw(st.sets(st.sampled_from(sorted(kind.example["payload"])), max_size=2))
    changes = data.draw(st.dictionaries(st.sampled_from([*properties, "extra"]), _values, max_size=2))
    payload = {key: value for key, value in kind.example["payload"].items() if key not in drop} | changes
    outermost = kind.schema | {"properties": {key: _shallow(part) for key, part in properties.items()}}
    fits = jsonschema.Draft202012Validator(outermost).is_valid(payload)
    try:
        check_type(with_payload(kind.type, payload))
    except EventInvalid:
        # What the value of feedback may be hangs on its kind, which the schema leaves open.
        assert not fits or (kind.type == "feedback" and fault_of(payload))
    else:
        assert fits


def _shallow(part: dict[str, Any]) -> dict[str, Any]:
    return {word: part[word] for word in ("type", "enum", "minimum") if word in part}


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_has_a_row_for_every_type() -> None:
    rows = re.findall(
        r"^\| `(FR-EVT-\d{3})` \| \[`([a-z_]+)`\]\(#([a-z_]+)\) \| (.+?) \| (yes|no) \| (.+?) \|$",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    assert {code: type_ for code, type_, *_ in rows} == CODES
    for code, type_, anchor, meaning, run, statuses in rows:
        kind = event_type(type_)
        assert anchor == type_
        assert meaning == kind.description, f"{code}: the page and the catalogue say different things"
        assert (run == "yes") == kind.run_required
        assert tuple(re.findall(r"`(\w+)`", statuses)) == kind.statuses


@pytest.mark.parametrize("type_", TYPES)
def test_the_page_names_every_key_of_every_payload(type_: str) -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    rows = dict(re.findall(r"^\| (\*\*`\w+`\*\*|`\w+`) \| (.+) \|$", sections[type_], re.MULTILINE))
    named = {key.strip("*`"): key.startswith("**") for key in rows}
    schema = event_type(type_).schema
    assert named == {key: key in schema.get("required", ()) for key in schema["properties"]}


def test_the_page_names_every_field_of_the_envelope_and_every_flag() -> None:
    text = PAGE.read_text("utf-8")
    envelope = text[text.index("## The envelope") : text.index("## The types")]
    assert set(re.findall(r"^\| `(\w+)` \|", envelope, re.MULTILINE)) >= {*ENVELOPE_FIELDS, "payload"}
    assert [name for name in FLAG_NAMES.values() if f"`{name}`" not in envelope] == []
