"""Which events a reader wants."""

from __future__ import annotations

import msgspec

from flightlog.errors import FilterInvalid
from flightlog.events.envelope import LEVELS
from flightlog.journal.condition import Condition

INT64_MAX = 2**63 - 1
# The columns that a condition may ask of.
ASKABLE = frozenset(
    {
        "type",
        "level",
        "status",
        "source",
        "actor",
        "project",
        "name",
        "run_id",
        "trace_id",
        "span_id",
        "task_id",
        "correlation_id",
        "duration_ns",
    }
)


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: every field that is given has to hold. A tuple asks for any of its values.

    `since` (inclusive) and `until` (exclusive) are created_at in nanoseconds. `text` is looked for in names and payloads;
    `also` asks more of single columns.
    """

    project: str | None = None
    run_id: str | None = None
    types: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None
    task_id: str | None = None
    correlation_id: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None
    also: tuple[Condition, ...] = ()

    def check(self) -> None:
        """Raise FilterInvalid where no event could ever answer, or the database could not be asked."""
        for field in self.__struct_fields__:
            value = getattr(self, field)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, str) and not is_storable(item):
                    raise FilterInvalid(reason=f"{field} is not valid Unicode text")
                if isinstance(item, int) and not -INT64_MAX <= item <= INT64_MAX:
                    raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
        for condition in self.also:
            if condition.field not in ASKABLE:
                raise FilterInvalid(reason=f"events can't be filtered by {condition.field!r}")
            if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
                raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown:
            raise FilterInvalid(reason=f"level is one of {', '.join(LEVELS)}, not {unknown[0]!r}")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise FilterInvalid(reason="since is later than until")


EVERYTHING = EventFilter()


def is_storable(text: str) -> bool:
    """Whether this is text that a database takes: lone surrogates are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
