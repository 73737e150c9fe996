"""One pass of archiving: which rows are due, written to files, committed; then their rows leave the tables.

Killed anywhere, nothing is lost or there twice: before the commit the rows are in the tables and what was written is an orphan;
after it they are in the files, and the next pass goes on with deleting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection, select

from flightlog.archive import manifest
from flightlog.archive.commit import Overtaken, add_range
from flightlog.archive.place import Place
from flightlog.archive.work import Done, Job, Worker
from flightlog.config import Settings
from flightlog.journal.changes import changes
from flightlog.journal.read import head_id
from flightlog.journal.table import projections, run_events

RANGES_MAX = 4  # written by one process, each committed when it is there; then others may change the archive


class Pause(Protocol):
    """Waits so that others get on; `took` is how long the last step took, in seconds. False: no further step is to be taken."""

    def __call__(self, took: float) -> bool: ...


class Due(NamedTuple):
    """The ids after one up to another are to be archived now; `reason` is age, count or space. None where `until_id` is not
    beyond `after_id`; then `waits_for` says what keeps more from being archived, if anything does.
    """

    after_id: int
    until_id: int
    reason: str | None
    waits_for: str | None = None


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass did."""

    events: int = 0
    files: int = 0
    bytes: int = 0
    until_id: int = 0


SealedUpTo = Callable[[Connection], int | None]


def due(
    connection: Connection,
    settings: Settings,
    now: int,
    *,
    sealed_up_to: SealedUpTo = lambda connection: None,
    no_room: bool = False,
    everything: bool = False,
) -> Due:
    """Which rows are to be archived now. `sealed_up_to` says how far the seal is, None where nothing is sealed; with `no_room` it
    does not matter how old they are, nor with `everything`.
    """
    after = manifest.archived_until(connection)
    head = head_id(connection)
    if head <= after:
        return Due(after, after, None)
    if no_room or everything:
        wanted = Due(after, head, "space" if no_room else "age")
    elif head - after > settings.hot_events_max:
        # More than the one too many, so that not every event is a pass.
        wanted = Due(after, max(after + 1, head - settings.hot_events_max * 3 // 4), "count")
    else:
        wanted = _by_age(connection, settings, now, after, head)
    return _as_far_as_it_may(connection, wanted, sealed_up_to)


def _as_far_as_it_may(connection: Connection, wanted: Due, sealed_up_to: SealedUpTo) -> Due:
    """What nobody needs in the tables any more: projections are built from there, and leaves of the seal."""
    if wanted.until_id <= wanted.after_id:
        return wanted
    behind = select(projections.c.name).where(projections.c.position < projections.c.until_id).limit(1)
    if (name := connection.execute(behind).scalar()) is not None:
        return Due(wanted.after_id, wanted.after_id, None, f"the projection {name}, which is being built")
    sealed = sealed_up_to(connection)
    if sealed is None or sealed >= wanted.until_id:
        return wanted
    if sealed <= wanted.after_id:
        return Due(wanted.after_id, wanted.after_id, None, "the seal")
    return wanted._replace(until_id=sealed)


def _by_age(connection: Connection, settings: Settings, now: int, after: int, end: int) -> Due:
    cut = now - int(settings.archive_after_seconds * 1e9)
    # Enough of them for a file, or for an hour: a file for each event that grows old would be many.
    gathered_ns = int(min(3600.0, settings.archive_after_seconds / 24) * 1e9)
    received = select(run_events.c.received_at).where(run_events.c.id > after).order_by(run_events.c.id).limit(1)
    first = connection.execute(received).scalar()
    if first is not None and first > cut:
        return Due(after, after, None)
    old = _last_received_by(connection, after, end, cut)
    if first is None or first <= cut - gathered_ns or old - after >= settings.archive_file_events_max:
        return Due(after, old, "age" if old > after else None)
    return Due(after, after, None)


def _last_received_by(connection: Connection, after: int, end: int, cut: int) -> int:
    """The last id whose event was received by then, as far as ids and times rise together."""
    low, high = after, end
    while low < high:
        middle = (low + high + 1) // 2
        asked = (
            select(run_events.c.received_at)
            .where(run_events.c.id <= middle, run_events.c.id > after)
            .order_by(run_events.c.id.desc())
            .limit(1)
        )
        received = connection.execute(asked).scalar()
        if received is None or received <= cut:
            low = middle
        else:
            high = middle - 1
    return low


class Archiver:
    """Writes ranges of one store's journal into its archive."""

    def __init__(
        self,
        place: Place,
        settings: Settings,
        work: Worker,
        *,
        sealed_up_to: SealedUpTo = lambda connection: None,
    ) -> None:
        self.place = place
        self._settings = settings
        self._work = work
        self._sealed_up_to = sealed_up_to

    def due(self, *, no_room: bool = False, everything: bool = False) -> Due:
        """Which rows are to be archived now."""
        with self.place.store.read() as connection:
            return due(
                connection,
                self._settings,
                self.place.clock.now_ns(),
                sealed_up_to=self._sealed_up_to,
                no_room=no_room,
                everything=everything,
            )

    def write(self, wanted: Due, told: Callable[[Passed], bool] = lambda passed: True) -> Passed:
        """Write the rows that are due and commit them, range by range, at most RANGES_MAX; `told` hears of each, and says whether
        to go on. Raises ArchiveUnavailable, ArchiveFileBroken, SettingInvalid and what the store raises.
        """
        total = Passed(until_id=wanted.after_id)
        if wanted.until_id <= wanted.after_id:
            return total
        with self.place.changing():
            for done in self._ranges(wanted):
                total = Passed(
                    events=total.events + sum(file.events for file in done.written),
                    files=total.files + len(done.written),
                    bytes=total.bytes + sum(file.bytes for file in done.written),
                    until_id=done.until_id,
                )
                if not told(total):
                    break
        return total

    def _ranges(self, wanted: Due) -> Iterator[Done]:
        """Each range once it is committed."""
        place, after = self.place, wanted.after_id
        with place.store.read() as connection:
            seen = changes(connection)
        job = Job(
            database=str(place.database),
            folder=str(place.objects.folder or ""),
            url=None if place.objects.folder else place.objects.place,
            s3_endpoint=self._settings.archive_s3_endpoint,
            after_id=after,
            until_id=wanted.until_id,
            events_max=max(1, self._settings.archive_file_events_max),
            # Two ranges are in memory at once, and merging may still double a file.
            bytes_max=max(1, self._settings.archive_file_bytes_max // 2),
            ranges_max=RANGES_MAX,
        )
        results = self._work(job)
        try:
            for done in results:
                now, begins = place.clock.now_ns(), after
                try:
                    place.commit(
                        done.written,
                        lambda tx, done=done, begins=begins, now=now: add_range(  # type: ignore[misc]
                            tx, done.written, begins, done.until_id, seen, now
                        ),
                    )
                except Overtaken:
                    return  # rows were changed or removed since they were read: the next pass reads them as they are
                after = done.until_id
                yield done
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()
