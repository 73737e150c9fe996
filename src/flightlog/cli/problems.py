"""How a verb ends: exit codes, and what is said when it can't be done."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from flightlog import errors
from flightlog.cli.words import clean, columns
from flightlog.errors import FlightlogError

OK = 0
FAILED = 1  # the verb ran, and its verdict is bad: doctor found problems, an import had unreadable parts, the demo stayed red
USAGE = 2
INTERRUPTED = 130

AROUND_CHARS_MAX = 40  # of a long query, beside what is wrong in it

# The first class that fits counts.
EXIT_CODES: tuple[tuple[type[FlightlogError], int], ...] = (
    (errors.BadInput, USAGE),
    (errors.ServerExtraMissing, USAGE),
    (errors.NotFound, 3),
    (errors.Refused, 4),
    (errors.SqlStopped, 7),
    (errors.Unavailable, 5),
    (errors.StoreBroken, 6),
    (FlightlogError, FAILED),
)

# What to do about it, where the message itself does not say.
ADVICE: dict[type[FlightlogError], str] = {
    errors.WriterLocked: "`flightlog doctor` shows what it is: stop it first, or, if it serves, use it: --server URL.",
    errors.StoreBroken: "`flightlog doctor` shows what is wrong.",
}


def exit_code(error: FlightlogError) -> int:
    """The exit code for an error of ours."""
    return next(code for cls, code in EXIT_CODES if isinstance(error, cls))


def slug(cls: type[FlightlogError]) -> str:
    """The last part of a problem's type, the same as over HTTP.

    >>> slug(errors.RunNotFound), slug(FlightlogError)
    ('run-not-found', 'failed')
    """
    if cls is FlightlogError:
        return "failed"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()


CLASSES: dict[str, type[FlightlogError]] = {
    slug(cls): cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, FlightlogError)
}


def advice(error: FlightlogError) -> str | None:
    """What to do about an error, if its message does not say."""
    return next((text for cls, text in ADVICE.items() if isinstance(error, cls)), None)


def document(error: FlightlogError) -> dict[str, Any]:
    """An error as a problem document; `type`, `detail` and `facts` are the same as over HTTP."""
    found: dict[str, Any] = {
        "type": f"/problems/{slug(type(error))}",
        "detail": error.message,
        "exit_code": exit_code(error),
        "facts": error.facts,
    }
    if text := advice(error):
        found["advice"] = text
    return found


def usage_document(message: str, code: int) -> dict[str, Any]:
    """A wrong call as a problem document."""
    return {"type": "/problems/usage", "detail": message, "exit_code": code, "facts": {}}


def say(error: FlightlogError, as_json: bool) -> int:
    """Tell the user on standard error; the exit code."""
    if as_json:
        say_document(document(error))
    else:
        text = advice(error)
        print(f"flightlog: {error.message}" + (f" {text}" if text else ""), file=sys.stderr)
        for line in pointed(error):
            print("  " + line, file=sys.stderr)
    return exit_code(error)


@contextmanager
def pointing_at(query: str | None) -> Iterator[None]:
    """What is wrong in this query can be shown in it."""
    try:
        yield
    except errors.QueryInvalid as error:
        if query:
            error.facts["query"] = query
        raise


def pointed(error: FlightlogError) -> list[str]:
    """The query with carets under what can't be read, or nothing for other errors.

    >>> pointed(errors.QueryInvalid(reason="no", at=2, length=6, query="a stauts:failed"))
    ['a stauts:failed', '  ^^^^^^']
    """
    query, at, length = (error.facts.get(name) for name in ("query", "at", "length"))
    if not isinstance(query, str) or not isinstance(at, int) or not isinstance(length, int):
        return []
    start, end = max(0, at - AROUND_CHARS_MAX), at + length + AROUND_CHARS_MAX
    before = ("…" if start else "") + clean(query[start:at])
    wrong = clean(query[at : at + length])
    after = clean(query[at + length : end]) + ("…" if end < len(query) else "")
    return [before + wrong + after, " " * columns(before) + "^" * max(1, columns(wrong))]


def say_document(found: dict[str, Any]) -> None:
    """A problem document on standard error, on one line."""
    print(msgspec.json.encode(found, enc_hook=str).decode(), file=sys.stderr)


def from_problem(status: int, body: bytes) -> FlightlogError:
    """The error behind a server's answer, so that it ends here as it would in the server's place."""
    try:
        found = msgspec.json.decode(body)
        kind = str(found["type"]).rsplit("/", 1)[-1]
        detail = str(found["detail"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return errors.Unavailable(reason=f"the server answered {status} with something else than Flightlog's JSON")
    facts = found.get("facts")
    cls = CLASSES.get(kind)
    if cls is not None and cls is not FlightlogError:
        made = cls(**facts) if isinstance(facts, dict) else cls()
        if made.message == detail:
            return made
    # A kind or words of another version: keep what the server said.
    if status == 404:
        return _said(errors.NotFound, detail)
    if status == 403:
        return errors.Refused(reason=detail)
    return errors.BadInput(reason=detail) if status < 500 else errors.Unavailable(reason=detail)


def _said(cls: type[FlightlogError], detail: str) -> FlightlogError:
    """An error of this class in the server's own words."""
    made = type(cls.__name__, (cls,), {"__doc__": "{said}"})(said=detail)
    assert isinstance(made, FlightlogError)
    return made
