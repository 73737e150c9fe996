"""What was recorded as a tree, and as text that is the same however often the test runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from flightlog.events.envelope import Event
from flightlog.testing.recorded import Recorded

# What differs between two runs of the same program, or between two machines.
UNSTABLE = frozenset(
    {"stack", "pid", "uptime_ns", "duration_ms", "duration_ns", "producer_id", "since", "until", "correlation_id"}
)
_MARK = re.compile(r"\[REDACTED:([a-z0-9-]+):[0-9a-f]{8}\]")  # its digest is of a key that each recorder has for itself
_BEGINS = {"run_started": "run", "span_started": "span"}
_ENDS = frozenset({"run_finished", "span_finished"})


class Node(NamedTuple):
    """A run or a span with what is in it, or an event by itself. `kind` is run, span or event; `finish` ended the run or span."""

    kind: str
    seen: Recorded
    finish: Recorded | None
    inside: list[Node]

    @property
    def name(self) -> str:
        """The run's, span's or event's name; its type where it has none."""
        return str(self.seen.name or self.seen.type)

    @property
    def status(self) -> str | None:
        """How it ended."""
        found = (self.finish or self.seen).status
        return None if found is None else str(found)


def tree(events: Iterable[Event]) -> list[Node]:
    """The events as they lie in each other: runs hold spans, spans hold spans and events. In the order in which they began.

    >>> from flightlog.testing import MemoryRecorder
    >>> rec = MemoryRecorder()
    >>> with rec.run("greet") as run, run.span("think"):
    ...     _ = run.emit("note", {"text": "hm"})
    >>> [(node.name, [inner.name for inner in node.inside]) for node in tree(rec.events)[0].inside]
    [('think', ['note'])]
    """
    given = list(events)
    top: list[Node] = []
    open_: dict[tuple[str | None, str | None], Node] = {}
    finishes = {(event.run_id, event.span_id): Recorded(event) for event in given if event.type in _ENDS}
    for event in given:
        if event.type in _ENDS and (event.run_id, event.span_id) in open_:
            continue
        kind = _BEGINS.get(event.type, "event")
        here = (event.run_id, event.span_id)
        node = Node(kind, Recorded(event), finishes.get(here) if kind != "event" else None, [])
        parent = open_.get((event.run_id, event.parent_span_id)) if kind != "event" else open_.get(here)
        (parent.inside if parent is not None else top).append(node)
        if kind != "event":
            open_[here] = node
    return top


def snapshot(events: Iterable[Event], *, payloads: bool = True, ignore: Iterable[str] = ()) -> str:
    """The tree as text: types, names, statuses, levels that are not info, payloads as JSON with sorted keys.

    Ids, times, durations, stacks and the digests of what was redacted are not in it, nor the entries of payloads that
    `ignore` names. So it can be kept in a file and held against the next run, with whatever clock and ids.
    """
    left_out = UNSTABLE | set(ignore)
    return "\n".join(line for node in tree(events) for line in _lines(node, 0, payloads, left_out))


def _lines(node: Node, depth: int, payloads: bool, left_out: frozenset[str]) -> Iterator[str]:
    seen = node.seen
    name = f" {seen.name}" if seen.name else ""
    status = f": {node.status or 'open'}" if node.kind != "event" or node.status else ""
    level = "" if seen.level == "info" else f" [{seen.level}]"
    what = node.kind if node.kind != "event" else seen.type
    said = _said(node, left_out) if payloads else ""
    yield f"{'  ' * depth}{what}{name}{status}{level}{said}"
    for inner in node.inside:
        yield from _lines(inner, depth + 1, payloads, left_out)


def _said(node: Node, left_out: frozenset[str]) -> str:
    payload = node.seen.payload
    if node.kind != "event":
        ended = node.finish.payload if node.finish is not None else None
        both = {**(payload if isinstance(payload, dict) else {}), **(ended if isinstance(ended, dict) else {})}
        payload = {name: value for name, value in both.items() if name != "name"}
    kept = _kept(payload, left_out)
    return f" {json.dumps(kept, sort_keys=True, ensure_ascii=False)}" if kept not in ({}, None) else ""


def _kept(value: Any, left_out: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _kept(inner, left_out) for name, inner in value.items() if name not in left_out}
    if isinstance(value, str):
        return _MARK.sub(r"[REDACTED:\1]", value)
    return [_kept(inner, left_out) for inner in value] if isinstance(value, list) else value
