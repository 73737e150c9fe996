"""Events as CSV (RFC 4180, UTF-8): the envelope in columns, the payload as JSON text in the last one.

A cell that begins with one of = + - @ (or a tab or line's end) is taken for a formula by spreadsheets, and events hold texts
that strangers wrote. Such cells get an apostrophe before them, as OWASP advises ("CSV Injection"); spreadsheets show it as text.
Numbers and times are ours and stay as they are. So CSV is for looking at; JSON Lines and Parquet lose nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from flightlog.clock import format_ns
from flightlog.events.envelope import ENVELOPE_FIELDS, StoredEvent, flag_names

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
COLUMNS = ("id", *ENVELOPE_FIELDS, "received_at", "payload_bytes", "payload_digest", "payload")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_TIMES = frozenset({"created_at", "received_at"})


def tables(pages: Iterable[list[StoredEvent]]) -> Iterator[bytes]:
    """The table's head, then the rows of each page."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    yield _taken(text)
    for page in pages:
        writer.writerows([[cell(event, name) for name in COLUMNS] for event in page])
        yield _taken(text)


def cell(event: StoredEvent, name: str) -> Any:
    """What stands in one cell: times as RFC 3339, flags by name, an empty cell where the event says nothing.

    >>> event = StoredEvent(event_id="e", type="note", created_at=1, name="=HYPERLINK(1)", duration_ns=5)
    >>> cell(event, "name"), cell(event, "duration_ns"), cell(event, "created_at")
    ("'=HYPERLINK(1)", 5, '1970-01-01T00:00:00.000000001Z')
    """
    value = getattr(event, name)
    if value is None:
        return ""
    if name in _TIMES:
        return format_ns(value)
    if name == "flags":
        return " ".join(flag_names(value))
    if name == "payload":
        return bytes(value).decode()  # begins with a brace
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return data
