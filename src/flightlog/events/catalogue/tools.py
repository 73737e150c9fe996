"""Tools and commands: what an agent does to the world outside the model."""

from __future__ import annotations

from flightlog.events.catalogue.declare import (
    ATTRIBUTES,
    COMMAND,
    ERROR,
    FIX_SPAN,
    OTLP,
    ROOT_SPAN,
    EventType,
    Schema,
    anything,
    count,
    example,
    integer,
    payload,
    record,
    text,
    yes_no,
)

_TOOL, _EXEC = "0a4f9b3c6d7e8812", "b1d5c8e2f7034a69"


def _output(description: str) -> Schema:
    return record(
        description,
        {
            "head": text("Its beginning; all of it, when it is short."),
            "tail": text("Its end, when parts between are missing."),
            "bytes": count("How many bytes there were in all."),
            "truncated": yes_no("Whether parts are missing."),
        },
    )


TOOL = (
    EventType(
        code="FR-EVT-020",
        type="tool_call",
        title="Tool called",
        description="A tool is called; the envelope's name is the tool.",
        schema=payload(
            "tool_call",
            {
                "tool": text("The tool (gen_ai.tool.name)."),
                "arguments": anything("What it is called with (gen_ai.tool.call.arguments)."),
                "call_id": text("The id that the model gave the call (gen_ai.tool.call.id)."),
            },
            needs=["tool"],
        ),
        example=example(
            7,
            "tool_call",
            4_002,
            {"tool": "read_file", "arguments": {"path": "shop/login.py"}, "call_id": "call_1"},
            name="read_file",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_TOOL,
        ),
    ),
    EventType(
        code="FR-EVT-021",
        type="tool_result",
        title="Tool answered",
        description="What a tool gave back, or how it failed.",
        schema=payload(
            "tool_result",
            {
                "tool": text("The tool (gen_ai.tool.name)."),
                "arguments": anything("What it was called with, where no tool_call of its own says it."),
                "result": anything("What it gave (gen_ai.tool.call.result)."),
                "call_id": text("The id that the model gave the call (gen_ai.tool.call.id)."),
                "error": ERROR,
                "attributes": ATTRIBUTES,
                "otlp": OTLP,
            },
            needs=["tool"],
        ),
        example=example(
            8,
            "tool_result",
            4_005,
            {
                "tool": "read_file",
                "result": "def same_user(a: str, b: str) -> bool:\n    return a == b\n",
                "call_id": "call_1",
            },
            name="read_file",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_TOOL,
            status="ok",
            duration_ns=2_418_330,
        ),
        answers="tool_call",
        statuses=("ok", "error"),
        timed=True,
    ),
)

EXEC = (
    EventType(
        code="FR-EVT-050",
        type="exec_started",
        title="Command started",
        description="A command is run as a process of its own.",
        schema=payload(
            "exec_started",
            {"command": COMMAND, "cwd": text("The folder that it runs in.")},
            needs=["command"],
        ),
        example=example(
            15,
            "exec_started",
            41_200,
            {"command": ["git", "diff", "--stat"], "cwd": "/home/agent/shop"},
            name="git diff --stat",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_EXEC,
        ),
    ),
    EventType(
        code="FR-EVT-051",
        type="exec_result",
        title="Command ended",
        description="How a command ended, with the ends of what it wrote.",
        schema=payload(
            "exec_result",
            {
                "command": COMMAND,
                "exit_code": integer("What it returned; null when it could not be started."),
                "signal": text("The signal that ended it, such as SIGKILL."),
                "stdout": _output("What it wrote to its standard output."),
                "stderr": _output("What it wrote to its standard error."),
                "timed_out": yes_no("Whether it was stopped because its time was up."),
                "error": ERROR,
            },
            needs=["command"],
        ),
        example=example(
            16,
            "exec_result",
            41_212,
            {
                "command": ["git", "diff", "--stat"],
                "exit_code": 0,
                "signal": None,
                "stdout": {
                    "head": " shop/login.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n",
                    "tail": "",
                    "bytes": 71,
                    "truncated": False,
                },
                "stderr": {"head": "", "tail": "", "bytes": 0, "truncated": False},
                "timed_out": False,
            },
            name="git diff --stat",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_EXEC,
            status="ok",
            duration_ns=11_702_911,
        ),
        answers="exec_started",
        statuses=("ok", "error"),
        timed=True,
    ),
)
