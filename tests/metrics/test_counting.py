"""What is counted is what happened, and what is looked up is how it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from flightlog import wiring
from flightlog.clock import FakeClock
from flightlog.errors import EventIdConflict
from flightlog.metrics.counting import Counter, Histogram
from flightlog.metrics.disk import FolderSizes
from flightlog.seal.keeper import SealHealth
from flightlog.services import DrainHealth, Services
from tests.api.serving import SECOND, START, Client, changed, client_of, event, fill, open_services

Numbers = dict[tuple[str, ...], float]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path) as services:
        yield services


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


def scrape(client: Client) -> dict[str, Numbers]:
    """Every sample: by name, then by the values of its labels."""
    text = client.get("/metrics").text
    made: dict[str, Numbers] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            made.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return made


def test_events_are_counted_by_type_once_however_often_they_come(services: Services, client: Client) -> None:
    fill(services, 4)
    services.journal.append([event(5, "acme.reindexed"), event(6), event(4), event(6)])
    found = scrape(client)
    assert found["flightlog_events_stored_total"]["note",] == 5
    assert found["flightlog_events_stored_total"]["acme.reindexed",] == 1
    assert found["flightlog_events_stored_total"]["error",] == 0  # there from the start
    assert found["flightlog_events_duplicate_total"][()] == 2
    assert found["flightlog_append_seconds_count"][()] == 2
    assert found["flightlog_journal_last_id"][()] == 6


def test_what_the_journal_refuses_is_counted(services: Services, client: Client) -> None:
    fill(services, 1)
    other = event(1, payload={"text": "another"})
    services.journal.append([other, event(2)], rejects="return")
    with pytest.raises(EventIdConflict):
        services.journal.append([other])
    found = scrape(client)
    assert found["flightlog_events_rejected_total"][()] == 1
    assert found["flightlog_append_failures_total"]["EventIdConflict",] == 1
    assert found["flightlog_events_stored_total"]["note",] == 2


def test_losses_are_counted_by_reason_whatever_the_payload_says(services: Services, client: Client) -> None:
    losses = [
        {"reason": "spool_full", "count": 7},
        {"reason": "spool_full", "count": 2},
        {"reason": ["?"], "count": "x"},
    ]
    services.journal.append([event(n, "degraded", payload=loss) for n, loss in enumerate(losses)])
    found = scrape(client)["flightlog_events_lost_total"]
    assert found["spool_full",] == 9
    assert sum(found.values()) == 9


def test_types_of_users_own_do_not_grow_without_end(services: Services, client: Client) -> None:
    services.journal.append([event(n, f"acme.type_{n}") for n in range(150)])
    found = scrape(client)["flightlog_events_stored_total"]
    own = {labels for labels in found if labels[0].startswith("acme.")}
    assert len(own) == 100
    assert found["other",] == 50


def test_requests_are_counted_by_the_template_of_their_route(services: Services, client: Client) -> None:
    fill(services, 2)
    for path in ("/api/runs/r1", "/api/runs/nobody", "/api/events/e000001", "/nowhere"):
        client.get(path)
    client_of(services, "http://evil.example").get("/api/runs")
    found = scrape(client)
    assert found["flightlog_http_requests_total"] == {
        ("GET", "/api/runs/{run_id}", "200"): 1,
        ("GET", "/api/runs/{run_id}", "404"): 1,
        ("GET", "/api/events/{event_id}", "200"): 1,
        ("GET", "none", "404"): 1,
    }
    assert found["flightlog_http_request_seconds_count"]["/api/runs/{run_id}",] == 2


def test_records_of_opentelemetry_are_counted_by_what_became_of_them(services: Services, client: Client) -> None:
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "s"}
    times = {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START + SECOND)}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, **times}, {"spanId": "too short"}]}]}]}
    for _ in range(2):
        assert client.post("/v1/traces", json=body).status_code == 200
    found = scrape(client)["flightlog_otlp_records_total"]
    assert [found[outcome, "traces"] for outcome in ("accepted", "duplicate", "rejected")] == [1, 1, 2]


def test_the_page_is_for_this_machine_only_like_every_other(services: Services) -> None:
    assert client_of(services, "http://evil.example").get("/metrics").status_code == 403


def test_a_client_that_prefers_openmetrics_gets_it(client: Client) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert list(openmetrics.text_string_to_metric_families(answer.text))
    assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_two_servers_in_a_process_count_apart_and_nothing_is_global(tmp_path: Path) -> None:
    with open_services(tmp_path / "a") as one, open_services(tmp_path / "b") as two:
        first, second = client_of(one), client_of(two)
        fill(one, 3)
        assert scrape(first)["flightlog_events_stored_total"]["note",] == 3
        assert scrape(second)["flightlog_events_stored_total"]["note",] == 0
    assert not [family for family in REGISTRY.collect() if family.name.startswith("flightlog")]


def test_what_waits_in_the_spool_is_weighed_and_as_old_as_its_oldest_event(tmp_path: Path) -> None:
    clock = FakeClock()
    with wiring.open(tmp_path, drain=False, clock=clock) as recorder, recorder.run("waits"):
        pass
    clock.advance(90)
    with open_services(tmp_path) as services:
        health = DrainHealth(state="elsewhere", error="the store is busy", drained=12)
        client = client_of(changed(services, clock=clock, drain=lambda: health))
        found = scrape(client)
        assert found["flightlog_drain_lag_seconds"][()] == pytest.approx(90, abs=1)
        assert found["flightlog_spool_backlog_bytes"][()] > 100
        assert found["flightlog_spool_segments"][()] == 1
        assert found["flightlog_drain_state"] == {("here",): 0, ("elsewhere",): 1, ("nobody",): 0}
        assert found["flightlog_drain_failing"][()] == 1
        assert found["flightlog_drain_events_total"][()] == 12


def test_the_seal_is_behind_by_the_events_after_its_checkpoint(services: Services) -> None:
    fill(services, 5)
    health = SealHealth(state="sealing", sealed_id=4, signed_id=3)
    found = scrape(client_of(changed(services, seal=lambda: health)))
    assert found["flightlog_seal_lag_events"][()] == 2
    assert 0 <= found["flightlog_seal_lag_seconds"][()] < 60
    done = SealHealth(state="sealing", sealed_id=5, signed_id=5)
    found = scrape(client_of(changed(services, seal=lambda: done)))
    assert found["flightlog_seal_lag_seconds"][()] == 0


def test_a_part_that_can_not_be_looked_at_is_left_out_and_said(services: Services) -> None:
    def broken() -> DrainHealth:
        raise OSError("no such folder")

    found = scrape(client_of(changed(services, drain=broken)))
    assert "flightlog_drain_failing" not in found
    assert found["flightlog_look_failures_total"]["drain",] == 1
    assert found["flightlog_streams_limit"][()] > 0


def test_a_folder_is_as_large_as_its_files_and_listed_only_when_it_has_changed(tmp_path: Path) -> None:
    sizes = FolderSizes()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "one").write_bytes(b"x" * 10)
    (tmp_path / "two").write_bytes(b"x" * 5)
    assert sizes.bytes_in(tmp_path) == 15
    (tmp_path / "deep" / "er" / "three").write_bytes(b"x" * 7)
    assert sizes.bytes_in(tmp_path) == 22
    assert sizes.bytes_in(tmp_path / "nowhere") == 0


def test_a_histogram_holds_each_time_in_its_own_bucket_and_all_above() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.take(seconds)
    buckets, total = histogram.buckets()[()]
    assert buckets == [("0.1", 2), ("1.0", 3), ("+Inf", 4)]
    assert total == pytest.approx(7.65)


def test_a_counter_with_too_many_labels_goes_on_under_another_name() -> None:
    counter = Counter(2)
    for label in ("a", "b", "c", "d", "a"):
        counter.add(1, label)
    assert counter.numbers() == {("a",): 2, ("b",): 1, ("other",): 2}
