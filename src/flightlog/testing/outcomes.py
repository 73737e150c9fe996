"""How one test went, from the reports that pytest makes of its phases: setup, call, teardown."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from flightlog.recorder.helpers.output import Captured
from flightlog.recorder.helpers.testruns import totals_payload

OUTPUT_BYTES_MAX = 8 * 1024  # of each end of what a test wrote, and of how it failed
MESSAGE_CHARS_MAX = 1_000
RETRIED = frozenset({"rerun", "retried"})
PHASES = ("setup", "call", "teardown")
FRAMEWORK = "pytest"


class Report(Protocol):
    """What is used of pytest's TestReport."""

    nodeid: str
    when: str | None
    outcome: str
    duration: float
    longrepr: Any
    sections: list[tuple[str, str]]

    @property
    def longreprtext(self) -> str: ...


class Outcome(msgspec.Struct):
    """A test's outcome in the words of the catalogue: passed, failed, error or skipped, with what is to be said of it."""

    status: str
    payload: dict[str, Any]


def outcome_of(name: str, reports: list[Report], retries: list[dict[str, Any]]) -> Outcome:
    """What the reports of the last attempt come to; `retries` are the attempts before it."""
    bad = [report for report in reports if report.outcome == "failed"]
    skipped = [report for report in reports if report.outcome == "skipped"]
    # What is wrong before or after the test itself is no verdict on what it tests.
    if bad:
        status = "failed" if any(report.when == "call" for report in bad) else "error"
    elif skipped:
        status = "skipped"
    else:
        status = "passed" if reports else "error"
    counted = {"failed": "failed", "error": "errors", "skipped": "skipped", "passed": "passed"}[status]
    message = message_of(bad[0]) if bad else ""
    payload: dict[str, Any] = {
        "name": name,
        "framework": FRAMEWORK,
        **totals_payload(**{counted: 1}, failures=[{"name": name, "message": message}] if bad else None),
        "seconds": {report.when: round(report.duration, 6) for report in reports if report.when in PHASES},
    }
    reason = _reason(reports)
    if reason:
        payload["reason"] = reason
    if bad:
        payload["error"] = {
            "kind": " and ".join(str(report.when) for report in bad),
            "message": message,
            "stack": "\n".join(kept(report.longreprtext) for report in bad),
        }
        payload["output_tail"] = _output(reports)
    if retries:
        payload["attempts"], payload["retried"] = len(retries) + 1, retries
    return Outcome(status, {key: value for key, value in payload.items() if value is not None})


def retry_of(reports: list[Report]) -> dict[str, Any]:
    """An attempt that was not the last: how it failed."""
    bad = next((report for report in reports if report.outcome in RETRIED or report.outcome == "failed"), None)
    seconds = round(sum(report.duration for report in reports), 6)
    return {"message": message_of(bad) if bad is not None else "", "seconds": seconds}


def message_of(report: Report) -> str:
    """What went wrong, in a line or a few."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "")) or report.longreprtext.strip().rsplit("\n", 1)[-1]
    return text if len(text) <= MESSAGE_CHARS_MAX else text[: MESSAGE_CHARS_MAX - 1].rsplit(None, 1)[0] + "…"


def kept(text: str) -> str:
    """Both ends of a long text, cut between lines, so that no half of a secret passes redaction."""
    captured = Captured(OUTPUT_BYTES_MAX)
    captured.feed(text.encode("utf-8", "replace"))
    return captured.ends(OUTPUT_BYTES_MAX).text


def _output(reports: list[Report]) -> str | None:
    """What the test wrote; of each stream the report of the last phase has all of it."""
    sections: dict[str, str] = {}
    for report in reports:
        sections.update((title, text) for title, text in report.sections if text.strip())
    return (
        kept("\n".join(f"--- {title} ---\n{text.rstrip()}" for title, text in sections.items())) if sections else None
    )


def _reason(reports: list[Report]) -> str | None:
    """Why a test was skipped, or what became of one that was expected to fail."""
    for report in reports:
        expected = getattr(report, "wasxfail", None)
        if expected is not None:
            said = str(expected).removeprefix("reason: ")
            word = "xfailed" if report.outcome == "skipped" else "xpassed"
            return f"{word}: {said}" if said else word
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            return str(report.longrepr[2]).removeprefix("Skipped: ")[:MESSAGE_CHARS_MAX]
    return None
