"""Which events are due: the rules, the holds and the runs of one moment, asked of rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.retention.holds import COLUMNS, Held
from flightlog.retention.rules import AUDIT_TYPES, CAP, Facts, Rules, RunFact

_AT = {name: at for at, name in enumerate(COLUMNS)}
_ID, _TYPE, _RUN, _LEVEL, _RECEIVED = (_AT[name] for name in ("id", "type", "run_id", "level", "received_at"))
_FACTS = itemgetter(*(_AT[name] for name in Facts._fields))
LOOK_AGAIN_NS = 24 * 3600 * 1_000_000_000  # what depends on a run may be otherwise by then

# What says how a run began and ended, what was lost, what people thought of it: not what a cap is for.
CAP_SPARES = AUDIT_TYPES | {"run_started", "run_finished", "degraded", "feedback"}

RunFacts = Callable[[Connection, Collection[str]], Mapping[str, RunFact]]


class Cap(NamedTuple):
    """Of a run with too many events: up to which ids those of these levels go."""

    debug_until: int
    info_until: int


class Look(NamedTuple):
    """What a look at one event found: the rule it is due by, or None and when it may be due at the earliest (None: never)."""

    due_by: str | None
    again_at: int | None


class Ruling:
    """The rules at one moment. `runs` are those of the rows that it is asked of."""

    def __init__(
        self, rules: Rules, held: Held, now_ns: int, runs: Mapping[str, RunFact], caps: Mapping[str, Cap] | None = None
    ) -> None:
        self._rules, self._held, self._now, self._runs, self._caps = rules, held, now_ns, runs, caps or {}

    def look(self, row: Sequence[Any]) -> Look:
        """Whether this event (read as COLUMNS) is due."""
        run = self._runs.get(row[_RUN]) if row[_RUN] is not None else None
        verdict = self._rules.verdict(Facts._make(_FACTS(row)), run)
        due_by, again_at = None, None
        if verdict.keep_ns is not None:
            again_at = row[_RECEIVED] + verdict.keep_ns
            if again_at <= self._now and not _is_open(run, verdict.keep_ns, self._now):
                due_by = verdict.rule
        if due_by is None and row[_RUN] in self._caps and _is_capped(row, self._caps[row[_RUN]]):
            due_by = CAP
        if due_by is not None and self._held.by(row) is not None:
            return Look(None, None)  # a hold that is released changes what this is remembered by
        if due_by is None and self._rules.asks_run and row[_RUN] is not None:
            again_at = min(again_at or self._now + LOOK_AGAIN_NS, self._now + LOOK_AGAIN_NS)
        return Look(due_by, again_at)


def _is_open(run: RunFact | None, keep_ns: int, now_ns: int) -> bool:
    """A run that is not over is left alone until it was silent for as long as its events are kept."""
    return run is not None and run.status == "running" and run.last_event_at + keep_ns > now_ns


def _is_capped(row: Sequence[Any], cap: Cap) -> bool:
    if row[_TYPE] in CAP_SPARES:
        return False
    until = {"debug": cap.debug_until, "info": cap.info_until}.get(row[_LEVEL], 0)
    return bool(row[_ID] <= until)


CAP_PAGE = 20_000


def cap_of(connection: Connection, run_id: str, events_max: int) -> tuple[Cap | None, int]:
    """What has to go of a run that has more events than that, the oldest debug events first, then the oldest info events; and
    how many there are. None where nothing has to go, or nothing can.
    """
    ids: dict[str, list[int]] = {"debug": [], "info": []}
    present, after = 0, 0
    while True:
        rows = rows_of_page(
            connection, ("id", "level", "type"), EventFilter(run_id=run_id), Span(after, None, False), CAP_PAGE
        )
        for row_id, level, type_ in rows:
            if level in ids and type_ not in CAP_SPARES:
                ids[level].append(row_id)
        present += len(rows)
        if len(rows) < CAP_PAGE:
            break
        after = rows[-1][0]
    excess = present - events_max
    if excess <= 0:
        return None, present
    debug, info = ids["debug"][:excess], ids["info"][: max(0, excess - len(ids["debug"]))]
    if not debug and not info:
        return None, present
    return Cap(debug[-1] if debug else 0, info[-1] if info else 0), present
