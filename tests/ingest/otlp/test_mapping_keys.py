"""Every attribute that a dialect knows goes where a hand-written example says."""

from __future__ import annotations

from typing import Any

import pytest

from flightlog.ingest.otlp.mapping.dialects import DIALECTS
from flightlog.ingest.otlp.model import STATUS_ERROR
from tests.ingest.otlp.key_examples import EXAMPLES, Example
from tests.ingest.otlp.mapped import events_of, payload_of

KINDS: dict[str, dict[str, Any]] = {
    "call": {"gen_ai.operation.name": "chat"},
    "embed": {"gen_ai.operation.name": "embeddings"},
    "tool": {"gen_ai.operation.name": "execute_tool"},
    "find": {"gen_ai.operation.name": "retrieval"},
    "failed": {"gen_ai.operation.name": "chat"},
    "any": {},
}
CASES = [(dialect, key, example) for dialect, known in EXAMPLES.items() for key, example in known.items()]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name or "common")
def test_every_attribute_of_a_dialect_has_an_example(dialect: Any) -> None:
    assert set(EXAMPLES[dialect.name]) == {*dialect.keys, *dialect.prefixes}


def test_no_attribute_is_known_to_two_dialects() -> None:
    keys = [key for dialect in DIALECTS for key in (*dialect.keys, *dialect.prefixes)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("dialect", "key", "example"), CASES, ids=[f"{case[0]}:{case[1]}" for case in CASES])
def test_an_attribute_goes_where_its_example_says(dialect: str, key: str, example: Example) -> None:
    kind, value, wanted = example
    given = {key + suffix: part for suffix, part in value.items()} if key.endswith(".") else {key: value}
    failed = {"status": STATUS_ERROR} if kind == "failed" else {}
    events = events_of({**KINDS[kind], **given}, **failed)
    said = payload_of(events[0]) | {"event": {field: getattr(events[0], field) for field in ENVELOPE}}
    if len(events) > 1:
        said["feedback"] = payload_of(events[1])
    assert {path: at(said, path) for path in wanted} == wanted
    if not any(path == f"attributes/{known}" for path in wanted for known in given):
        assert not set(given) & set(said.get("attributes", {})), "said twice"
    if dialect:
        assert dialect in said["otlp"]["dialect"].split("+")


ENVELOPE = ("type", "name", "run_id", "task_id", "actor", "correlation_id", "flags")


def at(said: Any, path: str) -> Any:
    """What is at this path; after `attributes/` the rest is one name."""
    steps = path.split("/") if "/" in path else path.split(".")
    for step in steps:
        said = said.get(step) if isinstance(said, dict) else None
    return said
