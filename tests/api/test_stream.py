"""Live streams on a real socket: resumable, without loss or repeats, bounded, and let go when their client goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.api.app import Services
from flightlog.api.sse import message
from flightlog.events.envelope import StoredEvent
from tests.api.serving import Client, Server, Stream, event, fill, open_services

EVERYTHING = "/api/events/stream"


def wait_until(holds: Callable[[], bool], timeout: float = 10.0) -> None:
    """Wait for another thread; there is no signal for "the server noticed that its client has gone"."""
    waiting = threading.Event()
    for _ in range(int(timeout / 0.01)):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not come true in time")


def test_new_events_arrive_with_their_journal_id(server: Server, services: Services) -> None:
    with Stream(server.url + EVERYTHING) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        fill(services, 3)
        found = stream.next()
        assert (found["id"], found["event_id"], found["payload"]) == (1, "e000001", {"text": "number 1"})
        assert stream.last_id == "1"
        assert stream.take(2) == [2, 3]


def test_a_stream_begins_at_the_end_or_after_an_id_or_at_the_first_event(server: Server, services: Services) -> None:
    fill(services, 5)
    with Stream(server.url + EVERYTHING) as at_end, Stream(server.url + EVERYTHING, afterId=3) as after:
        assert after.take(2) == [4, 5]
        fill(services, 1, first=6)
        assert at_end.take(1) == [6]
        assert after.take(1) == [6]
    with Stream(server.url + EVERYTHING, afterId=0) as from_zero:
        assert from_zero.take(6) == [1, 2, 3, 4, 5, 6]


def test_the_header_of_a_broken_stream_counts_more_than_the_parameter_it_began_with(
    server: Server, services: Services
) -> None:
    fill(services, 5)
    with Stream(server.url + EVERYTHING, {"Last-Event-ID": "4"}, afterId=1) as stream:
        assert stream.take(1) == [5]


def test_who_is_cut_off_before_the_first_event_still_knows_where_to_go_on(server: Server, services: Services) -> None:
    fill(services, 5)
    with Stream(server.url + EVERYTHING, timeout=5) as stream:  # well before the first sign of life
        position = stream.next_line("id: ").removeprefix("id: ")
    assert position == "5"
    fill(services, 2, first=6)
    with Stream(server.url + EVERYTHING, {"Last-Event-ID": position}) as stream:
        assert stream.take(2) == [6, 7]


def test_reconnecting_again_and_again_while_others_append_loses_and_repeats_nothing(
    server: Server, services: Services
) -> None:
    total = 600

    def append() -> None:
        for first in range(1, total, 7):
            fill(services, min(7, total - first + 1), first=first)

    writer = threading.Thread(target=append)
    writer.start()
    seen: list[int] = []
    last = "0"
    while len(seen) < total:
        with Stream(server.url + EVERYTHING, {"Last-Event-ID": last}) as stream:
            seen += stream.take(min(23, total - len(seen)))
            last = stream.last_id or last
    writer.join()
    assert seen == list(range(1, total + 1))


def test_filters_hold_and_a_run_has_a_stream_of_its_own(server: Server, services: Services) -> None:
    with (
        Stream(server.url + EVERYTHING, afterId=0, level="error") as errors,
        Stream(server.url + "/api/runs/r2/stream", afterId=0) as run,
        Stream(server.url + EVERYTHING, afterId=0, payloads="false") as bare,
    ):
        services.journal.append([event(1), event(2, run_id="r2"), event(3, level="error"), event(4, run_id="r2")])
        assert errors.take(1) == [3]
        assert run.take(2) == [2, 4]
        assert "payload" not in bare.next()


def test_a_quiet_stream_gives_signs_of_life_that_move_its_position(tmp_path: Path) -> None:
    with (
        open_services(tmp_path, sse_heartbeat_seconds=0.05) as services,
        Server(services) as server,
        Stream(server.url + EVERYTHING, types="error") as stream,
    ):
        assert stream.next_line("id: ") == "id: 0"
        fill(services, 4)
        while stream.next_line("id: ") != "id: 4":
            pass
        services.journal.append([event(5, "error", payload={"message": "m"})])
        assert stream.take(1) == [5]


def test_a_stream_too_many_is_refused_and_a_place_is_free_again_when_a_client_goes(tmp_path: Path) -> None:
    with open_services(tmp_path, sse_watchers_max=2) as services, Server(services) as server:
        with Stream(server.url + EVERYTHING), Stream(server.url + EVERYTHING):
            wait_until(lambda: server.streams_open == 2)
            with Stream(server.url + EVERYTHING) as refused:
                assert refused.response.status_code == 503
                assert refused.response.headers["retry-after"] == "1"
                refused.response.read()
                assert refused.response.json()["code"] == 50306
        wait_until(lambda: server.streams_open == 0)
        assert services.hub.watching == 0
        with Stream(server.url + EVERYTHING) as stream:
            assert stream.response.status_code == 200


def test_a_client_that_goes_without_a_word_is_noticed(server: Server, services: Services) -> None:
    streams = [Stream(server.url + EVERYTHING) for _ in range(5)]
    wait_until(lambda: services.hub.watching == 5)
    for stream in streams:
        stream.close()
    wait_until(lambda: services.hub.watching == server.streams_open == 0)


@pytest.mark.parametrize("position", ["abc", "-1", "1.5", "99"])
def test_a_position_that_this_journal_never_gave_out_is_a_problem(client: Client, position: str) -> None:
    assert client.get(EVERYTHING, params={"afterId": position}).json()["code"] == 40006
    assert client.get(EVERYTHING, headers={"Last-Event-ID": position}).json()["code"] == 40006


def test_streams_end_with_the_hub_so_that_the_server_can_stop(services: Services) -> None:
    with Server(services) as server, Stream(server.url + EVERYTHING) as stream:
        assert stream.next_line("id: ") == "id: 0"
        services.hub.close()
        assert [line for line in stream.lines if line] == []
        server.stop()
    assert services.hub.watching == 0


def test_a_payload_that_was_sent_over_several_lines_stays_one_event(server: Server, client: Client) -> None:
    body = b'{"type":"note","payload":{\r\n  "text":\n"a\\nb"\r}}'
    with Stream(server.url + EVERYTHING) as stream:
        assert client.post("/api/events", content=body, headers={"Content-Type": "application/json"}).status_code == 200
        assert stream.next()["payload"] == {"text": "a\nb"}


@settings(max_examples=200)
@given(name=st.text(max_size=40), text=st.text(max_size=200))
def test_no_text_can_break_out_of_its_event(name: str, text: str) -> None:
    try:
        payload = msgspec.Raw(msgspec.json.encode({"text": text}))
        name.encode()
    except UnicodeEncodeError:
        return
    made = message(StoredEvent(event_id="e", type="note", created_at=1, id=7, name=name, payload=payload), True)
    lines = made.decode("utf-8").split("\n")
    assert lines[0] == "id: 7"
    assert lines[1].startswith("data: {")
    assert lines[2:] == ["", ""]
    assert msgspec.json.decode(lines[1][6:])["payload"]["text"] == text
