"""The metrics as Prometheus reads them. Its client is loaded at the first question: most servers are never asked."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flightlog.errors import FlightlogError
from flightlog.metrics.counting import Counter, Histogram
from flightlog.metrics.families import BY_NAME, FAMILIES
from flightlog.metrics.gauges import Gauges
from flightlog.metrics.meters import Meters
from flightlog.metrics.tasks import TaskCounts
from flightlog.services import Services
from flightlog.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import CollectorRegistry


class Metrics:
    """The metrics of one server: made by `measure`, which has the rooms count from then on."""

    def __init__(self, services: Services, streams: Any, meters: Meters) -> None:
        self.meters = meters
        self.tasks = TaskCounts(services.store)
        self._gauges = Gauges(services, streams, meters.look_failures, self.tasks)
        self._registry: CollectorRegistry | None = None

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics where `accept` asks for it, else Prometheus' own text."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self._own_registry()), content_type

    def _own_registry(self) -> CollectorRegistry:
        """A registry of this server's own; the global one of the client is left alone."""
        if self._registry is None:
            from prometheus_client import ProcessCollector
            from prometheus_client.registry import CollectorRegistry

            registry = CollectorRegistry(auto_describe=False)
            registry.register(self)
            ProcessCollector(registry=registry)
            self._registry = registry
        return self._registry

    def collect(self) -> Iterator[Metric]:
        """Every metric with its numbers, in the order of the docs; those that have none are there with their help."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        looked: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for sample in self._gauges.samples():
            looked.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
        for name, counter in self._counters().items():
            looked[name] = list(counter.numbers().items())
        histograms = self._histograms()
        for family in FAMILIES:
            if family.kind == "info":
                info = InfoMetricFamily(family.name.removesuffix("_info"), family.help)
                info.add_metric([], _build())
                yield info
            elif family.kind == "histogram":
                made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
                for labels, (buckets, total) in sorted(histograms[family.name].buckets().items()):
                    made.add_metric(labels, buckets, total)
                yield made
            else:
                kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
                numbers = kind(family.name, family.help, labels=family.labels)
                for labels, number in sorted(looked.get(family.name, [])):
                    numbers.add_metric(labels, number)
                yield numbers

    def _counters(self) -> dict[str, Counter]:
        meters = self.meters
        return {
            "flightlog_events_stored_total": meters.stored,
            "flightlog_events_duplicate_total": meters.duplicates,
            "flightlog_events_rejected_total": meters.rejected,
            "flightlog_events_lost_total": meters.lost,
            "flightlog_append_failures_total": meters.append_failures,
            "flightlog_otlp_records_total": meters.records,
            "flightlog_http_requests_total": meters.requests,
            "flightlog_tasks_accepted_total": self.tasks.accepted,
            "flightlog_tasks_finished_total": self.tasks.finished,
            "flightlog_task_attempts_total": self.tasks.attempts,
            "flightlog_replay_items_total": self.tasks.replayed,
            "flightlog_look_failures_total": meters.look_failures,
        }

    def _histograms(self) -> dict[str, Histogram]:
        meters = self.meters
        return {
            "flightlog_append_seconds": meters.append_seconds,
            "flightlog_store_seconds": meters.store_seconds,
            "flightlog_http_request_seconds": meters.request_seconds,
            "flightlog_task_step_seconds": self.tasks.step_seconds,
        }


def measure(services: Services, streams: Any) -> Metrics:
    """Have these services count from now on."""
    meters = Meters()
    services.journal.meter = meters
    services.store.meter = meters
    services.otlp.meter = meters
    made = Metrics(services, streams, meters)
    try:
        made.tasks.begin()
    except FlightlogError:
        pass  # the first look begins then
    return made


def _build() -> dict[str, str]:
    names = BY_NAME["flightlog_build_info"].labels
    return dict(zip(names, (__version__, platform.python_version(), sqlite3.sqlite_version), strict=True))
