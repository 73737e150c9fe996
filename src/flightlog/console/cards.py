"""What an event says, for reading: a few words beside its name, and blocks. One teller for each type that has one.

Payloads may hold anything, so every teller takes what it finds; where one can't, the payload itself is what is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from flightlog.console import format as fmt
from flightlog.console import messages, recorded
from flightlog.console.blocks import (
    Block,
    Limits,
    Pair,
    code_block,
    diff_block,
    line_block,
    line_of,
    pair,
    pairs_block,
    text_block,
)
from flightlog.console.failure import Told, failure_blocks
from flightlog.console.payload import decoded, entries, listed, number, words
from flightlog.events.envelope import FLAG_ERASED, FLAG_WITHHELD, StoredEvent

Doc = dict[str, Any]

FAILURES_MAX = 50
ERASED = "The payload was erased."


def tell(event: StoredEvent, limits: Limits) -> Told:
    """What the event says, whatever its payload is. Never raises."""
    teller = _TELLERS.get(event.type)
    payload = decoded(bytes(event.payload))
    if event.flags & FLAG_ERASED:
        return Told([], [line_block(ERASED, tone="quiet")])
    if event.flags & FLAG_WITHHELD:
        why = words(payload.get("reason") or payload.get("withheld"))
        return Told([], [line_block(f"The payload was not stored{f': {why}' if why else ''}", tone="bad")])
    if teller is None:
        block = pairs_block(payload, limits)
        return Told([], [block] if block else [])
    try:
        return teller(payload, limits)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, RecursionError, OverflowError):
        return Told([], [code_block(payload, limits)])


def blocks_of(event: StoredEvent, limits: Limits) -> list[Block]:
    """The payload for reading, with the few words as its first line."""
    told = tell(event, limits)
    return [*([line_block(" · ".join(told.notes), tone="quiet")] if told.notes else []), *told.blocks]


def command_of(payload: Doc) -> str:
    """A command as one would type it."""
    given = payload.get("command")
    return shlex.join(map(words, given)) if isinstance(given, list) else words(given)


# ── tellers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _present(*blocks: Block | None) -> list[Block]:
    return [block for block in blocks if block is not None]


def _tool_call(payload: Doc, limits: Limits) -> Told:
    return Told([], _present(pairs_block(payload.get("arguments"), limits)))


def _tool_result(payload: Doc, limits: Limits) -> Told:
    blocks = [*_present(pairs_block(payload.get("arguments"), limits)), *failure_blocks(payload.get("error"), limits)]
    if payload.get("result") not in (None, ""):
        blocks.append(code_block(payload["result"], limits, label="Result"))
    elif not blocks and "result" in payload:
        blocks.append(line_block("gave nothing", tone="quiet"))
    return Told([], [*blocks, *recorded.more_blocks(payload, limits)])


def _command_block(payload: Doc, limits: Limits) -> list[Block]:
    command = command_of(payload)
    return [text_block(f"$ {command}", limits, form="code", tone="command")] if command else []


def _exec_started(payload: Doc, limits: Limits) -> Told:
    return Told([f"in {words(payload['cwd'])}"] if payload.get("cwd") else [], _command_block(payload, limits))


def _exec_result(payload: Doc, limits: Limits) -> Told:
    notes = []
    if payload.get("timed_out"):
        notes.append("timed out")
    if payload.get("signal"):
        notes.append(f"signal {words(payload['signal'])}")
    elif payload.get("exit_code") is not None:
        notes.append(f"exit {words(payload['exit_code'])}")
    blocks = _command_block(payload, limits)
    for name in ("stdout", "stderr"):
        blocks += _stream(payload.get(name), limits, "" if name == "stdout" else "stderr")
    return Told(notes, [*blocks, *failure_blocks(payload.get("error"), limits)])


def _stream(output: object, limits: Limits, label: str) -> list[Block]:
    """The two ends of what a command wrote, with the gap between them told."""
    if isinstance(output, str):
        return [code_block(output, limits, label=label)] if output else []
    given = entries(output)
    head, tail = words(given.get("head")), words(given.get("tail"))
    missing = number(given.get("bytes")) - len(head.encode("utf-8", "replace")) - len(tail.encode("utf-8", "replace"))
    blocks = [code_block(head, limits, label=label)] if head else []
    if given.get("truncated"):
        how = fmt.size(missing) if missing > 0 else "a part"
        blocks.append(line_block(f"{how} of the output was not kept", tone="gap"))
    if tail:
        blocks.append(code_block(tail, limits, label="" if head else label))
    return blocks


def _patch(payload: Doc, limits: Limits) -> Told:
    files = [entries(file) for file in listed(payload.get("files"))]
    notes = [f"+{number(payload.get('added'))} −{number(payload.get('deleted'))}"]
    notes.append("1 file" if len(files) == 1 else f"{len(files)} files")
    text = words(payload.get("diff") or payload.get("preview"))
    blocks = failure_blocks(payload.get("error"), limits)
    if text:
        blocks.append(diff_block(text))
    elif files:
        blocks.append(Block(form="pairs", pairs=[_file_pair(file) for file in files[:FAILURES_MAX]]))
    if text and not payload.get("diff"):
        blocks.append(line_block("Only the beginning of the patch was kept", tone="gap"))
    return Told(notes, blocks)


def _file_pair(file: Doc) -> Pair:
    was = f" from {words(file['old_path'])}" if file.get("old_path") else ""
    lines = f"+{number(file.get('added'))} −{number(file.get('deleted'))}"
    return pair(words(file.get("path")), f"{words(file.get('change'))}{was} {lines}")


def _test_started(payload: Doc, limits: Limits) -> Told:
    return Told([words(payload["framework"])] if payload.get("framework") else [], _command_block(payload, limits))


def _test_result(payload: Doc, limits: Limits) -> Told:
    notes = [
        f"{number(payload[name])} {name}" for name in ("passed", "failed", "errors", "skipped") if payload.get(name)
    ]
    failures = [entries(failure) for failure in listed(payload.get("failures"))]
    blocks: list[Block] = failure_blocks(payload.get("error"), limits)
    if failures:
        shown = [pair(f"✕ {words(one.get('name'))}", words(one.get("message"))) for one in failures[:FAILURES_MAX]]
        more = len(failures) - len(shown)
        blocks.append(
            Block(form="pairs", label="Failures", tone="bad", pairs=shown, left_out=f"{more} more" if more > 0 else "")
        )
    output = words(payload.get("output_tail"))
    if output.strip():
        blocks.append(code_block(output, limits, label="End of the output", folded=not failures))
    return Told(notes, blocks)


def _decision(payload: Doc, limits: Limits) -> Told:
    facts = [
        pair(word, words(payload.get(name)))
        for name, word in (
            ("resource", "On"), ("reason", "Because"), ("rule", "By rule"), ("approver", "By"), ("expires_at", "Until"),
            ("action_digest", "For exactly"),
        )
        if payload.get(name)
    ]  # fmt: skip
    return Told([words(payload.get("decision"))], [Block(form="pairs", pairs=facts)] if facts else [])


def _error(payload: Doc, limits: Limits) -> Told:
    given = dict(payload)
    blocks = failure_blocks({**given, "stack": None}, limits)
    if given.get("stack"):
        blocks.append(code_block(given["stack"], limits, label="Stack"))
    return Told(["handled"] if given.get("handled") is True else [], blocks)


def _note(payload: Doc, limits: Limits) -> Told:
    others = {name: value for name, value in payload.items() if name != "text"}
    return Told([], _present(text_block(words(payload.get("text")), limits), pairs_block(others, limits)))


def _degraded(payload: Doc, limits: Limits) -> Told:
    facts = [
        pair(word, words(payload.get(name)))
        for name, word in (("since", "From"), ("until", "Until"), ("rung", "While"), ("detail", "Detail"))
        if payload.get(name)
    ]
    blocks = [line_block(gap_line(payload), tone="gap")]
    return Told([], [*blocks, Block(form="pairs", pairs=facts)] if facts else blocks)


def gap_line(payload: Doc) -> str:
    """What is missing, and why.

    >>> gap_line({"count": 14, "reason": "disk_full"}), gap_line({"reason": "clock"})
    ('14 events lost here: disk full', 'recording was not whole here: clock')
    """
    count, reason = number(payload.get("count")), words(payload.get("reason")).replace("_", " ") or "unknown"
    if count <= 0:
        return f"recording was not whole here: {reason}"
    return f"{fmt.count(count)} {'event' if count == 1 else 'events'} lost here: {reason}"


def _run_started(payload: Doc, limits: Limits) -> Told:
    given = payload.get("input")
    block = code_block(given, limits) if not isinstance(given, str) else text_block(given, limits)
    attributes = pairs_block(payload.get("attributes"), limits)
    return Told([], _present(block if given not in (None, "") else None, attributes))


def _run_finished(payload: Doc, limits: Limits) -> Told:
    output = payload.get("output")
    made = text_block(output, limits) if isinstance(output, str) else pairs_block(output, limits)
    return Told(
        [], [*failure_blocks(payload.get("error"), limits), *_present(made if output not in (None, "") else None)]
    )


def _request(payload: Doc, limits: Limits) -> Told:
    return Told(
        messages.request_notes(payload),
        [*messages.asked_blocks(payload, limits), *messages.settings_blocks(payload, limits)],
    )


def _response(payload: Doc, limits: Limits) -> Told:
    answer = [*failure_blocks(payload.get("error"), limits), *messages.answer_blocks(payload, limits)]
    asked = entries(payload.get("request"))
    if not asked:
        return Told(messages.response_notes(payload), [*answer, *recorded.more_blocks(payload, limits)])
    blocks = [
        *messages.asked_blocks(asked, limits),
        *messages.turn_of(answer),
        *messages.settings_blocks(asked, limits),
        *recorded.more_blocks(payload, limits),
    ]
    return Told(messages.request_notes(asked) + messages.response_notes(payload), blocks)


def _move(payload: Doc, limits: Limits) -> Told:
    reason = words(payload.get("reason"))
    said = f"{words(payload.get('from'))} → {words(payload.get('to'))}" + (f": {reason}" if reason else "")
    return Told([], [line_block(line_of(said))])


def _entry(payload: Doc, limits: Limits) -> Told:
    said = f"{words(payload.get('status'))} {words(payload.get('units'))} for {words(payload.get('source'))}"
    return Told([], [line_block(line_of(said))])


_TELLERS: dict[str, Callable[[Doc, Limits], Told]] = {
    "run_started": _run_started,
    "run_finished": _run_finished,
    "span_started": recorded.span,
    "span_finished": recorded.span,
    "llm_request": _request,
    "llm_response": _response,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "exec_started": _exec_started,
    "exec_result": _exec_result,
    "patch_proposed": _patch,
    "patch_applied": _patch,
    "test_started": _test_started,
    "test_result": _test_result,
    "capability_decision": _decision,
    "error": _error,
    "note": _note,
    "degraded": _degraded,
    "log": recorded.log,
    "metric": recorded.metric,
    "resource": recorded.resource,
    "task_transition": _move,
    "ledger_entry": _entry,
}
