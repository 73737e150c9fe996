"""The page that shows how it is done, done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tests.otel.reading import read

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "instrument.md"


def test_the_recipes_run_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given: list[TracerProvider] = []  # this process has one global provider for all of its tests, and it stays unset
    monkeypatch.setattr(trace, "set_tracer_provider", given.append)
    monkeypatch.setattr(trace, "get_tracer", lambda name: given[0].get_tracer(name))
    there: dict[str, Any] = {"__name__": "recipes"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL):
        exec(compile(block, "instrument.md", "exec"), there)
    given[0].shutdown()
    events = read(tmp_path / "flight").events
    runs = {event.name: event for event in events if event.type == "run_started"}
    [span] = [event for event in events if event.type == "span_finished"]
    [note] = [event for event in events if event.type == "note"]
    answer, ship = runs["answer a customer"], runs["ship"]
    assert (span.run_id, span.parent_span_id) == (answer.run_id, answer.span_id)
    assert (note.run_id, note.span_id) == (answer.run_id, span.span_id)
    assert (ship.trace_id, ship.parent_span_id) == (answer.trace_id, answer.span_id)
