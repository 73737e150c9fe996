"""What does recording OpenTelemetry's spans cost the application? Against the usual batch and OTLP exporter, in the same run.

The same 2.4 KB GenAI spans, in turns: into our spool (searched for secrets, on disk when the span ends, delivered by another
process), and into a BatchSpanProcessor whose OTLP/HTTP exporter sends to a server that throws all away. Beside the time that the
calling thread waits stands the processor time of the whole process, in which the batch's thread has its share.

    python bench/otel_exporter.py [--spans 20000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import flightlog
import flightlog.otel
from lib.genai import RESOURCE, SCOPE, SCOPE_VERSION, SPANS_PER_TRACE, Chats
from lib.table import print_table, quantile

ROUND = 500  # spans in a row, less than a batch may hold, so that none is dropped


class Contender:
    """A tracer over one processor. `settle` waits, in the process's time, until nothing of it is left to do."""

    def __init__(self, name: str, processor: SpanProcessor | None, kept: str) -> None:
        self.name, self.kept = name, kept
        provider = TracerProvider(resource=Resource(RESOURCE), shutdown_on_exit=False)
        if processor is not None:
            provider.add_span_processor(processor)
        self.tracer = provider.get_tracer(SCOPE, SCOPE_VERSION)
        self.settle: Callable[[], object] = provider.force_flush
        self.waited_us: list[float] = []
        self.cpu_seconds = 0.0

    def fly(self, attributes: list[dict[str, object]]) -> None:
        """One round: traces of ten spans each."""
        clock, cpu = time.perf_counter_ns, time.process_time()
        for first in range(0, len(attributes), SPANS_PER_TRACE):
            with self.tracer.start_as_current_span("invoke_agent"):
                for one in attributes[first : first + SPANS_PER_TRACE]:
                    start = clock()
                    span = self.tracer.start_span("chat gpt-4o-mini", attributes=one)
                    span.end()
                    self.waited_us.append((clock() - start) / 1_000)
        self.settle()
        self.cpu_seconds += time.process_time() - cpu


def row(contender: Contender, base: Contender) -> list[object]:
    waited = sorted(contender.waited_us)
    spans = len(waited) * (SPANS_PER_TRACE + 1) / SPANS_PER_TRACE
    cpu_us, base_us = (one.cpu_seconds * 1e6 / spans for one in (contender, base))
    return [
        contender.name,
        f"{quantile(waited, 0.5):.0f}",
        f"{quantile(waited, 0.99):.0f}",
        f"{cpu_us:.0f}",
        f"{cpu_us - base_us:.0f}" if contender is not base else "",
        contender.kept,
    ]


def main(spans: int) -> None:
    chats = Chats()
    sink = subprocess.Popen([sys.executable, "-m", "lib.otlp_sink"], cwd=Path(__file__).parent, stdout=subprocess.PIPE)
    try:
        assert sink.stdout is not None
        endpoint = f"http://127.0.0.1:{int(sink.stdout.readline())}/v1/traces"
        with tempfile.TemporaryDirectory() as folder:
            recorder = flightlog.open(folder, drain=False)
            base = Contender("no processor", None, "none")
            ours = Contender("flightlog.otel.SpanProcessor", flightlog.otel.SpanProcessor(recorder), "all that ended")
            batch = BatchSpanProcessor(OTLPSpanExporter(endpoint))
            theirs = Contender("BatchSpanProcessor + OTLP/HTTP", batch, "what was sent")
            for turn in range(max(spans // ROUND, 1) + 1):
                attributes = [chats.attributes() for _ in range(ROUND)]
                for contender in (base, ours, theirs) if turn % 2 else (theirs, ours, base):
                    contender.fly(attributes)
                    if not turn:  # warm by now
                        contender.waited_us, contender.cpu_seconds = [], 0.0
            assert not recorder.health().dropped_total
            recorder.close()
            batch.shutdown()
    finally:
        sink.kill()
        sink.wait()
    beyond = [one.cpu_seconds - base.cpu_seconds for one in (ours, theirs)]
    print_table(
        f"Cost of a span in the application, {len(ours.waited_us):,} spans of 2.4 KB each way, in turns",
        ["", "thread µs, median", "p99", "CPU µs", "above none", "survives SIGKILL"],
        [row(one, base) for one in (base, ours, theirs)],
        [f"our processor takes {beyond[0] / beyond[1]:.2f} of the CPU that the batch and its exporter take"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=20_000)
    main(parser.parse_args().spans)
