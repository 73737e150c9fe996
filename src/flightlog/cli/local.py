"""Reading a data folder's store, beside whoever writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from flightlog.cli.output import hint
from flightlog.cli.query import Doc, EventQuery, GenerationQuery, Recompute, RunQuery
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.ops.spools import look_at_spool
from flightlog.store.lock import holder
from flightlog.wiring import SEAL_FOLDER, SPOOL_FOLDER, Keeper, seal_keys

FOLLOW_SECONDS = 1.0
HINT_BYTES_MAX = 16 * 1024 * 1024  # as much of a spool is looked through for the hint; more is "at least"


class FolderSource:
    """The store of a folder, read-only. Needs the server extra."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.load(folder)
        try:
            self._keeper = Keeper(folder, self.settings, writable=False)
        except FlightlogError:
            hint_at_spool(folder)
            raise
        hint_at_spool(folder, self._keeper.journal.position)
        self._store = self._keeper.store

    def runs(self, query: RunQuery, limit: int | None = None, cursor: str | None = None) -> Doc:
        from flightlog.api.shapes import run_page_shape
        from flightlog.clock import SystemClock
        from flightlog.filters.compile import narrowed_runs, run_filter
        from flightlog.runs.filter import RunFilter
        from flightlog.runs.listing import NEWEST, list_runs

        fields = msgspec.structs.asdict(query)
        asked, sort = fields.pop("q"), fields.pop("sort") or NEWEST
        wanted = narrowed_runs(run_filter(asked or "", SystemClock().now_ns()), RunFilter(**fields))
        page = list_runs(self._store, wanted, sort=sort, limit=limit, cursor=cursor, settings=self.settings)
        return document(run_page_shape(page))

    def run(self, run_id: str) -> Doc:
        from flightlog.api.shapes_feedback import run_detail_shape
        from flightlog.runs.feedback import feedback_on
        from flightlog.runs.summary import get_run

        found = get_run(self._store, run_id, settings=self.settings)
        return document(run_detail_shape(found, feedback_on(self._store, run_id=run_id)))

    def compare(self, left: str, right: str) -> Doc:
        from flightlog.api.shapes_compare import comparison_shape
        from flightlog.runs.compare import compare_runs

        return document(comparison_shape(compare_runs(self._store, left, right, settings=self.settings)))

    def report(self, run_id: str, form: str, link_base: str | None) -> bytes:
        from flightlog.reports.render import checked_base, render
        from flightlog.reports.run import run_report
        from flightlog.seal.state import read_seal

        checked_base(link_base)
        folder = self._keeper.folder
        seal = read_seal(self._store, folder / SEAL_FOLDER, seal_keys(folder, self.settings))
        return render(run_report(self._store, run_id, seal=seal, settings=self.settings), form, link_base)

    def generations(
        self, query: GenerationQuery, limit: int | None = None, cursor: str | None = None, count: bool = False
    ) -> Doc:
        from flightlog.api.shapes_generations import generation_page_shape
        from flightlog.clock import SystemClock
        from flightlog.filters.compile import generation_filter, narrowed_generations
        from flightlog.runs.generation_filter import GenerationFilter
        from flightlog.runs.generations import NEWEST, list_generations

        fields = msgspec.structs.asdict(query)
        asked, sort = fields.pop("q"), fields.pop("sort") or NEWEST
        wanted = narrowed_generations(
            generation_filter(asked or "", SystemClock().now_ns()), GenerationFilter(**fields)
        )
        page = list_generations(
            self._store, wanted, sort=sort, limit=limit, cursor=cursor, count=count, settings=self.settings
        )
        return document(generation_page_shape(page))

    def generation(self, generation_id: str) -> Doc:
        from flightlog.api.shapes_generations import generation_detail_shape
        from flightlog.ingest.otlp.remap import as_understood
        from flightlog.runs.feedback import feedback_on
        from flightlog.runs.generation_content import read_content
        from flightlog.runs.generations import get_generation

        found = get_generation(self._store, generation_id)
        said = feedback_on(self._store, generation_id=generation_id)
        return document(
            generation_detail_shape(found, read_content(self._store, found, as_understood(self._store)), said)
        )

    def prices(self, model: str | None, provider: str | None) -> Doc:
        from flightlog.api.shapes_generations import PricesShape, price_shape
        from flightlog.runs.pricing import prices_for

        found = prices_for(self._keeper.prices.current, model, provider)
        return document(PricesShape([price_shape(price) for price in found]))

    def events(
        self,
        query: EventQuery,
        *,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int | None = None,
        latest: bool = False,
    ) -> Doc:
        from flightlog.api.shapes import event_page_shape
        from flightlog.journal.read import read_events

        page = read_events(
            self._store,
            event_filter_of(query),
            after_id=after_id,
            before_id=before_id,
            limit=limit,
            backwards=latest,
            settings=self.settings,
        )
        return document(event_page_shape(page, payloads=True))

    def event(self, event_id: str) -> Doc:
        from flightlog.api.shapes import event_shape
        from flightlog.journal.read import get_event

        return document(event_shape(get_event(self._store, event_id)))

    def head(self) -> int:
        from flightlog.journal.read import head_id

        with self._store.read() as connection:
            return head_id(connection)

    def follow(self, query: EventQuery, after_id: int) -> Iterator[list[Doc]]:
        from flightlog.api.shapes import event_shape
        from flightlog.journal.tail import Tail

        tail = Tail(self._store, event_filter_of(query), after_id, settings=self.settings)
        while True:
            yield [document(event_shape(event)) for event in tail.next(FOLLOW_SECONDS)]

    def close(self) -> None:
        self._keeper.close()


