"""Large requests are read in another process: what is stored is the same to the last row, and its death costs nobody an event."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from sqlalchemy import text

from flightlog.api.app import Services
from flightlog.config import Settings
from flightlog.errors import BodyInvalid, ReaderLost, StoreBusy
from flightlog.ingest.batch import Intake
from flightlog.ingest.otlp import apart
from flightlog.ingest.otlp.apart import Apart
from flightlog.ingest.otlp.decode_proto import decode_traces, trace_pieces
from flightlog.ingest.otlp.reading import NOBODY, Batch, Encoding, SignalName
from flightlog.ingest.otlp.receive import Received, Receiver
from flightlog.journal.append import Appended, Journal
from flightlog.journal.ready import Item, Preparation
from flightlog.recorder.redact import Redactor
from tests.api.serving import changed, open_services
from tests.ingest.otlp.requests import as_json, logs, metrics, pairs, span, traces

DIGEST_KEY = b"for tests"  # that of tests/api/serving.py
SECRET = "sk-proj-" + "a1B2c3D4e5F6" * 4
COMMAND = [sys.executable, "-m", "flightlog.decoding"]
PIECE, LEAD = 10, 5  # records of a request that are stored together; those that the server reads of one that is alone
TABLES = ("run_events", "event_payloads", "runs", "generations", "unmapped_attributes", "span_range", "journal_head")

# What reads, but for what `reading` and `answer` do to it.
CHILD = """
import os, sys, time
from flightlog.decoding import make_reading
from flightlog.ingest.otlp import apartwork
def make(order):
    reading, preparation = make_reading(order)
    whole = reading.batches
    def batches(*given):
        for number, batch in enumerate(whole(*given)):
            {before}
            yield batch
    reading.batches = batches
    return reading, preparation
apartwork.work(make, os.dup(0), os.dup(1))
"""


def child(before: str) -> list[str]:
    """A process that does this before it hands over batch `number`."""
    return [sys.executable, "-c", CHILD.format(before=before)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is a large one."""
    monkeypatch.setattr(apart, "BODY_BYTES_MIN", 1)
    monkeypatch.setattr(apart, "RECORDS_MAX", PIECE)
    monkeypatch.setattr(apart, "LEAD_RECORDS", LEAD)


@contextmanager
def reading(services: Services, command: list[str] = COMMAND, began: bool = True) -> Iterator[tuple[Receiver, Apart]]:
    """A receiver whose requests are read by such a process."""
    there = Apart(command, services.settings, DIGEST_KEY, services.journal.preparation)
    try:
        receiver = Receiver(services.journal, services.intake, services.settings, there)
        receiver.take("traces", "protobuf", traces().SerializeToString())
        assert there.wait() is began
        yield receiver, there
    finally:
        there.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight") as opened:
        yield opened


def rows(services: Services) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in the store, but for when it arrived."""
    found = {}
    with services.store.read() as connection:
        for table in TABLES:
            answer = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))
            kept = [place for place, name in enumerate(answer.keys()) if name not in ("received_at", "updated_at")]
            found[table] = [tuple(row[place] for place in kept) for row in answer]
    return found


def called(number: int, said: str = "hello") -> Any:
    """A call of a model."""
    return span(
        number,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": number,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{said}"}}]}}]',
            "server.port": 443,
            "ratio": 0.5,
        },
        name="chat gpt-4o-mini",
        kind=3,
    )


def bodies() -> list[tuple[SignalName, Encoding, bytes]]:
    """Requests of every kind, with secrets, spans that can't be taken, and the same again."""
    some = [called(number, f"my key is {SECRET}" if number % 7 == 0 else "grüße 🛫 \\n") for number in range(1, 36)]
    some += [span(40, {"deep": [{"a": [1.5, b"x"]}]}), span(41, trace_id=b"x"), span(42, {"big": "x" * 100_000})]
    call = traces(*some)
    counted = Metric(name="m", unit="1")
    counted.sum.data_points.add(as_int=3, time_unix_nano=5)
    record = LogRecord(body=pairs({"b": f"Bearer {SECRET}"})[0].value, time_unix_nano=7)
    return [
        ("traces", "protobuf", call.SerializeToString()),
        ("traces", "json", as_json(traces(*[called(number) for number in range(50, 75)]))),
        ("traces", "protobuf", call.SerializeToString()),
        ("logs", "protobuf", logs(record, record, LogRecord()).SerializeToString()),
        ("metrics", "protobuf", metrics(counted).SerializeToString()),
    ]


