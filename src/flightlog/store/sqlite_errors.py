"""What SQLite's errors mean to us, in one list."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from flightlog.errors import FlightlogError, StoreBroken, StoreUnavailable

# Primary result codes (the low byte of the extended one): what the caller is told, in words.
TRY_AGAIN: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "another process holds the database",
    sqlite3.SQLITE_LOCKED: "the database is locked",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_IOERR: "the disk gave an I/O error",
    sqlite3.SQLITE_CANTOPEN: "the database file can't be opened",
    sqlite3.SQLITE_PERM: "access is denied",
    sqlite3.SQLITE_AUTH: "access is denied",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_PROTOCOL: "the database's locks do not work on this file system",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
}
NEEDS_A_PERSON: dict[int, str] = {
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
}
# After these the connection may hold on to a state that is gone; a new one does not.
RECONNECT = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
}
# The row itself is at fault: kinds, sizes and constraints.
_ROW_CODES = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}
_DUPLICATE_CODES = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def driver_error(error: BaseException) -> sqlite3.Error | None:
    """The driver's error behind SQLAlchemy's, or itself."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return origin if isinstance(origin, sqlite3.Error) else None


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code; 0 where the error did not come from the database."""
    origin = driver_error(error)
    return (getattr(origin, "sqlite_errorcode", None) or 0) & 0xFF


def explain(error: BaseException) -> BaseException:
    """In Flightlog's words where it is the machine's fault; as it is where it is the caller's."""
    code = primary_code(error)
    made: FlightlogError
    if code in TRY_AGAIN:
        made = StoreUnavailable(reason=TRY_AGAIN[code])
    elif code in NEEDS_A_PERSON:
        made = StoreBroken(reason=NEEDS_A_PERSON[code])
    else:
        return error
    made.__cause__ = error
    return made


def is_duplicate(error: BaseException) -> bool:
    """Whether a row with this key was there already."""
    return getattr(driver_error(error), "sqlite_errorcode", None) in _DUPLICATE_CODES


def is_refused(error: BaseException) -> bool:
    """Whether the row can't be stored whatever is tried: the driver can't bind it or the table does not take it."""
    if isinstance(error, OverflowError | UnicodeError | TypeError | ValueError):
        return True
    if primary_code(error) in _ROW_CODES:
        return True
    # Raised by the driver before SQLite sees the row ("Error binding parameter"), without a code.
    return isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError)
