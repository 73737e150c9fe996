"""Runs to report on."""

from __future__ import annotations

from typing import Any

from flightlog.api.app import Services
from flightlog.events.envelope import Event
from flightlog.reports.model import RunReport
from flightlog.reports.run import run_report
from flightlog.seal.state import SealState
from tests.contract.making import event

DIFF = "--- a/till.py\n+++ b/till.py\n@@ -1 +1 @@\n-old\n+new\n"


def report_of(services: Services, signed_id: int = 0) -> RunReport:
    seal = SealState(signed_id=signed_id, sealed_id=signed_id)
    return run_report(services.store, "r1", seal=seal, clock=services.clock, settings=services.settings)


def record(services: Services, *events: Event) -> None:
    services.journal.append(list(events))


def ran(number: int, code: int, key: str | None = None, **more: Any) -> Event:
    """A command that ended."""
    payload = {"command": ["pytest", "-q"], "exit_code": code, **more}
    status = "error" if code else "ok"
    return event(number, "exec_result", payload=payload, status=status, duration_ns=2_000_000, correlation_id=key)


def whole_flight() -> list[Event]:
    """An agent that repairs a till: red, a patch that is allowed, green; and a gap in the record."""
    failing = [{"name": "test_till.py::test_sum", "message": "assert 3 == 4"}]
    files = [{"path": "till.py", "change": "modified", "added": 1, "deleted": 1}]
    return [
        event(
            1,
            "run_started",
            payload={"name": "mend the till", "input": "it counts wrong", "attributes": {"repo": "shop"}},
        ),
        event(2, "exec_started", payload={"command": ["pytest", "-q"]}, correlation_id="x1"),
        ran(3, 1, "x1", stdout={"head": "F.\n", "tail": "1 failed\n", "bytes": 900, "truncated": True}, stderr="oh no"),
        event(
            4,
            "test_result",
            payload={"passed": 1, "failed": 1, "failures": failing, "exit_code": 1},
            status="failed",
            name="pytest -q",
        ),
        event(
            5,
            "llm_response",
            payload={"model": "m1", "usage": {"input_tokens": 10, "output_tokens": 4}, "cost_usd": 0.5},
            name="m1",
            status="ok",
        ),
        event(
            6,
            "tool_call",
            payload={"tool": "bash", "arguments": {"command": "ls -l"}},
            name="bash",
            correlation_id="t1",
        ),
        event(
            7,
            "tool_result",
            payload={"tool": "bash", "result": "till.py"},
            name="bash",
            status="ok",
            correlation_id="t1",
        ),
        event(
            8,
            "capability_decision",
            payload={"capability": "fs.write", "decision": "requested", "reason": "to mend"},
            status="requested",
            correlation_id="p1",
            actor="agent-7",
        ),
        event(
            9,
            "capability_decision",
            payload={"capability": "fs.write", "decision": "granted", "rule": "inside", "resource": "till.py"},
            status="granted",
            correlation_id="p1",
        ),
        event(10, "patch_proposed", payload={"files": files, "diff": DIFF}, correlation_id="p1"),
        event(
            11, "patch_applied", payload={"files": files, "added": 1, "deleted": 1}, status="ok", correlation_id="p1"
        ),
        event(
            12, "degraded", payload={"reason": "disk_full", "count": 14, "since": "2026-03-02T09:14:07Z"}, level="warn"
        ),
        event(13, "error", payload={"kind": "ValueError", "message": "no till"}, level="error"),
        event(14, "note", payload={"text": "All green."}),
        event(15, "test_result", payload={"passed": 2, "failed": 0}, status="passed", name="pytest -q"),
        event(
            16,
            "run_finished",
            payload={"output": {"summary": "counts right"}},
            status="succeeded",
            duration_ns=9_000_000_000,
        ),
    ]
