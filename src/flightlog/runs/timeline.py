"""The timeline of a run: its envelopes by column, in chunks, small enough for a browser to hold a whole run.

`docs/reference/http.md` has the format. Strings are written once, and named by their place afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from flightlog.clock import format_ns, parse_ns
from flightlog.events.envelope import LEVELS
from flightlog.journal.columns import COLUMNS, read_columns
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.runs.summary import RunSummary
from flightlog.store.contract import Store

FIRST_EVENTS = 500  # the first chunk is small, so that something can be drawn at once
CHUNK_EVENTS = 4_000
DEGRADED_MAX = 500

_US = 1_000
_STRINGS = ("type", "name", "status", "source", "actor", "span_id", "parent_span_id", "correlation_id")
_SHORT = {"span_id": "span", "parent_span_id": "parent", "correlation_id": "correlation"}
_LEVEL = {name: number for number, name in enumerate(LEVELS)}
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_encode = msgspec.json.encode


class Degraded(msgspec.Struct, frozen=True):
    """A stretch of a run in which events were lost, in microseconds from its start."""

    id: int
    from_us: int
    to_us: int
    count: int
    reason: str


class Head(msgspec.Struct, frozen=True):
    """The first line: the run as it stood when the timeline was asked for."""

    run_id: str
    started_at: str
    finished_at: str | None
    status: str
    last_event_id: int
    events: int
    degraded: list[Degraded]


def timeline(store: Store, run: RunSummary, wanted: EventFilter, after_id: int = 0) -> Iterator[bytes]:
    """The lines of the timeline of `run`, as of this summary of it. Every chunk is a short read of its own, so that a slow
    client holds nothing: what comes into the journal meanwhile is left for the next time."""
    yield _line(head_of(store, run))
    strings = Strings()
    limit, position = FIRST_EVENTS, after_id
    while position < run.last_event_id:
        with store.read() as connection:
            rows = read_columns(connection, wanted, position, run.last_event_id, limit)
        if rows:
            yield _line(chunk(rows, run.started_at, strings))
        if len(rows) < limit:
            break
        position, limit = rows[-1][0], CHUNK_EVENTS
    yield _line({"end": True, "last_event_id": run.last_event_id})


class Strings:
    """A table of strings that grows; 0 is nothing."""

    def __init__(self) -> None:
        self._places: dict[str | None, int] = {None: 0, "": 0}
        self._count = 1
        self.new: list[str] = []

    def places(self, values: Iterable[str | None]) -> list[int]:
        """The places of these strings; what was not there before is in `new` until it is taken."""
        known = self._places
        made = []
        for value in values:
            place = known.get(value)
            if place is None and value is not None:
                place = known[value] = self._count
                self._count += 1
                self.new.append(value)
            made.append(place or 0)
        return made

    def take_new(self) -> list[str]:
        """The strings since the last time."""
        new, self.new = self.new, []
        return new


def chunk(rows: Sequence[Sequence[Any]], started_at: int, strings: Strings) -> dict[str, Any]:
    """These rows by column, with the strings that they bring."""
    columns = list(zip(*rows, strict=True))
    ids = columns[_PLACE["id"]]
    made: dict[str, Any] = {
        "n": len(rows),
        "id": [ids[0], *(after - before for before, after in itertools.pairwise(ids))],
        "at": [(at - started_at) // _US for at in columns[_PLACE["created_at"]]],
        "took": [-1 if took is None else took // _US for took in columns[_PLACE["duration_ns"]]],
        "level": [_LEVEL.get(level, 1) for level in columns[_PLACE["level"]]],
        "flags": columns[_PLACE["flags"]],
        "bytes": columns[_PLACE["payload_bytes"]],
    }
    for name in _STRINGS:
        made[_SHORT.get(name, name)] = strings.places(columns[_PLACE[name]])
    made["strings"] = strings.take_new()
    return made


def head_of(store: Store, run: RunSummary) -> Head:
    """The first line of a run's timeline."""
    return Head(
        run_id=run.run_id,
        started_at=format_ns(run.started_at),
        finished_at=None if run.finished_at is None else format_ns(run.finished_at),
        status="hung" if run.hung else run.status,
        last_event_id=run.last_event_id,
        events=run.event_count,
        degraded=_degraded(store, run) if "degraded" in run.counts else [],
    )


class _Loss(msgspec.Struct):
    since: Any = None
    until: Any = None
    count: Any = None
    reason: Any = None


def _degraded(store: Store, run: RunSummary) -> list[Degraded]:
    wanted = EventFilter(run_id=run.run_id, types=("degraded",))
    made = []
    for event in read_events(store, wanted, limit=DEGRADED_MAX).events:
        try:
            loss = msgspec.json.decode(event.payload, type=_Loss)
        except (ValueError, RecursionError):
            loss = _Loss()
        until = _moment(loss.until, event.created_at)
        since = min(_moment(loss.since, until), until)
        count = loss.count if isinstance(loss.count, int) and not isinstance(loss.count, bool) else 0
        made.append(
            Degraded(
                event.id,
                (since - run.started_at) // _US,
                (until - run.started_at) // _US,
                max(0, count),
                str(loss.reason or "unknown")[:100],
            )
        )
    return made


def _moment(text: Any, otherwise: int) -> int:
    try:
        return parse_ns(text) if isinstance(text, str) else otherwise
    except (ValueError, OverflowError):
        return otherwise


def _line(value: Any) -> bytes:
    return _encode(value) + b"\n"
