"""The work of retention: finding what is due, saying so, and removing it.

A removal is one transaction: the audit event that names what goes, and its going. Killed between two, what was said is done, and
the next pass does the rest. What is not sealed yet is left for the next pass, so that no gap comes into being before its leaf.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from flightlog.clock import Clock, format_ns
from flightlog.journal.filter import EVERYTHING
from flightlog.journal.history import line_of
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.read import head_id
from flightlog.journal.removed import REMOVAL, Ranges, digest_of, note_removal, ranges_of, remove_rows, rows_left
from flightlog.journal.table import projections
from flightlog.retention.found import Found
from flightlog.retention.holds import COLUMNS, Held, Say, holds
from flightlog.retention.old_runs import OldRuns
from flightlog.retention.parts import File, Files, Part, Row, Summaries
from flightlog.retention.plan import Done, Plan, Tally
from flightlog.retention.rules import Rules
from flightlog.retention.ruling import LOOK_AGAIN_NS, Cap, Look, Ruling, RunFacts, cap_of
from flightlog.store.contract import Store, Tx

PAGE_EVENTS = 2_000  # looked at together
BATCH_EVENTS = 250  # removed in one transaction, so that appends are not kept waiting
RANGES_SHOWN_MAX = 200  # stretches of ids that stand in the audit event itself
WRITE_SECONDS = 60.0  # a removal waits for its turn; nobody is kept waiting by it

_AT = {name: at for at, name in enumerate(COLUMNS)}
_ID, _EVENT_ID, _RUN, _CREATED, _BYTES, _DIGEST = (
    _AT[name] for name in ("id", "event_id", "run_id", "created_at", "payload_bytes", "payload_digest")
)

# Given the seconds that a step took: waits as long as it has to; False to stop.
Pace = Callable[[float], bool]


class Spared(Exception):
    """Something may not be due any more: a hold was placed, or a run is judged otherwise."""


def at_once(seconds: float) -> bool:
    """A pace for somebody who waits."""
    return True


class Retention:
    """Retention of one store. `sealed` says up to which id events may go (None: all); `capped` tells a run once that it has
    more events than it should.
    """

    def __init__(
        self,
        store: Store,
        rules: Callable[[], Rules],
        *,
        say: Say,
        runs: RunFacts,
        parts: Sequence[Part],
        clock: Clock,
        sealed: Callable[[Connection], int | None],
        too_many: Callable[[Connection, int], list[str]],
        warn: Callable[[Tx, str, int], None],
        events_max: int,
        summaries: Summaries,
        files: Files | None = None,
    ) -> None:
        self._store, self._rules, self._say, self._runs, self._parts = store, rules, say, runs, tuple(parts)
        self._clock, self._sealed, self._too_many, self._warn = clock, sealed, too_many, warn
        self._events_max, self._files = events_max, files
        self._old_runs = OldRuns(store, summaries)
        self._told_by = say
        self._one_at_a_time = threading.Lock()
        # Stretches of the tables and files that were looked at, each with when something of it may be due.
        self._memo: dict[object, tuple[int, int | None]] = {}
        self._memo_key: object = None

    # ── what would go ────────────────────────────────────────────────────────────────────────────────────────────

    def rules(self) -> Rules:
        """The rules in force. Raises RetentionInvalid."""
        return self._rules()

    def plan(self) -> Plan:
        """What a pass would do now. Changes nothing. Raises RetentionInvalid."""
        rules, now = self._rules(), self._clock.now_ns()
        with self._store.read() as connection:
            held, end = Held(holds(connection)), self._end(connection)
            caps = self._caps(connection)
            plan = Plan(at=now, tally=Tally(), unsealed=max(0, head_id(connection) - end), capped=sorted(caps))
            files = self._files.listed(connection) if self._files is not None else []
        for _, rows in self._pages(end):
            self._count(plan, rules, held, caps, rows)
        plan.in_tables = plan.tally.events
        for file in files:
            before = plan.tally.events
            for rows in self._rows_of(file):
                self._count(plan, rules, held, caps, rows)
            if plan.tally.events > before:
                plan.add_file(file, plan.tally.events - before)
        plan.runs = self._old_runs.count(rules, now)
        return plan

    def _count(self, plan: Plan, rules: Rules, held: Held, caps: dict[str, Cap], rows: Sequence[Row]) -> None:
        with self._store.read() as connection:
            ruling = self._ruling(rules, plan.at, caps, rows, connection, whatever_is_held=True)
        for row in rows:
            label = ruling.look(row).due_by
            if label is None:
                continue
            if held.by(row) is not None:
                plan.held += 1
            else:
                plan.tally.add(row, label)

    # ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, pace: Pace = at_once, say: Say | None = None) -> Done:
        """Remove what is due; `say` where somebody else than usual has it done.

        Raises RetentionInvalid, and what the store raises; what was removed by then is removed.
        """
        with self._one_at_a_time:
            rules, now, done = self._rules(), self._clock.now_ns(), Done()
            self._told_by = say or self._say
            with self._store.read() as connection:
                standing = holds(connection)
                end, caps = self._end(connection), self._caps(connection)
            done.capped = sorted(caps)
            self._warn_of(caps)
            self._begin_memo((rules.key, [hold.hold_id for hold in standing], caps))
            steps = (
                self._tables(rules, now, caps, end, done),
                self._archive(rules, now, caps, done),
                self._summaries_of_runs(rules, now, done),
            )
            for step in steps:
                began = time.monotonic()
                for _ in step:
                    if not pace(time.monotonic() - began):
                        done.finished = False
                        return done
                    began = time.monotonic()
            return done

    def _tables(self, rules: Rules, now: int, caps: dict[str, Cap], end: int, done: Done) -> Iterator[None]:
        """The events that are in the journal's tables, page by page."""
        for first, rows in self._pages(end, skip=lambda first: self._rests(first, now)):
            with self._store.read() as connection:
                ruling = self._ruling(rules, now, caps, rows, connection)
            looks = [ruling.look(row) for row in rows]
            due = [row for row, look in zip(rows, looks, strict=True) if look.due_by is not None]
            for start in range(0, len(due), BATCH_EVENTS):
                batch = due[start : start + BATCH_EVENTS]
                gone = self._store.write(
                    lambda tx, batch=batch: self._remove(tx, rules, now, caps, batch),  # type: ignore[misc]
                    WRITE_SECONDS,
                )
                if gone is not None:
                    done.add(*gone)
                    done.in_tables += gone[1]
                yield
            if not due:
                self._memo["rows", first] = (rows[-1][_ID], _first_time(looks))
            yield

    def _remove(
        self, tx: Tx, rules: Rules, now: int, caps: dict[str, Cap], rows: Sequence[Row]
    ) -> tuple[int, int, int] | None:
        """Remove those of these rows that are still due, now that nothing else happens."""
        line = line_of(tx.sql)
        # What was archived meanwhile is looked at there; what another process of the same database removed is gone.
        left = rows_left(tx.sql, [row[_ID] for row in rows])
        rows = [row for row in rows if row[_ID] > line and row[_ID] in left]
        ruling = self._ruling(rules, now, caps, rows, tx.sql)
        tally, going = Tally(), []
        for row in rows:
            label = ruling.look(row).due_by
            if label is not None:
                tally.add(row, label)
                going.append(row)
        if not going:
            return None
        ids = [row[_ID] for row in going]
        removal_id = self._tell(tx, now, tally, ranges_of(ids), {"rows_digest": _digest_of_rows(going)})
        self._forget(tx, ids)
        remove_rows(tx, ids)
        return removal_id, tally.events, tally.bytes

    def _tell(self, tx: Tx, now: int, tally: Tally, ranges: Ranges, more: dict[str, Any]) -> int:
        """The audit event of a removal, and which ids it is about."""
        details: dict[str, Any] = {
            "events": tally.events,
            "bytes": tally.bytes,
            "first_id": ranges[0][0],
            "last_id": ranges[-1][1],
            "oldest_at": format_ns(tally.oldest_at or 0),
            "newest_at": format_ns(tally.newest_at or 0),
            "rules": {label: amount.events for label, amount in tally.rules.items()},
            "projects": {name: amount.events for name, amount in list(tally.projects.items())[:50]},
            "ranges": len(ranges),
            "ranges_digest": digest_of(ranges),
            **more,
        }
        if len(ranges) <= RANGES_SHOWN_MAX:
            details["ids"] = ranges
        removal_id = self._told_by(tx, REMOVAL, details)
        note_removal(tx, removal_id, now, ranges)
        return removal_id

    # ── what is looked at ────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, connection: Connection) -> int:
        """The last id that may go: what is sealed; nothing while a projection has yet to take in what was stored before it."""
        behind = select(projections.c.name).where(projections.c.position < projections.c.until_id).limit(1)
        if connection.execute(behind).first() is not None:
            return 0
        sealed = self._sealed(connection)
        return head_id(connection) if sealed is None else min(sealed, head_id(connection))

    def _pages(
        self, end: int, skip: Callable[[int], int | None] = lambda first: None
    ) -> Iterator[tuple[int, Sequence[Row]]]:
        """The rows in the tables up to `end`, with where each page begins. `skip` says up to where nothing is to be looked at."""
        with self._store.read() as connection:
            after = line_of(connection)
        while after < end:
            known = skip(after)
            if known is not None and known > after:
                after = known
                continue
            with self._store.read() as connection:
                after = max(after, line_of(connection))
                rows = rows_of_page(connection, COLUMNS, EVERYTHING, Span(after, end + 1, False), PAGE_EVENTS)
            if not rows:
                return
            yield after, rows
            after = rows[-1][_ID]

    def _ruling(
        self,
        rules: Rules,
        now: int,
        caps: Mapping[str, Cap],
        rows: Sequence[Row],
        connection: Connection,
        *,
        whatever_is_held: bool = False,
    ) -> Ruling:
        """The rules for these rows, with the holds and runs that there are in this snapshot."""
        runs = self._runs(connection, {row[_RUN] for row in rows if row[_RUN] is not None})
        return Ruling(rules, Held(() if whatever_is_held else holds(connection)), now, runs, caps)

    def _caps(self, connection: Connection) -> dict[str, Cap]:
        """The runs that have too many events, and what of them has to go."""
        found = {}
        for run_id in self._too_many(connection, self._events_max):
            cap, _ = cap_of(connection, run_id, self._events_max)
            if cap is not None:
                found[run_id] = cap
        return found

    def _warn_of(self, caps: dict[str, Cap]) -> None:
        for run_id in caps:
            self._store.write(lambda tx, run_id=run_id: self._warn(tx, run_id, self._events_max))  # type: ignore[misc]

    # ── what was looked at before ────────────────────────────────────────────────────────────────────────────────

    def _begin_memo(self, key: object) -> None:
        """What was found by other rules, or under other holds, says nothing."""
        if key != self._memo_key:
            self._memo, self._memo_key = {}, key

    def _rests(self, first: int, now: int) -> int | None:
        """Up to where nothing can be due yet, from this place on."""
        known = self._memo.get(("rows", first))
        if known is None or (known[1] is not None and known[1] <= now):
            return None
        return known[0]

    def _summaries_of_runs(self, rules: Rules, now: int, done: Done) -> Iterator[None]:
        """Looked for once a day."""
        known = self._memo.get("runs")
        if known is not None and known[0] + LOOK_AGAIN_NS > now:
            return
        for runs in self._old_runs.forget(rules, now, self._told_by):
            done.runs += runs
            yield
        self._memo["runs"] = (now, None)

    # ── the archive ──────────────────────────────────────────────────────────────────────────────────────────────

    def _rows_of(self, file: File) -> Iterator[Sequence[Row]]:
        assert self._files is not None
        return self._files.rows(file.file_id, COLUMNS)

    def _archive(self, rules: Rules, now: int, caps: dict[str, Cap], done: Done) -> Iterator[None]:
        """The archive, file by file. All that is in it was sealed before it came there."""
        if self._files is None:
            return
        with self._store.read() as connection:
            listed = self._files.listed(connection)
        for file in listed:
            known = self._memo.get(file.file_id)
            if known is not None and (known[1] is None or known[1] > now):
                continue
            if not caps and (rules.shortest_ns is None or file.received_at_min + rules.shortest_ns > now):
                continue
            found = Found()
            for rows in self._rows_of(file):
                with self._store.read() as connection:
                    facts = self._runs(connection, {row[_RUN] for row in rows if row[_RUN] is not None})
                    standing = holds(connection)
                found.take(rows, Ruling(rules, Held(standing), now, facts, caps), facts, standing)
                yield
            if found.ids:
                yield from self._shrink(file, found, now, done)
            elif found.seen:
                self._memo[file.file_id] = (0, found.again_at)

    def _shrink(self, file: File, found: Found, now: int, done: Done) -> Iterator[None]:
        """Take out of a file what is due: all of it, or the file is written anew without."""
        assert self._files is not None
        ids = sorted(found.ids)
        for start in range(0, len(ids), BATCH_EVENTS):
            # What was taken from the payloads goes first: should the rest not come to be, the next pass does both.
            self._store.write(lambda tx, some=ids[start : start + BATCH_EVENTS]: self._forget(tx, some), WRITE_SECONDS)  # type: ignore[misc]
            yield
        ranges = ranges_of(ids)
        more = {"file": file.path, "file_digest": file.digest.hex(), "file_events": file.events}
        removal_ids: list[int] = []

        def also(tx: Tx) -> None:
            if found.is_otherwise(holds(tx.sql), self._runs(tx.sql, found.runs.keys())):
                raise Spared
            removal_ids.append(self._tell(tx, now, found.tally, ranges, more))

        whole = len(ids) == found.seen
        try:
            gone = self._files.drop(file.file_id, also) if whole else self._files.rewrite(file.file_id, found.ids, also)
        except Spared:
            return  # the next pass looks anew
        if gone:
            done.add(removal_ids[-1], found.tally.events, found.tally.bytes)
            done.files_dropped += whole
            done.files_rewritten += not whole
        yield

    def _forget(self, tx: Tx, ids: Sequence[int]) -> None:
        for part in self._parts:
            part(tx, ids)


def _first_time(looks: Sequence[Look]) -> int | None:
    """When something of what was looked at may be due at the earliest; None for never."""
    return min((look.again_at for look in looks if look.again_at is not None), default=None)


def _digest_of_rows(rows: Sequence[Row]) -> str:
    """SHA-256 in hex over what went: for each event a line of id, event id and the digest of its payload, as JSON."""
    digest = sha256()
    for row in rows:
        digest.update(msgspec.json.encode((row[_ID], row[_EVENT_ID], bytes(row[_DIGEST]).hex())) + b"\n")
    return digest.hexdigest()
