"""Procrastinate's side of the bench of tasks. Loaded by the Python that has it."""

from __future__ import annotations

import os
import sys
import time

import procrastinate

_worker = "worker" in sys.argv
_connector = procrastinate.PsycopgConnector if _worker else procrastinate.SyncPsycopgConnector
app = procrastinate.App(connector=_connector(conninfo=os.environ["PEER_URL"]))


@app.task(name="noop")
def noop(file: str) -> None:
    """Say when."""
    with open(file, "ab") as out:
        out.write(b"%d\n" % time.time_ns())
