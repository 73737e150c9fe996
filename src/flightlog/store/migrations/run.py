"""Alembic, called from our own code: no ini file, our connection, our transaction."""

from __future__ import annotations

import threading

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from flightlog.store.migrations import FOLDER

_one_at_a_time = threading.Lock()  # Alembic hands its context to env.py through a module, of which there is one


def alembic_config() -> Config:
    """Where the scripts are. Alembic reads % as its own sign, and a path may have one."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def run_alembic(connection: Connection, to: str) -> None:
    """Upgrade this connection's database to a revision, inside the transaction that is open on it."""
    config = alembic_config()
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)
