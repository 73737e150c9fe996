"""Erasing payloads by run, task, actor or any filter, and proving that they are gone.

Each batch is one transaction: the audit event that names the erased ids, and the erasure itself. Killed between batches, what
was said is done, and doing it again does the rest. At the end the files are searched for pieces of what was erased.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from flightlog.erasure.prove import Samples, files_with
from flightlog.erasure.spool import overwrite_in_spool
from flightlog.errors import ErasureIncomplete, FilterInvalid
from flightlog.journal.erase import erase_payloads
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import line_of
from flightlog.journal.index import tidy
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.read import head_id
from flightlog.store.contract import Store, Tx

BATCH_EVENTS = 1_000  # their ids stand in one audit event, which has to fit into a payload
BATCH_TASKS = 200  # the same, of ids that are no numbers


class Part(Protocol):
    """A room that holds something of payloads: previews, comments, salts."""

    def __call__(self, tx: Tx, ids: Sequence[int]) -> None:
        """Forget what came from the payloads of these events."""


class Archive(Protocol):
    """Where payloads of older events lie, file by file."""

    def erase(self, events: Sequence[tuple[int, str, int]], work: Callable[[Tx, Sequence[int]], None]) -> int:
        """Erase these events (journal id, project, created_at) there; the number of files that were written anew. `work` is called
        in the transaction of each, with the ids of its events.
        """


class Beyond(Protocol):
    """A room that keeps things longer than the events that told of them."""

    def found(self, connection: Connection, wanted: EventFilter, count: int) -> list[tuple[str, str]]:
        """At most so many of the things whose events pass, or would if they were still there, and that hold something: the id of
        each, and what it holds.
        """

    def check(self, connection: Connection, ids: Sequence[str]) -> None:
        """Raise EventsHeld where one of them may not be erased."""

    def forget(self, tx: Tx, ids: Sequence[str]) -> None:
        """Forget what they hold."""

    def stands(self, connection: Connection, piece: str) -> bool:
        """Whether a piece of an erased payload also stands in what stays there: another's, or words that say nothing."""


# In a snapshot: what raises EventsHeld where one of some events may not be erased; None where all may.
Guard = Callable[[Connection], Callable[[Sequence[int]], None] | None]


class _Moved(Exception):
    """Some events were archived between the look at them and the transaction."""


class _Row(NamedTuple):
    """What is read of an event that may be erased."""

    id: int
    event_id: str
    type: str
    name: str | None
    project: str
    created_at: int
    payload: str | None
    run_id: str | None
    task_id: str | None
    trace_id: str | None
    span_id: str | None
    correlation_id: str | None

    @property
    def ids(self) -> str:
        """What the event is called and belongs to: it stays, also where the payload says it too."""
        named = (self.event_id, self.run_id, self.task_id, self.trace_id, self.span_id, self.correlation_id)
        return " ".join(filter(None, named))


