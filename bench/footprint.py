"""What does Flightlog weigh? The base install in a new virtual environment, beside a common tracer: bytes on disk, time to import,
memory. And the server: seconds until it answers, memory when nothing happens and after many spans.

python bench/footprint.py [--only install|server] [--runs 15] [--spans 500000]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from lib.served import Memory, after_spans, ready_and_idle
from lib.table import print_table

ROOT = Path(__file__).parents[1]
MEASURE = """
import resource, sys, time
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
{code}
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
OPENED = """
import flightlog, tempfile
recorder = flightlog.open(tempfile.mkdtemp(), drain=False)
with recorder.run('x') as run:
    run.emit('note', {'text': 'hello'})
recorder.close()
"""
TRACER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
"""


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def measured(python: Path, code: str, runs: int) -> tuple[float, float]:
    """Median milliseconds and MB that this code takes in a fresh process."""
    times, sizes = [], []
    for _ in range(runs):
        done = subprocess.run(
            [python, "-c", MEASURE.format(code=code)], capture_output=True, text=True, check=True, cwd="/"
        )
        seconds, kib = done.stdout.split()
        times.append(float(seconds) * 1_000)
        sizes.append(int(kib) / 1024)
    return statistics.median(times), statistics.median(sizes)


def install(temp: Path, what: str) -> tuple[Path, int]:
    folder = temp / "venv"
    venv.create(folder, with_pip=True, clear=True)
    before = size_of(folder)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, what], check=True, stdout=sys.stderr)
    return python, size_of(folder) - before


def weigh_install(runs: int) -> None:
    rows = []
    for name, what, codes in (
        ("flightlog", str(ROOT), {"import": "import flightlog", "import, open, one run": OPENED}),
        ("opentelemetry-sdk", "opentelemetry-sdk", {"import": TRACER}),
    ):
        with tempfile.TemporaryDirectory() as temp:
            python, size = install(Path(temp), what)
            for step, code in codes.items():
                milliseconds, megabytes = measured(python, code, runs)
                rows.append([f"{name}: {step}", f"{size / 1e6:.1f}", f"{milliseconds:.0f}", f"{megabytes:.1f}"])
    print_table("What the base install weighs", ["", "MB installed", "ms", "MB of memory added"], rows)


def weigh_server(runs: int, spans: int) -> None:
    rows = []
    for name, more in (("flightlog up", ()), ("with a port for OTLP/gRPC", ("--otlp-grpc-port", "0"))):
        found = [ready_and_idle(more) for _ in range(runs)]
        seconds = statistics.median(one for one, _ in found)
        rows.append(
            [
                f"{name}, idle",
                f"{seconds:.2f}",
                *_mib(Memory(*map(statistics.median, zip(*(it for _, it in found), strict=True)))),
            ]
        )
    if spans:
        rows.append([f"after {spans:,} spans of 2.4 KB", "", *_mib(after_spans(spans))])
    print_table("What the server weighs", ["", "s until it answers", "RSS MiB", "most RSS MiB"], rows)


def _mib(memory: Memory) -> list[str]:
    return [f"{memory.now:.0f}", f"{memory.most:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["install", "server"])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--spans", type=int, default=500_000)
    given = parser.parse_args()
    if given.only != "server":
        weigh_install(given.runs)
    if given.only != "install":
        weigh_server(min(given.runs, 5), given.spans)


if __name__ == "__main__":
    main()
