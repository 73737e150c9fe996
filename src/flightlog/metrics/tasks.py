"""What happened to tasks, counted from the journal when somebody asks: so it counts what is committed, whichever process did it.

Each look reads the moves since the last one, by the index of their type, and the spans of the steps that they end, by key. What a
server says begins with its start, as all counters do.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from flightlog.clock import NS_PER_SECOND
from flightlog.journal.read import head_id
from flightlog.journal.table import event_payloads, run_events
from flightlog.metrics.counting import Counter, Histogram
from flightlog.store.contract import Store
from flightlog.tasks.pipeline import ENDS, QUEUED, START, Pipeline

MOVES_MAX = 20_000  # that one look takes in; what is left is for the next
KEYS_MAX = 500
OUTCOMES = ("succeeded", "failed", "canceled", "again")
REPLAYED = (
    "replayed", "already_succeeded", "superseded", "quota_refused", "version_conflict", "chain_too_long", "gone",
)  # fmt: skip
# A step may be a call or a night's work.
STEP_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
NONE = "none"

_e, _p = run_events.c, event_payloads.c
_TOLD = (
    select(_e.id, _e.task_id, _e.name, _p.payload)
    .join(event_payloads, _p.id == _e.id)
    .where(_e.type == bindparam("of"), _e.id > bindparam("after"), _e.id <= bindparam("until"))
    .order_by(_e.id)
    .limit(bindparam("most"))
)
_SPANS = select(_e.name, _e.event_id, _e.duration_ns).where(_e.event_id.in_(bindparam("ids", expanding=True)))


class _Move(msgspec.Struct):
    """A move, as its event tells it. Anybody may send an event of this type, so nothing is taken for granted."""

    to: str
    version: int
    from_: str = msgspec.field(name="from", default=START)


class _Replay(msgspec.Struct):
    """What became of a dead letter whose turn it was."""

    outcome: str


class TaskCounts:
    """The counters of one server."""

    def __init__(self, store: Store) -> None:
        self.accepted = Counter(200)
        self.finished = Counter(600)
        self.attempts = Counter(800)
        self.replayed = Counter(50)
        self.step_seconds = Histogram(STEP_BOUNDS)
        self._store = store
        self._lock = threading.Lock()
        self._position: int | None = None
        self.expect({})

    def begin(self) -> None:
        """Count from here on. Raises what a read raises; then it begins at the first look."""
        with self._store.read() as connection:
            self._position = head_id(connection)

    def expect(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Have the labels of these pipelines there from the start."""
        for outcome in REPLAYED:
            self.replayed.add(0, outcome)
        for name, pipeline in pipelines.items():
            self.accepted.add(0, name)
            for outcome in OUTCOMES:
                self.attempts.add(0, name, outcome)
                if outcome.upper() in ENDS:
                    self.finished.add(0, name, outcome.upper())
            for step in pipeline.steps:
                self.step_seconds.expect(name, step.state)

    def catch_up(self) -> None:
        """Take in what was committed since the last time."""
        with self._lock, self._store.read() as connection:
            until = head_id(connection)
            if self._position is None:
                self._position = until
            asked = {"of": "task_transition", "after": self._position, "until": until, "most": MOVES_MAX}
            rows = connection.execute(_TOLD, asked).all()
            reached = rows[-1].id if len(rows) == MOVES_MAX else until
            spans = self._take(rows)
            for first in range(0, len(spans), KEYS_MAX):
                self._take_spans(connection, dict(spans[first : first + KEYS_MAX]))
            asked |= {"of": "dead_letter_replayed", "until": reached}
            for row in connection.execute(_TOLD, asked):
                self._take_replay(row.payload)
            self._position = reached

    def _take(self, rows: Sequence[Any]) -> list[tuple[str, str]]:
        """Count the moves; the ids of the spans that they ended, each with its pipeline."""
        spans = []
        for row in rows:
            try:
                move = msgspec.json.decode(row.payload, type=_Move)
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue
            pipeline = row.name or NONE
            if move.from_ == START:
                self.accepted.add(1, pipeline)
            if move.to in ENDS:
                self.finished.add(1, pipeline, move.to)
            if move.from_ in ENDS or move.from_ in (START, QUEUED):
                continue
            if move.to in ENDS or move.to == QUEUED:
                self.attempts.add(1, pipeline, move.to.lower() if move.to in ENDS else "again")
            spans.append((f"{row.task_id}-{move.version}-span_finished", pipeline))
        return spans

    def _take_spans(self, connection: Connection, pipelines: dict[str, str]) -> None:
        for row in connection.execute(_SPANS, {"ids": list(pipelines)}):
            if row.duration_ns is not None:
                self.step_seconds.take(row.duration_ns / NS_PER_SECOND, pipelines[row.event_id], row.name or NONE)

    def _take_replay(self, payload: str) -> None:
        try:
            self.replayed.add(1, msgspec.json.decode(payload, type=_Replay).outcome)
        except (msgspec.DecodeError, msgspec.ValidationError):
            pass  # not ours
