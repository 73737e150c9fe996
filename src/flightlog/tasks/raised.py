"""What the code of a step raises to say more than that it failed, and what it is told with when it has to stop."""

from __future__ import annotations

import math


class Unrecoverable(Exception):
    """Trying again can't help: the task fails at once, and is a dead letter.

    >>> raise Unrecoverable("the file is no PDF")
    Traceback (most recent call last):
    flightlog.tasks.raised.Unrecoverable: the file is no PDF
    """


class RetryAfter(Exception):
    """The step failed for now, and may be tried again after so many seconds at the earliest.

    Any exception with a number as `retry_after` says the same. A wait shorter than that of the pipeline's own retries is not
    taken; one that is no number of seconds from 0 on is none.
    """

    def __init__(self, seconds: float, message: str = "") -> None:
        super().__init__(message or f"asked to come again after {seconds:g} seconds")
        self.retry_after = seconds


class Overtaken(BaseException):
    """The task was canceled, is past its deadline or is another worker's by now: what this attempt does is in vain.

    Raised by `task.check()` and `task.progress()`, to be left alone: what the step has open is closed on the way out. It is no
    Exception, so that code that catches everything does not go on for nothing.
    """


def retry_after_of(error: BaseException) -> float | None:
    """The wait in seconds that an exception asks for, if it asks for one that makes sense."""
    try:
        seconds = float(getattr(error, "retry_after", None))  # type: ignore[arg-type]  # anything may be there
    except Exception:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