# Appends the audit event of one batch inside its transaction and gives the event's journal id.
Say = Callable[[Tx, dict[str, Any]], int]


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. `elsewhere` counts pieces of erased payloads that also stand in events which were not erased; `tasks` is how
    many tasks were erased whose events were gone already.
    """

    events: int
    tasks: int
    batches: int
    spooled: int
    rewritten: bool
    elsewhere: int
    files: int


class Eraser:
    """Erases in one store. `database_files` and what lies in `spool` are searched at the end; `said` are the operations of the
    audit events that tell of erasures and the like, which are never erased.
    """

    def __init__(
        self,
        store: Store,
        database_files: Callable[[], list[Path]],
        spool: Path,
        parts: Sequence[Part],
        said: Collection[str],
        *,
        archive: Archive | None = None,
        guard: Guard = lambda connection: None,
        beyond: Beyond | None = None,
    ) -> None:
        self._store = store
        self._said = frozenset(said)
        self._archive = archive
        self._guard = guard
        self._beyond = beyond
        self._database_files = database_files
        self._spool = spool
        self._parts = tuple(parts)

    def count(self, wanted: EventFilter) -> int:
        """How many payloads would go."""
        return sum(len(ids) for ids, _ in self._batches(wanted))

    def erase(
        self,
        wanted: EventFilter,
        *,
        selection: dict[str, Any],
        reason: str,
        say: Say,
        progress: Callable[[int, int | None], object] = lambda done, total: None,
    ) -> Erased:
        """Erase the payloads of all events that pass the filter.

        `selection` says in words what was chosen, for the audit event. Raises ErasureIncomplete where a piece of an erased payload
        is found in a file at the end, after the database was written anew; EventsHeld, before anything is erased, where a legal
        hold is on one of the events.
        """
        samples, event_ids, events, batches = Samples(), set[str](), 0, 0
        self._check_held(wanted)
        archived: list[_Row] = []

        def erase(tx: Tx, ids: Sequence[int]) -> None:
            said = {**selection, "reason": reason, "events": len(ids), "ids": ranges_of(ids)}
            self._erase(tx, ids, say, said)

        def erase_archived(tx: Tx, ids: Sequence[int]) -> None:
            for start in range(0, len(ids), BATCH_EVENTS):
                erase(tx, ids[start : start + BATCH_EVENTS])

        for _, rows in self._batches(wanted):
            samples.add((row.payload or "", row.ids) for row in rows)
            event_ids.update(row.event_id for row in rows)
            older, newer = self._parted(rows)
            ids = [row.id for row in newer]
            try:
                if ids:
                    self._store.write(lambda tx, ids=ids: self._erase_here(tx, ids, erase))  # type: ignore[misc]
            except _Moved:
                older, ids = [*older, *newer], []
            archived += older
            events, batches = events + len(ids), batches + bool(ids)
            progress(events, None)
        if archived and self._archive is not None:
            self._archive.erase([(row.id, row.project, row.created_at) for row in archived], erase_archived)
            events, batches = events + len(archived), batches + 1
            progress(events, None)
        tasks = self._erase_beyond(wanted, {**selection, "reason": reason}, say, samples)
        spooled = overwrite_in_spool(self._spool, event_ids) if event_ids else 0
        if events:
            tidy(self._store)
        rewritten, elsewhere, files = self._prove(samples)
        return Erased(
            events=events, tasks=tasks, batches=batches, spooled=spooled, rewritten=rewritten, elsewhere=elsewhere,
            files=files,
        )  # fmt: skip

    def _batches(self, wanted: EventFilter) -> Iterator[tuple[list[int], Sequence[_Row]]]:
        wanted.check()
        if wanted.text is not None:
            raise FilterInvalid(reason="what is erased is chosen by fields, not by a text that is looked for")
        after = 0
        with self._store.read() as connection:
            end = head_id(connection) + 1
        while True:
            with self._store.read() as connection:
                span = Span(after, end, backwards=False)
                rows = rows_of_page(connection, _Row._fields, wanted, span, BATCH_EVENTS)
            found = [_Row(*row) for row in rows]
            # What an erasure said of itself stays: without it nobody could tell erased from lost.
            left = [
                row for row in found if row.payload is not None and not (row.type == "audit" and row.name in self._said)
            ]
            if left:
                yield [row.id for row in left], left
            if len(found) < BATCH_EVENTS:
                return
            after = found[-1].id

    def count_beyond(self, wanted: EventFilter) -> int:
        """How many tasks would be erased besides, of which there may be no events any more."""
        if self._beyond is None:
            return 0
        with self._store.read() as connection:
            return len(self._beyond.found(connection, wanted, 2**31))

    def _erase_beyond(self, wanted: EventFilter, said: dict[str, Any], say: Say, samples: Samples) -> int:
        beyond, total = self._beyond, 0
        if beyond is None:
            return 0

        def work(tx: Tx) -> list[tuple[str, str]]:
            found = beyond.found(tx.sql, wanted, BATCH_TASKS)
            if found:
                ids = [one for one, _ in found]
                beyond.check(tx.sql, ids)
                say(tx, {**said, "events": 0, "ids": [], "tasks": ids})
                beyond.forget(tx, ids)
            return found

        while found := self._store.write(work):
            samples.add((held, task_id) for task_id, held in found)
            total += len(found)
        return total

    def _check_held(self, wanted: EventFilter) -> None:
        if self._beyond is not None:
            with self._store.read() as connection:
                self._beyond.check(connection, [one for one, _ in self._beyond.found(connection, wanted, 2**31)])
        with self._store.read() as connection:
            if self._guard(connection) is None:
                return
        for ids, _ in self._batches(wanted):
            with self._store.read() as connection:
                self._check(connection, ids)

    def _check(self, connection: Connection, ids: Sequence[int]) -> None:
        check = self._guard(connection)
        if check is not None:
            check(ids)

    def _parted(self, rows: Sequence[_Row]) -> tuple[list[_Row], list[_Row]]:
        """Those that are archived, and those that are in the tables alone."""
        with self._store.read() as connection:
            line = line_of(connection)
        return [row for row in rows if row.id <= line], [row for row in rows if row.id > line]

    def _erase_here(self, tx: Tx, ids: Sequence[int], erase: Callable[[Tx, Sequence[int]], None]) -> None:
        if ids[0] <= line_of(tx.sql):
            raise _Moved
        erase(tx, ids)

    def _erase(self, tx: Tx, ids: Sequence[int], say: Say, details: dict[str, Any]) -> None:
        self._check(tx.sql, ids)  # once more: a hold may have been placed since
        erasure_id = say(tx, details)
        for part in self._parts:
            part(tx, ids)
        erase_payloads(tx, ids, erasure_id)

    def _prove(self, samples: Samples) -> tuple[bool, int, int]:
        """Empty the log, then look for what was erased in every file; where it is still there, write the database anew."""
        self._store.scrub()
        if not samples:
            return False, 0, 0
        samples.drop_known(self._store, self._beyond.stands if self._beyond is not None else None)
        files = [*self._database_files(), *sorted(self._spool.rglob("*"))]
        rewritten = False
        if files_with(samples, files):
            rewritten = True
            self._store.scrub(rewrite=True)
            left = files_with(samples, files)
            if left:
                raise ErasureIncomplete(path=", ".join(map(str, left)))
        return rewritten, samples.elsewhere, len(files)


def ranges_of(ids: Sequence[int]) -> list[list[int]]:
    """Rising ids as stretches without gaps, both ends included.

    >>> ranges_of([3, 4, 5, 9])
    [[3, 5], [9, 9]]
    """
    found: list[list[int]] = []
    for row_id in ids:
        if found and found[-1][1] == row_id - 1:
            found[-1][1] = row_id
        else:
            found.append([row_id, row_id])
    return found
