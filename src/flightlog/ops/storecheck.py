"""The doctor's look at the store: its revision, its pages, and what it tells of losses."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from flightlog.clock import NS_PER_SECOND, format_ns
from flightlog.config import Settings
from flightlog.errors import FlightlogError, NotFound, ServerExtraMissing, StoreTooNew
from flightlog.ops.findings import Finding, ok, problem, unknown, warn
from flightlog.store.address import elsewhere
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys

RECENT_SECONDS = 24 * 3600
LOOK_STEPS = 10_000  # of SQLite's machine, between two looks at the clock
DAMAGE_SHOWN_MAX = 5
PENDING_SHOWN_MAX = 5
UNMAPPED_SHOWN_MAX = 3


def open_for_reading(
    folder: Path, settings: Settings, address: str | None = None
) -> tuple[Keeper | None, Finding | None]:
    """The store, or what keeps it from being read."""
    if address is None and (there := elsewhere(folder)) is not None:
        text = f"The events of this folder go to {there}."
        return None, unknown("store", text, "Look at that with `flightlog doctor --store URL`.")
    try:
        return Keeper(folder, settings, writable=False, address=address), None
    except ServerExtraMissing:
        advice = "pip install 'flightlog[server]' where you run the doctor."
        return None, unknown("store", "The store can't be read without the server extra.", advice)
    except NotFound:
        return None, ok("store", "There is no store yet; the first delivery makes it.")
    except StoreTooNew as error:
        return None, problem("store", error.message, "Upgrade Flightlog on this machine.")
    except FlightlogError as error:
        advice = "When it is the schema, run `flightlog migrate`; else restore the folder from a backup."
        return None, problem("store", error.message, advice)


def look_at_store(keeper: Keeper | None, integrity_seconds_max: float | None) -> Iterator[Finding]:
    """Everything that can be said of an open store."""
    if keeper is None:
        return
    from flightlog.ops.archivecheck import look_at_archive  # with it comes the server extra
    from flightlog.ops.retentioncheck import look_at_retention

    try:
        yield _revision(keeper)
        if not keeper.is_shared:  # PostgreSQL looks after its pages itself
            yield _integrity(keeper, integrity_seconds_max)
        yield _losses(keeper)
        yield _feedback(keeper)
        yield _orphans(keeper)
        yield _unmapped(keeper)
        if not keeper.is_shared:
            yield _seal(keeper)
            yield look_at_archive(keeper)
        yield look_at_retention(keeper)
    except FlightlogError as error:
        yield problem("store", error.message, "Restore the folder from a backup; its spool is not affected.")


def _revision(keeper: Keeper) -> Finding:
    from sqlalchemy import text as sql

    from flightlog.journal.read import head_id
    from flightlog.store import migrations

    with keeper.store.read() as connection:
        last_id = head_id(connection)
    sizes = {f"{part}_bytes": _size(keeper.folder / name) for part, name in _FILES.items()}
    if keeper.is_shared:
        with keeper.store.read() as connection:
            asked = sql("SELECT pg_database_size(current_database())")
            sizes = {"database_bytes": int(connection.execute(asked).scalar_one())}
    found = keeper.store.revision()
    text = f"{last_id:,} events in {sizes['database_bytes']:,} bytes, at migration {found} of {migrations.HEAD}."
    return ok("store", text, revision=found, revision_known=migrations.HEAD, last_id=last_id, **sizes)


_FILES = {"database": "flightlog.db", "wal": "flightlog.db-wal"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _integrity(keeper: Keeper, seconds_max: float | None) -> Finding:
    """SQLite's own quick check, on a snapshot, given up when time is up."""
    deadline = None if seconds_max is None else time.monotonic() + seconds_max
    with keeper.store.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: deadline is not None and time.monotonic() > deadline, LOOK_STEPS)
        try:
            lines = [str(row[0]) for row in driver.execute(f"PRAGMA quick_check({DAMAGE_SHOWN_MAX})")]
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            text = f"The pages looked at within {seconds_max:g} s are sound; there are more."
            return unknown("integrity", text, "`flightlog doctor --deep` takes the time it needs.")
        finally:
            driver.set_progress_handler(None, 0)
    if lines == ["ok"]:
        return ok("integrity", "The database's pages and indexes are sound.")
    advice = "Stop the writer, keep a copy of the folder, and restore it from a backup."
    return problem("integrity", "The database is damaged: " + "; ".join(lines), advice, lines=lines)


def _feedback(keeper: Keeper) -> Finding:
    """Whether somebody said something of what is not there."""
    from flightlog.runs.feedback import list_feedback, pending_count
    from flightlog.runs.feedback_filter import FeedbackFilter

    pending, oldest = pending_count(keeper.store)
    if not pending or oldest is None:
        return ok("feedback", "No feedback waits for what it is about.", pending=0)
    page = list_feedback(keeper.store, FeedbackFilter(statuses=("pending",)), limit=PENDING_SHOWN_MAX)
    targets = [one.target_id for one in page.feedback]
    text = f"{pending:,} feedback waits for what it is about, since {format_ns(oldest)}: {', '.join(targets)}"
    advice = (
        "It is linked when that comes. If it should be there: `flightlog feedback list status:pending` has the ids."
    )
    return warn(
        "feedback", text + (", …." if pending > len(targets) else "."), advice, pending=pending, targets=targets
    )


