"""What counting for Prometheus costs the receiver and the append, and what a scrape takes.

    python bench/metrics.py [--spans 20000]

Two ways: the same requests with and without meters, turn by turn (the better quarter of each, so that a busy machine shows
less); and the calls of the meters by themselves, which is what the difference has to be. Shares are of the CPU of a span or
an append.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.ingest.otlp import decode_proto
from flightlog.journal.append import Appended
from flightlog.metrics.exposition import Metrics, measure
from flightlog.metrics.meters import Meters
from flightlog.services import Services
from flightlog.wiring import Keeper, make_intake
from lib.genai import requests
from lib.table import print_table

BATCH = 512  # spans of a request
DIRECT = 2_000


class Streams:
    open, limit = 0, 256


def services_of(folder: Path) -> Services:
    keeper = Keeper(folder, Settings(), writable=True)
    return Services(
        store=keeper.store, journal=keeper.journal, hub=keeper.hub, intake=make_intake(folder, Settings()),
        seal_folder=folder / "seal",
    )  # fmt: skip


def switch(services: Services, meters: Meters | None) -> None:
    services.journal.meter = services.store.meter = services.otlp.meter = meters


def better(times: list[float]) -> float:
    best = max(1, len(times) // 4)
    return sum(sorted(times)[:best]) / best


def turn_by_turn(services: Services, meters: Meters, works: list[Callable[[], int]]) -> tuple[float, float]:
    """CPU seconds a piece without and with meters."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number, work in enumerate(works):
        on = number % 2
        switch(services, meters if on else None)
        began = time.process_time()
        count = work()
        taken[on].append((time.process_time() - began) / count)
    return better(taken[0]), better(taken[1])


def direct(meters: Meters, events: list[Event], spans: bool) -> float:
    """CPU seconds of all that the meters are asked for a batch, a piece."""
    appended = Appended(list(range(1, len(events) + 1)), len(events), 0, 1, len(events))
    began = time.process_time()
    for _ in range(DIRECT):
        meters.wrote(0.01)
        meters.appended(events, appended, 0.01)
        if spans:
            meters.received("traces", len(events), 0, 0)
            meters.answered("POST", "/v1/traces", 200, 0.01)
    return (time.process_time() - began) / DIRECT / len(events)


def notes(first: int, count: int) -> list[Event]:
    payload = msgspec.Raw(b'{"text": "a note of some length, as they are"}')
    at = 1_700_000_000_000_000_000
    return [
        Event(event_id=f"n{number:09d}", type="note", created_at=at + number, run_id="r", payload=payload)
        for number in range(first, first + count)
    ]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--spans", type=int, default=20_000)
    spans: int = asked.parse_args().spans
    with tempfile.TemporaryDirectory() as place:
        services = services_of(Path(place) / "flight")
        metrics: Metrics = measure(services, Streams())
        rows: list[list[str]] = []

        def add(name: str, works: list[Callable[[], int]], batch: list[Event], is_spans: bool) -> None:
            without, with_ = turn_by_turn(services, metrics.meters, works)
            alone = direct(Meters(), batch, is_spans)
            rows.append(
                [name, f"{without * 1e6:.1f}", f"{with_ * 1e6:.1f}", f"{(with_ / without - 1):+.1%}", f"{alone * 1e6:.2f}",
                 f"{alone / without:.2%}"]
            )  # fmt: skip

        def receive(count: int, body: bytes) -> Callable[[], int]:
            def work() -> int:
                services.otlp.traces(decode_proto.decode_traces(body))
                return count

            return work

        add("OTLP, a span", [receive(count, body) for count, body in requests(spans)], notes(0, BATCH), True)
        place_ = 0
        for batch in (1, 100, 1_000):
            works: list[Callable[[], int]] = []
            for _ in range(max(8, min(400, spans // batch))):
                events = notes(place_, batch)
                place_ += batch
                works.append(lambda events=events: services.journal.append(events).stored)  # type: ignore[misc]
            add(f"append of {batch:,}, an event", works, notes(0, batch), False)
        columns = ["work", "without, µs", "with, µs", "difference", "meters alone, µs", "share"]
        print_table("What counting costs", columns, rows)
        switch(services, metrics.meters)
        metrics.render("")
        times = []
        for _ in range(20):
            began = time.process_time()
            page: tuple[bytes, Any] = metrics.render("")
            times.append(time.process_time() - began)
        print(
            f"\na scrape: {better(times) * 1e3:.1f} ms of CPU, {len(page[0]):,} bytes, {place_ + spans:,} events in the journal"
        )
        services.hub.close()
        services.store.close()


if __name__ == "__main__":
    main()
