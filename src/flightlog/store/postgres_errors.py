"""What PostgreSQL's errors mean to us, in one list."""

from __future__ import annotations

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError, PendingRollbackError, ResourceClosedError

from flightlog.errors import FlightlogError, StoreBroken, StoreUnavailable

# By SQLSTATE or its class (its first two characters): https://www.postgresql.org/docs/current/errcodes-appendix.html
TRY_AGAIN: dict[str, str] = {
    "08": "the connection to the database failed",
    "25": "the database is read-only",
    "25P03": "the transaction stood still for too long, and the database ended it",
    "57014": "it took longer than it may",
    "40": "the transaction met another one",
    "53": "the database has run out of something (disk, memory, connections)",
    "55": "the database is locked",
    "57": "the database is being stopped",
    "58": "the database's machine gave an error",
}
NEEDS_A_PERSON: dict[str, str] = {
    "28": "access to the database was denied",
    "3D": "there is no such database",
    "42501": "this user of the database may not do that",
    "XX": "the database is damaged",
}

_REFUSALS = {
    "does not exist": "there is no such database or user",
    "authentication failed": "access to the database was denied",
    "no pg_hba.conf entry": "access to the database was denied",
}


def driver_error(error: BaseException) -> psycopg.Error | None:
    """The driver's error behind SQLAlchemy's, or itself."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return origin if isinstance(origin, psycopg.Error) else None


def explain(error: BaseException) -> BaseException:
    """In Flightlog's words where it is the machine's fault; as it is where it is the caller's."""
    origin = driver_error(error)
    if origin is None:
        if not isinstance(error, PendingRollbackError | ResourceClosedError):
            return error
        lost = StoreUnavailable(reason=TRY_AGAIN["08"])  # who was at work on the connection went on after it was lost
        lost.__cause__ = error
        return lost
    state = origin.sqlstate or ""
    made: FlightlogError
    if state in NEEDS_A_PERSON or state[:2] in NEEDS_A_PERSON:
        made = StoreBroken(reason=NEEDS_A_PERSON.get(state) or NEEDS_A_PERSON[state[:2]])
    elif state in TRY_AGAIN or state[:2] in TRY_AGAIN:
        made = StoreUnavailable(reason=TRY_AGAIN.get(state) or TRY_AGAIN[state[:2]])
    elif isinstance(origin, psycopg.OperationalError) and not state:
        # Refused while connecting, of which the driver keeps the words only; or it could not reach the server at all.
        said = next((meaning for words, meaning in _REFUSALS.items() if words in str(origin)), None)
        made = StoreBroken(reason=said) if said else StoreUnavailable(reason="the database can't be reached")
    else:
        return error
    made.__cause__ = error
    return made


def is_refused(error: BaseException) -> bool:
    """Whether the row can't be stored whatever is tried: the driver can't send it or the table does not take it."""
    if isinstance(error, OverflowError | UnicodeError | TypeError | ValueError):
        return True
    origin = driver_error(error)
    if isinstance(origin, errors.DataError | errors.IntegrityError | errors.ProgramLimitExceeded):
        return True
    return (
        isinstance(origin, psycopg.ProgrammingError) and origin.sqlstate is None
    )  # the driver knows no way to send it
