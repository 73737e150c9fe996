"""What reading verbs ask for, and what they ask: both a folder's store and a server give the HTTP API's documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

Doc = dict[str, Any]


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: every field that is given has to hold. Named as in the journal's own filter; `q` is a query in words."""

    project: str | None = None
    run_id: str | None = None
    types: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None
    task_id: str | None = None
    correlation_id: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs. `name` is a part of the name, `q` a query in words."""

    project: str | None = None
    statuses: tuple[str, ...] = ()
    actor: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None
    sort: str | None = None


class GenerationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which model calls. `q` is a query in words."""

    project: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None
    sort: str | None = None


class Recompute(msgspec.Struct, frozen=True, kw_only=True):
    """Which model calls are priced anew, as the HTTP API takes it."""

    q: str | None = None
    since: str | None = None
    until: str | None = None
    model: str | None = None
    dry_run: bool = False


class Pricing(Protocol):
    """Something that can work costs out again."""

    def recompute(self, wanted: Recompute) -> Doc:
        """`{dry_run, looked_at, changed, before_usd, after_usd, models, event_ids}`."""

    def close(self) -> None:
        """Let go of it."""


class Source(Protocol):
    """Something that can be asked for runs and events."""

    def runs(self, query: RunQuery, limit: int | None = None, cursor: str | None = None) -> Doc:
        """`{runs, nextCursor}`, newest first."""

    def run(self, run_id: str) -> Doc:
        """One run's summary. Raises RunNotFound."""

    def compare(self, left: str, right: str) -> Doc:
        """Two runs side by side: `{left, right, totals, rows, complete}`. Raises RunNotFound."""

    def report(self, run_id: str, form: str, link_base: str | None) -> bytes:
        """The report of a run as md, html or json. Raises RunNotFound, BadInput."""

    def generations(
        self, query: GenerationQuery, limit: int | None = None, cursor: str | None = None, count: bool = False
    ) -> Doc:
        """`{generations, nextCursor}` and, counted, `total`; newest first."""

    def generation(self, generation_id: str) -> Doc:
        """One model call with what was said. Raises GenerationNotFound."""

    def prices(self, model: str | None, provider: str | None) -> Doc:
        """`{prices}`: all of them, or those that fit a model's name."""

    def events(
        self,
        query: EventQuery,
        *,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int | None = None,
        latest: bool = False,
    ) -> Doc:
        """`{events, nextAfterId, nextBeforeId, more}`, oldest first."""

    def event(self, event_id: str) -> Doc:
        """One event with its payload. Raises EventNotFound."""

    def head(self) -> int:
        """The id of the newest event; 0 when there is none."""

    def follow(self, query: EventQuery, after_id: int) -> Iterator[list[Doc]]:
        """What comes after this id, for ever. Empty lists are moments without news."""

    def close(self) -> None:
        """Let go of it."""
