"""Where a run went wrong: its verdict, the first error, what failed, what was done just before, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flightlog.mcp.answer import Answer, clip, row
from flightlog.mcp.records import Doc, Records
from flightlog.mcp.transcript import SILENT, head_of, step

BEFORE_EVENTS = 40  # of which the last few steps are told
BEFORE_STEPS = 10
OUTPUT_CHARS_MAX = 1_500
LISTED_MAX = 8
_MISSING = frozenset({"truncated", "withheld", "erased", "orphan"})  # of what is done to payloads, what takes from them


def explain_failure(records: Records, run_id: str, chars_max: int) -> str:
    """What is known about why a run failed. Raises RunNotFound."""
    run = records.run(run_id)
    report = records.report(run_id)
    answer = Answer(chars_max)
    answer.add(head_of(run), must=True)
    answer.add(f"verdict: {clip(report['verdict'], 600)}", must=True)
    answer.add_all("Because:", (f"- {clip(one['text'], 400)} (event {one['event_id']})" for one in report["because"]))
    errors, tests, commands = report["errors"], _bad(report["tests"]), _bad(report["commands"])
    first = min((one["id"] for one in (*errors[:1], *tests[:1], *commands[:1])), default=None)
    left = 0
    if errors:
        left += answer.add_all("The first error:", [_whole(records, errors[0])])
    ended = [one for one in errors[1:] if one["kind"] == "run_finished"]
    left += answer.add_all("What ended it:", (_whole(records, one) for one in ended[-1:]))
    left += answer.add_all("Tests that failed:", (_test(one) for one in tests[:LISTED_MAX]))
    left += answer.add_all("Commands that failed:", (_command(one) for one in commands[:LISTED_MAX]))
    if first is not None:
        left += answer.add_all("The last steps before the first trouble:", _before(records, run, first))
    left += answer.add_all("Permissions denied:", _denied(report))
    left += answer.add_all("Other errors:", (_error(one) for one in errors[1:LISTED_MAX] if one not in ended))
    left += answer.add_all(
        "The record is not whole here:",
        [
            *(f"- #{gap['id']} {gap['at'][:19]}Z {clip(gap['text'], 300)}" for gap in report["gaps"][:LISTED_MAX]),
            *(f"- {care['count']:,} payloads {care['what']}" for care in report["care"] if care["what"] in _MISSING),
        ],
    )
    return answer.text(*_own(run, errors or tests or commands, left))


def _own(run: Doc, trouble: object, left: int) -> Iterator[str]:
    if not trouble and run["status"] == "succeeded":
        yield "The run succeeded, and no error, failed test or failed command is on its record."
    elif not trouble:
        yield "No error, failed test or failed command is on its record; read_run tells what it did."
    if left:
        yield f"{left} parts did not fit; read_run tells all, get_event one event whole."


def _bad(listed: list[Doc]) -> list[Doc]:
    return [one for one in listed if not one["ok"]]


def _whole(records: Records, error: Doc) -> str:
    """The first error with what it was raised with."""
    event = records.event(error["event_id"])
    payload: Any = event.get("payload")
    inner = payload.get("error") if isinstance(payload, dict) else None
    stack = next(
        (
            str(one["stack"])
            for one in (payload, inner)
            if isinstance(one, dict) and isinstance(one.get("stack"), str) and one["stack"].strip()
        ),
        "",
    )
    told = _error(error)
    return f"{told}\n{clip(stack.strip(), 2 * OUTPUT_CHARS_MAX)}" if stack else told


def _error(error: Doc) -> str:
    return f"- #{error['id']} {error['kind']}: {clip(error['message'], 500)} (event {error['event_id']})"


def _test(test: Doc) -> str:
    counts = ", ".join(f"{number} {word}" for word, number in test["counts"])
    lines = [f"- #{test['id']} " + row(clip(test["name"], 200), test["status"], counts, f"event {test['event_id']}")]
    lines += [f"    ✗ {clip(one['name'], 200)}: {clip(one['message'], 400)}" for one in test["failures"][:LISTED_MAX]]
    return "\n".join([*lines, *_output(test)])


def _command(command: Doc) -> str:
    first = row(f"$ {clip(command['command'], 300)}", command["ended"], f"event {command['event_id']}")
    return "\n".join([f"- #{command['id']} {first}", *_output(command)])


def _output(one: Doc) -> list[str]:
    text = clip(one["output"]["text"], OUTPUT_CHARS_MAX)
    return [f"    {line}" for line in text.split("\n")] if text.strip() else []


def _denied(report: Doc) -> Iterator[str]:
    for one in report["decisions"][:200]:
        if one["decision"] == "denied":
            why = ", ".join(f"{name} {value}" for name, value in one["facts"][:4])
            yield f"- #{one['id']} " + row(clip(one["capability"], 200), clip(one["resource"], 200), clip(why, 300))


def _before(records: Records, run: Doc, first: int) -> list[str]:
    page = records.events(run["run_id"], before_id=first, limit=BEFORE_EVENTS, latest=True)
    told = [event for event in page["events"] if event["type"] not in SILENT]
    return [step(records, event, run) for event in told[-BEFORE_STEPS:]]
