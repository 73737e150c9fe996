"""`flightlog queues`: what waits, what runs, and who works."""

from __future__ import annotations

from typing import Any

import typer

from flightlog.cli import options, output
from flightlog.cli.query import Doc
from flightlog.cli.words import count, duration
from flightlog.clock import SystemClock, parse_ns
from flightlog.config import Settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("queues")(queues)


def queues(folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Show what waits, what runs, and who works."""
    place = options.chosen_folder(folder, server)
    found = _of_server(server) if server is not None else _of_folder(place)
    if as_json:
        output.print_json(found)
        return
    now = SystemClock().now_ns()
    rows = [
        (one["queue"], str(one["waiting"]), str(one["running"]), _ago(one["oldest_at"], now), str(one["workers"]))
        for one in found["queues"]
    ]
    if rows:
        columns = ("queue", "waiting", "running", "oldest", "workers")
        output.print_table(columns, rows, right=columns[1:], shrinks="queue")
    else:
        output.hint("no queue has anything in it")
    alive = [one for one in found["workers"] if one["state"] in ("RUNNING", "DRAINING")]
    if alive:
        print()
        output.print_table(
            ("worker", "state", "queues", "at once", "host", "seen"),
            [
                (one["name"], one["state"], ",".join(one["queues"]), str(one["concurrency"]),
                 f"{one['host']} ({one['pid']})", _ago(one["seen_at"], now))
                for one in alive
            ],
            right=("at once", "seen"), shrinks="queues", optional=("host", "at once"),
        )  # fmt: skip
    elif any(one["waiting"] for one in found["queues"]):
        output.hint("no worker is there; start `flightlog up --pipelines …`, or on PostgreSQL `flightlog worker`")
    over = len(found["workers"]) - len(alive)
    if over:
        output.hint(f"{count(over, 'worker')} ended in the last day")


def _ago(moment: str | None, now_ns: int) -> str:
    return "" if moment is None else duration(max(now_ns - parse_ns(moment), 0))


def _of_server(server: str) -> Doc:
    from flightlog.cli.remote import ServerSource

    return ServerSource(server).get("/v1/queues", [], needs=("queues", "workers"))


def _of_folder(place: Any) -> Doc:
    from flightlog.cli.local import document
    from flightlog.wiring import Keeper

    settings = Settings.load(place)
    keeper = Keeper(place, settings, writable=False)
    try:
        from flightlog.api.shapes_tasks import queues_shape
        from flightlog.queue.make import make_queue
        from flightlog.working import roster
        from flightlog.working.platform import queue_stats

        with keeper.store.read() as connection:
            stats = queue_stats(connection, make_queue(keeper.store, SystemClock(), settings), {})
            return document(queues_shape(stats, roster.list_workers(connection)))
    finally:
        keeper.close()
