"""Steps: what a run did, one thing at a time. A request and its answer are one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

# What begins a step, and what ends it; both share a correlation id.
PAIRS: dict[str, tuple[str, str]] = {
    "llm": ("llm_request", "llm_response"),
    "tool": ("tool_call", "tool_result"),
    "exec": ("exec_started", "exec_result"),
    "test": ("test_started", "test_result"),
    "patch": ("patch_proposed", "patch_applied"),
}
_BEGINS = {begin: kind for kind, (begin, _) in PAIRS.items()}
_ENDS = {end: kind for kind, (_, end) in PAIRS.items()}
# These frame the work and are none of it.
_NOT_STEPS = frozenset(
    {
        "run_started",
        "run_finished",
        "run_heartbeat",
        "span_started",
        "span_finished",
        "degraded",
        "feedback",
        "log",
        "metric",
        "resource",
    }
)
# A step whose answer has not come after this many others is left open: it will not come.
OPEN_MAX = 10_000

# The columns of an event that a step is made of, in this order.
COLUMNS: tuple[str, ...] = (
    "id",
    "type",
    "name",
    "created_at",
    "duration_ns",
    "status",
    "level",
    "correlation_id",
    "payload_digest",
)


class Step(NamedTuple):
    """One step. `id` is the event that it began with, `answer_id` the one that ended it, if another did.

    `digest` and `answer_digest` are those of the two payloads; equal digests mean equal payloads.
    """

    kind: str
    name: str
    id: int
    at_ns: int
    answer_id: int | None = None
    duration_ns: int | None = None
    status: str = ""
    level: str = "info"
    digest: bytes = b""
    answer_digest: bytes = b""


def steps_of(rows: Iterable[Sequence[Any]]) -> Iterator[Step]:
    """The steps of events in their order, each where it began. An answer whose request is not there is a step by itself.

    >>> rows = [(1, "tool_call", "ls", 5, None, None, "info", "c", b"a"), (2, "tool_result", "ls", 9, 4, "ok", "info", "c", b"b")]
    >>> [(step.name, step.answer_id, step.status) for step in steps_of(rows)]
    [('ls', 2, 'ok')]
    """
    waiting: list[Step] = []
    first = 0  # the place of waiting[0] among all steps
    opened: dict[tuple[str, str], int] = {}
    for row in rows:
        row_id, type_, name, at, took, status, level, correlation, digest = row
        if type_ in _NOT_STEPS:
            continue
        ends = _ENDS.get(type_)
        place = opened.pop((ends, correlation), None) if ends and correlation else None
        if place is not None and place >= first:
            begun = waiting[place - first]
            waiting[place - first] = begun._replace(
                name=begun.name or name or "",
                answer_id=row_id,
                duration_ns=took if took is not None else max(0, at - begun.at_ns),
                status=status or "",
                level=level if level in ("warn", "error") else begun.level,
                answer_digest=digest,
            )
            continue
        kind = _BEGINS.get(type_) or ends or type_
        # An answer by itself, such as a finished span, began when it says.
        began = at - took if ends and type_ not in _BEGINS and took else at
        waiting.append(Step(kind, name or "", row_id, began, None, took, status or "", level, digest))
        if type_ in _BEGINS and correlation:
            opened[kind, correlation] = first + len(waiting) - 1
        if len(waiting) > OPEN_MAX:
            done, waiting = waiting[: OPEN_MAX // 2], waiting[OPEN_MAX // 2 :]
            first += len(done)
            yield from done
    yield from waiting
