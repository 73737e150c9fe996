"""What does recording one event cost the host? Against an OpenTelemetry span, in the same run.

The event has a 1 KB payload; its cost includes the search for secrets and the append to the spool, after which it survives
SIGKILL. The span has 12 attributes (the same text among them) and goes to a BatchSpanProcessor whose exporter throws it away, so
that only the host's side is timed; a killed process loses what the processor still holds.

    python bench/emit.py [--events 60000] [--paced-seconds 4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import flightlog
from lib.table import print_table, quantile

TEXT = ("The agent read the failing test, found that the parser drops the last row, and proposes to keep it. " * 9)[
    :860
]
ONE_TEXT = {"text": (TEXT * 2)[:1_000]}
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


class Contender(NamedTuple):
    """Something to time: `call` is one recording, `settle` lets its background work come to rest, untimed."""

    name: str
    call: Callable[[], object]
    settle: Callable[[], object]
    close: Callable[[], object]


def flightlog_emit(name: str, folder: Path, payload: object, drain: bool) -> Contender:
    recorder = flightlog.open(folder, drain=drain)
    run = recorder.run("bench").start()

    def close() -> None:
        assert recorder.health().dropped_total == 0, recorder.health()
        recorder.close()

    return Contender(name, lambda: run.emit("note", payload), lambda: recorder.flush(60) if drain else None, close)


def opentelemetry_span(name: str, one_by_one: bool) -> Contender:
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

    return Contender(name, span_one_by_one if one_by_one else span, provider.force_flush, provider.shutdown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--paced-seconds", type=int, default=4)
    parser.add_argument("--turns", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        contenders = [
            opentelemetry_span("OpenTelemetry span, set_attribute one by one", one_by_one=True),
            opentelemetry_span("OpenTelemetry span, all attributes at its start", one_by_one=False),
            flightlog_emit("Flightlog emit, one text of 1 KB", Path(temp) / "a", ONE_TEXT, drain=False),
            flightlog_emit("Flightlog emit, nested payload of 1 KB", Path(temp) / "b", PAYLOAD, drain=False),
            flightlog_emit("Flightlog emit, nested, this process drains", Path(temp) / "c", PAYLOAD, drain=True),
        ]
        tight: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        paced: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for contender in contenders:
            timed(contender.call, 2_000)
            contender.settle()
        # In turns, because the machine's speed drifts: what is compared is timed within the same second.
        for _ in range(given.turns):
            for contender in contenders:
                tight[contender.name] += timed(contender.call, given.events // given.turns)
                contender.settle()
        for contender in contenders:
            paced[contender.name] += timed(contender.call, given.paced_seconds * 1_000, 0.001)
            contender.settle()
        for contender in contenders:
            contender.close()
    base = contenders[0].name
    rows = []
    for contender in contenders:
        cells: list[object] = [contender.name]
        for values in (tight, paced):
            mine, reference = sorted(values[contender.name]), sorted(values[base])
            for share in (0.5, 0.99):
                value, other = quantile(mine, share), quantile(reference, share)
                cells += [f"{value:.1f}", f"{value / other:.2f}"]
        mine = sorted(tight[contender.name])
        rows.append([*cells, f"{quantile(mine, 0.999):.0f}", f"{mine[-1] / 1000:.1f}"])
    columns = [
        "µs a call",
        "tight p50",
        "ratio",
        "p99",
        "ratio",
        "1,000/s p50",
        "ratio",
        "p99",
        "ratio",
        "p99.9",
        "max ms",
    ]
    notes = [
        "ratio: to the first row, which is how instrumentations set attributes; p99.9 and max are of the tight loop"
    ]
    print_table("What recording one event costs the host", columns, rows, notes)


if __name__ == "__main__":
    main()
