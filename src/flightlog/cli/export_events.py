"""`flightlog export events`: events, as files that others read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.query import EventQuery
from flightlog.cli.words import moment, size
from flightlog.config import Settings
from flightlog.errors import BadInput, ServerExtraMissing
from flightlog.wiring import Keeper, has_server_extra, record_by_spool

STREAM = "-"


class Format(StrEnum):
    """What events are exported as."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    OTLP = "otlp"
    CSV = "csv"


_ENDINGS = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".parquet": Format.PARQUET, ".csv": Format.CSV}


def events(
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", metavar="FORMAT", help="jsonl, parquet, otlp or csv. Default: by the file's name, else jsonl."
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; .gz and .zst are compressed. Default: -"),
    ] = STREAM,
    where: Annotated[
        str | None, typer.Option("-q", "--where", metavar="QUERY", help="A query, as in 'type:tool_call level:error'.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Events of this run.")] = None,
    types: options.Types = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Write events to a file, in commit order.

    jsonl loses nothing, parquet is for analysis, otlp for other tools, csv for a spreadsheet. The file is there when it is whole.
    """
    place = options.chosen_folder(folder, server)
    form = form or _by_name(out)
    if as_json and out == STREAM:
        raise BadInput(reason="--json says on standard output what was written, so --output has to name a file")
    query = EventQuery(
        project=project,
        run_id=run,
        types=options.words(types),
        since=moment("since", since),
        until=moment("until", until),
        q=where,
    )
    with problems.pointing_at(where), output.progress("exporting", None, as_json) as told:
        if server is None:
            with _from_folder(place, query, form, told) as pieces:
                written = _write(pieces, out, form)
            said = {"format": form.value, "file": out, "bytes": written, **_asked(query)}
            record_by_spool(place, "events.export", subject_type="events", details=said)
        else:
            written = _write(_from_server(server, query, form, told), out, form)
    if as_json:
        output.print_json({"file": out, "format": form.value, "bytes": written})
    elif out != STREAM:
        print(f"{out}: {size(written)}")


def _by_name(out: str) -> Format:
    """The format that a file's name speaks of, whatever it is compressed with."""
    path = Path(out)
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".zst")]
    if len(suffixes) > 1 and suffixes[-2] == ".otlp":
        return Format.OTLP
    return _ENDINGS.get(suffixes[-1] if suffixes else "", Format.JSONL)


@contextmanager
def _from_folder(place: Path, query: EventQuery, form: Format, told: Any) -> Iterator[Iterator[bytes]]:
    if not has_server_extra():
        raise ServerExtraMissing(what="Exporting from a folder (--server URL works without it)")
    from flightlog.cli.local import event_filter_of
    from flightlog.exports.reading import Wanted
    from flightlog.exports.stream import export_events

    settings = Settings.load(place)
    keeper = Keeper(place, settings, writable=False)
    try:
        yield export_events(Wanted(keeper.store, event_filter_of(query), settings, told), form.value)
    finally:
        keeper.close()


def _from_server(server: str, query: EventQuery, form: Format, told: Any) -> Iterator[bytes]:
    from flightlog.cli.remote import ServerSource

    read = 0
    for piece in ServerSource(server).export(query, form.value):
        read += len(piece)
        told(read, None)
        yield piece


def _write(pieces: Iterator[bytes], out: str, form: Format) -> int:
    from flightlog.exports.files import write_file, write_stream

    if out != STREAM:
        return write_file(pieces, Path(out), compress=form is not Format.PARQUET)
    stream: BinaryIO = sys.stdout.buffer
    if form is Format.PARQUET and output.is_terminal(sys.stdout):
        raise BadInput(reason="a terminal shows no Parquet; name a file with --output")
    return write_stream(pieces, stream)


def _asked(query: EventQuery) -> dict[str, Any]:
    """What of the query was given, for the audit trail."""
    import msgspec

    return {name: value for name, value in msgspec.structs.asdict(query).items() if value not in (None, ())}
