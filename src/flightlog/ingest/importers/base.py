"""What all importers share: the shape of what they yield, stable ids, and reading values of any type without a fall.

An importer is a generator over one file. It yields the events it could read and a Problem for what it could not, in the
file's order, and knows nothing of stores. Reading the same file twice yields the same events with the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from flightlog.clock import parse_ns
from flightlog.config import Settings
from flightlog.events.envelope import FIELD_CHARS_MAX, FLAG_IMPORTED, Event
from flightlog.events.payload import encode_payload

DEPTH_MAX = Settings().payload_depth_max
TIME_NS_MAX = 2**63 - 1
COUNT_MAX = 2**53  # a larger number of tokens is a mistake, and not exact in JSON readers

Payload = Mapping[str, Any]


class Problem(msgspec.Struct, frozen=True):
    """Something that could not be read: where in the file (`line 7`, `step 3`), and why."""

    where: str
    reason: str


class ImportResult(NamedTuple):
    """A whole file, read."""

    events: list[Event]
    problems: list[Problem]


def collect(items: Iterable[Event | Problem]) -> ImportResult:
    """All that an importer yields, sorted into events and problems."""
    result = ImportResult([], [])
    for item in items:
        if isinstance(item, Problem):
            result.problems.append(item)
        else:
            result.events.append(item)
    return result


def digest(*parts: str | bytes) -> str:
    """64 hex digits over the parts; where one part ends and the next begins counts.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def stable_uuid(*parts: str | bytes) -> str:
    """A UUID version 8 (RFC 9562, 5.8) that is the same whenever the parts are.

    >>> stable_uuid("a"), stable_uuid("a") == stable_uuid("b")
    ('3b196fd4-907b-8df5-9c30-90e9835f2f7c', False)
    """
    bits = int(digest(*parts)[:32], 16)
    bits = bits & ~(0xF << 76) | 0x8 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class EventMaker:
    """Makes the events of one imported run. The id of an event follows from the run, its type and `key` alone."""

    def __init__(
        self, run_id: str, *, source: str, project: str, actor: str | None = None, depth_max: int = DEPTH_MAX
    ) -> None:
        self.run_id = fit("run_id", run_id) or ""
        self.trace_id = digest("trace", source, run_id)[:32]
        self.root_span_id = self.span_id("root")
        self._source = source
        self._project = project
        self._actor = actor
        self._depth_max = depth_max

    def span_id(self, key: str) -> str:
        """The id of the span with this key in this run."""
        return digest("span", self.run_id, key)[:16]

    def correlation_id(self, key: str) -> str:
        """An id that pairs a request with its response, the same for the same key in this run."""
        return digest("correlation", self.run_id, key)[:32]

    def make(self, type_: str, key: str, at_ns: int, payload: Payload, **envelope: Any) -> Event:
        """One event at `at_ns`. `envelope` holds any other field; text that is too long for its field is cut."""
        encoded = encode_payload(dict(payload), depth_max=self._depth_max)
        fields: dict[str, Any] = {"span_id": self.root_span_id, "actor": self._actor} | envelope
        fitted: dict[str, Any] = {name: fit(name, v) if isinstance(v, str) else v for name, v in fields.items()}
        return Event(
            event_id=stable_uuid(self._source, self.run_id, type_, key),
            type=type_,
            created_at=min(max(at_ns, 0), TIME_NS_MAX),
            run_id=self.run_id,
            project=fit("project", self._project) or "default",
            source=self._source,
            trace_id=self.trace_id,
            flags=FLAG_IMPORTED | encoded.flags,
            payload=msgspec.Raw(encoded.data),
            **fitted,
        )


def fit(field: str, text: str) -> str | None:
    """Text as the envelope can keep it: well-formed, without NUL, not longer than the field; None when it is empty."""
    limit = FIELD_CHARS_MAX[field]
    text = text[: limit + 1].encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return (text if len(text) <= limit else text[: limit - 1] + "…") or None


def text_in(value: Any, key: str) -> str | None:
    """The text under `key` if `value` is an object that has one there, and it is not empty."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None


def dict_in(value: Any, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def list_in(value: Any, key: str) -> list[Any]:
    """The list under `key`, or an empty one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def count_in(value: Any, key: str) -> int | None:
    """The whole number under `key`, if it can be a count; floats that are whole count too."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= COUNT_MAX else None


def amount_in(value: Any, key: str) -> float | None:
    """The number under `key`, if it is finite and not negative."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found < 1e15 else None


def time_in(value: Any, key: str) -> int | None:
    """The time under `key` in nanoseconds: RFC 3339 text, or seconds or milliseconds since 1970."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, str):
        try:
            ns = parse_ns(found) if not found.strip().lstrip("-").isdigit() else 0
        except (ValueError, OverflowError):
            return None
        return ns if 0 < ns <= TIME_NS_MAX else None
    number = amount_in(value, key)
    if number is None or number < 1e8:
        return None
    ns = int(number * 1e6) if number >= 1e11 else int(number * 1e9)
    return ns if ns <= TIME_NS_MAX else None
