"""One store's archive and who may change it: the objects, the lock that changes take turns by, and the objects' end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import delete, select, update

from flightlog.archive import manifest
from flightlog.archive.commit import Overtaken
from flightlog.archive.files import Written
from flightlog.archive.objects import Objects
from flightlog.archive.table import archive_files, archive_gone, archive_state
from flightlog.clock import Clock
from flightlog.errors import ArchiveFileMissing, SettingInvalid
from flightlog.store.contract import Store, Tx

T = TypeVar("T")

# Says whose archive lies here.
OWNER = "flightlog-archive"
WRITE_SECONDS = 600.0  # changes of the manifest wait for their turn as long as this; nobody is kept waiting by them


class Swept(NamedTuple):
    """Objects that were deleted: those whose grace time was over, and those that no row of the manifest ever named."""

    gone: int
    orphans: int


class Place:
    """The archive of a store that this process writes. Changes of it (a range is added, files are merged or rewritten) take
    turns: whoever makes one has `changing` from its first object to its commit, so that nobody takes these objects for orphans.
    """

    def __init__(
        self,
        store: Store,
        database: Path,
        objects: Objects,
        clock: Clock,
        *,
        grace_seconds: float,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.store = store
        self.database = database
        self.objects = objects
        self.clock = clock
        self.chance = chance
        self._grace_ns = int(grace_seconds * 1e9)
        self._lock = threading.RLock()
        self._owned = False

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Have the archive for a change. Raises SettingInvalid where another store's archive lies at this place."""
        with self._lock:
            self._own()
            yield

    def commit(self, written: Sequence[Written], work: Callable[[Tx], T]) -> T:
        """Run `work`, which makes the manifest name these objects, in a transaction; where it fails for good, they go again.

        Where it can't be told whether it failed, they stay: the next sweep knows.
        """
        from flightlog.errors import StoreUncertain

        try:
            return self.store.write(work, WRITE_SECONDS)
        except StoreUncertain:
            raise
        except BaseException:
            self.discard(file.path for file in written)
            raise

    def discard(self, paths: Iterable[str]) -> None:
        """Delete objects that no row of the manifest names."""
        for path in paths:
            self.objects.delete(path)

    def sweep(self, *, orphans: bool = True) -> Swept:
        """Delete the objects whose grace time is over, and with `orphans` those that were written and never committed.

        An orphan is deleted once it is as old as the grace time by the clock of the place it lies at.
        """
        with self.changing():
            now = self.clock.now_ns()
            with self.store.read() as connection:
                asked = select(archive_gone.c.path, archive_gone.c.since).order_by(archive_gone.c.since)
                # A clock that was set back must not keep them for ever.
                waiting = connection.execute(asked).all()
                due = [row.path for row in waiting if not 0 <= now - row.since < self._grace_ns]
                named = set(connection.execute(select(archive_files.c.path)).scalars())
            named.update(row.path for row in waiting)
            self.purge(due)
            if not orphans:
                return Swept(len(due), 0)
            lost = [
                found.path
                for found in self.objects.list()
                if found.path not in named and found.path != OWNER and not 0 <= now - found.written_at < self._grace_ns
            ]
            self.discard(lost)
            return Swept(len(due), len(lost))

    def purge(self, paths: Sequence[str]) -> None:
        """Delete objects that wait for their deletion, now."""
        self.discard(paths)
        if paths:
            gone = delete(archive_gone).where(archive_gone.c.path.in_(list(paths)))
            self.store.write(lambda tx: tx.sql.execute(gone).rowcount, WRITE_SECONDS)

    def _own(self) -> None:
        """Once: two stores at one place would each take the other's files for orphans."""
        if self._owned:
            return
        with self.store.read() as connection:
            known = manifest.state(connection).store_id
        try:
            found = self.objects.read(OWNER).decode("utf-8", "replace").strip()
        except ArchiveFileMissing:
            found = ""
        if found and found != known:
            reason = f"the archive of another store lies there ({OWNER} says {found}); give each its own place"
            raise SettingInvalid(name="archive_url", value=self.objects.place, reason=reason)
        if not known:
            known = self.chance(16).hex()
            named = known
            self.store.write(lambda tx: tx.sql.execute(update(archive_state).values(store_id=named)).rowcount)
        if not found:
            self.objects.put_new(OWNER, known.encode() + b"\n")
        self._owned = True


def until_not_overtaken(work: Callable[[], T], attempts_max: int = 5) -> T:
    """Do it again where others changed the same meanwhile; `work` begins anew each time."""
    for _ in range(attempts_max - 1):
        try:
            return work()
        except Overtaken:
            continue
    return work()
