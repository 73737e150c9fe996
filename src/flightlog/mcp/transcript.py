"""A run as an agent reads it: what was asked, then each step in a line or a few."""

from __future__ import annotations

from flightlog.clock import parse_ns
from flightlog.errors import CursorInvalid
from flightlog.mcp.answer import Answer, clip, row
from flightlog.mcp.records import Doc, Records, Told

PAGE_EVENTS = 200
BODY_LINES_MAX, BODY_CHARS_MAX = 16, 1_200
# Signs of life, what a process says of itself, and beginnings that their ends repeat.
SILENT = frozenset({"run_heartbeat", "resource", "metric", "span_started", "exec_started", "test_started"})
NS_PER_MS = 1_000_000


def read_run(records: Records, run_id: str, cursor: str | None, chars_max: int) -> str:
    """A part of the transcript of a run, from the cursor on. Raises RunNotFound, CursorInvalid."""
    after = position_of(cursor)
    run = records.run(run_id)
    answer = Answer(chars_max)
    if not after:
        answer.add(head_of(run), must=True)
    more, told = True, set[str]()
    while more:
        page = records.events(run_id, after_id=after, limit=PAGE_EVENTS)
        for event in page["events"]:
            text = "" if event["type"] in SILENT else step(records, event, run, told)
            if text and not answer.add(text, must=answer.is_empty):
                return answer.text(f"There is more: call read_run with cursor={str(after)!r}.")
            after = event["id"]
        more = page["more"]
    return answer.text("That is all of it so far." if run["status"] == "running" else "That is the end of the run.")


def position_of(cursor: str | None) -> int:
    """Where a cursor says to go on. Raises CursorInvalid."""
    if not cursor:
        return 0
    if not cursor.isdecimal() or len(cursor) > 18:
        raise CursorInvalid(cursor=cursor)
    return int(cursor)


def head_of(run: Doc) -> str:
    """What a run is and came to, in a few lines."""
    used = run["tokens_input"] + run["tokens_output"]
    return "\n".join(
        [
            row(f"run {run['run_id']}", clip(run["name"] or "", 200), status_of(run), f"project {run['project']}"),
            row(
                f"started {run['started_at'][:19]}Z",
                took(run["duration_ns"]),
                f"{run['event_count']:,} events",
                f"{run['error_count']:,} errors" if run["error_count"] else "",
                f"{run['lost_count']:,} events LOST" if run["lost_count"] else "",
                f"{used:,} tokens" if used else "",
                f"${run['cost_usd']:.4f}" if run["cost_usd"] else "",
                f"models {', '.join(run['models'][:5])}" if run["models"] else "",
                f"actor {run['actor']}" if run["actor"] else "",
                f"task {run['task_id']}" if run["task_id"] else "",
            ),
        ]
    )


def step(records: Records, event: Doc, run: Doc | None = None, before: set[str] | None = None) -> str:
    """One event: its number, when it was, what happened, and the first lines of what it holds.

    What it holds is not told again where its line says it, or an event before did: a patch that is applied is the one proposed.
    """
    told = records.tell(event)
    whole = "\n".join(told.body)
    if " ".join(whole.split()) in told.line or (before is not None and whole in before):
        told = Told(told.line, [])
    elif before is not None:
        before.add(whole)
    lines = told.body[:BODY_LINES_MAX]
    left = len(told.body) - len(lines)
    body = clip("\n".join(f"    {one}" for one in lines), BODY_CHARS_MAX)
    more = f"\n    […{left} more lines: get_event {event['event_id']}…]" if left > 0 else ""
    at = "" if run is None else _since(run["started_at"], event["created_at"])
    level = event["level"].upper() if event["level"] in ("warn", "error") else ""
    name = event["name"] or ""
    line = told.line if not name or name in told.line else f"{name} {told.line}"
    first = " ".join(part for part in (f"#{event['id']}", at, level, event["type"], clip(line, 400)) if part)
    return first + (f"\n{body}" if body else "") + more


def status_of(run: Doc) -> str:
    """The word for how a run is."""
    return "hung (silent for long)" if run["hung"] else str(run["status"])


def took(duration_ns: int | None) -> str:
    """A duration in words that sort out by eye.

    >>> took(2_500_000_000), took(90_000_000_000), took(None)
    ('2.5 s', '90 s', '')
    """
    if duration_ns is None:
        return ""
    seconds = duration_ns / 1e9
    return (
        f"{duration_ns / NS_PER_MS:.0f} ms"
        if seconds < 1
        else f"{seconds:.3g} s"
        if seconds < 1000
        else f"{seconds:,.0f} s"
    )


def _since(started_at: str, at: str) -> str:
    return f"+{(parse_ns(at) - parse_ns(started_at)) / 1e9:.2f}s"
