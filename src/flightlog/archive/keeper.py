"""The thread that keeps a store's archive, and what it says of itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from flightlog.archive import manifest
from flightlog.archive.archiver import Archiver, Due, Passed
from flightlog.archive.compact import merge, wanted
from flightlog.archive.disk import Reserve, Room, look
from flightlog.archive.drop import drop_some, space, vacuum_some
from flightlog.archive.table import archive_files, archive_gone
from flightlog.archive.work import Worker
from flightlog.config import Settings
from flightlog.errors import ArchiveFileBroken, FlightlogError, SettingInvalid, StoreBroken
from flightlog.journal.read import head_id

log = logging.getLogger("flightlog.archive")

RETRY_SECONDS = 30.0
ORPHANS_SECONDS = 24 * 3600.0  # how often it is looked for them; what is listed may be long
HOUR_NS = 3600 * 10**9
SHARE_WITHOUT_ROOM = 0.5  # making room goes before speed
EVENTS_WITHOUT_ROOM = 20_000  # in one file then: it has to fit before anything is gained


class ArchiveHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far the archive is. `state` is idle, archiving, waiting (`waits_for` says for what), stopped or broken.

    Ids up to `archived_id` are in `files` files of `archived_bytes` in all, the `hot_events` after them in the database;
    `dropped_id` is how far the rows of archived events are gone from it. `lack` is disk or quota where room is missing, `reserve`
    held, released or none.
    """

    state: str
    archived_id: int = 0
    dropped_id: int = 0
    archived_at: int = 0
    hot_events: int = 0
    files: int = 0
    archived_bytes: int = 0
    data_bytes: int = 0
    free_bytes: int = 0
    lack: str | None = None
    reserve: str = "none"
    waits_for: str | None = None
    error: str | None = None


