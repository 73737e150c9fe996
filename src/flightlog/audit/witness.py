"""Looking for a record in a data folder, beside whoever writes it and without the server extra: a recorder waits by it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from flightlog.recorder.confirm import Seen
from flightlog.store.lock import holder

DATABASE_FILE = "flightlog.db"

_ASK = (
    "SELECT run_events.id, audits.orphan FROM run_events LEFT JOIN audits ON audits.id = run_events.id "
    "WHERE run_events.event_id = ?"
)


class FolderWatch:
    """Reads the folder's store, read-only, over one connection that stays with the thread that made it."""

    def __init__(self, folder: Path, event_id: str) -> None:
        self._folder = folder
        self._path = folder / DATABASE_FILE
        self._event_id = event_id
        self._connection: sqlite3.Connection | None = None

    def look(self) -> Seen | None:
        """The record; None while the store has none, or there is no store that can be read."""
        try:
            if self._connection is None:
                if not self._path.exists():
                    return None
                uri = f"file:{quote(str(self._path.absolute()))}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)
            row = self._connection.execute(_ASK, (self._event_id,)).fetchone()
        except sqlite3.Error:
            self.close()
            return None
        return None if row is None else Seen(int(row[0]), row[1] == "orphaned")

    def is_served(self) -> bool:
        """Whether somebody is the folder's writer."""
        return holder(self._folder) is not None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
