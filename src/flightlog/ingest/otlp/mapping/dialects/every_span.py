"""Attributes that are no dialect's: OpenTelemetry's of every span, and ours."""

from __future__ import annotations

from flightlog.ingest.otlp.mapping.declare import Dialect, Take
from flightlog.ingest.otlp.mapping.values import text

EVERY_SPAN = Dialect(
    "",
    "Every span",
    "1.44",
    {
        "error.type": Take("error_kind", text),
        "flightlog.run.id": Take("run_id", text),
        "flightlog.task.id": Take("task_id", text),
        "flightlog.actor": Take("actor", text),
    },
)
