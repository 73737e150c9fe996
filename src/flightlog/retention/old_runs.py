"""The end of summaries: what is kept of runs, generations and feedback beyond their events goes at last too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.removed import REMOVAL, removed_when
from flightlog.retention.holds import Held, Say, holds
from flightlog.retention.parts import OldRun, Summaries
from flightlog.retention.rules import AUDIT_TYPES, Rules
from flightlog.store.contract import Store, Tx

RUNS_AT_ONCE = 500
RUNS_SHOWN_MAX = 200  # runs that are named in the audit event
WRITE_SECONDS = 60.0
FIRST = (-(2**62), "")


class OldRuns:
    """A run is over for good when nothing is left of it but what was said about it, its last event was removed long enough ago,
    and nobody holds it.
    """

    def __init__(self, store: Store, summaries: Summaries) -> None:
        self._store, self._summaries = store, summaries

    def count(self, rules: Rules, now: int) -> int:
        """How many runs are over for good."""
        return sum(len(over) for over in self._pieces(rules, now))

    def forget(self, rules: Rules, now: int, say: Say) -> Iterator[int]:
        """Delete their summaries, a piece at a time, and then what belongs to no run; gives the number of runs of each piece."""
        if rules.summaries_ns is None:
            return
        before = now - rules.summaries_ns
        for over in self._pieces(rules, now):
            if over:
                yield self._store.write(lambda tx, over=over: self._forget(tx, over, before, say), WRITE_SECONDS)  # type: ignore[misc]
            else:
                yield 0
        while self._store.write(lambda tx: self._forget_runless(tx, before, say), WRITE_SECONDS):
            yield 0

    def _pieces(self, rules: Rules, now: int) -> Iterator[list[OldRun]]:
        if rules.summaries_ns is None:
            return
        before, after = now - rules.summaries_ns, FIRST
        while True:
            with self._store.read() as connection:
                found = self._summaries.old(connection, before, after, RUNS_AT_ONCE)
                held = Held(holds(connection)).runs
                over = [run for run in found if self._is_over(connection, run, before, held)]
            if not found:
                return
            yield over
            after = found[-1][:2]

    def _is_over(self, connection: Connection, run: OldRun, before: int, held: set[str]) -> bool:
        _, run_id, last_event_at, last_event_id = run
        if run_id in held:
            return False
        left = EventFilter(run_id=run_id, also=(Condition(field="type", values=tuple(AUDIT_TYPES), negated=True),))
        if rows_of_page(connection, ("id",), left, Span(0, None, False), 1):
            return False
        removed_at = removed_when(connection, last_event_id)
        return (last_event_at if removed_at is None else removed_at) <= before

    def _forget(self, tx: Tx, over: Sequence[OldRun], before: int, say: Say) -> int:
        held = Held(holds(tx.sql)).runs
        run_ids = [run[1] for run in over if self._is_over(tx.sql, run, before, held)]
        rows = self._summaries.forget(tx, run_ids)
        if rows:
            details = {"runs": len(run_ids), "summary_rows": rows, "run_ids": run_ids[:RUNS_SHOWN_MAX]}
            say(tx, REMOVAL, details)
        return len(run_ids)

    def _forget_runless(self, tx: Tx, before: int, say: Say) -> int:
        rows = self._summaries.forget_runless(tx, before, RUNS_AT_ONCE)
        if rows:
            say(tx, REMOVAL, {"runs": 0, "summary_rows": rows})
        return rows
