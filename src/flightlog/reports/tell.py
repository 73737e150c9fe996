"""From single events to the lines of a report. Payloads may hold anything, so each teller takes what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flightlog.clock import format_ns
from flightlog.console import format as fmt
from flightlog.console.cards import command_of, gap_line
from flightlog.console.payload import decoded, entries, listed, number, words
from flightlog.console.summary import summarize
from flightlog.events.diff import parse_diff
from flightlog.events.envelope import FLAG_ERASED, FLAG_WITHHELD, StoredEvent
from flightlog.reports.model import (
    Command,
    Decision,
    Failure,
    Gap,
    Patch,
    PatchFile,
    Said,
    TestRun,
    Text,
    Trouble,
)
from flightlog.reports.text import beginning, clean, excerpt, line

OUTPUT_LINES_MAX = 24
OUTPUT_CHARS_MAX = 2_400
PREVIEW_LINES_MAX = 60
PREVIEW_CHARS_MAX = 6_000
ASKED_LINES_MAX = 60
ASKED_CHARS_MAX = 6_000
FILES_MAX = 30
FAILURES_MAX = 30
FACTS_MAX = 20

Doc = dict[str, Any]
# Tools that edit files take a `command` too; these arguments tell them apart.
_EDITS = frozenset({"path", "file_path", "old_str", "new_str", "view_range"})


def place(event: StoredEvent) -> dict[str, Any]:
    """What every line has."""
    return {"event_id": event.event_id, "id": event.id, "at": format_ns(event.created_at)}


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def command(event: StoredEvent) -> Command:
    """A command that ended, or one that never did (its exec_started)."""
    payload = decoded(bytes(event.payload))
    ended = "did not end" if event.type == "exec_started" else _ended(payload, event.status)
    return Command(
        **place(event),
        command=_known(event, command_of(payload)),
        tool=None,
        ended=ended,
        ok=event.type == "exec_result" and event.status != "error",
        exit_code=_code(payload.get("exit_code")),
        duration_ns=event.duration_ns,
        output=_output(payload),
    )


def tool_command(event: StoredEvent, asked: StoredEvent | None) -> Command | None:
    """The command that a tool ran, where the tool is one that runs commands: its arguments hold a `command`."""
    payload = decoded(bytes(event.payload))
    question = decoded(bytes(asked.payload)) if asked is not None else payload
    typed = (
        words(question.get("command")) or _argument(question.get("arguments")) or _argument(payload.get("arguments"))
    )
    if not typed:
        return None
    result = payload.get("result")
    given = entries(result)
    code = _code(payload.get("exit_code", given.get("exit_code")))
    failed = event.status == "error" or bool(code)
    told = _streams(given) or words(result)
    return Command(
        **place(event),
        command=clean(typed)[:PREVIEW_CHARS_MAX],
        tool=line(event.name or words(payload.get("tool"))),
        ended=f"exit {code}" if code is not None else (event.status or "ok"),
        ok=not failed,
        exit_code=code,
        duration_ns=event.duration_ns,
        output=excerpt(
            "\n".join(part for part in (told, _failure(payload)) if part), OUTPUT_LINES_MAX, OUTPUT_CHARS_MAX
        ),
    )


def _argument(arguments: object) -> str:
    given = entries(arguments)
    if not given or _EDITS & given.keys():
        return ""
    for name in ("command", "cmd"):
        if isinstance(given.get(name), str | list):
            return command_of({"command": given[name]})
    return ""


def _ended(payload: Doc, status: str | None) -> str:
    if payload.get("timed_out"):
        return "timed out"
    if payload.get("signal"):
        return f"signal {line(words(payload['signal']))}"
    code = _code(payload.get("exit_code"))
    return f"exit {code}" if code is not None else ("could not start" if payload.get("error") else status or "unknown")


def _code(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _output(payload: Doc) -> Text:
    said = "\n".join(part for part in (_streams(payload), _failure(payload)) if part)
    return excerpt(said, OUTPUT_LINES_MAX, OUTPUT_CHARS_MAX)


def _streams(payload: Doc) -> str:
    """What a command wrote, its standard error after its standard output."""
    out, err = _stream(payload.get("stdout")), _stream(payload.get("stderr"))
    return "\n".join(part for part in (out, f"stderr:\n{err}" if out and err else err) if part)


def _stream(output: object) -> str:
    if isinstance(output, str):
        return output.strip("\n")
    given = entries(output)
    head, tail = words(given.get("head")), words(given.get("tail"))
    if not given.get("truncated"):
        return (head + tail).strip("\n")
    missing = number(given.get("bytes")) - len(head.encode("utf-8", "replace")) - len(tail.encode("utf-8", "replace"))
    return f"{head.rstrip()}\n[… {fmt.size(missing) if missing > 0 else 'a part'} was not recorded …]\n{tail}".strip(
        "\n"
    )


# ── patches and tests ────────────────────────────────────────────────────────────────────────────────────────────────


def patch(event: StoredEvent, proposed: StoredEvent | None) -> Patch:
    """A patch; what its answer does not repeat is taken from the proposal."""
    own = decoded(bytes(event.payload))
    before = decoded(bytes(proposed.payload)) if proposed is not None else {}
    diff = next((words(one[name]) for name in ("diff", "preview") for one in (own, before) if one.get(name)), "")
    given = [entries(file) for file in listed(own.get("files")) or listed(before.get("files"))]
    files = [_file(file) for file in given[:FILES_MAX]] or _files_in(diff)
    failed = event.status == "error"
    applied = event.type == "patch_applied"
    return Patch(
        **place(event),
        state="failed" if failed else ("applied" if applied else "proposed"),
        ok=not failed,
        proposed_event_id=proposed.event_id if proposed is not None else None,
        files=files,
        files_left_out=max(0, len(given) - FILES_MAX),
        added=_lines(own, before, files, "added"),
        deleted=_lines(own, before, files, "deleted"),
        preview=beginning(diff, PREVIEW_LINES_MAX, PREVIEW_CHARS_MAX),
        error=line(_failure(own)),
    )


def _file(file: Doc) -> PatchFile:
    was = file.get("old_path")
    return PatchFile(
        path=line(words(file.get("path"))),
        change=line(words(file.get("change"))),
        added=number(file.get("added")),
        deleted=number(file.get("deleted")),
        old_path=line(words(was)) if was else None,
    )


def _files_in(diff: str) -> list[PatchFile]:
    return [
        PatchFile(path=line(one.path), change=one.change, added=one.added, deleted=one.deleted, old_path=one.old_path)
        for one in parse_diff(diff).files[:FILES_MAX]
    ]


def _lines(own: Doc, before: Doc, files: list[PatchFile], name: str) -> int:
    for payload in (own, before):
        if payload.get(name) is not None:
            return number(payload[name])
    return sum(getattr(file, name) for file in files)


def test_run(event: StoredEvent, asked: StoredEvent | None) -> TestRun:
    """Tests that ended, or that never did (their test_started)."""
    payload = decoded(bytes(event.payload))
    question = decoded(bytes(asked.payload)) if asked is not None else {}
    ended = event.type == "test_result"
    failures = [entries(failure) for failure in listed(payload.get("failures"))]
    status = (event.status or "unknown") if ended else "did not end"
    name = (
        event.name or words(payload.get("name") or question.get("name")) or command_of(payload) or command_of(question)
    )
    tail = "" if status == "passed" or failures else words(payload.get("output_tail"))
    return TestRun(
        **place(event),
        name=_known(event, name),
        status=status,
        ok=status in ("passed", "skipped"),
        counts=[
            (word, number(payload[word]))
            for word in ("passed", "failed", "errors", "skipped")
            if number(payload.get(word))
        ],
        failures=[
            Failure(line(words(one.get("name"))), line(words(one.get("message")))) for one in failures[:FAILURES_MAX]
        ],
        failures_left_out=max(0, len(failures) - FAILURES_MAX),
        exit_code=_code(payload.get("exit_code")),
        duration_ns=event.duration_ns,
        output=excerpt(
            "\n".join(part for part in (_failure(payload), tail) if part), OUTPUT_LINES_MAX, OUTPUT_CHARS_MAX
        ),
    )


# ── what is said and decided ─────────────────────────────────────────────────────────────────────────────────────────


def decision(event: StoredEvent, asked: StoredEvent | None) -> Decision:
    """A permission with who asked, by which rule and by whom it was decided, and why."""
    own = decoded(bytes(event.payload))
    before = decoded(bytes(asked.payload)) if asked is not None else {}
    facts = [
        (word, line(words(one[name])))
        for name, word in (("rule", "by rule"), ("approver", "by"), ("reason", "because"), ("expires_at", "until"),
                           ("action_digest", "for exactly"))
        for one in ((own,) if own.get(name) else (before,))
        if one.get(name)
    ]  # fmt: skip
    return Decision(
        **place(event),
        capability=_known(event, words(own.get("capability") or before.get("capability") or event.name)),
        decision=line(event.status or words(own.get("decision")) or "unknown"),
        resource=line(words(own.get("resource") or before.get("resource"))),
        actor=line(event.actor or (asked.actor if asked is not None else None) or ""),
        facts=facts,
    )


def trouble(event: StoredEvent) -> Trouble:
    """An error in one line."""
    payload = decoded(bytes(event.payload))
    said = summarize(event) or _failure(payload) or event.status or ""
    named = event.name if event.type != "error" else ""
    told = line(": ".join(part for part in (named, said) if part))
    return Trouble(**place(event), kind=event.type, message=told or _gone(event))


def note(event: StoredEvent) -> Said:
    """What was noted."""
    said = words(decoded(bytes(event.payload)).get("text"))
    return Said(**place(event), text=beginning(said or _gone(event), ASKED_LINES_MAX, ASKED_CHARS_MAX))


def gap(event: StoredEvent) -> Gap:
    """When recording was not whole."""
    payload = decoded(bytes(event.payload))
    since, until = (line(words(payload.get(name))) for name in ("since", "until"))
    detail = line(words(payload.get("detail")))
    said = [gap_line(payload), f"since {since}" if since else "", f"until {until}" if until else "", detail]
    return Gap(**place(event), lost=max(0, number(payload.get("count"))), text=", ".join(part for part in said if part))


def said(event: StoredEvent, value: object, facts: Mapping[str, object], by: str = "") -> Said:
    """A value that somebody gave: a text as it is, anything else as JSON; beside it named facts."""
    shown = [(line(name, 60), line(words(fact))) for name, fact in list(facts.items())[:FACTS_MAX]]
    return Said(**place(event), text=beginning(words(value), ASKED_LINES_MAX, ASKED_CHARS_MAX), by=by, facts=shown)


def _failure(payload: Doc) -> str:
    error = payload.get("error")
    if isinstance(error, str):
        return error
    given = entries(error)
    return ": ".join(part for part in (words(given.get("kind")), words(given.get("message"))) if part)


def _known(event: StoredEvent, text: str) -> str:
    """The text in one line, else the envelope's name, else why there is none."""
    return line(text, 1_000) or line(event.name or "") or _gone(event)


def _gone(event: StoredEvent) -> str:
    if event.flags & FLAG_ERASED:
        return "(erased)"
    return "(withheld: it could not be redacted)" if event.flags & FLAG_WITHHELD else "(nothing was said)"
