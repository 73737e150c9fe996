"""The process that reads large requests of OpenTelemetry for a server: `python -m flightlog.decoding`."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from flightlog.config import Settings

if TYPE_CHECKING:
    from flightlog.ingest.otlp.apart import Apart, Order
    from flightlog.ingest.otlp.reading import Reading
    from flightlog.journal.ready import Preparation

# A request makes thousands of objects that live until its commit, and Python would look through them, and through the whole
# program, again and again: a tenth of the time that a span takes.
GARBAGE_OBJECTS_MIN = 20_000


def make_apart(settings: Settings, digest_key: bytes | None, preparation: Preparation) -> Apart | None:
    """The process for a server, which is not begun yet; None where the settings want none, or redaction marks have no key that
    two processes could share.
    """
    from flightlog.ingest.otlp.apart import Apart

    if not settings.otlp_process or digest_key is None:
        return None
    return Apart([sys.executable, "-m", "flightlog.decoding"], settings, digest_key, preparation)


def make_reading(order: Order) -> tuple[Reading, Preparation]:
    """What reads as the server itself would. SQLAlchemy is not loaded for it."""
    from flightlog.ingest.batch import Intake
    from flightlog.ingest.otlp.leftover import LeftoverLooker
    from flightlog.ingest.otlp.reading import Reading
    from flightlog.journal.ready import Preparation
    from flightlog.recorder.redact import Redactor
    from flightlog.runs.calls import CallLooker

    settings = order.settings
    preparation = Preparation([CallLooker(), LeftoverLooker()])
    intake = Intake(Redactor.from_settings(settings, order.digest_key), settings)
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS_MIN, 20, 20)
    return Reading(intake, preparation, settings), preparation


def main() -> None:
    """Read until the server ends."""
    from flightlog.ingest.otlp.apartwork import work

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to answer, and it ends us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="flightlog: %(message)s", stream=sys.stderr)
    orders, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what anybody prints is no answer
    try:
        work(make_reading, orders, answers)
    except BrokenPipeError:
        pass  # the server has ended


if __name__ == "__main__":
    main()