class FolderPricing:
    """A folder whose costs are worked out again: read-only for a dry run, else this process is its writer."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.settings = Settings.load(folder)
        self._keeper = Keeper(folder, self.settings, writable=writable, take_lock=writable)

    def recompute(self, wanted: Recompute) -> Doc:
        from flightlog.api.shapes_generations import recomputed_shape
        from flightlog.audit.actors import os_actor
        from flightlog.clock import SystemClock
        from flightlog.filters.compile import generation_filter, narrowed_generations
        from flightlog.filters.params import moment
        from flightlog.ids import SystemIds
        from flightlog.runs.generation_filter import GenerationFilter
        from flightlog.runs.reprice import recompute_costs

        now = SystemClock().now_ns()
        plain = GenerationFilter(
            models=() if wanted.model is None else (wanted.model,),
            since=moment("since", wanted.since, now),
            until=moment("until", wanted.until, now),
        )
        made = recompute_costs(
            self._keeper.store,
            self._keeper.journal,
            self._keeper.prices.current,
            narrowed_generations(generation_filter(wanted.q or "", now), plain),
            ids=SystemIds(),
            dry_run=wanted.dry_run,
            project=self.settings.project,
            actor=os_actor(),
        )
        return document(recomputed_shape(made))

    def close(self) -> None:
        self._keeper.close()


def event_filter_of(query: EventQuery) -> Any:
    """The journal's own filter for what was asked. Raises QueryInvalid."""
    from flightlog.clock import SystemClock
    from flightlog.filters.compile import event_filter, narrowed_events
    from flightlog.journal.read import EventFilter

    fields = msgspec.structs.asdict(query)
    asked = fields.pop("q")
    return narrowed_events(event_filter(asked or "", SystemClock().now_ns()), EventFilter(**fields))


def document(shape: Any) -> Doc:
    """A shape of the HTTP API as the document that a client of it would read."""
    found: Doc = msgspec.json.decode(msgspec.json.encode(shape))
    return found


def hint_at_spool(folder: Path, position: Callable[[str], int] | None = None) -> None:
    """Say on standard error when events wait in the spool and nobody is there to deliver them."""
    if holder(folder) is not None:
        return
    spools = look_at_spool(folder / SPOOL_FOLDER, position, bytes_max=HINT_BYTES_MAX)
    waiting = sum(spool.events for spool in spools)
    if waiting:
        some = "at least " if any(not spool.whole for spool in spools) else ""
        hint(f"{some}{count(waiting, 'event')} {'waits' if waiting == 1 else 'wait'} in the spool; "
             "run `flightlog drain` or `flightlog up`")  # fmt: skip
