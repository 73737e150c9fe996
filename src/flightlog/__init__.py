"""Flightlog: the flight recorder and system of record for AI work.

import flightlog

rec = flightlog.open("./flight")
with rec.run("fix the login bug", actor="agent-7") as run:
    run.emit("note", {"text": "starting"})
rec.close()
"""

from __future__ import annotations

from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event, StoredEvent
from flightlog.recorder.client import Recorder
from flightlog.recorder.health import Degradation, Health
from flightlog.recorder.run import Run, Span, current_run
from flightlog.version import __version__
from flightlog.wiring import open  # noqa: A004 - flightlog.open is the way in

__all__ = [
    "Degradation",
    "Event",
    "FlightlogError",
    "Health",
    "Recorder",
    "Run",
    "Settings",
    "Span",
    "StoredEvent",
    "__version__",
    "current_run",
    "open",
]