# ── the same as here ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_read_apart_is_stored_as_what_is_read_here(tmp_path: Path) -> None:
    with open_services(tmp_path / "here") as here, open_services(tmp_path / "apart") as other:
        expected = [here.otlp.take(*each) for each in bodies()]
        with reading(other) as (receiver, there):
            assert [receiver.take(*each) for each in bodies()] == expected
            assert there.pid is not None
        assert [each.rejected for each in expected] == [1, 0, 1, 0, 0]
        assert expected[2].duplicates == expected[0].accepted
        assert rows(other) == rows(here)
        assert all(rows(here)[table] for table in TABLES)
        assert SECRET not in repr(rows(other))


def test_the_settings_of_the_server_are_those_of_the_other_process(tmp_path: Path) -> None:
    chosen = {"project": "hangar", "payload_bytes_max": 2_000, "redact_keys": ("wingspan",)}
    said = traces(span(1, {"wingspan": "60 m", "long": "y" * 9_000}))
    with open_services(tmp_path / "here", **chosen) as here, open_services(tmp_path / "apart", **chosen) as other:
        care = Intake(Redactor.from_settings(here.settings, DIGEST_KEY), here.settings)
        changed(here, intake=care).otlp.take("traces", "protobuf", said.SerializeToString())
        with reading(changed(other, intake=care)) as (receiver, _):
            receiver.take("traces", "protobuf", said.SerializeToString())
        assert rows(other) == rows(here)
        assert "60 m" not in repr(rows(other))


def test_a_request_that_is_none_is_the_same_error(services: Services) -> None:
    with reading(services) as (receiver, there):
        for _ in range(2):
            with pytest.raises(BodyInvalid) as refused:
                receiver.take("traces", "json", b"[" * 500)
            assert "JSON" in refused.value.message or "object" in refused.value.message
        assert receiver.take("traces", "protobuf", traces(span(1)).SerializeToString()).accepted == 1
        assert there.pid is not None


def test_a_resource_that_was_described_is_left_out_by_the_server(services: Services) -> None:
    tried: list[int] = []

    class Counting(Journal):
        def append_ready(self, items: list[Item], **more: Any) -> Appended:
            tried.append(len(items))
            return super().append_ready(items, **more)

    with reading(changed(services, journal=Counting(services.store, []))) as (receiver, _):
        for number in (1, 2):
            assert receiver.take("traces", "protobuf", traces(span(number)).SerializeToString()).accepted == 1
    assert tried == [2, 1]


def test_what_was_read_while_the_store_was_busy_is_stored_together(services: Services) -> None:
    preparation, sent = services.journal.preparation, services.intake.prepare_all(_events())
    whole = Batch([], [], 0, {})
    for number in range(2):
        items = preparation.ready([sent[0], *sent])
        whole.add(Batch(items, [NOBODY, 0, 1], 2, {f"digest {number}": 0}))
    assert whole.owners == [NOBODY, 0, 1, NOBODY, 2, 3]
    assert (len(whole.items), whole.records, whole.described) == (6, 4, {"digest 0": 0, "digest 1": 3})


@pytest.mark.parametrize("pieces", [7, 8, 9, 16, 17, 30])
def test_no_answer_is_lost_where_more_arrive_than_are_stored_at_once(
    services: Services, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    arrived = threading.Event()
    put = apart._Answers.put

    def told(self: Any, answer: Any) -> None:
        put(self, answer)
        if isinstance(answer, ReaderLost) or answer[0].is_last:
            arrived.set()

    class Busy(Journal):
        def append_ready(self, items: list[Item], **more: Any) -> Appended:
            assert arrived.wait(30)
            return super().append_ready(items, **more)

    monkeypatch.setattr(apart._Answers, "put", told)
    monkeypatch.setattr(apart, "ANSWER_SECONDS_MAX", 5.0)
    spans = [span(number) for number in range(1, LEAD + pieces * PIECE + 1)]
    with reading(changed(services, journal=Busy(services.store, []))) as (receiver, _):
        arrived.clear()
        assert receiver.take("traces", "protobuf", traces(*spans).SerializeToString()).accepted == len(spans)
    with services.store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM run_events WHERE span_id IS NOT NULL")).scalar() == len(
            spans
        )


