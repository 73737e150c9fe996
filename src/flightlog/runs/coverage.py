"""Model calls that are told twice: a framework records a call, and the client below it records it again.

A call is *covered* by another that lies below it in the trace and says what it used, with no tool between them; the innermost
counts, since it is nearest to the provider. Our recorder's `llm` makes no span of its own: its call is covered by one that lies
below the same span, began and ended within it, and is of the same model. Whichever comes first, the same calls are covered.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, or_, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.journal.table import run_events
from flightlog.runs.calls import Call
from flightlog.runs.generation_table import generations
from flightlog.store.contract import Tx
from flightlog.store.prepared import Listed

SPANS_BETWEEN_MAX = 32
SKEW_NS = 10_000_000_000  # clocks of two machines may differ so much, and what is below may seem to begin before
TOTALS = ("tokens_input", "tokens_output", "tokens_cached_input", "tokens_reasoning", "cost_nano_usd")

_SPANS = frozenset({"llm_response", "span_finished", "tool_result"})
_NODES = Listed(
    lambda ids: select(
        run_events.c.event_id, run_events.c.type, run_events.c.run_id, run_events.c.parent_span_id
    ).where(run_events.c.event_id.in_(ids))
)
_a, _c = generations.alias("a"), generations.alias("c")
_COVER = update(generations).where(generations.c.id == bindparam("key")).values(covered=1)


def _within(*where: ColumnElement[bool]) -> Select[Any]:
    """Calls that say what they used and may lie within those that are meant, as a Teller has them."""
    return select(*(_c.c[name] for name in Teller._fields)).where(
        _c.c.run_id == _a.c.run_id,
        _c.c.started_at.between(_a.c.started_at - SKEW_NS, _a.c.ended_at + SKEW_NS),
        _c.c.request_id.is_(None),
        _c.c.trace_id.is_not(None),
        _c.c.parent_span_id.is_not(None),
        or_(_c.c.tokens_input.is_not(None), _c.c.tokens_output.is_not(None)),
        *where,
    )


def _counted(*where: ColumnElement[bool]) -> Select[Any]:
    return select(*(generations.c[name] for name in _Counted._fields)).where(generations.c.covered.is_(None), *where)


_WITHIN_SPANS = Listed(lambda ids: _within(_a.c.generation_id.in_(ids)))
_WITHIN_RECORDED = Listed(
    lambda ids: _within(_a.c.span_id.in_(ids), _a.c.request_id.is_not(None), _a.c.answer_id.is_not(None))
)
_SPANS_ABOVE = Listed(lambda ids: _counted(generations.c.generation_id.in_(ids), generations.c.request_id.is_(None)))
_RECORDED_ABOVE = Listed(
    lambda ids: _counted(
        generations.c.span_id.in_(ids), generations.c.request_id.is_not(None), generations.c.answer_id.is_not(None)
    )
)


Totals = dict[str, int]


class Teller(NamedTuple):
    """A finished span of a model call that says what it used."""

    run_id: str
    trace_id: str
    parent_span_id: str
    started_at: int
    ended_at: int
    model: str | None
    request_model: str | None

    @property
    def place(self) -> _Place:
        return self.run_id, self.trace_id, self.parent_span_id


_Place = tuple[str, str, str]  # a run, a trace, and a span in it


class _Node(NamedTuple):
    event_id: str
    type: str
    run_id: str | None
    parent_span_id: str | None


class _Counted(NamedTuple):
    """A call that counts so far."""

    id: int
    run_id: str | None
    span_id: str | None
    request_id: int | None
    started_at: int
    ended_at: int | None
    model: str | None
    request_model: str | None
    tokens_input: int | None
    tokens_output: int | None
    tokens_cached_input: int | None
    tokens_reasoning: int | None
    cost_nano_usd: int | None


class Coverage:
    """What a batch of calls covers, and what covers them. `known` are the runs that were there before the batch."""

    def __init__(self, tx: Tx, events: Sequence[StoredEvent], calls: Sequence[Call], known: Container[str]) -> None:
        self._tx = tx
        self._known = known
        self._events = events
        self._own = {call.generation_id: call for call in calls if call.own_span}
        self._recorded = [call for call in calls if not call.own_span and call.event.span_id is not None]
        self._tellers = [teller for call in self._own.values() if (teller := _teller(call)) is not None]
        self._nodes: dict[str, Any] = {}
        self._chains: dict[_Place, list[str]] = {}

    def mark_new(self) -> None:
        """Mark calls of the batch that other calls of it cover."""
        if len(self._own) < 2:
            return
        self._climb(teller.place for teller in self._tellers)
        for teller in self._tellers:
            for span_id in self._chains[teller.place]:
                above = self._own.get(f"{teller.run_id}-{span_id}")
                if above is not None and _may_hold(_began(above.event), above.event.created_at, teller):
                    above.covered = True

    def mark_stored(self) -> dict[str, Totals]:
        """Mark the rows that calls of the batch cover, and those that earlier calls do now that the batch is there; by run,
        what no longer counts. Call it when the batch has its rows."""
        recorders = {call.event.run_id for call in self._recorded}
        tellers = [one for one in self._tellers if one.run_id in self._known or one.run_id in recorders]
        tellers += self._earlier()
        if not tellers:
            return {}
        self._climb(teller.place for teller in tellers)
        of_spans = {f"{one.run_id}-{span_id}" for one in tellers for span_id in self._chains[one.place]}
        spans = {span_id for one in tellers for span_id in self._chains[one.place]}
        found = [*_SPANS_ABOVE.rows(self._tx, sorted(of_spans)), *_RECORDED_ABOVE.rows(self._tx, sorted(spans))]
        above: dict[tuple[str | None, str | None], list[_Counted]] = {}
        for row in map(_Counted._make, found):
            above.setdefault((row.run_id, row.span_id), []).append(row)
        covered = {
            row.id: row
            for one in tellers
            for span_id in self._chains[one.place]
            for row in above.get((one.run_id, span_id), ())
            if _covers(one, row)
        }
        return self._cover(covered)

    def _earlier(self) -> list[Teller]:
        """Calls from before that lie within a call which is new, or which a new span may be the link to."""
        own = [key for key, call in self._own.items() if call.event.run_id in self._known]
        own += [call.generation_id for call in self._recorded]
        links = [
            (event.run_id, event.trace_id, event.parent_span_id)
            for event in self._events
            if event.type == "span_finished"
            and event.run_id in self._known
            and event.run_id is not None
            and event.trace_id is not None
            and event.parent_span_id is not None
            and event.event_id == f"{event.trace_id}-{event.span_id}"
        ]
        spans: list[str] = []
        if links:
            self._climb(links)
            own += {f"{link[0]}-{span_id}" for link in links for span_id in self._chains[link]}
            spans = [*{span_id for link in links for span_id in self._chains[link]}]
        found = [*_WITHIN_SPANS.rows(self._tx, own), *_WITHIN_RECORDED.rows(self._tx, spans)]
        return list({Teller._make(row): None for row in found})

    def _climb(self, places: Iterable[_Place]) -> None:
        """Fill `_chains`: from each place the spans that lie above what is there, up to a tool or to one that is not known."""
        if not self._nodes:
            self._nodes = {event.event_id: event for event in self._events if event.type in _SPANS}
        at = {place: place[2] for place in places if place not in self._chains}
        self._chains.update({place: [span_id] for place, span_id in at.items()})
        for _ in range(SPANS_BETWEEN_MAX):
            self._load({f"{place[1]}-{span_id}" for place, span_id in at.items() if place[0] in self._known})
            further: dict[_Place, str] = {}
            for place, span_id in at.items():
                node = self._nodes.get(f"{place[1]}-{span_id}")
                if node is None or node.type == "tool_result" or node.run_id != place[0]:
                    continue
                if node.parent_span_id is not None and node.parent_span_id not in self._chains[place]:
                    further[place] = node.parent_span_id
                    self._chains[place].append(node.parent_span_id)
            at = further
            if not at:
                return

    def _load(self, event_ids: set[str]) -> None:
        missing = [event_id for event_id in event_ids if event_id not in self._nodes]
        self._nodes.update(dict.fromkeys(missing))
        for row in map(_Node._make, _NODES.rows(self._tx, missing)):
            self._nodes[row.event_id] = row

    def _cover(self, rows: Mapping[int, _Counted]) -> dict[str, Totals]:
        if rows:
            self._tx.sql.execute(_COVER, [{"key": row_id} for row_id in rows])
        told: dict[str, Totals] = {}
        for row in rows.values():
            if row.run_id is not None:
                totals = told.setdefault(row.run_id, dict.fromkeys(TOTALS, 0))
                for name in TOTALS:
                    totals[name] += getattr(row, name) or 0
        return told


def _teller(call: Call) -> Teller | None:
    event = call.event
    if call.tokens_input is None and call.tokens_output is None:
        return None
    if event.run_id is None or event.trace_id is None or event.parent_span_id is None:
        return None
    model = call.models[0] if call.models else None
    return Teller(
        event.run_id, event.trace_id, event.parent_span_id, _began(event), event.created_at, model, call.request_model
    )


def _began(event: StoredEvent) -> int:
    return max(0, event.created_at - (event.duration_ns or 0))


def _may_hold(started_at: int, ended_at: int, teller: Teller) -> bool:
    return started_at - SKEW_NS <= teller.started_at <= ended_at + SKEW_NS


def _covers(teller: Teller, row: _Counted) -> bool:
    if row.ended_at is None:
        return False
    if row.request_id is None:
        return _may_hold(row.started_at, row.ended_at, teller)
    models = {name for name in (teller.model, teller.request_model) if name}
    return (
        row.started_at <= teller.started_at
        and teller.ended_at <= row.ended_at
        and (row.model in models or row.request_model in models)
    )
