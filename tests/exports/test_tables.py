"""CSV for spreadsheets, Parquet for analysis, and files that are there whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from flightlog.archive.columns import NAMES, SCHEMA_KEY
from flightlog.events.envelope import Event
from flightlog.exports.files import write_file
from flightlog.exports.stream import export_events
from flightlog.exports.table import COLUMNS, tables
from flightlog.ingest.importers.unpacking import numbered_lines, unpacked
from flightlog.journal.ready import prepare
from flightlog.journal.rows import as_stored
from tests.contract.making import START, event
from tests.exports.making import events, everything, flight, wanted_of

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@settings(max_examples=40)
@given(events())
def test_no_text_of_a_stranger_is_a_formula_and_every_row_is_read_back(event: Event) -> None:
    before = as_stored([prepare(event)], 7, 8)[0]
    head, row = csv.reader(io.StringIO(b"".join(tables([[before]])).decode(), newline=""))
    assert tuple(head) == COLUMNS
    found = dict(zip(head, row, strict=True))
    assert found["payload"].encode() == bytes(event.payload)
    for name in ("name", "source", "actor", "task_id"):
        said = getattr(event, name) or ""
        assert not found[name].startswith(FORMULAS)
        assert found[name] == (f"'{said}" if said.startswith(FORMULAS) else said)
    assert found["duration_ns"] == ("" if event.duration_ns is None else str(event.duration_ns))


def test_parquet_has_the_archives_columns_and_what_calls_cost(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    usage = {"input_tokens": 10, "output_tokens": 4}
    some = [
        event(1, "llm_request", payload={"model": "m"}, correlation_id="c", name="m"),
        event(
            2,
            "llm_response",
            payload={"model": "m-2", "provider": "p", "usage": usage, "cost_usd": 0.5},
            correlation_id="c",
        ),
        event(3, "tool_result", payload={"tool": "grep", "result": 1}, name="grep"),
        event(4, flags=3, seq=5, duration_ns=6),
    ]
    with flight(tmp_path / "f", some, page_events_max=3) as keeper:
        write_file(export_events(wanted_of(keeper), "parquet"), tmp_path / "e.parquet")
        stored = everything(keeper)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert tuple(table.column_names) == NAMES
    assert table.schema.metadata[SCHEMA_KEY] == b"1"
    rows = table.to_pylist()
    assert [row["payload"].encode() for row in rows] == [bytes(one.payload) for one in stored]
    assert [row["created_at"] for row in rows] == [START + number * 10**9 for number in range(1, 5)]
    answer = rows[1]
    assert (answer["model"], answer["provider"], answer["tokens_input"], answer["cost_nano_usd"]) == (
        "m-2",
        "p",
        10,
        500_000_000,
    )
    assert [row["tool"] for row in rows] == [None, None, "grep", None]
    assert (rows[3]["flags"], rows[3]["seq"], rows[3]["duration_ns"]) == (3, 5, 6)
    assert {row["salt"] for row in rows} == {row["payload_digest"] for row in rows} == {None}


def test_an_export_of_nothing_is_a_file_of_nothing(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with flight(tmp_path / "f") as keeper:
        for form in ("jsonl", "csv", "otlp", "parquet"):
            write_file(export_events(wanted_of(keeper), form), tmp_path / f"e.{form}")
    assert [(tmp_path / f"e.{form}").read_bytes() for form in ("jsonl", "otlp")] == [b"", b""]
    assert parquet.read_table(tmp_path / "e.parquet").num_rows == 0


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise OSError("the disk is full")

    target = tmp_path / "e.jsonl"
    target.write_bytes(b"before")
    with pytest.raises(OSError, match="full"):
        write_file(pieces(), target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("e.jsonl", b"before")]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_what_was_packed_is_unpacked_by_what_it_is_not_by_its_name(tmp_path: Path, suffix: str) -> None:
    if suffix == ".zst":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"e{suffix}"
    write_file((f"line {number}\n".encode() * 100 for number in range(300)), path)
    path = path.rename(tmp_path / "other")
    seen = 0

    def on_bytes(count: int) -> None:
        nonlocal seen
        seen += count

    with unpacked(path, on_bytes) as file:
        found = list(numbered_lines(file))
    assert len(found) == 30_000
    assert found[-1] == (30_000, b"line 299")
    assert seen == path.stat().st_size
    if suffix == ".gz":
        assert gzip.decompress(path.read_bytes()).startswith(b"line 0\n")


def test_payloads_of_any_size_fit_a_line(tmp_path: Path) -> None:
    long = msgspec.json.encode({"text": "x" * 3_000_000})
    (tmp_path / "e").write_bytes(long + b"\n" + b"y\n")
    with unpacked(tmp_path / "e") as file:
        assert [line for _, line in numbered_lines(file)] == [long, b"y"]  # type: ignore[misc]
    with unpacked(tmp_path / "e") as file:
        problem, after = numbered_lines(file, bytes_max=1_000)
    assert getattr(problem, "where", "") == "line 1"
    assert after == (2, b"y")
