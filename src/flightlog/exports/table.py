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

from msgspec.structs import astuple

from flightlog.clock import format_ns
from flightlog.events.envelope import ENVELOPE_FIELDS, StoredEvent, flag_names

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
COLUMNS = ("id", *ENVELOPE_FIELDS, "received_at", "payload_bytes", "payload_digest", "payload")

_FORMULA = frozenset("=+-@\t\r\n")
_ORDER = [StoredEvent.__struct_fields__.index(name) for name in COLUMNS]
_NUMBERS = frozenset({"id", "created_at", "duration_ns", "seq", "flags", "received_at", "payload_bytes", "payload"})
_TEXTS = [place for place, name in enumerate(COLUMNS) if name not in _NUMBERS]
_TIMES = [COLUMNS.index(name) for name in ("created_at", "received_at")]
_FLAGS = COLUMNS.index("flags")


def tables(pages: Iterable[list[StoredEvent]]) -> Iterator[bytes]:
    """The table's head, then the rows of each page."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    yield _taken(text)
    for page in pages:
        writer.writerows([row(event) for event in page])
        yield _taken(text)


def row(event: StoredEvent) -> list[Any]:
    """What stands in the cells: times as RFC 3339, flags by name, None where the event says nothing.

    >>> found = dict(zip(COLUMNS, row(StoredEvent(event_id="e", type="note", created_at=1, name="=A1", duration_ns=5))))
    >>> found["name"], found["duration_ns"], found["created_at"], found["actor"]
    ("'=A1", 5, '1970-01-01T00:00:00.000000001Z', None)
    """
    values = astuple(event)
    cells = [values[place] for place in _ORDER]
    for place in _TEXTS:
        text = cells[place]
        if text and text[0] in _FORMULA:
            cells[place] = "'" + text
    for place in _TIMES:
        cells[place] = format_ns(cells[place])
    cells[_FLAGS] = " ".join(flag_names(cells[_FLAGS])) if cells[_FLAGS] else ""
    cells[-1] = str(cells[-1], "utf-8")  # the payload, which begins with a brace
    return cells


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return data