class ArchiveKeeper:
    """Archives behind the append, deletes what is archived, gives space back, merges files.

    Deleting and vacuuming take at most `archive_share_max` of the store's time. The files are written by `work`, in another process
    where the server is to stay small.
    """

    def __init__(self, folder: Path, make: Callable[[], Archiver], settings: Settings, work: Worker) -> None:
        self._folder = folder
        self._make = make
        self._settings = settings
        self._work = work
        self._archiver: Archiver | None = None
        self._reserve = Reserve(folder, settings.reserve_bytes)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._state = "idle"
        self._error: str | None = None
        self._waits_for: str | None = None
        self._room = Room(0, 0, None)
        self._orphans_at: float | None = None
        self._packed: tuple[int, int] | None = None

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="flightlog-archive", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; what was not committed is written again after the next start. Safe to call twice."""
        self._stop.set()
        end = getattr(self._work, "stop", None)
        if end is not None:
            end()
        if self._thread is not None:
            self._thread.join(timeout)

    def health(self) -> ArchiveHealth:
        """How far it is."""
        archiver = self._archiver
        running = self._thread is not None and self._thread.is_alive() and not self._stop.is_set()
        state = "broken" if self._state == "broken" else self._state if running else "stopped"
        base = ArchiveHealth(state=state, error=self._error, reserve=self._reserve.state)
        if archiver is None:
            return base
        with archiver.place.store.read() as connection:
            known = manifest.state(connection)
            head = head_id(connection)
            files, size = connection.execute(select(func.count(), func.sum(archive_files.c.bytes))).one()
        return msgspec.structs.replace(
            base,
            archived_id=known.archived_until,
            dropped_id=known.dropped_until,
            archived_at=known.archived_at,
            hot_events=head - known.archived_until,
            files=files,
            archived_bytes=size or 0,
            data_bytes=self._room.data_bytes,
            free_bytes=self._room.free_bytes,
            lack=self._room.lack,
            waits_for=self._waits_for,
        )

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._archiver is None:
                    self._archiver = self._make()
                again = self.step()
                self._error = None
            except FlightlogError as error:
                if self._stop.is_set():
                    return
                self._error, again = error.message, False
                log.warning("the archive stands still: %s", error.message)
                if isinstance(error, SettingInvalid | StoreBroken) and not isinstance(error, ArchiveFileBroken):
                    self._state = "broken"
                    return
                self._stop.wait(RETRY_SECONDS)
            if not again:
                self._state = "waiting" if self._waits_for else "idle"
                self._stop.wait(self._settings.archive_seconds)

    def step(self) -> bool:
        """Do what is due now, a bounded piece of it; whether there is more. Raises what the store and the archive raise."""
        archiver = self._archiver = self._archiver or self._make()
        room = self._look(archiver)
        if room.is_full:
            self._reserve.release()
        wanted_now = archiver.due(no_room=room.lack is not None)
        self._waits_for = wanted_now.waits_for
        passed = self._write(archiver, wanted_now, room)
        dropped = self._drop(archiver, room)
        vacuumed = self._vacuum(archiver, room)
        if room.lack and (passed.events or dropped or vacuumed):
            archiver.place.store.scrub()  # what was let go of is the disk's only once the log is folded in
        merged = not room.lack and not self._stop.is_set() and self._merge(archiver)
        self._sweep(archiver)
        # Where the data is no more than the reserve, there is not that much room to be made.
        is_worth_it = room.data_bytes >= self._settings.reserve_bytes or self._reserve.state == "released"
        if not room.is_full and is_worth_it:
            self._reserve.keep()
        return bool(passed.events or dropped or merged)

    def _look(self, archiver: Archiver) -> Room:
        here = archiver.place.objects.folder
        inside = here is not None and here.is_relative_to(self._folder)
        archived = 0
        if inside:
            with archiver.place.store.read() as connection:
                archived = connection.execute(select(func.sum(archive_files.c.bytes))).scalar() or 0
        self._room = look(self._folder, self._settings, archived)
        return self._room

    def _write(self, archiver: Archiver, due: Due, room: Room) -> Passed:
        if due.until_id <= due.after_id:
            return Passed()
        self._state = "archiving"
        if room.is_full:
            few = min(EVENTS_WITHOUT_ROOM, self._settings.archive_file_events_max)
            due = due._replace(until_id=min(due.until_id, due.after_id + few))
        return archiver.write(due, lambda passed: not self._stop.is_set() and not room.is_full)

    def _drop(self, archiver: Archiver, room: Room) -> int:
        dropped = 0
        while not self._stop.is_set():
            step = drop_some(archiver.place.store)
            if not step:
                break
            dropped += step.done
            self._state = "archiving"
            self._rest(step.seconds, room)
        return dropped

    def _vacuum(self, archiver: Archiver, room: Room) -> int:
        found = space(archiver.place.store)
        left = total = found.free if room.lack else found.excess
        while left > 0 and not self._stop.is_set():
            step = vacuum_some(archiver.place.store)
            if not step:
                break
            left -= step.done
            self._rest(step.seconds, room)
        return total - left

    def _merge(self, archiver: Archiver) -> bool:
        """One group of files at a time: more events may have to be archived meanwhile."""
        place = archiver.place
        with place.store.read() as connection:
            now = place.clock.now_ns()
            # Looked for when the manifest has changed, and every hour, since days come to their end.
            looked = (manifest.state(connection).version, now // HOUR_NS)
            if looked == self._packed:
                return False
            groups = wanted(connection, self._settings, now)
        if not groups:
            self._packed = looked
            return False
        self._state = "archiving"
        return merge(place, self._settings, self._work, groups[0]).files > 0

    def _sweep(self, archiver: Archiver) -> None:
        with archiver.place.store.read() as connection:
            waiting = connection.execute(select(archive_gone.c.path).limit(1)).first() is not None
            begun = manifest.state(connection).store_id != ""
        listing = self._orphans_at is None or time.monotonic() - self._orphans_at >= ORPHANS_SECONDS
        if begun and (waiting or listing):
            archiver.place.sweep(orphans=listing)
            if listing:
                self._orphans_at = time.monotonic()

    def _rest(self, took: float, room: Room) -> None:
        """What deleting takes, those who record have to wait for."""
        share = min(max(self._settings.archive_share_max, 0.01), 1.0)
        if room.lack:
            share = max(share, SHARE_WITHOUT_ROOM)
        self._stop.wait(took * (1 / share - 1))
