"""Compaction: small files of the same project and date become larger ones, and stale ones get fresh typed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection

from flightlog.archive import manifest
from flightlog.archive.commit import Overtaken, replace
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.place import Place
from flightlog.archive.work import Job, Source, Worker
from flightlog.config import Settings

SMALL_FILES_MAX = 8  # of one project and date; with so many they are merged while the day is not over yet
REST_SECONDS = 24 * 3600.0  # afterwards two are enough: nothing more is likely to come


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """How many files went into how many, and the bytes of these."""

    files: int = 0
    made: int = 0
    events: int = 0
    bytes: int = 0


def wanted(
    connection: Connection, settings: Settings, now: int, *, everything: bool = False
) -> list[list[ArchivedFile]]:
    """The files that are to become one, group by group. With `everything`, wherever two can."""
    found = sorted(manifest.files(connection), key=lambda file: (file.project, file.date, file.first_id))
    groups = [[file] for file in found if file.stale]
    for _, day in groupby(found, key=lambda file: (file.project, file.date)):
        small = [file for file in day if not file.stale and _is_small(file, settings)]
        newest = max((file.written_at for file in small), default=0)
        rests = everything or not 0 <= now - newest < int(REST_SECONDS * 1e9)
        if len(small) >= (2 if rests else SMALL_FILES_MAX):
            groups += [group for group in _packed(small, settings) if len(group) > 1]
    return groups


def _is_small(file: ArchivedFile, settings: Settings) -> bool:
    return (
        file.events < settings.archive_file_events_max // 2
        and file.payload_bytes < settings.archive_file_bytes_max // 2
    )


def _packed(files: Sequence[ArchivedFile], settings: Settings) -> Iterator[list[ArchivedFile]]:
    """Neighbours, as many as fit into one file."""
    group: list[ArchivedFile] = []
    events = size = 0
    for file in files:
        if group and (
            events + file.events > settings.archive_file_events_max
            or size + file.payload_bytes > settings.archive_file_bytes_max
        ):
            yield group
            group, events, size = [], 0, 0
        group.append(file)
        events, size = events + file.events, size + file.payload_bytes
    if group:
        yield group


def merge(place: Place, settings: Settings, work: Worker, files: Sequence[ArchivedFile]) -> Compacted:
    """Make one file of these. Nothing is done where one of them was changed meanwhile."""
    with place.changing():
        job = Job(
            database=str(place.database),
            folder=str(place.objects.folder or ""),
            url=None if place.objects.folder else place.objects.place,
            s3_endpoint=settings.archive_s3_endpoint,
            sources=[Source(file.path, file.digest) for file in files],
            project=files[0].project,
            date=files[0].date,
        )
        now = place.clock.now_ns()
        for done in work(job):
            try:
                place.commit(done.written, lambda tx, done=done: replace(tx, files, done.written, now))  # type: ignore[misc]
            except Overtaken:
                continue
            return Compacted(
                files=len(files),
                made=len(done.written),
                events=sum(file.events for file in done.written),
                bytes=sum(file.bytes for file in done.written),
            )
    return Compacted()


def compact(
    place: Place,
    settings: Settings,
    work: Worker,
    *,
    everything: bool = False,
    told: Callable[[Compacted, int], bool] = lambda done, groups: True,
) -> Compacted:
    """Merge what is to be merged; `told` hears after each group what was done and how many groups there are in all, and says
    whether to go on.
    """
    with place.store.read() as connection:
        groups = wanted(connection, settings, place.clock.now_ns(), everything=everything)
    total = Compacted()
    for group in groups:
        done = merge(place, settings, work, group)
        total = Compacted(
            files=total.files + done.files,
            made=total.made + done.made,
            events=total.events + done.events,
            bytes=total.bytes + done.bytes,
        )
        if not told(total, len(groups)):
            break
    return total
