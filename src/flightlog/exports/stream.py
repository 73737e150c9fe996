"""An export as a stream of bytes, whatever its format: made as it is read, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator

from flightlog.errors import BadInput
from flightlog.exports import lines, table
from flightlog.exports.reading import Wanted, pages

FORMATS = ("jsonl", "parquet", "otlp", "csv")
MEDIA_TYPES = {
    "jsonl": lines.MEDIA_TYPE,
    "csv": table.MEDIA_TYPE,
    "otlp": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
ENDINGS = {"jsonl": "jsonl", "parquet": "parquet", "otlp": "otlp.jsonl", "csv": "csv"}


def export_events(wanted: Wanted, format: str) -> Iterator[bytes]:  # noqa: A002 - the word users know
    """The events in this format, in pieces. Raises BadInput for a format that is not known, FilterInvalid, and, where it is not
    installed, ArchiveExtraMissing for what Parquet needs; before the first piece."""
    wanted.filter.check()
    if format == "jsonl":
        return lines.lines(pages(wanted))
    if format == "csv":
        return table.tables(pages(wanted))
    if format == "otlp":
        from flightlog.exports.otlp import requests

        return requests(pages(wanted))
    if format == "parquet":
        from flightlog.exports.parquet import parquet

        return parquet(wanted)
    raise BadInput(reason=f"events are exported as {', '.join(FORMATS)}, not as {format!r}")
