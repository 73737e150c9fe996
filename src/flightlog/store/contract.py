"""What every store promises. The journal and the rooms above know this page and nothing of the database behind it.

The exam in `tests/contract/` is written against these promises; a new database joins by passing it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import Connection, MetaData, Table

T = TypeVar("T")

Dialect = Literal["sqlite", "postgresql"]

# Under this name a connection's `info` has the `history` of its store: whoever reads the journal is handed a connection.
HISTORY = "flightlog.history"

# Every room's tables hang here, so that one test can hold them against what the migrations make.
metadata = MetaData()


class DuplicateKey(Exception):
    """A row with this key is already there. The attempt that met it left nothing behind."""


class RowRefused(Exception):
    """The database can't hold one of the rows (a value of the wrong kind or size). The attempt left nothing behind."""


class StartOver(Exception):
    """A row was refused in a transaction that was begun in the hope that all are taken: what it has done is undone as a whole,
    and who began it begins again, with care."""


class Tx(Protocol):
    """One open write transaction. It belongs to the writer thread and ends with the function it was handed to.

    While it is `hopeful`, `insert_many` may raise StartOver and leave some of the rows behind, where it else raises DuplicateKey
    or RowRefused: to be able to undo these costs more than the rows. Only who lets StartOver end the transaction may set it.
    """

    hopeful: bool

    @property
    def sql(self) -> Connection:
        """SQLAlchemy's connection, for tables and commands."""

    @property
    def driver(self) -> Any:
        """The driver's own connection, where speed asks for it."""

    def insert_many(self, *parts: tuple[Table, Sequence[tuple[Any, ...]]]) -> None:
        """Insert rows (values in the order of the table's columns) the fastest way this database knows.

        All or nothing over all parts: raises DuplicateKey or RowRefused and leaves none of these rows behind.
        """

    def insert_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of which these columns are given. What the database refuses is raised as it says it, and ends the
        transaction."""

    def update_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
        """Write these columns of rows, each of which is known by the first of them; how many were there."""

    def find_rows(self, table: Table, key: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        """The whole rows that have one of these values in a column of text, in no order."""


class CommitSignal(Protocol):
    """Says that something was committed, by this process or another."""

    @property
    def seen(self) -> int:
        """A number that grows with commits. Take it before you read, hand it to `wait` after."""

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Return the present number as soon as it is not `seen` any more, or after `timeout` seconds."""

    def notify(self) -> None:
        """Wake everyone who waits."""


class Meter(Protocol):
    """Whoever counts what the store does. Called from any thread, and never raises."""

    def wrote(self, seconds: float) -> None:
        """A write was committed or refused, after so long, its wait included."""

    def read(self, seconds: float) -> None:
        """A snapshot was let go of, after so long."""


class Store(Protocol):
    """One database: one writer, many readers. `meter` may be set at any time."""

    url: str
    dialect: Dialect
    writable: bool
    meter: Meter | None
    # What answers for the older part of the journal (`journal.history.History`); None where all of it is in the tables.
    # Whoever opens the store sets it; every connection has it from then on.
    history: Any

    def write(self, fn: Callable[[Tx], T], timeout: float | None = None) -> T:
        """Run `fn` in a transaction on the writer thread; return its result once that is committed.

        Several calls may share a commit; each is kept or undone on its own. `fn` may be run more than once before it is
        committed, so it changes nothing outside the transaction. What `fn` raises is raised here, and nothing of it
        is stored. `timeout` in seconds; None takes `write_timeout_seconds`.

        Raises StoreBusy (not done in time; nothing was stored and `fn` will not run any more), StoreUnavailable (disk
        full, read-only, I/O error; nothing was stored), StoreGone (the file was removed or replaced), StoreUncertain
        (the commit itself has not come back in time: the one case in which it may have been stored).
        """

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only connection on one snapshot, from any thread. Keep it for milliseconds, not minutes."""

    def sync(self) -> None:
        """Return when all that is committed by now survives a power cut. Raises StoreUnavailable."""

    def scrub(self, *, rewrite: bool = False) -> bool:
        """See to it that nothing of what was deleted is left in the database's files.

        With `rewrite` every page is written anew, which takes as long as the database is large and room for a second one.
        False where a reader kept the log from being emptied; try again then.
        """

    def commits(self) -> CommitSignal:
        """The signal that tails wait on."""

    def revision(self) -> str | None:
        """The migration that the database is at; None when it is empty."""

    def migrate(self) -> list[str]:
        """Bring the schema up to date; return the migrations that were run, oldest first."""

    def reopen(self) -> None:
        """After StoreGone: open what is at the same place now, or begin anew there. Other errors do not need it."""

    def close(self) -> None:
        """Commit what is queued, stop, let go of the lock. Safe to call twice."""
