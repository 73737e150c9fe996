"""The examples and the recipes run, as somebody would run them, and what they record is in the store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flightlog.config import Settings
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.store.engine import open_store

ROOT = Path(__file__).parents[3]

EXPECTED: dict[str, dict[str, int]] = {
    "minimal.py": {"run_started": 1, "note": 1, "span_started": 1, "span_finished": 1, "run_finished": 1},
    "openai_shape.py": {
        "run_started": 1,
        "llm_request": 2,
        "llm_response": 2,
        "tool_call": 1,
        "tool_result": 1,
        "run_finished": 1,
    },
    "commands.py": {
        "run_started": 1,
        "test_started": 2,
        "exec_started": 2,
        "exec_result": 2,
        "test_result": 2,
        "patch_proposed": 1,
        "capability_decision": 2,
        "patch_applied": 1,
        "run_finished": 1,
    },
    "opentelemetry_agent.py": {
        "run_started": 1,
        "resource": 1,
        "llm_response": 1,
        "tool_result": 1,
        "note": 1,
        "span_finished": 1,
        "run_finished": 1,
    },
    "async_agents.py": {"run_started": 3, "llm_request": 3, "llm_response": 3, "run_finished": 3},
}


def stored(folder: Path) -> list[Any]:
    store = open_store(folder, settings=Settings(), writable=False)
    try:
        return read_events(store, EventFilter(), limit=1000).events
    finally:
        store.close()


def test_each_example_is_expected_here() -> None:
    of_tasks = {"word_counts.py"}  # a pipeline: tests/journeys/test_word_counts.py has a server do it
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(EXPECTED) | of_tasks


@pytest.mark.parametrize("name", EXPECTED)
def test_the_example_runs_and_is_recorded(name: str, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "examples" / name), str(tmp_path / "flight")]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert Counter(event.type for event in stored(tmp_path / "flight")) == EXPECTED[name]


def test_the_recipes_run_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "how-to" / "record.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    openai = ModuleType("openai")
    openai.OpenAI = lambda: SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=_create)))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openai", openai)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    there: dict[str, Any] = {"__name__": "recipes"}
    for block in blocks:
        exec(compile(block, "record.md", "exec"), there)
    events = stored(tmp_path / "flight")
    answers = [event for event in events if event.type == "llm_response"]
    assert [event.status for event in answers] == ["ok", "ok"]
    assert len({event.correlation_id for event in events if event.type.startswith("patch_")}) == 1
    assert {"acme.reindexed", "error", "test_result", "capability_decision"} <= {event.type for event in events}


def _create(stream: bool = False, **_: Any) -> Any:
    if not stream:
        return {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "The parser."}}]}
    pieces = [SimpleNamespace(content="The "), SimpleNamespace(content="parser.")]
    return iter([SimpleNamespace(choices=[SimpleNamespace(index=0, delta=delta)]) for delta in pieces])