def test_many_senders_at_once_get_each_their_own_answer(services: Services) -> None:
    with reading(services) as (receiver, _):
        answers: dict[int, list[Received]] = {}

        def send(sender: int) -> None:
            answers[sender] = [
                receiver.take(
                    "traces",
                    "protobuf",
                    traces(
                        *[span(1 + sender * 10_000 + turn * 100 + number) for number in range(sender * 5 + turn)]
                    ).SerializeToString(),
                )
                for turn in range(8)
            ]

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = {sender: [sender * 5 + turn for turn in range(8)] for sender in range(8)}
        assert {sender: [each.accepted for each in got] for sender, got in answers.items()} == expected
        assert len(rows(services)["run_events"]) == sum(map(sum, expected.values())) + 1  # and the resource, once


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), max_size=4), st.integers(1, 9), st.integers(0, 9))
def test_pieces_together_are_the_whole(sizes: list[list[int]], records_max: int, lead: int) -> None:
    request = traces()
    del request.resource_spans[:]
    number = 0
    for place, parts in enumerate(sizes):
        group = request.resource_spans.add()
        group.resource.attributes.extend(pairs({"service.name": f"s{place}"}))
        for size in parts:
            part = group.scope_spans.add()
            part.scope.name = f"scope {size}"
            for _ in range(size):
                number += 1
                part.spans.append(span(number, span_id=b"" if number % 5 == 0 else number.to_bytes(8, "big")))
    body = request.SerializeToString()
    whole, pieces = decode_traces(body), list(trace_pieces(body, records_max, lead))
    if lead:  # two share the work
        pieces = [next(trace_pieces(body, records_max, lead)), *trace_pieces(body, records_max, lead, skips_lead=True)]

    def flat(groups: Any) -> list[Any]:
        return [(g.attributes, p.scope, record) for g in groups for p in g.parts for record in p.records]

    assert [one for piece in pieces for one in flat(piece.groups)] == flat(whole.groups)
    assert [reason for piece in pieces for reason in piece.reasons] == whole.reasons
    assert sum(piece.refused for piece in pieces) == whole.refused
    assert all(piece.count + piece.refused <= records_max for piece in pieces[1 if lead else 0 :])
    assert pieces[0].count + pieces[0].refused <= (lead or records_max)
    assert len(pieces) == max(1, (lead > 0) + -(-max(0, number - lead) // records_max))


# ── when it dies ─────────────────────────────────────────────────────────────────────────────────────────────────────

SPANS = traces(*[span(number) for number in range(1, 36)]).SerializeToString()


def test_a_request_over_which_it_dies_is_refused_for_now_and_what_was_stored_of_it_is_a_duplicate(
    services: Services,
) -> None:
    with reading(services, child("if number == 2: os._exit(9)")) as (receiver, there):
        with pytest.raises(ReaderLost, match="ended with 9"):
            receiver.take("traces", "protobuf", SPANS)
        before = len(rows(services)["run_events"]) - 1
        assert before in (5, 15, 25)  # 5 are read here
        received = receiver.take("traces", "protobuf", SPANS)  # there is none now: read here
        assert (received.accepted, received.duplicates) == (35, before)
        assert len(rows(services)["run_events"]) == 36
        assert there.wait(), "another was begun"


def test_a_fault_of_ours_is_no_reason_to_send_the_same_again(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    with reading(services, child("raise ZeroDivisionError('a table with a hole')")) as (receiver, there):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            receiver.take("traces", "protobuf", SPANS)
        assert there.pid is not None, "the process goes on"
        assert receiver.take("traces", "protobuf", traces(span(1)).SerializeToString()).accepted == 1
    assert "a table with a hole" in capfd.readouterr().err


def test_when_it_is_killed_nothing_acknowledged_is_lost_and_nothing_doubled(services: Services) -> None:
    acknowledged: set[int] = set()
    with reading(services) as (receiver, there):
        for turn in range(6):
            numbers = range(1 + turn * 100, 1 + turn * 100 + 35)
            body = traces(*[span(number) for number in numbers]).SerializeToString()
            killer = threading.Thread(target=_kill, args=(there,))
            killer.start()
            for _ in range(5):
                try:
                    assert receiver.take("traces", "protobuf", body).accepted == 35
                except ReaderLost:
                    continue
                acknowledged.update(numbers)
                break
            killer.join()
            there.wait()
    with services.store.read() as connection:
        found = connection.execute(text("SELECT span_id FROM run_events WHERE type <> 'resource'"))
        spans = [row.span_id for row in found]
    assert len(acknowledged) == 6 * 35
    assert sorted(spans) == sorted(f"{number:016x}" for number in acknowledged)


def _kill(there: Apart) -> None:
    pid = there.pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def test_one_that_says_nothing_is_ended(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "ANSWER_SECONDS_MAX", 0.3)
    with reading(services, child("time.sleep(600)")) as (receiver, there):
        pid = there.pid
        with pytest.raises(ReaderLost, match=r"nothing for 0\.3 seconds"):
            receiver.take("traces", "protobuf", SPANS)
        assert there.pid != pid
        assert len(rows(services)["run_events"]) == LEAD + 1, (
            "the first records of a request that is alone are read here"
        )


def test_one_that_does_not_begin_is_done_without(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    for command, why in (
        (["/there/is/no/such/program"], "No such file"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "nothing more"),
        (
            [sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\0\\0\\0\\7\\x91\\xa50.0.0'); input()"],
            "version",
        ),
    ):
        caplog.clear()
        with reading(services, command, began=False) as (receiver, there):
            assert receiver.take("traces", "protobuf", SPANS).accepted == 35
            assert there.pid is None
        assert why in caplog.text


def test_it_ends_with_the_server_however_that_ends(tmp_path: Path) -> None:
    parent = f"""
import sys, time
from flightlog.config import Settings
from flightlog.ingest.otlp.apart import Apart
from flightlog.journal.ready import Preparation
there = Apart({COMMAND!r}, Settings(), b"k" * 32, Preparation([]))
there._there()
assert there.wait()
print(there.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        handle = os.pidfd_open(int(process.stdout.readline()))
        try:
            assert not select.select([handle], [], [], 0)[0], "it is there"
            process.kill()
            assert select.select([handle], [], [], 20)[0], "it is still there"
        finally:
            os.close(handle)


def test_when_the_store_fails_in_the_middle_the_next_request_gets_its_own_answer(services: Services) -> None:
    class Failing(Journal):
        left = 1

        def append_ready(self, items: list[Item], **more: Any) -> Appended:
            self.left -= 1
            if self.left == -1:
                raise StoreBusy(timeout_seconds=5)
            return super().append_ready(items, **more)

    journal = Failing(services.store, [])
    with reading(changed(services, journal=journal)) as (receiver, _):
        with pytest.raises(StoreBusy):
            receiver.take("traces", "protobuf", SPANS)
        assert receiver.take("traces", "protobuf", traces(span(90)).SerializeToString()).accepted == 1
        received = receiver.take("traces", "protobuf", SPANS)
        assert (received.accepted, received.duplicates) == (35, LEAD)


def test_after_its_end_no_other_is_begun(services: Services) -> None:
    with reading(services) as (receiver, there):
        there.close()
        there.close()
        assert there.pid is None
        assert receiver.take("traces", "protobuf", SPANS).accepted == 35
        assert there.pid is None
        assert not there._is_starting


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_small_and_huge_requests_are_read_here(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "BODY_BYTES_MIN", 100)
    monkeypatch.setattr(apart, "BODY_BYTES_MAX", 2_000)

    def never(*_: Any) -> None:
        raise AssertionError("it was begun")

    there = Apart(COMMAND, services.settings, DIGEST_KEY, services.journal.preparation)
    monkeypatch.setattr(there, "_there", never)
    receiver = Receiver(services.journal, services.intake, services.settings, there)
    assert receiver.take("traces", "protobuf", traces().SerializeToString()[:90]).accepted == 0
    assert receiver.take("traces", "protobuf", SPANS).accepted == 35


def test_it_loads_no_store() -> None:
    program = """
import sys
from flightlog.config import Settings
from flightlog.decoding import make_reading
from flightlog.ingest.otlp.apart import Order
from flightlog.ingest.otlp.apartwork import work
make_reading(Order(Settings(), b"k" * 32))
print(sorted({"sqlalchemy", "sqlite3", "fastapi", "pyarrow", "cryptography"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_one_looker_sees_is_not_taken_for_anothers(services: Services) -> None:
    """A server whose projectors are others than the other process has looks itself."""
    whole = services.journal.preparation
    items = whole.ready([services.intake.prepare(each) for each in _events()])
    packed = Preparation(whole.lookers[:1]).pack([(*item[:4], item[4][:1]) for item in items])  # type: ignore[index]
    again = whole.unpack(packed)
    assert [item[4][1] for item in again] == [whole.lookers[1].look(event) for event in _events()]  # type: ignore[index]


def _events() -> list[Any]:
    from flightlog.ingest.otlp.mapping import map_span, origin_of

    group = decode_traces(traces(called(1), called(2)).SerializeToString()).groups[0]
    origin, part = origin_of(group.attributes), group.parts[0]
    return [event for record in part.records for event in map_span(record, part.scope, origin)]


@pytest.mark.parametrize("off", [False, True])
def test_a_setting_does_without_it(off: bool) -> None:
    from flightlog.decoding import make_apart

    settings = Settings(otlp_process=not off)
    make: Callable[[bytes | None], Apart | None] = lambda key: make_apart(settings, key, Preparation([]))  # noqa: E731
    assert (make(b"k" * 32) is None) is off
    assert make(None) is None, "two processes would mark one secret differently"
