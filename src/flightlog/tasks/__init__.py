"""Tasks: accepted once, run to the end, through states that a pipeline declares.

from flightlog.tasks import pipeline, step

@pipeline("summarise", states=["QUEUED", "READING", "WRITING"])
class Summarise:
    @step("READING")
    def read(self, task):
        return {"words": len(task.input["text"].split())}

    @step("WRITING")
    def write(self, task):
        return f"{task.results['READING']['words']} words"
"""

from __future__ import annotations

# Light modules alone: who declares a pipeline needs no database. They come first, so that `pipeline` is the decorator here, and
# not the module of that name, which is imported with them.
from flightlog.tasks.declare import pipeline, step
from flightlog.tasks.pipeline import Retries
from flightlog.tasks.raised import Overtaken, RetryAfter, Unrecoverable

__all__ = ["Overtaken", "Retries", "RetryAfter", "Unrecoverable", "pipeline", "step"]
