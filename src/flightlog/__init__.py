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
from flightlog.recorder.confirm import AuditOutcome
from flightlog.recorder.health import Degradation, Health
from flightlog.recorder.helpers.permissions import Asked, Grant, Verdict
from flightlog.recorder.run import Run, Span, current_run
from flightlog.version import __version__
from flightlog.wiring import open  # noqa: A004 - flightlog.open is the way in

__all__ = [
    "Asked",
    "AuditOutcome",
    "Degradation",
    "Event",
    "FlightlogError",
    "Grant",
    "Health",
    "Recorder",
    "Run",
    "Settings",
    "Span",
    "StoredEvent",
    "Verdict",
    "__version__",
    "current_run",
    "open",
]
