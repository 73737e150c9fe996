"""Instrumentations by others, as they are: every call, tool, token, streamed answer and error that they see is in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import COMMAND, environment
from tests.journeys.served import serve
from tests.otel.apps.watched import INSTRUMENTATIONS
from tests.otel.asking import Answered, ask
from tests.otel.model_server import ANSWER, ERRORS, FORECAST, REFUSAL, UNUSUAL, serving
from tests.otel.reading import Stored, read


def is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


WATCHED = ("openai", "pydantic_ai", *INSTRUMENTATIONS.values())
if MISSING := [module for module in WATCHED if not is_there(module)]:
    pytest.skip(f"not installed: {', '.join(MISSING)}; the extra dev brings them", allow_module_level=True)

from tests.otel.apps.calls import ASKED, QUESTION, TOOL  # noqa: E402 - it imports what may be missing

pytestmark = pytest.mark.xdist_group("otel-exam")  # what is sent once is read by all of it

ROOT = Path(__file__).parents[2]
CAPTURE = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
}
DIALECTS = ("otel", "openinference", "openllmetry")
MODELS = [
    "plain", "streamed", "tool-wanted", "tool-streamed", "tool-answered", "embedder", *ERRORS, "async-plain", "async-streamed"
]  # fmt: skip
UNUSUAL_MODELS = [*UNUSUAL, "no-usage", "broken-off", "left"]
CALL = {"id": "call_7", "name": "weather", "arguments": {"city": "Ljubljana"}}

# What an instrumentation does not say at all, as of the versions in pyproject.toml: no receiver could have it.
UNSAID: dict[str, set[str]] = {
    "otel": {"cached", "reasoning", "tools", "embedded text", "streamed", "refusals"},
    "openinference": set(),
    "openllmetry": {"reasoning of streams", "errors of streams"},
}
# Attributes that stay under their own names, being of no use to anybody but who knows them.
LEFT = {"gen_ai.openai.api_base"}


def watch(instrumentation: str, target: str, app: str, url: str) -> None:
    environ = environment(
        MODEL_URL=url, PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(ROOT)]), OTEL_SERVICE_NAME="app",
        OTEL_RESOURCE_ATTRIBUTES=f"flightlog.project={instrumentation}", **CAPTURE,
    )  # fmt: skip
    command = [sys.executable, "-m", "tests.otel.apps.watched", instrumentation, target, app]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answered]]:
    """What one server has of each instrumentation and of the agent, two of which send at a time."""
    apps = {**dict.fromkeys(DIALECTS, "unusual"), "none": "agent"}
    with serving() as (url, asked), serve(tmp_path_factory.mktemp("exam")) as served:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: watch(name, served.url, apps[name], url), apps))
        assert len(asked) == len(DIALECTS) * len(MODELS + UNUSUAL_MODELS) + 2
        yield {name: ask(served.url, name) for name in apps}


def examine(stored: Stored | Answered, instrumentation: str) -> None:
    """Field by field, what was asked and answered."""
    unsaid = UNSAID[instrumentation]
    calls = [one for one in stored.calls if one[0].request_model not in UNUSUAL_MODELS]
    assert [row.request_model for row, _ in calls] == MODELS  # each once, in their order
    for row, content in calls:
        model = str(row.request_model)
        assert (row.source, row.provider) == ("app", "openai"), model
        assert row.duration_ns, model
        if model in ERRORS:
            _examine_error(row, content, model)
        elif model == "embedder":
            assert (row.operation, row.tokens_input, row.status) == ("embeddings", 6, "ok")
            assert "embedded text" in unsaid or "a text to embed" in str(content.request)
        else:
            _examine_answer(row, content, model, unsaid)
    _, plain = stored.call("plain")
    assert plain.request is not None
    assert plain.request["parameters"].items() >= {"temperature": 0.2, "max_tokens": 200}.items()
    leftovers = {key for event in stored.events if event.type == "llm_response"
                 for key in stored.payload(event).get("attributes", ())}  # fmt: skip
    assert leftovers <= LEFT
    assert not [event for event in stored.events if event.type == "degraded"]


def _examine_error(row: Any, content: Any, model: str) -> None:
    status, _, text = ERRORS[model]
    assert row.status == "error"
    assert row.error_kind == {404: "NotFoundError", 429: "RateLimitError", 500: "InternalServerError"}[status]
    assert text in content.error["message"]
    assert content.request["messages"] == ASKED


def _examine_answer(row: Any, content: Any, model: str, unsaid: set[str]) -> None:
    assert (row.status, row.operation, row.model) == ("ok", "chat", f"{model}-2026-01-01")
    assert (row.tokens_input, row.tokens_output) == (120, 45), model
    assert "cached" in unsaid or row.tokens_cached_input == 100, model
    is_streamed = "streamed" in model
    assert unsaid & {"reasoning", "reasoning of streams" if is_streamed else ""} or row.tokens_reasoning == 30, model
    assert "streamed" in unsaid or bool(row.streamed) == is_streamed, model
    assert "streamed" in unsaid or not is_streamed or row.time_to_first_chunk_ns, model
    asked, said = content.request["messages"], content.message
    if model in ("tool-wanted", "tool-streamed"):
        assert asked == ASKED
        assert (said.get("content"), said["tool_calls"], row.finish_reason) == (None, [CALL], "tool_calls"), model
    elif model == "tool-answered":
        assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
        assert asked[1]["tool_calls"] == [CALL]
        assert (asked[2]["content"], asked[2]["tool_call_id"]) == ('{"celsius": 21}', "call_7")
        assert (said["content"], row.finish_reason) == (FORECAST, "stop")
    else:
        assert asked == QUESTION
        assert (said["content"], row.finish_reason) == (ANSWER, "stop"), model
    if model.startswith("tool"):
        assert "tools" in unsaid or content.request["tools"][0]["name"] == TOOL["function"]["name"], model  # type: ignore[index]


def test_all_that_an_instrumentation_sees_is_recorded_by_its_process(tmp_path: Path) -> None:
    """By a processor that the program adds; the others are seen to below, where `flightlog instrument` adds it."""
    with serving() as (url, asked):
        watch("openinference", str(tmp_path / "flight"), "calls", url)
    assert len(asked) == len(MODELS)
    examine(read(tmp_path / "flight"), "openinference")


@pytest.mark.parametrize("instrumentation", DIALECTS)
def test_all_that_an_instrumentation_sends_is_stored_by_the_server(
    instrumentation: str, sent: dict[str, Answered]
) -> None:
    examine(sent[instrumentation], instrumentation)


@pytest.mark.parametrize("instrumentation", DIALECTS)
def test_answers_of_unusual_shapes_are_whole(instrumentation: str, sent: dict[str, Answered]) -> None:
    stored, unsaid = sent[instrumentation], UNSAID[instrumentation]
    assert [row.request_model for row, _ in stored.calls] == MODELS + UNUSUAL_MODELS
    row, content = stored.call("two-choices")
    assert [(one["role"], one["content"]) for one in content.choices] == [
        ("assistant", "Heads."),
        ("assistant", "Tails."),
    ]
    assert content.event["payload"]["finish_reasons"] == ["stop", "length"]
    assert content.request["messages"] == QUESTION
    row, content = stored.call("two-calls")
    assert content.message["tool_calls"] == [CALL, {"id": "call_8", "name": "weather", "arguments": {"city": "Bled"}}]
    row, content = stored.call("half-a-call")
    assert (content.message["tool_calls"][0]["arguments"], row.finish_reason) == ('{"city": "Lju', "length")
    _, content = stored.call("refusing")
    assert "refusals" in unsaid or content.message["content"] == [{"type": "refusal", "text": REFUSAL}]
    row, content = stored.call("no-usage")
    assert (content.message["content"], row.tokens_input, row.tokens_output) == (ANSWER, None, None)
    row, content = stored.call("broken-off")
    assert content.message["content"] == "Paris is"  # as far as it came
    assert "errors of streams" in unsaid or (row.status, row.error_kind) == ("error", "APIConnectionError")
    row, content = stored.call("left")
    assert (row.status, content.message["content"]) == ("ok", "Paris is")


@pytest.mark.parametrize("way", ["process", "server"])
def test_an_agent_is_recorded_with_its_calls_and_its_tool(
    way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if way == "server":
        stored = request.getfixturevalue("sent")["none"]
        [run] = stored.runs
        assert (run["name"], run["status"], run["tokens_input"]) == ("invoke_agent forecaster", "succeeded", 240)
    else:
        with serving() as (url, _):
            watch("none", str(tmp_path), "agent", url)
        stored = read(tmp_path)
    [agent] = [event for event in stored.events if event.type == "span_finished"]
    [tool] = [event for event in stored.events if event.type == "tool_result"]
    assert (agent.actor, stored.payload(agent)["operation"]) == ("forecaster", "invoke_agent")
    assert stored.payload(agent)["output"] == FORECAST
    assert stored.payload(tool).items() >= {
        "tool": "weather", "arguments": {"city": "Ljubljana"}, "result": {"celsius": 21}, "call_id": "call_7"
    }.items()  # fmt: skip
    (first, wanted), (second, answered) = stored.calls
    assert wanted.message is not None
    assert answered.message is not None
    assert wanted.message["tool_calls"] == [CALL]
    assert [one.result for one in wanted.tool_answers] == [{"celsius": 21}]
    assert answered.message["content"] == FORECAST
    assert {first.run_id, second.run_id, tool.run_id} == {agent.run_id}
    assert {first.parent_span_id, second.parent_span_id, tool.parent_span_id} == {agent.span_id}
    for row in (first, second):
        assert (row.tokens_input, row.tokens_output, row.tokens_cached_input, row.tokens_reasoning) == (
            120,
            45,
            100,
            30,
        )


@pytest.mark.parametrize("prefer", ["openinference", "openai-v2", "opentelemetry-instrumentation-openai"])
def test_a_program_is_instrumented_without_a_change(prefer: str, tmp_path: Path) -> None:
    with serving() as (url, asked):
        environ = environment(
            MODEL_URL=url, PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(ROOT)]), OTEL_SERVICE_NAME="app"
        )
        program = [sys.executable, "-m", "tests.otel.apps.calls"]
        command = [*COMMAND, "instrument", "--dir", str(tmp_path), "--prefer", prefer, "--", *program]
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert len(asked) == len(MODELS)
    dialect = {"openinference": "openinference", "openai-v2": "otel"}.get(prefer, "openllmetry")
    examine(read(tmp_path), dialect)
