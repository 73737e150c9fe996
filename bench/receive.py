"""What a span costs from decoding to its commit, without a network: CPU, bytes written, and bytes kept, table by table.

    python bench/receive.py [--spans 50000]

Times are CPU of this process in the better quarter of each part's requests, so that a busy machine shows less. Bytes written are
those handed to the operating system, the write-ahead log and its copy into the database included.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

from flightlog.config import Settings
from flightlog.ingest.otlp import decode_proto
from flightlog.ingest.otlp.receive import Receiver
from flightlog.store.sqlite import DATABASE_FILE
from flightlog.wiring import Keeper, make_intake
from lib.genai import requests
from lib.table import print_table

PARTS = 4  # the store grows: the last part is dearer than the first
LISTED_BYTES = 20  # tables and indexes that take less of a span are left out


def written_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("wchar")))


def receive(folder: Path, spans: int) -> list[list[str]]:
    settings = Settings()
    keeper = Keeper(folder, settings, writable=True)
    receiver = Receiver(keeper.journal, make_intake(folder, settings), settings)
    taken: list[tuple[float, float, float]] = []
    for count, body in requests(spans):
        written, began = written_bytes(), time.process_time()
        decoded = decode_proto.decode_traces(body)
        read = time.process_time()
        assert receiver.traces(decoded).accepted == count
        done = time.process_time()
        taken.append(((read - began) / count, (done - began) / count, (written_bytes() - written) / count))
    keeper.close()
    size = max(1, len(taken) // PARTS)
    rows = []
    for first in range(0, size * PARTS, size):
        part = taken[first : first + size]
        best = max(1, len(part) // 4)
        decode, whole = (sum(sorted(times)[:best]) / best * 1e6 for times in list(zip(*part, strict=True))[:2])
        rows.append(
            [f"from {first * 512:,}", f"{decode:.0f}", f"{whole:.0f}", f"{sum(p[2] for p in part) / len(part):,.0f}"]
        )
    return rows


def kept(path: Path, spans: int) -> list[list[str]]:
    asked = "SELECT name, sum(pgsize) / ?1, sum(unused) / ?1 FROM dbstat GROUP BY name ORDER BY 2 DESC"
    with sqlite3.connect(path) as database:
        found = database.execute(asked, (float(spans),)).fetchall()
    rows = [[name, f"{size:,.0f}", f"{unused:,.0f}"] for name, size, unused in found if size >= LISTED_BYTES]
    return [*rows, ["all", f"{path.stat().st_size / spans:,.0f}", f"{sum(row[2] for row in found):,.0f}"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=50_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        rows = receive(Path(temp), given.spans)
        print_table(
            "Taking a span", ["spans", "µs decode", "µs in all", "bytes written"], rows, ["2.4 KB, 512 a request"]
        )
        print_table(
            "Keeping a span",
            ["table or index", "bytes", "of them empty"],
            kept(Path(temp) / DATABASE_FILE, given.spans),
            [],
        )


if __name__ == "__main__":
    main()