def _unmapped(keeper: Keeper) -> Finding:
    """What came by OpenTelemetry under names that no mapping knows. Nothing is lost by it, so all is well."""
    from flightlog.ingest.otlp.unmapped import list_unmapped
    from flightlog.ops.remap import is_half_done

    found = list_unmapped(keeper.store, limit=UNMAPPED_SHOWN_MAX)
    with keeper.store.read() as connection:
        if is_half_done(connection):
            text = f"{found.keys:,} attributes were not understood so far: a remap was stopped before its end."
            return warn(
                "unmapped", text, "`flightlog remap` goes on where it was.", keys=found.keys, scopes=found.scopes
            )
    if not found.keys:
        return ok("unmapped", "Every attribute that came by OpenTelemetry was understood.", keys=0, scopes=0)
    named = ", ".join(f"{one.key} of {one.scope or 'no scope'} ({one.count:,})" for one in found.attributes)
    text = f"{found.keys:,} attributes of {found.scopes:,} instrumentations were kept and not understood: {named}"
    text += ", …; `flightlog otlp unmapped` lists them." if found.keys > len(found.attributes) else "."
    return ok("unmapped", text, keys=found.keys, scopes=found.scopes)


def _orphans(keeper: Keeper) -> Finding:
    """Whether audit records name a run or a task that is not there."""
    from flightlog.audit.listing import count_orphans

    found = count_orphans(keeper.store, PENDING_SHOWN_MAX)
    if not found.count or found.oldest_at is None:
        return ok("audit", "Every audit record's run and task is known.", orphans=0)
    named = [*(f"run {each}" for each in found.runs), *(f"task {each}" for each in found.tasks)]
    text = (
        f"{found.count:,} audit records wait for a run or task, since {format_ns(found.oldest_at)}: {', '.join(named)}."
    )
    advice = "They are adopted when that comes. If it should be there: `flightlog audit list --orphaned` has the ids."
    return warn("audit", text, advice, orphans=found.count, runs=found.runs, tasks=found.tasks)


def _seal(keeper: Keeper) -> Finding:
    """How far the journal is sealed, and whether the checkpoint is one that the keys and the store bear out."""
    from flightlog.journal.read import head_id
    from flightlog.seal.note import Checkpoint, open_note
    from flightlog.seal.sealer import CHECKPOINT, read_state

    sealed, _ = read_state(keeper.store)
    with keeper.store.read() as connection:
        head = head_id(connection)
    path = keeper.folder / SEAL_FOLDER / CHECKPOINT
    facts = {"sealed_id": sealed, "last_id": head}
    if not path.exists() and not sealed:
        return ok("seal", f"Nothing is sealed yet; `flightlog up` seals. {head:,} events wait.", **facts)
    advice = "`flightlog verify` names what does not fit. Nothing more is signed until then."
    try:
        keys = seal_keys(keeper.folder, keeper.settings).trusted()
        signed = Checkpoint.parse(open_note(path.read_text("utf-8"), keys)[0]).size
    except (FlightlogError, OSError, UnicodeDecodeError) as error:
        return problem("seal", f"The checkpoint can't be believed: {error}", advice, **facts)
    if signed > sealed:
        text = (
            f"The checkpoint covers {signed:,} events, and the store knows of {sealed:,} sealed ones: it was set back."
        )
        return problem("seal", text, advice, signed_id=signed, **facts)
    text = f"{sealed:,} of {head:,} events are sealed, {signed:,} under a checkpoint. `flightlog verify` checks them."
    return ok("seal", text, signed_id=signed, **facts)


class _Loss(msgspec.Struct):
    reason: str = "unknown"
    count: int = 0


def _losses(keeper: Keeper) -> Finding:
    """What the stream itself says was lost lately."""
    from flightlog.journal.read import EventFilter, read_events

    since = time.time_ns() - RECENT_SECONDS * NS_PER_SECOND
    wanted = EventFilter(types=("degraded",), since=since)
    lost: Counter[str] = Counter()
    after_id: int | None = 0
    while True:
        page = read_events(keeper.store, wanted, after_id=after_id, settings=keeper.settings)
        for event in page.events:
            try:
                loss = msgspec.json.decode(event.payload, type=_Loss)
            except msgspec.DecodeError:
                continue
            if loss.count:
                lost[loss.reason] += loss.count
        if not page.more:
            break
        after_id = page.next_after_id
    if not lost:
        return ok("health", "No event was lost in the last 24 hours.", lost={})
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in lost.most_common())
    advice = "`flightlog events --types degraded --since 24h` shows when and of which runs."
    return warn(
        "health", f"{sum(lost.values()):,} events were lost in the last 24 hours: {reasons}.", advice, lost=dict(lost)
    )
