"""Flightlog's own JSON Lines, as `flightlog export events` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import Problem
from flightlog.ingest.importers.unpacking import OnBytes, numbered_lines, unpacked
from flightlog.ingest.own import event_of


def read_own_lines(path: Path, *, on_bytes: OnBytes | None = None) -> Iterator[Event | Problem]:
    """The events of one file, and the lines that hold none. Raises OSError if the file can't be opened."""
    with unpacked(path, on_bytes) as file:
        for found in numbered_lines(file):
            if isinstance(found, Problem):
                yield found
                continue
            number, line = found
            try:
                yield event_of(line)
            except (ValueError, RecursionError, FlightlogError) as error:
                yield Problem(f"line {number}", str(error) or type(error).__name__)
