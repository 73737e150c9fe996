"""OpenTelemetry's spans per second: accepted, committed and there to be queried; 2.4 KB each, ten to a trace.

    python bench/otlp.py                       # requests made beforehand, then the official exporter
    BENCH_PEERS=1 python bench/otlp.py         # the same sender against Arize Phoenix and MLflow, installed for the occasion

The exporter is one sender on the same machine; beside it stands what it manages against a server that throws all away.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flightlog.store.sqlite import DATABASE_FILE
from lib import disk, otlp_peers
from lib.genai import requests
from lib.table import print_table

BENCH = Path(__file__).parent
ROOT = BENCH.parent
HEADER = ["what", "spans/s", "of the sink", "µs CPU/span", "bytes/span", "RSS MiB", "missing", "doubled"]
SEALED_SECONDS = 2.0
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def flightlog(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`flightlog up` and its port."""
    command = [sys.executable, "-m", "flightlog.cli.main", "up", "--dir", str(folder), "--port", "0", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(json.loads(process.stdout.readline())["url"].rsplit(":", 1)[1])
        finally:
            process.terminate()
            process.wait()


@contextmanager
def sink() -> Iterator[int]:
    """A server that takes everything and keeps nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "lib.otlp_sink"], cwd=BENCH, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def family(pid: int) -> list[list[str]]:
    """What /proc says of a process and of those that it started, as the fields after the name."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = path.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue  # it has ended
    mine = {pid}
    while more := {one for one, fields in found.items() if int(fields[1]) in mine} - mine:
        mine |= more
    return [found[one] for one in mine if one in found]


def cpu_seconds(pid: int) -> float:
    return sum(int(fields[11]) + int(fields[12]) for fields in family(pid)) / TICKS


def rss_mib(pid: int) -> float:
    return sum(int(fields[21]) for fields in family(pid)) * os.sysconf("SC_PAGE_SIZE") / 1024**2


def post_all(port: int, spans: int, connections: int) -> float:
    """Send requests that were made beforehand; seconds until the last is acknowledged."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for _, body in requests(spans):
        waiting.put(body)
    faults: list[str] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not waiting.empty():
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                break
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200 or content:
                faults.append(f"{answer.status} {content[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]
    return time.perf_counter() - begin


def export(endpoint: str, spans: int, *headers: str) -> float:
    """The official exporter; seconds."""
    command = [sys.executable, "-m", "lib.otlp_sender", endpoint, str(spans), *headers]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCH), str(ROOT / "src")])}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["flushed"]
    return float(said["seconds"])


def stored(folder: Path) -> tuple[int, int, int]:
    """Spans in the journal, how many of them more than once, and the bytes of the store."""
    path = folder / DATABASE_FILE
    with sqlite3.connect(path) as database:
        found = "SELECT count(*), count(DISTINCT event_id) FROM run_events WHERE span_id IS NOT NULL"
        count, distinct = database.execute(found).fetchone()
    size = sum(one.stat().st_size for one in folder.glob(f"{DATABASE_FILE}*"))
    return count, count - distinct, size


def ours(name: str, spans: int, send: str, sink_rate: float | None, kept: list[list[str]]) -> list[str]:
    """One row; `kept` becomes what takes how much of the disk."""
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        with flightlog(folder) as (process, port):
            before = cpu_seconds(process.pid)
            if send == "export":
                seconds = export(f"http://127.0.0.1:{port}/v1/traces", spans)
            else:
                seconds = post_all(port, spans, connections=2)
            time.sleep(SEALED_SECONDS)  # what is sealed after the answer is part of what a span costs
            taken, rss = cpu_seconds(process.pid) - before, rss_mib(process.pid)
        count, doubled, size = stored(folder)
        kept[:] = disk.split(folder, spans)
    return [
        name,
        f"{spans / seconds:,.0f}",
        f"{spans / seconds / sink_rate:.2f}" if sink_rate else "",
        f"{taken / spans * 1e6:.0f}",
        f"{size / spans:,.0f}",
        f"{rss:.0f}",
        f"{spans - count}",
        f"{doubled}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--only", choices=["receiver", "exporter"])
    given = parser.parse_args()
    rows = []
    kept: list[list[str]] = []
    if given.only != "exporter":
        rows.append(ours(f"{given.spans:,} × receiver alone", given.spans, "post", None, kept))
    if given.only != "receiver":
        with sink() as port:
            rate = given.spans / export(f"http://127.0.0.1:{port}/v1/traces", given.spans)
        rows.append([f"{given.spans:,} × exporter → empty sink", f"{rate:,.0f}", "1.00", "", "", "", "", ""])
        rows.append(ours(f"{given.spans:,} × exporter → Flightlog", given.spans, "export", rate, kept))
        if os.environ.get("BENCH_PEERS") == "1":
            rows += otlp_peers.measure(export, cpu_seconds, rss_mib, rate)
    notes = [
        "2.4 KB GenAI spans in 10-span traces, 512 a request; Flightlog answers after its commit",
        "µs CPU/span: of Flightlog's processes, sealing included",
    ]
    print_table("Taking spans from OpenTelemetry", HEADER, rows, notes)
    print_table(
        "Keeping a span", ["what", "bytes", "of them empty"], kept, ["the database is what `bytes/span` above is of"]
    )


if __name__ == "__main__":
    main()
