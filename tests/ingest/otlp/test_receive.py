"""From decoded requests into a real journal: once each, in any order, clean, cut to size, and honest about what was not stored."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flightlog.api.app import Services
from flightlog.errors import FieldTooLong, StoreBusy
from flightlog.events.envelope import FLAG_REDACTED, FLAG_TRUNCATED, Event, StoredEvent
from flightlog.ingest.otlp import reading
from flightlog.ingest.otlp.decode_proto import decode_logs, decode_metrics, decode_traces
from flightlog.ingest.otlp.mapping import MAPPING_VERSION
from flightlog.ingest.otlp.receive import Received, Receiver
from flightlog.ingest.otlp.sources import told_in_full
from flightlog.ingest.otlp.unmapped import UnmappedProjector, list_unmapped
from flightlog.journal.append import Appended, Journal
from flightlog.journal.read import EventFilter, read_events
from flightlog.journal.ready import Item
from tests.api.serving import open_services
from tests.ingest.otlp.requests import START, TRACE, logs, metrics, pairs, span, traces

KEY = "sk-proj-" + "a1B2c3D4e5F6" * 4


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight") as opened:
        yield opened


def send(
    services: Services, *spans: Span, resource: dict[str, Any] | None = None, project: str | None = None
) -> Received:
    return services.otlp.traces(decode_traces(traces(*spans, resource=resource).SerializeToString()), project)


def stored(services: Services, *types: str) -> list[StoredEvent]:
    """The events that are no resources, or those of these types."""
    found = read_events(services.store, EventFilter(types=types), limit=1000).events
    return [event for event in found if types or event.type != "resource"]


def numbers(received: Received) -> tuple[int, int, int]:
    return received.accepted, received.duplicates, received.rejected


# ── stored ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_span_is_one_event_of_its_trace(services: Services) -> None:
    assert numbers(send(services, span(1, {"answer": 42}))) == (1, 0, 0)
    [event] = stored(services)
    assert (event.event_id, event.run_id) == (f"{TRACE.hex()}-0000000000000001", TRACE.hex())
    assert (event.created_at, event.duration_ns, event.source) == (START + 2_000_000_000, 1_000_000_000, "shop")


def test_a_resource_is_described_once_and_before_what_comes_from_it(services: Services) -> None:
    send(services, span(1), span(2))
    send(services, span(3))
    send(services, span(4), resource={"service.name": "till"})
    described = stored(services, "resource")
    assert [event.source for event in described] == ["shop", "till"]
    assert described[0].id < stored(services)[0].id


def test_another_process_describes_it_again_and_nobody_is_told_of_a_conflict(services: Services) -> None:
    send(services, span(1))
    again = Receiver(services.journal, services.intake, services.settings)
    received = again.traces(decode_traces(traces(span(2)).SerializeToString()))
    assert numbers(received) == (1, 0, 0)
    assert len(stored(services, "resource")) == 1


def test_the_project_is_the_resources_else_the_callers_else_the_settings(services: Services) -> None:
    send(services, span(1), resource={"flightlog.project": "mine"}, project="theirs")
    send(services, span(2), project="theirs")
    send(services, span(3))
    assert [event.project for event in stored(services)] == ["mine", "theirs", "default"]
    with pytest.raises(FieldTooLong):
        send(services, span(4), project="x" * 129)


def test_log_records_that_are_equal_are_all_kept_and_sent_again_change_nothing(services: Services) -> None:
    one, other = LogRecord(time_unix_nano=5, body=pairs({"b": "tick"})[0].value), LogRecord(time_unix_nano=6)
    body = logs(one, one, other, one).SerializeToString()
    assert numbers(services.otlp.logs(decode_logs(body))) == (4, 0, 0)
    assert numbers(services.otlp.logs(decode_logs(body))) == (4, 4, 0)
    assert len(stored(services, "log")) == 4


def test_metrics_are_stored_and_sent_again_change_nothing(services: Services) -> None:
    metric = Metric(name="tokens")
    metric.sum.data_points.add(time_unix_nano=START, as_int=5)
    body = metrics(metric).SerializeToString()
    assert numbers(services.otlp.metrics(decode_metrics(body))) == (1, 0, 0)
    assert numbers(services.otlp.metrics(decode_metrics(body))) == (1, 1, 0)
    assert len(stored(services, "metric")) == 1


# ── sent again ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_duplicates_in_one_batch_or_later_in_any_order_change_nothing(services: Services) -> None:
    chance = random.Random(4)
    sent = [span(number, parent_span_id=(number // 2).to_bytes(8, "big")) for number in range(1, 30)]
    total = 0
    for _ in range(8):
        some = chance.choices(sent, k=20)
        received = send(services, *some)
        assert received.rejected == 0
        assert received.accepted == 20
        total += received.accepted - received.duplicates
    send(services, *reversed(sent))
    found = stored(services)
    assert len({event.event_id for event in found}) == len(found) == 29
    assert total <= 29


def test_the_same_id_with_other_content_is_refused_and_the_first_stays(services: Services) -> None:
    send(services, span(1, {"version": 1}))
    received = send(services, span(1, {"version": 2}), span(2))
    assert numbers(received) == (1, 0, 1)
    assert "already in the journal with other content" in received.message
    assert b'"version":1' in bytes(stored(services)[0].payload)


# ── clean and cut ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_secrets_are_gone_before_the_disk(services: Services, tmp_path: Path) -> None:
    resource = {"service.name": "shop", "note": f"key {KEY}"}
    send(
        services,
        span(1, {"prompt": f"use {KEY} please", "nested": {"password": "hunter2-hunter2"}}, name=f"call with {KEY}"),
        resource=resource,
    )
    services.otlp.logs(decode_logs(logs(LogRecord(body=pairs({"b": f"Bearer {KEY}"})[0].value)).SerializeToString()))
    metric = Metric(name="m", description=KEY)
    metric.gauge.data_points.add(time_unix_nano=START, as_int=1)
    services.otlp.metrics(decode_metrics(metrics(metric).SerializeToString()))
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "flight").glob("flightlog.db*"))
    assert KEY.encode() not in on_disk
    assert b"hunter2-hunter2" not in on_disk
    assert all(event.flags & FLAG_REDACTED for event in stored(services, "span_finished", "log", "metric"))
    assert [event.flags & FLAG_REDACTED for event in stored(services, "resource") if event.source] == [FLAG_REDACTED]


def test_a_span_with_ten_thousand_attributes_is_cut_to_size_and_its_neighbours_are_whole(services: Services) -> None:
    wide = {f"key.{number}": "some value that is not short" for number in range(10_000)}
    assert numbers(send(services, span(1), span(2, wide), span(3))) == (3, 0, 0)
    sizes = {event.span_id: (event.payload_bytes, event.flags & FLAG_TRUNCATED) for event in stored(services)}
    assert sizes["0000000000000002"][0] <= services.settings.payload_bytes_max
    assert [cut for _, cut in sizes.values()] == [0, FLAG_TRUNCATED, 0]
    assert numbers(send(services, span(2, wide))) == (1, 1, 0), "cut again, it is the same event"


def test_payloads_are_json_whatever_the_attributes_held(services: Services) -> None:
    send(services, span(1, {"a": float("nan"), "b": b"\x00\xff", "c": [None, {}], "d": "\x00\u2028", "e": -(2**63)}))
    assert msgspec.json.decode(stored(services)[0].payload)


# ── what does not go well ────────────────────────────────────────────────────────────────────────────────────────────


class Failing(Journal):
    """A journal that is busy from some batch on."""

    def __init__(self, services: Services, batches: int) -> None:
        super().__init__(services.store)
        self.left = batches

    def append_ready(self, items: list[Item], **more: Any) -> Appended:
        self.left -= 1
        if self.left < 0:
            raise StoreBusy(timeout_seconds=5)
        return super().append_ready(items, **more)


def test_a_large_request_takes_several_transactions_and_is_not_acknowledged_when_one_fails(services: Services) -> None:
    settings = msgspec.structs.replace(services.settings, drain_batch_events_max=10)
    body = traces(*[span(number) for number in range(1, 36)]).SerializeToString()
    with pytest.raises(StoreBusy):
        Receiver(Failing(services, 2), services.intake, settings).traces(decode_traces(body))
    before = len(stored(services))
    assert 0 < before < 35
    received = Receiver(services.journal, services.intake, settings).traces(decode_traces(body))
    assert numbers(received) == (35, before, 0)
    assert len(stored(services)) == 35


def test_a_resource_is_not_taken_for_stored_when_it_was_not(services: Services) -> None:
    failing = Failing(services, 0)
    receiver = Receiver(failing, services.intake, services.settings)
    body = traces(span(1)).SerializeToString()
    with pytest.raises(StoreBusy):
        receiver.traces(decode_traces(body))
    failing.left = 1
    receiver.traces(decode_traces(body))
    assert len(stored(services, "resource")) == 1


def test_a_fault_of_ours_in_one_record_is_no_trouble_for_the_others(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(one: Any, scope: Any, origin: Any) -> Any:
        if one.name == "step 2":
            raise RuntimeError("a table with a hole")
        return whole(one, scope, origin)

    whole = reading.mapped_span
    monkeypatch.setattr(reading, "mapped_span", odd)
    received = send(services, span(1), span(2), span(3))
    assert numbers(received) == (2, 0, 1)
    assert "could not be mapped" in received.message
    assert "a table with a hole" in caplog.text


def test_what_was_refused_while_decoding_is_counted_with_the_rest(services: Services) -> None:
    received = send(services, span(1), span(2, trace_id=b"x"), *[span(n, span_id=b"") for n in range(3, 40)])
    assert numbers(received) == (1, 0, 38)
    assert received.message.startswith("span 1 of its scope: its trace id has 1 bytes, not 16; ")
    assert received.message.endswith("; and 18 more")


# ── where it came from ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_event_leaves_to_its_source_to_say_is_found_again(services: Services) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    send(services, span(1, call, name="chat gpt-4o", kind=3), span(2, {"a": 1}, name="work", kind=1))
    called, worked = stored(services)
    assert msgspec.json.decode(called.payload)["otlp"].keys() == {"resource"}
    [payload, other] = [msgspec.json.decode(told_in_full(services.store, one).payload) for one in (called, worked)]
    said = {"mapping": MAPPING_VERSION, "scope": "tests@1.0", "name": "chat gpt-4o", "kind": "client"}
    assert payload["otlp"] == said | {"dialect": "genai", "resource": payload["otlp"]["resource"]}
    assert payload["request"] == {"model": "gpt-4o"}
    assert other["otlp"] == said | {"name": "work", "kind": "internal", "resource": other["otlp"]["resource"]}
    found = {event.event_id for event in stored(services, "resource")}
    assert found == {f"resource-{one['otlp']['resource']}" for one in (payload, other)}
    assert told_in_full(services.store, stored(services, "resource")[0]) == stored(services, "resource")[0]


def test_a_second_process_knows_sources_that_the_first_described(services: Services) -> None:
    send(services, span(1, {"a": 1}))
    again = Journal(services.store, [UnmappedProjector(services.settings)])
    [told] = [event for event in stored(services) if event.span_id]
    again.append(
        [
            msgspec.structs.replace(
                Event(**{name: getattr(told, name) for name in Event.__struct_fields__}), event_id="e2"
            )
        ]
    )
    assert [(one.scope, one.count) for one in list_unmapped(services.store).attributes] == [("tests@1.0", 2)]
