"""Archiving a store of a test: as far as it is asked to, in this process."""

from __future__ import annotations

from pathlib import Path

from flightlog.archive import manifest
from flightlog.archive.archiver import Archiver, Due
from flightlog.archive.commit import replace
from flightlog.archive.drop import drop_some
from flightlog.archive.objects import Objects, open_objects
from flightlog.archive.place import Place
from flightlog.archive.reader import ARCHIVE_FOLDER, ArchiveHistory, attach
from flightlog.archive.work import Job, Source, do
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.journal.read import head_id
from flightlog.store.contract import Store


class Archiving:
    """The archive of one store: written a range at a time, read by the store's own readers."""

    def __init__(self, store: Store, folder: Path, settings: Settings | None = None, *, file_events: int = 100) -> None:
        self.store, self.folder = store, folder
        self.settings = settings or Settings(archive_file_events_max=file_events)
        self.history: ArchiveHistory = attach(store, folder, self.settings)
        self.objects: Objects = open_objects(
            folder / ARCHIVE_FOLDER, self.settings.archive_url, self.settings.archive_s3_endpoint
        )
        self.place = Place(store, folder / "flightlog.db", self.objects, SystemClock(), grace_seconds=0.0)
        self._archiver = Archiver(self.place, self.settings, do)

    def archive(self, until_id: int | None = None, *, drop: bool = True, compact: bool = False) -> None:
        """Move the events up to this one into files; without `drop` their rows stay behind for now."""
        with self.store.read() as connection:
            end = head_id(connection) if until_id is None else until_id
        while (after := self.until) < end:
            self._archiver.write(Due(after, end, "age"))
        while drop and drop_some(self.store):
            continue
        if compact:
            self.compact()

    def again(self) -> None:
        """Read by a history that knows nothing of any file yet."""
        self.history = attach(self.store, self.folder, self.settings)

    @property
    def until(self) -> int:
        """How far the archive goes."""
        with self.store.read() as connection:
            return manifest.archived_until(connection)

    def files(self) -> list[manifest.ArchivedFile]:
        """What the manifest names."""
        with self.store.read() as connection:
            return manifest.files(connection)

    def compact(self) -> None:
        """Every project's files of a date become one; the old ones are deleted at once."""
        by_folder: dict[tuple[str, str], list[manifest.ArchivedFile]] = {}
        for file in self.files():
            by_folder.setdefault((file.project, file.date), []).append(file)
        for (project, date), some in by_folder.items():
            job = Job(
                database=str(self.folder / "flightlog.db"),
                folder=str(self.objects.folder or ""),
                url=None if self.objects.folder else self.objects.place,
                s3_endpoint=self.settings.archive_s3_endpoint,
                sources=[Source(file.path, file.digest) for file in some],
                project=project,
                date=date,
            )
            (done,) = do(job)
            self.store.write(lambda tx, some=some, done=done: replace(tx, some, done.written, 0))  # type: ignore[misc]
        self.place.sweep()
