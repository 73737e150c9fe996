"""What does recording one event cost the host? Against an OpenTelemetry span, in the same run.

The event has a 1 KB payload; its cost includes the search for secrets and the append to the spool, after which it survives
SIGKILL. The span has 12 attributes (the same text among them) and goes to a BatchSpanProcessor whose exporter throws it away, so
that only the host's side is timed; a killed process loses what the processor still holds.

    python bench/emit.py [--events 50000] [--paced-seconds 5]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import flightlog
from lib.table import print_table, quantile

TEXT = ("The agent read the failing test, found that the parser drops the last row, and proposes to keep it. " * 9)[
    :860
]
PAYLOAD = {
    "text": TEXT,
    "step": 7,
    "tokens": {"input": 1200, "output": 88},
    "files": ["src/parse.py", "tests/test_parse.py"],
}
PAYLOAD_KEYS = [f"app.attribute.{number}" for number in range(11)]


class Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def timed(call: Callable[[], object], count: int, gap_seconds: float = 0.0) -> list[float]:
    """Microseconds of each call, sorted; every call starts `gap_seconds` after the one before when that is given."""
    clock = time.perf_counter_ns
    taken = []
    due = time.perf_counter()
    for _ in range(count):
        if gap_seconds:
            due += gap_seconds
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
        start = clock()
        call()
        taken.append((clock() - start) / 1_000)
    return sorted(taken)


def measure_flightlog(folder: Path, drain: bool, events: int, paced: int) -> tuple[list[float], list[float]]:
    recorder = flightlog.open(folder, drain=drain)
    with recorder.run("bench") as run:
        timed(lambda: run.emit("note", PAYLOAD), 2_000)
        tight = timed(lambda: run.emit("note", PAYLOAD), events)
        slow = timed(lambda: run.emit("note", PAYLOAD), paced, 0.001)
    health = recorder.health()
    assert health.dropped_total == 0, health
    recorder.close()
    return tight, slow


def measure_opentelemetry(events: int, paced: int, one_by_one: bool) -> tuple[list[float], list[float]]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("bench")
    attributes: dict[str, str | int] = {key: number for number, key in enumerate(PAYLOAD_KEYS)}
    attributes["app.text"] = TEXT

    def span() -> None:
        with tracer.start_as_current_span("step", attributes=attributes):
            pass

    def span_one_by_one() -> None:
        with tracer.start_as_current_span("step") as current:
            for key, value in attributes.items():
                current.set_attribute(key, value)

    call = span_one_by_one if one_by_one else span
    timed(call, 2_000)
    tight = timed(call, events)
    slow = timed(call, paced, 0.001)
    provider.shutdown()
    return tight, slow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--paced-seconds", type=int, default=5)
    given = parser.parse_args()
    paced = given.paced_seconds * 1_000
    with tempfile.TemporaryDirectory() as temp:
        base = measure_opentelemetry(given.events, paced, one_by_one=True)
        found = {
            "OpenTelemetry span, set_attribute one by one": base,
            "OpenTelemetry span, all attributes at its start": measure_opentelemetry(
                given.events, paced, one_by_one=False
            ),
            "Flightlog emit, another process drains": measure_flightlog(Path(temp) / "a", False, given.events, paced),
            "Flightlog emit, this process drains": measure_flightlog(Path(temp) / "b", True, given.events, paced),
        }
    rows = []
    for name, (tight, slow) in found.items():
        cells: list[object] = [name]
        for values, reference in ((tight, base[0]), (slow, base[1])):
            for share in (0.5, 0.99):
                value, other = quantile(values, share), quantile(reference, share)
                cells += [f"{value:.1f}", f"{value / other:.2f}"]
        cells.append(f"{quantile(tight, 0.999):.0f}")
        cells.append(f"{tight[-1] / 1000:.1f}")
        rows.append(cells)
    columns = [
        "µs a call", "tight p50", "ratio", "tight p99", "ratio", "1,000/s p50", "ratio", "1,000/s p99", "ratio", "tight p99.9",
        "max ms",
    ]  # fmt: skip
    print_table(
        "What recording one event costs the host",
        columns,
        rows,
        ["ratio: to the first row, which is how instrumentations set attributes"],
    )


if __name__ == "__main__":
    main()
