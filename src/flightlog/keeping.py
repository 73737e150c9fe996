"""Where retention and erasure are introduced to the rooms that hold something of events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flightlog.archiving import keeper_place
from flightlog.clock import Clock
from flightlog.events.envelope import Event
from flightlog.wiring import SPOOL_FOLDER, Keeper, make_intake

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from flightlog.archive.cache import ArchiveCache
    from flightlog.archive.place import Place
    from flightlog.erasure.erase import Eraser
    from flightlog.journal.filter import EventFilter
    from flightlog.retention.holds import Say
    from flightlog.retention.janitor import Janitor
    from flightlog.retention.keep import Retention
    from flightlog.store.contract import Tx


def say_retained(keeper: Keeper, actor: str, clock: Clock | None = None) -> Say:
    """How retention says what it did: an audit event in its own transaction."""
    from flightlog.audit.record import admin_event
    from flightlog.journal.removed import REMOVAL

    care = make_intake(keeper.folder, keeper.settings)

    def say(tx: Tx, operation: str, details: dict[str, Any]) -> int:
        subject = "events" if operation == REMOVAL else "hold"
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
    from sqlalchemy import select

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
        files=ArchiveFiles(place or (lambda: keeper_place(keeper, clock))),
    )


def keeper_janitor(keeper: Keeper, clock: Clock | None = None) -> Janitor:
    """Who comes by and removes what is due in a process whose job is to keep the store; not started yet."""
    from flightlog.clock import SystemClock
    from flightlog.retention.janitor import Janitor

    settings = keeper.settings
    return Janitor(
        keeper_retention(keeper, "janitor", clock),
        seconds=settings.retention_every_seconds,
        share_max=settings.retention_share_max,
        clock=clock or SystemClock(),
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


class _KeptTasks:
    """Tasks that are kept longer than the events of their runs."""

    def found(self, connection: Connection, wanted: EventFilter, count: int) -> list[tuple[str, str]]:
        from flightlog.tasks.erase import left_over

        return left_over(connection, wanted, count)

    def check(self, connection: Connection, ids: Sequence[str]) -> None:
        from flightlog.errors import EventsHeld
        from flightlog.journal.lookup import chunks
        from flightlog.working.holding import held_tasks

        for some in chunks(ids):
            for hold in held_tasks(connection, some).values():
                raise EventsHeld(count=1, hold=hold.hold_id, reason=hold.reason)

    def forget(self, tx: Tx, ids: Sequence[str]) -> None:
        from flightlog.tasks.erase import empty

        empty(tx, ids)

    def stands(self, connection: Connection, piece: str) -> bool:
        from flightlog.tasks.erase import stands

        return stands(connection, piece)


def keeper_eraser(keeper: Keeper) -> Eraser:
    """What erases payloads in this folder, in every room that holds something of them."""
    from flightlog.archive.erase import ArchiveErasure
    from flightlog.archive.reader import ArchiveHistory
    from flightlog.audit.erase import erase as in_audits
    from flightlog.deadletters.erase import erase as in_letters
    from flightlog.erasure.erase import Eraser
    from flightlog.journal.removed import REMOVAL
    from flightlog.retention.holds import HOLD, RELEASE
    from flightlog.retention.holds import guard_of as held
    from flightlog.runs.erase import erase as in_runs
    from flightlog.seal.erase import erase as in_seal
    from flightlog.seal.verify import ERASURE
    from flightlog.tasks.erase import erase as in_tasks
    from flightlog.tasks.erase import guard_of as under_way

    folder = keeper.folder

    def guard(connection: Connection) -> Callable[[Sequence[int]], None] | None:
        checks = [check for asked in (held, under_way) if (check := asked(connection)) is not None]

        def all_of_them(ids: Sequence[int]) -> None:
            for check in checks:
                check(ids)

        return all_of_them if checks else None

    def database_files() -> list[Path]:
        return sorted(path for path in folder.glob("flightlog.db*") if path.is_file())

    def archive() -> tuple[Place, ArchiveCache]:
        assert isinstance(keeper.store.history, ArchiveHistory)
        return keeper_place(keeper), keeper.store.history.cache

    return Eraser(
        keeper.store,
        database_files,
        folder / SPOOL_FOLDER,
        [in_runs, in_audits, in_letters, in_tasks, in_seal],
        {ERASURE, REMOVAL, HOLD, RELEASE},
        archive=ArchiveErasure(archive),
        guard=guard,
        beyond=_KeptTasks(),
    )


def say_erased(keeper: Keeper, actor: str) -> Callable[[Tx, dict[str, Any]], int]:
    """How an erasure says what it did: an audit event in its own transaction."""
    from flightlog.audit.record import admin_event
    from flightlog.seal.verify import ERASURE

    care = make_intake(keeper.folder, keeper.settings)

    def say(tx: Tx, details: dict[str, Any]) -> int:
        event = admin_event(ERASURE, actor=actor, subject_type="payloads", details=details, care=care)
        return keeper.journal.append_in(tx, [event]).ids[0]

    return say
