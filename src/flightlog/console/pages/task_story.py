"""What became of a task, attempt by attempt: how long it was in which state, what it waited for, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from sqlalchemy import Connection, select

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits
from flightlog.console.failure import failure_blocks
from flightlog.console.pages.tasks_rows import mark_of
from flightlog.console.payload import decoded, entries, number, words
from flightlog.events.envelope import StoredEvent
from flightlog.outbox.table import outbox_events
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, QUEUED, Pipeline
from flightlog.tasks.task import Task

STORY_TYPES = ("task_transition", "span_finished", "ledger_entry")
WHOLE = 1_000
SLIVER = 3  # what took no time is seen as so much of the whole


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of a line, in thousandths of the whole time."""

    kind: Annotated[str, "wait, backoff, work or bad."]
    x: Annotated[int, "Where it begins."]
    width: Annotated[int, "How long it is."]


@dataclass(frozen=True, kw_only=True)
class Stay:
    """A task in one state, once."""

    state: Annotated[str, "The state."]
    at: Annotated[str, "When it came there, from its beginning."]
    exact: Annotated[str, "The same as a time."]
    took: Annotated[str, "How long it was there, or has been so far."]
    stretches: Annotated[list[Stretch], "The same as a line."]
    said: Annotated[str, "What is to be said of it; may be empty."]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt, from where it waits for a worker."""

    label: Annotated[str, "Which one it is."]
    worker: Annotated[str, "Who had it; may be empty."]
    ended: Annotated[str, "How it ended: a sign, or empty while it goes on."]
    words: Annotated[str, "The same in words."]
    stays: Annotated[list[Stay], "The states that it was in, in order."]
    wrong: Annotated[list[Block], "What went wrong in it, with where it came from."]


@dataclass(frozen=True, kw_only=True)
class TrackState:
    """A state on a pipeline's way."""

    word: Annotated[str, "The state."]
    sign: Annotated[str, "done, now, ahead, failed, canceled or succeeded."]
    is_now: Annotated[bool, "Whether the task is there."]


class Move(NamedTuple):
    """One event of a move."""

    at: int
    before: str
    after: str
    attempt_no: int
    version: int
    reason: str
    worker_id: str


class Fault(NamedTuple):
    """What went wrong in a step."""

    at: int
    state: str
    attempt_no: int
    error: dict[str, Any]


def moves_of(events: Iterable[StoredEvent]) -> list[Move]:
    """The moves that events tell of, in order; payloads are anybody's."""
    found = []
    for event in events:
        if event.type != "task_transition":
            continue
        said = decoded(bytes(event.payload))
        found.append(
            Move(
                at=event.created_at,
                before=words(said.get("from")),
                after=words(said.get("to")),
                attempt_no=number(said.get("attempt_no")) or 1,
                version=number(said.get("version")),
                reason=words(said.get("reason")),
                worker_id=words(said.get("worker_id")),
            )
        )
    return sorted(found, key=lambda move: (move.version, move.at))


def faults_of(events: Iterable[StoredEvent]) -> list[Fault]:
    """The errors of steps."""
    found = []
    for event in events:
        if event.type != "span_finished":
            continue
        said = decoded(bytes(event.payload))
        error, about = entries(said.get("error")), entries(said.get("attributes"))
        if error and said.get("operation") == "step":
            found.append(Fault(event.created_at, event.name or "", number(about.get("attempt_no")) or 1, error))
    return found


def due_times(connection: Connection, task_id: str) -> dict[int, int]:
    """Until when an attempt is not to be begun, by the version of the move that put it back; those that the outbox still has."""
    outbox = outbox_events.c
    wanted = select(outbox.event_id, outbox.available_at).where(
        outbox.task_id == task_id, outbox.topic == "task.requeued", outbox.available_at > outbox.created_at
    )
    found = {}
    for event_id, due in connection.execute(wanted):
        version = str(event_id).removeprefix(f"{task_id}-")
        if version.isdigit():
            found[int(version)] = int(due)
    return found


