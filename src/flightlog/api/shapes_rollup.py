"""A run's totals as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.runs.rollup import Decisions, ErrorLine, Group, Patches, Rollup, Tests


class CallsShape(msgspec.Struct, kw_only=True):
    """Calls under one name. Percentiles are of the calls whose duration is known."""

    calls: int
    errors: int
    duration_ns_total: int
    duration_ns_p50: int | None
    duration_ns_p95: int | None


class ModelCallsShape(CallsShape, kw_only=True):
    """Answers of one model."""

    model: str
    tokens_input: int
    tokens_output: int
    tokens_cached_input: int
    cost_usd: float


class ToolCallsShape(CallsShape, kw_only=True):
    """Results of one tool."""

    tool: str


class CommandRunsShape(CallsShape, kw_only=True):
    """Runs of one command."""

    command: str


class RollupShape(msgspec.Struct):
    """A run's totals. Groups come in the order of the time that they took; `left_out` says how many are not in the lists."""

    models: list[ModelCallsShape]
    tools: list[ToolCallsShape]
    commands: list[CommandRunsShape]
    tests: Tests
    patches: Patches
    decisions: Decisions
    errors: list[ErrorLine]
    left_out: dict[str, int]


def rollup_shape(found: Rollup) -> RollupShape:
    """The totals as JSON shows them."""
    return RollupShape(
        models=[ModelCallsShape(model=group.name, **_rest(group)) for group in found.models],
        tools=[ToolCallsShape(tool=group.name, **_rest(group)) for group in found.tools],
        commands=[CommandRunsShape(command=group.name, **_rest(group)) for group in found.commands],
        tests=found.tests,
        patches=found.patches,
        decisions=found.decisions,
        errors=found.errors,
        left_out=found.left_out,
    )


def _rest(group: Group) -> dict[str, Any]:
    fields = msgspec.structs.asdict(group)
    del fields["name"]
    return fields
