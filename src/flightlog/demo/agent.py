"""The demo's agent: asks a model, uses tools, asks for permission, and leaves a flight behind.

It records the way any application does: with a recorder, a run, spans and the ready-made helpers.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flightlog.demo import model as local
from flightlog.demo.workspace import test_command, test_environment
from flightlog.recorder.client import Recorder
from flightlog.recorder.helpers import TestReport
from flightlog.recorder.run import Run

Json = dict[str, Any]

NAME = "fix slugify: accents and cut words"
ACTOR = "demo-agent"
ISSUE = (
    "Slugs lose accented letters, and a cut slug can end in a dash. The tests in test_headline.py show both. Fix them."
)
SYSTEM = "You are a careful programmer. Use the tools; change as little as you can."
TURNS_MAX = 12


class Rule(NamedTuple):
    """Whether something may be done. `within` asks that the resource is a file of the workspace."""

    name: str
    capability: str
    allowed: bool
    within: bool = False


# The first rule for a capability decides; what no rule names is denied.
RULES = (
    Rule("no-network", "net.fetch", allowed=False),
    Rule("edits-stay-in-the-workspace", "fs.write", allowed=True, within=True),
)


class Outcome(NamedTuple):
    """How the flight went."""

    run_id: str
    before: str
    after: str

    @property
    def ok(self) -> bool:
        """Whether the tests went from red to green."""
        return self.before == "failed" and self.after == "passed"


class Agent:
    """One agent at work in one folder."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self._folder = folder.resolve()
        self._model = local.ScriptedModel()
        self._reports: list[TestReport] = []
        self._tools: dict[str, tuple[Callable[..., str], str, tuple[str, ...]]] = {
            "read_file": (self._read_file, "Read a file of the project.", ("path",)),
            "fetch_url": (self._fetch_url, "Fetch a page from the network.", ("url",)),
            "replace_in_file": (self._replace_in_file, "Replace a text that occurs once.", ("path", "old", "new")),
            "run_tests": (self._run_tests, "Run the project's tests.", ()),
        }

    def work(self) -> Outcome:
        """See the tests fail, let the model work until it has nothing left to do, and say what came of it."""
        with self._run.span("reproduce"):
            complaint = self._run_tests()
        messages: list[Json] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{ISSUE}\n\n{complaint}"},
        ]
        with self._run.span("repair"):
            self._converse(messages)
        outcome = Outcome(self._run.id, self._reports[0].status, self._reports[-1].status)
        verdict = "red to green" if outcome.ok else f"{outcome.before} to {outcome.after}"
        self._run.note(f"Verdict: {verdict}. {messages[-1].get('content') or ''}")
        return outcome

    def _converse(self, messages: list[Json]) -> None:
        for _ in range(TURNS_MAX):
            message = self._ask(messages)
            messages.append(message)
            if not message.get("tool_calls"):
                return
            for call in message["tool_calls"]:
                result = self._use(call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    def _ask(self, messages: list[Json]) -> Json:
        asked: Json = {"model": local.NAME, "messages": messages, "tools": self._described_tools()}
        with self._run.llm(
            local.NAME,
            provider=local.PROVIDER,
            messages=list(messages),
            parameters={"temperature": 0},
            tools=asked["tools"],
        ) as call:
            if not local.speaks_last(messages):
                response = call.record(self._model.create(**asked))
                call.cost(local.cost_usd(response["usage"]))
                message: Json = response["choices"][0]["message"]
                return message
            chunks = list(call.stream(self._model.stream(**asked)))
            call.cost(local.cost_usd(chunks[-1]["usage"]))
        said = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
        return {"role": "assistant", "content": said}

    def _described_tools(self) -> list[Json]:
        return [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": description,
                    "parameters": {
                        "type": "object",
                        "properties": {key: {"type": "string"} for key in keys},
                        "required": list(keys),
                    },
                },
            }
            for name, (_, description, keys) in self._tools.items()
        ]

    def _use(self, name: str, arguments: Json, call_id: str) -> str:
        """Call a tool for the model. What goes wrong is recorded, and told to the model."""
        tool, _, _ = self._tools[name]
        try:
            with self._run.tool_call(name, arguments, call_id=call_id) as call:
                return call.result(tool(**arguments))
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    # ── tools ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_file(self, path: str) -> str:
        return (self._folder / path).read_text("utf-8")

    def _fetch_url(self, url: str) -> str:
        self._ask_permission("net.fetch", url, "to read documentation")
        raise OSError("there is no network here")  # no rule allows it, so this is never reached

    def _replace_in_file(self, path: str, old: str, new: str) -> str:
        file = self._folder / path
        before = file.read_text("utf-8")
        if before.count(old) != 1:
            raise ValueError(f"the text occurs {before.count(old)} times in {path}, not once")
        after = before.replace(old, new)
        diff = "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{path}", f"b/{path}"))
        patch = self._run.patch_proposed(diff)
        self._ask_permission("fs.write", path, "to repair it", action=diff)
        file.write_text(after, "utf-8")
        self._run.patch_applied(diff, correlation_id=patch)
        return f"{path} is changed"

    def _run_tests(self) -> str:
        report = self._run.test(test_command(), cwd=self._folder, env=test_environment())
        self._reports.append(report)
        return report.run.stdout or report.run.stderr

    def _ask_permission(self, capability: str, resource: str, reason: str, action: object = None) -> None:
        """Ask, let the rules decide, record both. Raises PermissionError when it is denied."""
        asked = self._run.request_capability(capability, resource=resource, reason=reason, action=action)
        rule = next((rule for rule in RULES if rule.capability == capability), Rule("default-deny", capability, False))
        granted = rule.allowed and (not rule.within or (self._folder / resource).resolve().is_relative_to(self._folder))
        self._run.decision(
            capability,
            granted,
            rule=rule.name,
            approver="policy",
            resource=resource,
            action=action,
            correlation_id=asked,
        )
        if not granted:
            raise PermissionError(f"{capability} is denied by rule {rule.name}")


def fly(recorder: Recorder, folder: Path) -> Outcome:
    """Let the agent work in `folder` and record it as one run."""
    run = recorder.run(NAME, actor=ACTOR, source="agent", input=ISSUE, attributes={"demo": True, "project": "headline"})
    with run:
        outcome = Agent(run, folder).work()
        run.finish(
            "succeeded" if outcome.ok else "failed",
            output={"tests_before": outcome.before, "tests_after": outcome.after},
        )
    return outcome
