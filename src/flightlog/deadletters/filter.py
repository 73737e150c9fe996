"""Which dead letters are meant."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, and_

from flightlog.deadletters.letters import CAUSES, SOURCES, STATUSES
from flightlog.deadletters.table import dead_letters
from flightlog.errors import FilterInvalid
from flightlog.journal.filter import INT64_MAX, is_storable


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which letters: every field that is given has to hold; `statuses` and `causes` ask for any of their values.

    `since` (inclusive) and `until` (exclusive) are failed_at in nanoseconds. `job` is an attempt (`<task id>.<attempt no>`), and
    means the letter of which it was the last.
    """

    letter_id: str | None = None
    source: str | None = None
    causes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    pipeline: str | None = None
    queue: str | None = None
    state: str | None = None
    user_id: str | None = None
    project: str | None = None
    task_id: str | None = None
    event_id: str | None = None
    job: str | None = None
    topic: str | None = None
    kind: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    until: int | None = None


ALL_LETTERS = LetterFilter()

_PLAIN = (
    "letter_id", "source", "pipeline", "queue", "state", "user_id", "project", "task_id", "event_id", "topic", "kind",
    "fingerprint",
)  # fmt: skip
_SEVERAL = {"causes": "cause", "statuses": "status"}
_CHOICES = {"source": SOURCES, "causes": CAUSES, "statuses": STATUSES}


def conditions(wanted: LetterFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL. Raises FilterInvalid."""
    _check(wanted)
    made = [dead_letters.c[name] == value for name in _PLAIN if (value := getattr(wanted, name)) is not None]
    made += [
        dead_letters.c[column].in_(values) for name, column in _SEVERAL.items() if (values := getattr(wanted, name))
    ]
    if wanted.job is not None:
        task_id, _, attempt_no = wanted.job.rpartition(".")
        made.append(and_(dead_letters.c.task_id == task_id, dead_letters.c.attempts == int(attempt_no)))
    if wanted.since is not None:
        made.append(dead_letters.c.failed_at >= wanted.since)
    if wanted.until is not None:
        made.append(dead_letters.c.failed_at < wanted.until)
    return made


def _check(wanted: LetterFilter) -> None:
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        several = value if isinstance(value, tuple) else (value,)
        if any(isinstance(one, str) and not is_storable(one) for one in several):
            raise FilterInvalid(reason=f"{name} is not valid Unicode text")
        if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:
            raise FilterInvalid(reason=f"{name} does not fit in 64 bits")
        choices = _CHOICES.get(name, ())
        unknown = [one for one in several if one is not None and choices and one not in choices]
        if unknown:
            raise FilterInvalid(reason=f"{name} can be {', '.join(choices)}, and not {unknown[0]!r}")
    if wanted.job is not None:
        digits = wanted.job.rpartition(".")[2]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
            raise FilterInvalid(reason=f"a job is `<task id>.<attempt no>`, and not {wanted.job!r}")
