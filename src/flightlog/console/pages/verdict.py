"""How a run went, in one sentence."""

from __future__ import annotations

from flightlog.console import format as fmt
from flightlog.console.summary import clip, summarize
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary
from flightlog.store.contract import Store

REASON_CHARS_MAX = 200
TESTS_READ_MAX = 100


def verdict_of(store: Store, run: RunSummary, now_ns: int) -> str:
    """`failed after 2 m 41 s: ValueError: no such row`: how it ended or where it stands, why, and what went wrong on the way."""
    parts = [_ended(store, run, now_ns), *_on_the_way(store, run)]
    return ", ".join(parts)


def _ended(store: Store, run: RunSummary, now_ns: int) -> str:
    if run.hung:
        return f"no sign of life for {fmt.duration(max(0, now_ns - run.last_event_at))}{_waiting_for(store, run)}"
    if run.status == RUNNING:
        return f"running for {fmt.duration(max(0, now_ns - run.started_at))}{_waiting_for(store, run)}"
    took = "" if not run.duration_ns else f" {_word(run)} {fmt.duration(run.duration_ns)}"
    reason = _reason(store, run) if run.status == "failed" else ""
    return f"{run.status}{took}{': ' if reason else ''}{reason}"


def _word(run: RunSummary) -> str:
    return "in" if run.status == "succeeded" else "after"


def _reason(store: Store, run: RunSummary) -> str:
    """What the run itself says, else its last error, else the last thing at level error."""
    for wanted in (
        EventFilter(run_id=run.run_id, types=("run_finished",)),
        EventFilter(run_id=run.run_id, types=("error",)),
        EventFilter(run_id=run.run_id, levels=("error",)),
    ):
        found = read_events(store, wanted, backwards=True, limit=1).events
        said = _said(found[0]) if found else ""
        if said:
            return said
    return ""


def _said(event: StoredEvent) -> str:
    line = clip(summarize(event))[:REASON_CHARS_MAX]
    if event.type in ("run_finished", "error"):
        return line
    return f"{event.name or event.type} {event.status or ''}".strip() + (f" ({line})" if line else "")


def _waiting_for(store: Store, run: RunSummary) -> str:
    """The last thing that began and has not ended, when nothing has happened since."""
    wanted = EventFilter(run_id=run.run_id)
    recent = read_events(store, wanted, backwards=True, limit=20, payloads=False).events
    last = next((event for event in reversed(recent) if event.type != "run_heartbeat"), None)
    waits = {
        "llm_request": "the model",
        "tool_call": "the tool",
        "exec_started": "the command",
        "test_started": "tests",
    }
    if last is None or last.type not in waits:
        return ""
    return f", waiting for {waits[last.type]} {last.name or ''}".rstrip()


def _on_the_way(store: Store, run: RunSummary) -> list[str]:
    failed = _tests_failed(store, run)
    said = []
    # Why it failed has been said; what else went wrong on the way to that is not news.
    if failed and run.status != "failed":
        said.append(f"{fmt.count(failed)} {'test run' if failed == 1 else 'test runs'} failed on the way")
    elif run.error_count and run.status != "failed":
        said.append(f"{fmt.count(run.error_count)} {'error' if run.error_count == 1 else 'errors'} on the way")
    if run.lost_count:
        said.append(f"{fmt.count(run.lost_count)} {'event' if run.lost_count == 1 else 'events'} lost")
    return said


def _tests_failed(store: Store, run: RunSummary) -> int:
    """How many test runs failed, of the latest TESTS_READ_MAX."""
    if not run.counts.get("test_result"):
        return 0
    wanted = EventFilter(run_id=run.run_id, types=("test_result",))
    found = read_events(store, wanted, backwards=True, limit=TESTS_READ_MAX, payloads=False).events
    return sum(event.status in ("failed", "error") for event in found)
