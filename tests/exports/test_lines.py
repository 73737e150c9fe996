"""JSON Lines keep everything, and what they keep comes back as the same events."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.errors import BadInput, FilterInvalid
from flightlog.events.envelope import FLAG_ERASED, FLAG_INVALID, FLAG_WITHHELD, Event, StoredEvent
from flightlog.exports.files import write_file
from flightlog.exports.lines import line
from flightlog.exports.stream import export_events
from flightlog.ingest.own import event_of
from flightlog.journal.filter import EventFilter
from flightlog.journal.ready import prepare
from flightlog.journal.rows import as_stored
from tests.contract.making import event
from tests.exports.making import contents, events, everything, flight, imported, wanted_of


def stored(given_event: Event) -> StoredEvent:
    return as_stored([prepare(given_event)], 7, 8)[0]


@settings(max_examples=150)
@given(events())
def test_a_line_holds_the_whole_event(given_event: Event) -> None:
    before = stored(given_event)
    written = line(before)
    assert not {10, 13} & set(written)
    after = event_of(written)
    after.flags &= ~FLAG_INVALID | before.flags  # a payload that breaks the rules of its type is flagged on its way in
    assert msgspec.structs.astuple(after) == msgspec.structs.astuple(given_event)
    assert bytes(after.payload) == bytes(given_event.payload)


@settings(max_examples=2)
@given(data=st.data())
def test_a_file_of_lines_makes_the_same_events_in_another_folder(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("round")
    some = [data.draw(events(number)) for number in range(1, 31)]
    with flight(place / "a", some, redact=False) as keeper:
        before = everything(keeper)
        write_file(export_events(wanted_of(keeper), "jsonl"), place / "e.jsonl.gz")
    with flight(place / "b", redact=False) as keeper:
        report = imported(keeper, place / "e.jsonl.gz")
        after = everything(keeper)
        again = imported(keeper, place / "e.jsonl.gz")
    for one, other in zip(before, after, strict=True):
        other.flags &= ~FLAG_INVALID | one.flags
    assert contents(after) == contents(before)
    assert (report.stored, again.stored, again.files[0].duplicates) == (30, 0, 30)


def test_a_payload_with_line_ends_is_one_line_and_keeps_its_digest() -> None:
    before = stored(event(1, payload=None))
    before.payload = msgspec.Raw(b'{\n  "a": 1\r\n}')
    written = line(before)
    assert json.loads(written)["payload_text"] == '{\n  "a": 1\r\n}'
    assert bytes(event_of(written).payload) == b'{\n  "a": 1\r\n}'


def test_what_was_erased_stays_erased_and_says_so() -> None:
    before = stored(event(1))
    before.flags |= FLAG_ERASED
    after = event_of(line(before))
    assert after.flags == FLAG_WITHHELD
    assert b"erased" in bytes(after.payload)


def test_lines_that_are_broken_are_named_and_cost_their_neighbours_nothing(tmp_path: Path) -> None:
    good = [line(stored(event(number))) for number in range(1, 4)]
    bad = [
        b'{"event_id":"x"',
        b"[]",
        b'{"event_id":"y","type":"note","created_at":-5}',
        good[0].replace(b'{"text', b'["text'),
    ]
    file = tmp_path / "e.jsonl"
    file.write_bytes(b"\n".join([good[0], bad[0], good[1], b"", bad[1], bad[2], bad[3], good[2]]))
    with flight(tmp_path / "f") as keeper:
        report = imported(keeper, file)
        assert [one.event_id for one in everything(keeper)] == ["e000001", "e000002", "e000003"]
    assert [problem.where for problem in report.files[0].problems] == ["line 2", "line 5", "line 6", "line 7"]


def test_a_packed_file_that_was_cut_gives_what_it_still_holds(tmp_path: Path) -> None:
    lines = b"\n".join(
        line(stored(event(number, payload={"text": f"{number * 7919:x}" * 40}))) for number in range(1, 2_000)
    )
    file = tmp_path / "e.jsonl.gz"
    file.write_bytes(gzip.compress(lines)[:-3_000])
    with flight(tmp_path / "f") as keeper:
        report = imported(keeper, file)
    assert report.stored > 100
    assert "cut off" in report.files[0].problems[-1].reason


def test_secrets_in_a_file_are_taken_out_as_of_any_producer(tmp_path: Path) -> None:
    secret = "ghp_" + "Zq3xN8vB2mK7pL5tR9wY4cF6hJ1dS0aG3eUi"
    file = tmp_path / "e.jsonl"
    file.write_bytes(line(stored(event(1, payload={"text": secret}))))
    with flight(tmp_path / "f") as keeper:
        assert imported(keeper, file).files[0].redacted == 1
        assert secret not in bytes(everything(keeper)[0].payload).decode()
        assert imported(keeper, file).files[0].duplicates == 1


def test_an_export_of_many_pages_has_each_event_once_and_ends_where_it_began(tmp_path: Path) -> None:
    with flight(tmp_path / "f", [event(number) for number in range(1, 26)], page_events_max=4) as keeper:
        pieces = export_events(wanted_of(keeper), "jsonl")
        first = next(pieces)
        keeper.journal.append([event(99)])  # comes too late for this export
        found = [json.loads(text)["event_id"] for text in (first + b"".join(pieces)).splitlines()]
        some = b"".join(export_events(wanted_of(keeper, EventFilter(text="number 7")), "jsonl"))
    assert found == [f"e{number:06d}" for number in range(1, 26)]
    assert [json.loads(text)["event_id"] for text in some.splitlines()] == ["e000007"]


def test_what_can_not_be_exported_is_said_before_the_first_byte(tmp_path: Path) -> None:
    with flight(tmp_path / "f") as keeper:
        with pytest.raises(BadInput, match="yaml"):
            export_events(wanted_of(keeper), "yaml")
        with pytest.raises(FilterInvalid):
            export_events(wanted_of(keeper, EventFilter(levels=("loud",))), "jsonl")
