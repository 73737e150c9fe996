"""The parameters that lists share: how each is read, and the refusal of those that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid, ParameterUnknown
from flightlog.filters.times import time_ns

ID_MAX = 2**63 - 1


def words(values: Sequence[str] | None) -> tuple[str, ...]:
    """The words of a list parameter, given once with commas or several times.

    >>> words(["a,b", " c "]), words(None)
    (('a', 'b', 'c'), ())
    """
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())


def moment(name: str, text: str | None, now_ns: int) -> int | None:
    """Nanoseconds since 1970, of a time or of an age that counts back from `now_ns`. Raises FilterInvalid."""
    if text is None:
        return None
    try:
        return time_ns(text, now_ns)
    except (ValueError, OverflowError):
        hint = " (write the plus sign of a zone as %2B)" if " " in text.strip() else ""
        raise FilterInvalid(
            reason=f"{name}={text!r} is neither an RFC 3339 time nor nanoseconds since 1970 nor an age such as 24h{hint}"
        ) from None


def parse_limit(text: str | None, cap: int) -> int | None:
    """A number of rows from 1 to `cap`, or None when none is given. Raises LimitInvalid.

    >>> parse_limit("20", 1000), parse_limit(None, 1000)
    (20, None)
    """
    if text is None:
        return None
    number = _whole(text)
    if number is None or not 1 <= number <= cap:
        raise LimitInvalid(limit=text, limit_max=cap)
    return number


def parse_id(text: str | None) -> int | None:
    """A journal id as a cursor; 0 is before the first event. Raises CursorInvalid."""
    if text is None:
        return None
    number = _whole(text)
    if number is None or not 0 <= number <= ID_MAX:
        raise CursorInvalid(cursor=text)
    return number


def parse_flag(name: str, text: str | None, default: bool) -> bool:
    """`true` or `false`. Raises FilterInvalid."""
    if text is None:
        return default
    if text not in ("true", "false"):
        raise FilterInvalid(reason=f"{name} is true or false, not {text!r}")
    return text == "true"


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def check_known(given: Iterable[str], known: frozenset[str]) -> None:
    """Raise ParameterUnknown for the first name in `given` that is not `known`."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParameterUnknown(parameter=name, hint=hint, known=", ".join(sorted(known)) or "none")
