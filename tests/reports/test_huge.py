"""A run of 20,000 events: its report takes little memory, and is a page that can be opened."""

from __future__ import annotations

import time
import tracemalloc

from flightlog.api.app import Services
from flightlog.events.envelope import Event
from flightlog.reports.render import render
from tests.contract.making import event
from tests.reports.flights import report_of

EVENTS = 20_000
CHUNK = 5_000
PEAK_BYTES_MAX = 80 * 1024 * 1024
PAGE_BYTES_MAX = 3 * 1024 * 1024


def test_memory_and_page_stay_bounded(services: Services) -> None:
    for first in range(1, EVENTS, CHUNK):
        services.journal.append([_one(number) for number in range(first, first + CHUNK)])
    began = time.monotonic()
    made = report_of(services)
    pages = {form: render(made, form) for form in ("md", "html", "json")}
    took = time.monotonic() - began
    tracemalloc.start()
    report_of(services)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{took:.2f} s, {peak >> 20} MiB at most, { ({form: len(page) for form, page in pages.items()}) }")
    assert made.totals["events"] == EVENTS
    assert made.left_out["commands"] + len(made.commands) == made.totals["commands"]
    assert peak < PEAK_BYTES_MAX
    assert all(len(page) < PAGE_BYTES_MAX for page in pages.values())


def _one(number: int) -> Event:
    """By turns a model's answer, a tool's call and result, a command, tests, a patch, a permission, an error, notes and losses."""
    text = f"line {number}\n" * 100
    made = (
        ("llm_response", {"model": f"m{number % 7}", "message": {"content": text}}, "ok"),
        ("tool_call", {"tool": "bash", "arguments": {"command": f"echo {number}"}}, None),
        ("tool_result", {"tool": "bash", "result": text}, "ok"),
        ("exec_result", {"command": ["make", text], "exit_code": number % 3, "stdout": {"head": text}}, "ok"),
        (
            "test_result",
            {"failed": 50, "failures": [{"name": f"t{at}", "message": text} for at in range(50)]},
            "failed",
        ),
        (
            "patch_applied",
            {"files": [{"path": f"f{at}", "change": "modified"} for at in range(99)], "diff": text},
            "ok",
        ),
        ("capability_decision", {"capability": "fs.write", "decision": "denied", "reason": text}, "denied"),
        ("error", {"message": text}, None),
        ("note", {"text": text}, None),
        ("degraded", {"reason": "disk_full", "count": 1}, None),
    )
    type_, payload, status = made[number % len(made)]
    return event(number, type_, payload=payload, status=status, name=type_, correlation_id=f"c{number // 2}")
