"""Lists of runs, two runs side by side, and one event whole."""

from __future__ import annotations

import msgspec

from flightlog.errors import LimitInvalid
from flightlog.mcp.answer import Answer, clip, row
from flightlog.mcp.records import Doc, Records
from flightlog.mcp.transcript import head_of, position_of, status_of, took
from flightlog.reports.text import clean

RUNS_MAX = 100
SIGNS = {"changed": "~", "left": "-", "right": "+"}


def search_runs(
    records: Records, query: str | None, sort: str | None, limit: int, cursor: str | None, chars_max: int
) -> str:
    """Runs that a query names, one a line. Raises QueryInvalid, LimitInvalid, CursorInvalid."""
    if not 1 <= limit <= RUNS_MAX:
        raise LimitInvalid(limit=limit, limit_max=RUNS_MAX)
    page = records.runs(query or None, sort or None, limit, cursor or None)
    answer = Answer(chars_max)
    shown = sum(answer.add(_run(run)) for run in page["runs"])
    if not page["runs"]:
        return "There are no such runs."
    if shown < len(page["runs"]):
        return answer.text(f"{len(page['runs']) - shown} more did not fit; ask for fewer with limit={max(shown, 1)}.")
    if page["nextCursor"]:
        return answer.text(f"There are more: call search_runs with the same query and cursor={page['nextCursor']!r}.")
    return answer.text(f"{shown} runs; there are no more.")


def _run(run: Doc) -> str:
    used = run["tokens_input"] + run["tokens_output"]
    return row(
        run["run_id"],
        clip(run["name"] or "(no name)", 160),
        status_of(run),
        f"{run['started_at'][:19]}Z",
        took(run["duration_ns"]),
        f"{run['event_count']:,} events",
        f"{run['error_count']:,} errors" if run["error_count"] else "",
        f"{run['lost_count']:,} lost" if run["lost_count"] else "",
        f"{used:,} tokens" if used else "",
        f"${run['cost_usd']:.4f}" if run["cost_usd"] else "",
        clip(run["actor"] or "", 60),
    )


def compare_runs(records: Records, left: str, right: str, chars_max: int) -> str:
    """Two runs: what they came to, then the steps in which they differ. Raises RunNotFound."""
    found = records.compare(left, right)
    answer = Answer(chars_max)
    for side in ("left", "right"):
        answer.add(f"{side}: {head_of(found[side])}", must=True)
    answer.add_all(
        "What differs in sum (left → right):",
        (
            f"- {one['name']}: {_number(one['left'])} → {_number(one['right'])}"
            for one in found["totals"]
            if one["left"] != one["right"]
        ),
    )
    rows = [one for one in found["rows"] if one["relation"] != "same"]
    left_out = answer.add_all("Steps that differ (- only left, + only right, ~ changed):", (_step(one) for one in rows))
    own = [f"{len(found['rows']) - len(rows):,} steps are the same."]
    if left_out:
        own.append(f"{left_out:,} more that differ did not fit.")
    if not found["complete"]:
        own.append("One of the runs goes on: only its first steps were compared.")
    return answer.text(*own)


def _step(one: Doc) -> str:
    step = one["left"] or one["right"]
    ids = " ".join(f"{side} #{one[side]['id']}" for side in ("left", "right") if one[side] is not None)
    differs = f"({', '.join(one['differs'])} differ)" if one["differs"] else ""
    return " ".join(
        part for part in (SIGNS[one["relation"]], step["kind"], clip(step["name"], 200), differs, ids) if part
    )


def _number(value: object) -> str:
    return "unknown" if value is None else f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def get_event(records: Records, event_id: str, cursor: str | None, chars_max: int) -> str:
    """One event: its envelope, then its payload as JSON, from the cursor on. Raises EventNotFound, CursorInvalid."""
    start = position_of(cursor)
    event = records.event(event_id)
    payload = msgspec.json.format(msgspec.json.encode(event.pop("payload", None)), indent=1).decode()
    answer = Answer(chars_max)
    if not start:
        known = ", ".join(f"{name}={value}" for name, value in event.items() if value not in (None, [], ""))
        answer.add(clip(known, 1_500), must=True)
    piece = payload[start : start + answer.room]
    while len(clean(piece)) > answer.room:  # what would not be seen is spelled out, which takes more room
        piece = piece[: len(piece) // 2]
    answer.add(piece, must=True)
    end = start + len(piece)
    if end < len(payload):
        return answer.text(f"{len(payload) - end:,} more characters: call get_event with cursor={str(end)!r}.")
    return answer.text()
