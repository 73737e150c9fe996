"""The pipeline of the bench of tasks: one step that does nothing and says when it began; and one that takes its time."""

from __future__ import annotations

import time
from typing import Any

from flightlog.tasks import pipeline, step


@pipeline("bench-noop", states=["QUEUED", "DOING"])
class Noop:
    """Its result is when the step began, in nanoseconds since 1970."""

    @step("DOING")
    def do(self, task: Any) -> int:
        """Nothing."""
        return time.time_ns()
