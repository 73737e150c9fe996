"""What a SWE-agent run says about success and failure in its texts. Only what leaves no room for doubt counts."""

from __future__ import annotations

import re

_EDIT_REFUSED = re.compile(r"\s*Your proposed edit has introduced new syntax error")
_EDIT_ERROR = re.compile(r"^- [A-Z]\d+ (?:(\w+): )?(.+?)\r?$", re.MULTILINE)
_TIMED_OUT = re.compile(
    r"\s*(?:EXECUTION TIMED OUT|COMMAND TIMED OUT|The command .{0,2000} was cancelled because it took)"
)
_SHELL = re.compile(
    r"(?:/bin/)?(?:ba)?sh: (?:line \d+: )?"
    r"(.{1,500}?(?:command not found|No such file or directory|Permission denied|syntax error.*))\r?$",
    re.MULTILINE,
)
_TOOL = re.compile(
    r"\s*(?:Error|ERROR|error): (.{1,500})"
    r"|\s*((?:File|Directory) \S{1,400} not found.{0,100})"
    r"|\s*(No replacement was performed.{0,400}|Text not found.{0,400})"
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):", re.MULTILINE)
_RAISED = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Failed|Iteration))(?:: (.*))?$")


def run_status(exit_status: str) -> str:
    """The status of the run. Only `submitted` is success: `submitted (exit_cost)` is an agent that a limit stopped.

    >>> run_status("submitted"), run_status("submitted (exit_cost)"), run_status("exit_format")
    ('succeeded', 'failed', 'failed')
    """
    if exit_status == "submitted":
        return "succeeded"
    return "canceled" if re.search(r"cancel|interrupt", exit_status, re.IGNORECASE) else "failed"


def find_error(observation: str, *, shell: bool) -> dict[str, str] | None:
    """The error that an observation clearly is, as {kind, message}; None where the text leaves room for doubt.

    >>> find_error("bash: foo: command not found", shell=True)
    {'kind': 'ShellError', 'message': 'foo: command not found'}
    >>> find_error("12:Traceback (most recent call last):", shell=True) is None
    True
    """
    if _EDIT_REFUSED.match(observation):
        found = _EDIT_ERROR.search(observation)
        kind, message = (found.group(1), found.group(2)) if found else (None, "the edit was refused")
        return {"kind": kind or "SyntaxError", "message": message}
    if _TIMED_OUT.match(observation):
        return {"kind": "TimeoutError", "message": observation.strip().splitlines()[0][:500]}
    if shell:
        return _shell_error(observation)
    found = _TOOL.match(observation)
    return {"kind": "ToolError", "message": next(text for text in found.groups() if text)} if found else None


def _shell_error(observation: str) -> dict[str, str] | None:
    """A command that the shell could not run, or a Python traceback that ends the output."""
    if found := _SHELL.match(observation):
        return {"kind": "ShellError", "message": found.group(1)}
    if not _TRACEBACK.search(observation):
        return None
    lines = observation.rstrip().splitlines()
    raised = _RAISED.match(lines[-1].strip()[:4_000])
    return {"kind": raised.group(1), "message": (raised.group(2) or "")[:2_000]} if raised else None
