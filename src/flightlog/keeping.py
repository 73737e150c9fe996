"""Where retention is introduced to the rooms that hold something of events."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec

from flightlog.clock import Clock
from flightlog.events.envelope import Event
from flightlog.wiring import Keeper, make_intake

if TYPE_CHECKING:
    from flightlog.archive.place import Place
    from flightlog.retention.holds import Say
    from flightlog.retention.keep import Retention
    from flightlog.store.contract import Tx


def say_retained(keeper: Keeper, actor: str, clock: Clock | None = None) -> Say:
    """How retention says what it did: an audit event in its own transaction."""
    from flightlog.audit.record import admin_event

    care = make_intake(keeper.folder, keeper.settings)

    def say(tx: Tx, operation: str, details: dict[str, Any]) -> int:
        subject = "events" if operation == "retention.remove" else "hold"
        event = admin_event(
            operation,
            actor=actor,
            subject_type=subject,
            subject_id=details.get("hold_id"),
            details=details,
            project=keeper.settings.project,
            care=care,
            clock=clock,
        )
        return keeper.journal.append_in(tx, [event]).ids[0]

    return say


def keeper_retention(
    keeper: Keeper, actor: str, clock: Clock | None = None, place: Callable[[], Place] | None = None
) -> Retention:
    """What removes from this folder what is due, in every room that holds something of it. `actor` is who has it done, `place`
    the archive where others of this process change it too.
    """
    from sqlalchemy import Connection, select

    from flightlog.archive.objects import open_objects
    from flightlog.archive.place import Place
    from flightlog.archive.reader import ARCHIVE_FOLDER
    from flightlog.archive.retain import ArchiveFiles
    from flightlog.clock import SystemClock
    from flightlog.journal.filter import EventFilter
    from flightlog.journal.lookup import rows_of_page
    from flightlog.journal.plan import Span
    from flightlog.retention.keep import Retention
    from flightlog.retention.rules import CAP, Mark, RunFact, load_rules
    from flightlog.runs import retire
    from flightlog.seal.erase import erase as in_seal
    from flightlog.seal.table import seal_state

    settings = keeper.settings
    clock = clock or SystemClock()

    def runs(connection: Connection, run_ids: Collection[str]) -> dict[str, RunFact]:
        found = retire.standings(connection, run_ids).items()
        return {
            run_id: RunFact(one.status, one.last_event_at, [Mark(*mark) for mark in one.marks]) for run_id, one in found
        }

    def sealed(connection: Connection) -> int | None:
        size = connection.execute(select(seal_state.c.size)).scalar()
        return int(size or 0) if settings.seal else None

    def warn(tx: Tx, run_id: str, events_max: int) -> None:
        told = EventFilter(run_id=run_id, types=("degraded",), name=CAP)
        if not rows_of_page(tx.sql, ("id",), told, Span(0, None, False), 1):
            keeper.journal.append_in(tx, [_too_long(run_id, events_max, settings.project, clock)])

    def own_place() -> Place:
        objects = open_objects(keeper.folder / ARCHIVE_FOLDER, settings.archive_url, settings.archive_s3_endpoint)
        database = keeper.folder / "flightlog.db"
        return Place(keeper.store, database, objects, clock, grace_seconds=settings.archive_grace_seconds)

    return Retention(
        keeper.store,
        lambda: load_rules(keeper.folder, settings),
        say=say_retained(keeper, actor, clock),
        runs=runs,
        parts=[retire.forget_contents, in_seal],
        clock=clock,
        sealed=sealed,
        too_many=retire.too_many,
        warn=warn,
        events_max=settings.run_events_max,
        summaries=retire.RunSummaries(),
        files=ArchiveFiles(place or own_place),
    )


def _too_long(run_id: str, events_max: int, project: str, clock: Clock) -> Event:
    """What is said once, in the run itself, when it has more events than it should."""
    from flightlog.events.payload import encode_payload
    from flightlog.ids import SystemIds
    from flightlog.retention.rules import CAP

    now = clock.now_ns()
    detail = f"the run has more than {events_max} events: its oldest debug events go first, then its oldest info events"
    return Event(
        event_id=SystemIds().event_id(now),
        type="degraded",
        created_at=now,
        run_id=run_id,
        project=project,
        name=CAP,
        level="warn",
        source="flightlog",
        payload=msgspec.Raw(encode_payload({"reason": CAP, "detail": detail}).data),
    )
