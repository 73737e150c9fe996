"""Dramatiq's side of the bench of tasks, on its broker for PostgreSQL. Loaded by the Python that has it."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq_pg import PostgresBroker

dramatiq.set_broker(PostgresBroker(url=os.environ["PEER_URL"], results=False))


@dramatiq.actor
def noop(file: str) -> None:
    """Say when."""
    with open(file, "ab") as out:
        out.write(b"%d\n" % time.time_ns())