def attempts_of(
    task: Task, moves: Sequence[Move], faults: Sequence[Fault], due: dict[int, int], now_ns: int, limits: Limits
) -> list[Attempt]:
    """The story, oldest first."""
    if not moves:
        return []
    scales = _scales(moves, task.finished_at if task.finished_at is not None else now_ns)
    made = []
    for attempt_no in dict.fromkeys(move.attempt_no for move in moves):
        mine = [(at, move) for at, move in enumerate(moves) if move.attempt_no == attempt_no and move.after not in ENDS]
        if not mine:
            continue
        wrong = [fault for fault in faults if fault.attempt_no == attempt_no]
        round_no, scale = scales[mine[0][0]]
        stays = []
        for at, move in mine:
            after = moves[at + 1] if at + 1 < len(moves) else None
            since = fmt.offset(move.at, moves[0].at)
            stays.append(_stay(move, after, scale, due.get(move.version), wrong, now_ns, since))
        last = mine[-1][0]
        ending = moves[last + 1] if last + 1 < len(moves) else None
        sign, said = _ended(ending, bool(wrong))
        workers = [move.worker_id for _, move in mine if move.worker_id and move.after != QUEUED]
        made.append(
            Attempt(
                label=f"Attempt {attempt_no}" + (f" (round {round_no})" if round_no > 1 else ""),
                worker=workers[-1] if workers else "",
                ended=sign,
                words=said,
                stays=stays,
                wrong=[block for fault in wrong for block in failure_blocks(fault.error, limits)],
            )
        )
    return made


class _Scale(NamedTuple):
    begin: int
    end: int

    def stretch(self, kind: str, since: int, until: int) -> Stretch:
        whole = max(self.end - self.begin, 1)
        x = min(max(WHOLE * (since - self.begin) // whole, 0), WHOLE - SLIVER)
        width = max(WHOLE * (until - since) // whole, SLIVER)
        return Stretch(kind=kind, x=x, width=min(width, WHOLE - x))


def _scales(moves: Sequence[Move], until: int) -> list[tuple[int, _Scale]]:
    """The round of each move, and the whole time of that round: years may lie between two of them."""
    begins = [at for at, move in enumerate(moves) if at == 0 or move.before in ENDS]
    made: list[tuple[int, _Scale]] = []
    for round_no, first in enumerate(begins, start=1):
        after = begins[round_no] if round_no < len(begins) else len(moves)
        end = moves[after - 1].at if after < len(moves) else max(until, moves[-1].at)
        made += [(round_no, _Scale(moves[first].at, end))] * (after - first)
    return made


def _stay(
    move: Move, after: Move | None, scale: _Scale, due: int | None, wrong: Sequence[Fault], now_ns: int, since: str
) -> Stay:
    until = after.at if after is not None else max(now_ns, move.at)
    waits = move.after == QUEUED
    held = min(due, until) if waits and due is not None else move.at
    is_bad = any(one.state == move.after for one in wrong)
    stretches = [scale.stretch("backoff", move.at, held)] if held > move.at else []
    if until > held or not stretches:
        stretches.append(scale.stretch("wait" if waits else "bad" if is_bad else "work", held, until))
    said = move.reason
    if waits and due is not None and due > move.at:
        left = f", {fmt.duration(due - now_ns)} left" if after is None and due > now_ns else ""
        said = f"not before {fmt.duration(due - move.at)} have passed{left}"
    return Stay(
        state=move.after,
        at=since,
        exact=fmt.in_full(move.at),
        took=fmt.duration(until - move.at) + ("" if after is not None else " …"),
        stretches=stretches,
        said=said,
    )


def _ended(ending: Move | None, is_wrong: bool) -> tuple[str, str]:
    """How an attempt ended, by the move that ended it: a sign and words."""
    if ending is None:
        return "", "under way"
    if ending.after in ENDS:
        return mark_of(ending.after), mark_of(ending.after) + (f": {ending.reason}" if ending.reason else "")
    if is_wrong:
        return "failed", "failed, to be tried again"
    return "canceled", ending.reason or "given back"


def track_of(task: Task, pipeline: Pipeline | None, moves: Sequence[Move]) -> list[TrackState]:
    """The states on the way of a task, with how far it is. Of a pipeline that is not known here, those that it was in."""
    states = list(pipeline.states) if pipeline is not None else []
    states = states or list(dict.fromkeys(move.after for move in moves if move.after not in ENDS)) or [QUEUED]
    if task.state not in states and task.state not in ENDS:
        states.append(task.state)
    here = task.state
    if task.is_over:
        left = next((move.before for move in reversed(moves) if move.after == task.state), "")
        here = left if left in states else states[-1]
    place = states.index(here)
    made = []
    for at, state in enumerate(states):
        if task.state in (FAILED, CANCELED):
            sign = "done" if at < place else mark_of(task.state) if at == place else "ahead"
        elif task.is_over:
            sign = "done"
        else:
            sign = "done" if at < place else "now" if at == place else "ahead"
        made.append(TrackState(word=state, sign=sign, is_now=state == task.state))
    end = task.state if task.is_over else "SUCCEEDED"
    made.append(TrackState(word=end, sign=mark_of(end) if task.is_over else "ahead", is_now=task.is_over))
    return made
