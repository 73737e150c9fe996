"""What a request holds once it is decoded, and the rules that its records are held to in every encoding.

A record that breaks a rule is left out with its reason, and its neighbours are kept. A request whose records can't be told
apart at all raises BodyInvalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from flightlog.errors import BodyInvalid
from flightlog.ingest.otlp.model import Scope

R = TypeVar("R")
T = TypeVar("T")

INT64_MAX = 2**63 - 1
VALUE_DEPTH_MAX = 24  # lists and maps in each other in one attribute; protobuf's parser itself ends soon after
REASONS_MAX = 20  # of one request; how many there are is counted in full

NO_TRACE, NO_SPAN = "0" * 32, "0" * 16


class Part(msgspec.Struct, Generic[R]):
    """The records of one scope."""

    scope: Scope
    records: list[R]


class Group(msgspec.Struct, Generic[R]):
    """The records of one resource."""

    attributes: dict[str, Any]
    schema_url: str
    parts: list[Part[R]]


class Decoded(msgspec.Struct, Generic[R]):
    """One request. `refused` counts the records that were left out; `reasons` has the first of the reasons."""

    groups: list[Group[R]] = []
    refused: int = 0
    reasons: list[str] = []

    @property
    def count(self) -> int:
        """How many records were kept."""
        return sum(len(part.records) for group in self.groups for part in group.parts)

    def refuse(self, what: str, why: object) -> None:
        """Count a record that is left out."""
        self.refused += 1
        if len(self.reasons) < REASONS_MAX:
            self.reasons.append(f"{what}: {why}")


def kept(decoded: Decoded[Any], what: str, texts: Iterable[T], make: Callable[[T], R], first: int = 0) -> list[R]:
    """What `make` makes of each; those it can't are refused, with the place that they have among their neighbours, of whom
    `first` came before these."""
    records: list[R] = []
    for at, text in enumerate(texts, first):
        try:
            records.append(make(text))
        except (ValueError, RecursionError) as error:
            decoded.refuse(f"{what} {at} of its scope", str(error) or type(error).__name__)
    return records


def frame_attributes(what: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The attributes of a resource or a scope. Raises BodyInvalid: without them nothing below can be placed."""
    try:
        return make()
    except (ValueError, RecursionError) as error:
        raise BodyInvalid(reason=f"its {what} can't be read: {error}") from None


def check_times(start_ns: int, end_ns: int) -> None:
    """Raise ValueError unless these can be the beginning and the end of a finished span."""
    if not 0 < start_ns <= end_ns <= INT64_MAX:
        check_time(start_ns)
        check_time(end_ns)
        if not end_ns:
            raise ValueError("it has no end, so it is not finished")
        if not start_ns:
            raise ValueError("it has no start")
        raise ValueError(f"it ends at {end_ns} before it starts at {start_ns}")


def check_time(time_ns: int) -> int:
    """The time. Raises ValueError where it is no moment that can be kept."""
    if time_ns < 0:
        raise ValueError(f"the time {time_ns} is negative")
    if time_ns > INT64_MAX:
        raise ValueError(f"the time {time_ns} does not fit in 64 bits")
    return time_ns


def wrong_id(what: str, digits: str, length: int) -> ValueError:
    """Why these hex digits are not an id."""
    if digits and not digits.strip("0") and len(digits) == length:
        return ValueError(f"its {what} is all zeros")
    return ValueError(f"its {what} has {len(digits) // 2} bytes, not {length // 2}")


def plain_number(value: float) -> float | str:
    """The number, or its name where JSON has none for it.

    >>> plain_number(0.5), plain_number(float("nan")), plain_number(float("-inf"))
    (0.5, 'NaN', '-Infinity')
    """
    if value - value == 0.0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def too_deep() -> ValueError:
    """Why a value is not read."""
    return ValueError(f"an attribute is nested deeper than {VALUE_DEPTH_MAX} levels")
