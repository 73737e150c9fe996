"""Runs an importer over files: read, make safe, append in batches, and report what became of each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flightlog.clock import Clock, SystemClock
from flightlog.errors import EventIdConflict, ImportInvalid
from flightlog.events.envelope import FLAG_REDACTED, FLAG_TRUNCATED, FLAG_WITHHELD, Event
from flightlog.ingest.batch import Intake
from flightlog.ingest.detect import detect
from flightlog.ingest.importers.base import Problem
from flightlog.ingest.importers.claude_code import read_claude_code
from flightlog.ingest.importers.own_lines import read_own_lines
from flightlog.ingest.importers.swe_agent import read_swe_agent

BATCH_EVENTS = 1_000

# What a folder is searched for.
FORMATS: dict[str, tuple[str, ...]] = {
    "swe-agent": ("*.traj",),
    "claude-code": ("*.jsonl",),
    "jsonl": ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.ndjson"),
    "otlp": ("*.json", "*.jsonl", "*.pb", "*.binpb", "*.json.gz", "*.jsonl.gz", "*.json.zst", "*.jsonl.zst"),
}

SYSTEM_CLOCK = SystemClock()


class Progress(NamedTuple):
    """How far an import is."""

    path: Path
    bytes_done: int
    bytes_total: int
    events: int


class FileReport(msgspec.Struct):
    """What became of one file.

    `stored` are new events; `duplicates` were there already, `changed` too, but with other content: the first stays.
    `problems` are the parts that could not be read or stored.
    """

    path: str
    format: str = ""
    events: int = 0
    stored: int = 0
    duplicates: int = 0
    changed: int = 0
    redacted: int = 0
    truncated: int = 0
    withheld: int = 0
    run_ids: list[str] = []
    types: dict[str, int] = {}
    problems: list[Problem] = []


class ImportReport(msgspec.Struct):
    """What became of all files of one import, in the order they were read. `format` is empty where each file's was found out."""

    format: str
    files: list[FileReport] = []

    @property
    def stored(self) -> int:
        """New events in the journal."""
        return sum(file.stored for file in self.files)

    @property
    def problems(self) -> int:
        """Parts of files that could not be read or stored."""
        return sum(len(file.problems) for file in self.files)


def import_files(
    append: Callable[[list[Event]], Any],
    intake: Intake,
    paths: Sequence[str | Path],
    format: str | None,  # noqa: A002 - the word users know
    progress: Callable[[Progress], object] | None = None,
    *,
    project: str = "default",
    clock: Clock = SYSTEM_CLOCK,
    batch_events: int = BATCH_EVENTS,
) -> ImportReport:
    """Import files, and folders of files, of one format, or, with None, of whatever format each is. Importing the same again
    stores nothing new.

    `append` is the way into the journal, such as `lambda events: journal.append(events, rejects="return")`; what it
    raises (StoreBusy, say) ends the import, and doing it again goes on where it ended. A file that can't be read is a
    problem in the report. Raises ImportInvalid for a format that is not known.
    """
    if format is not None and format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ImportInvalid(path=", ".join(map(str, paths)), format=format, reason=f"the formats are {known}")
    files = [file for path in paths for file in _expand(Path(path), format)]
    sizes = {file: file.stat().st_size if file.is_file() else 0 for file in files}
    run = _Import(append, intake, format, project, clock, max(batch_events, 1), sum(sizes.values()), progress)
    for file in files:
        run.file(file)
    return run.report


class _Import:
    """One import under way."""

    def __init__(
        self,
        append: Callable[[list[Event]], Any],
        intake: Intake,
        format_: str | None,
        project: str,
        clock: Clock,
        batch_events: int,
        bytes_total: int,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        self.report = ImportReport(format_ or "")
        self._format = format_
        self._append, self._intake, self._clock = append, intake, clock
        self._project, self._batch_events = project, batch_events
        self._bytes_total, self._bytes_done, self._events = bytes_total, 0, 0
        self._progress = progress

    def file(self, path: Path) -> None:
        report = FileReport(str(path))
        self.report.files.append(report)
        batch: list[Event] = []
        types: Counter[str] = Counter()
        runs: dict[str, None] = {}
        try:
            report.format = self._format or detect(path)
            for item in self._read(path, report.format):
                if isinstance(item, Problem):
                    report.problems.append(item)
                else:
                    types[item.type] += 1
                    if item.run_id is not None:
                        runs[item.run_id] = None
                    batch.append(item)
                    if len(batch) >= self._batch_events:
                        self._flush(path, report, batch)
        except OSError as error:
            report.problems.append(Problem("file", error.strerror or str(error) or type(error).__name__))
        except ImportInvalid as error:
            report.problems.append(Problem("file", str(error.facts["reason"])))
        self._flush(path, report, batch)
        report.types, report.run_ids = dict(types), list(runs)

    def _read(self, path: Path, format_: str) -> Iterator[Event | Problem]:
        if format_ == "jsonl":
            return read_own_lines(path, on_bytes=self._on_bytes)
        if format_ == "otlp":
            from flightlog.ingest.importers.otlp_file import read_otlp

            return read_otlp(path, project=self._project, on_bytes=self._on_bytes)
        if format_ == "swe-agent":
            return read_swe_agent(path, project=self._project, on_bytes=self._on_bytes)
        now_ns = self._clock.now_ns()
        return read_claude_code(path, project=self._project, now_ns=now_ns, on_bytes=self._on_bytes)

    def _on_bytes(self, count: int) -> None:
        self._bytes_done += count

    def _flush(self, path: Path, report: FileReport, batch: list[Event]) -> None:
        if batch:
            safe = self._intake.prepare_all(batch)
            for event in safe:
                report.redacted += bool(event.flags & FLAG_REDACTED)
                report.truncated += bool(event.flags & FLAG_TRUNCATED)
                report.withheld += bool(event.flags & FLAG_WITHHELD)
            _count(report, safe, self._append(safe))
            self._events += len(safe)
            batch.clear()
        if self._progress:
            self._progress(Progress(path, self._bytes_done, self._bytes_total, self._events))


def _count(report: FileReport, events: list[Event], answer: Any) -> None:
    """Take over what the journal said. A way in that says nothing (a spool) has taken all."""
    rejected = list(getattr(answer, "rejected", ()))
    report.events += len(events)
    report.duplicates += getattr(answer, "duplicates", 0)
    report.stored += getattr(answer, "stored", len(events) - len(rejected))
    for index, error in rejected:
        if isinstance(error, EventIdConflict):
            report.changed += 1
        else:
            report.problems.append(Problem(f"{events[index].type} event", str(error)))


def _expand(path: Path, format_: str | None) -> list[Path]:
    """The files that a path stands for: itself, or those of the format in the folder and its folders."""
    if not path.is_dir():
        return [path]
    patterns = FORMATS[format_] if format_ is not None else [one for each in FORMATS.values() for one in each]
    return sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})
