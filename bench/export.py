"""What do exports, imports and backups cost? Events a second by format, beside a plain dump of the same rows; a backup beside `cp`
and VACUUM INTO, and what it takes from whoever appends meanwhile.

Each export is a process of its own, so that its memory is its own. The dump is what the sqlite3 shell's `.dump` does: every column
of both tables through quote(), as text. The append runs in this process, the backup in another, in rounds that take turns.

    python bench/export.py [--events 20000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flightlog.config import Settings
from flightlog.exports.files import write_file
from flightlog.exports.reading import Wanted
from flightlog.exports.stream import FORMATS, export_events
from flightlog.ingest.files import import_files
from flightlog.journal.filter import EVERYTHING
from flightlog.wiring import Keeper, make_intake
from lib.flights import Flights
from lib.table import print_table

BATCH = 2_000
ENDINGS = {"jsonl": "jsonl", "parquet": "parquet", "otlp": "otlp.jsonl", "csv": "csv"}
DUMP = "dump"


def fill(folder: Path, events: int) -> None:
    keeper = Keeper(folder, Settings(), writable=True)
    try:
        for batch in Flights().batches(events, BATCH):
            keeper.journal.append(batch)
    finally:
        keeper.close()


def one(folder: Path, target: Path, form: str) -> None:
    """One export, in this process; prints what it took."""
    began = time.perf_counter()
    if form == DUMP:
        dump(folder / "flightlog.db", target)
    else:
        settings = Settings()
        keeper = Keeper(folder, settings, writable=False)
        name = target.with_suffix("") if target.suffix in (".gz", ".zst") else target
        write_file(
            export_events(Wanted(keeper.store, EVERYTHING, settings), _form(name)), target, compress=form != "parquet"
        )
        keeper.close()
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": spent, "rss_mib": peak, "bytes": target.stat().st_size}))


def _form(target: Path) -> str:
    return next(form for form, ending in ENDINGS.items() if target.name == f"e.{ending}")


def dump(database: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store, target.open("w") as file:
        for table in ("run_events", "event_payloads"):
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            quoted = ", ".join(f'quote("{name}")' for name in columns)
            for row in store.execute(f"SELECT {quoted} FROM {table}"):
                file.write(f"INSERT INTO {table} VALUES({','.join(row)});\n")


def exports(folder: Path, temp: Path, events: int, rounds: int) -> dict[str, Path]:
    """A row for each format; the files."""
    targets = {DUMP: temp / "e.sql", **{form: temp / f"e.{ENDINGS[form]}" for form in FORMATS}}
    targets |= {
        f"{form}.{suffix}": temp / f"e.{ENDINGS[form]}.{suffix}" for form, suffix in (("jsonl", "gz"), ("jsonl", "zst"))
    }
    found: dict[str, list[dict[str, float]]] = {form: [] for form in targets}
    for _ in range(rounds):
        for form, target in targets.items():
            command = [sys.executable, __file__, "--one", form, str(folder), str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[form].append(json.loads(done.stdout))
    plain = statistics.median(one["seconds"] for one in found[DUMP])
    rows = []
    for form, taken in found.items():
        spent = statistics.median(one["seconds"] for one in taken)
        last = taken[-1]
        rows.append([
            form, f"{events / spent:,.0f}", f"{spent / plain:.2f}", f"{last['bytes'] / events:,.0f}", f"{last['rss_mib']:,.0f}"
        ])  # fmt: skip
    print_table("Events taken out", ["format", "events/s", "time / dump's", "bytes an event", "peak MiB"], rows)
    return targets


def imports(temp: Path, targets: dict[str, Path], events: int) -> None:
    rows = []
    for form in ("jsonl", "jsonl.zst", "otlp"):
        keeper = Keeper(temp / f"import-{form}", Settings(), writable=True)
        try:
            intake = make_intake(keeper.folder, keeper.settings)
            append = lambda some, keeper=keeper: keeper.journal.append(some, rejects="return")  # noqa: E731
            spent = []
            for _ in range(2):
                began = time.perf_counter()
                import_files(append, intake, [targets[form]], None)
                spent.append(time.perf_counter() - began)
        finally:
            keeper.close()
        rows.append([form, f"{events / spent[0]:,.0f}", f"{events / spent[1]:,.0f}"])
    print_table("And back again", ["format", "events/s new", "events/s known"], rows)


def backups(folder: Path, temp: Path) -> None:
    size = (folder / "flightlog.db").stat().st_size
    rows = []

    def timed(name: str, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        spent = time.perf_counter() - began
        rows.append([name, f"{spent:.2f}", f"{size / spent / 1e6:,.0f}"])

    def vacuum() -> None:
        with closing(sqlite3.connect(folder / "flightlog.db")) as store:
            store.execute("VACUUM INTO ?", (str(temp / "vacuum.db"),))

    command = [sys.executable, "-m", "flightlog.cli.main", "backup"]

    def run(*more: str | Path) -> object:
        return subprocess.run([*command, *map(str, more)], check=True, capture_output=True)

    timed("cp", lambda: shutil.copyfile(folder / "flightlog.db", temp / "copy.db"))
    timed("VACUUM INTO", vacuum)
    timed("backup, the first (with start, checks, fsync)", lambda: run(temp / "target", "--dir", folder))
    timed("backup, the second", lambda: run(temp / "target", "--dir", folder))
    timed("drill", lambda: run("drill", "--dir", folder, "--place", temp))
    print_table("A second copy", ["by", "seconds", "MB/s of database"], rows)


def beside(folder: Path, temp: Path, rounds: int) -> None:
    """The append's rate alone and while backups are made, in turns."""
    keeper = Keeper(folder, Settings(), writable=True)
    rates: dict[str, list[float]] = {"alone": [], "beside backups": []}
    wal = 0
    feed = Flights(seed=9)
    try:
        for at in range(rounds * 2):
            name = "beside backups" if at % 2 else "alone"
            command = [sys.executable, "-m", "flightlog.cli.main", "backup", str(temp / "beside"), "--dir", str(folder)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL) if at % 2 else None
            batches = list(feed.batches(BATCH * 10, BATCH))
            began = time.perf_counter()
            for batch in batches:
                keeper.journal.append(batch)
            rates[name].append(BATCH * 10 / (time.perf_counter() - began))
            wal = max(wal, (folder / "flightlog.db-wal").stat().st_size)
            if process is not None:
                process.wait()
    finally:
        keeper.close()
    alone, shared = (statistics.median(found) for found in rates.values())
    rows = [["alone", f"{alone:,.0f}", ""], ["beside a backup", f"{shared:,.0f}", f"{shared / alone:.2f}"]]
    print_table(
        "Appending meanwhile",
        ["append", "events/s", "share"],
        rows,
        [f"largest write-ahead log: {wal / 1e6:,.0f} MB"],
    )


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        folder = temp / "flight"
        fill(folder, asked.events)
        targets = exports(folder, temp, asked.events, asked.rounds)
        imports(temp, targets, asked.events)
        backups(folder, temp)
        beside(folder, temp, asked.rounds)


if __name__ == "__main__":
    main()
