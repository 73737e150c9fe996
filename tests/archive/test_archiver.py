"""Archiving: what is due when, that the files have what the tables had, and that nothing is there twice or lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from flightlog.archive import manifest
from flightlog.archive.drop import drop_some, space, vacuum_some
from flightlog.archive.work import ChildWorker, Done, Job, do
from flightlog.errors import ArchiveFileBroken, ArchiveUnavailable, SettingInvalid
from flightlog.events.envelope import Event
from flightlog.journal.filter import EventFilter
from flightlog.journal.table import event_payloads, run_events, span_places
from flightlog.keeping import keeper_eraser, say_erased
from tests.archive.journal import DAY, everything
from tests.archive.keeping import NAMES, Kept
from tests.contract.making import SECOND, START, event


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "flight")
    yield made
    made.close()


def test_archived_rows_are_the_hot_rows(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", seal=True)
    kept.journal.append(everything())
    keeper_eraser(kept.keeper).erase(
        EventFilter(run_id="r2", types=("note",)), selection={}, reason="asked for", say=say_erased(kept.keeper, "ann")
    )
    kept.seal()
    before = kept.hot()
    assert kept.archive() == len(before)
    assert kept.hot() == []
    assert kept.archived() == before
    with kept.store.read() as connection:
        for table in (run_events, event_payloads, span_places):
            assert connection.execute(select(table).limit(1)).all() == []
        assert connection.exec_driver_sql("SELECT count(*) FROM seal_salts").scalar() == 0
    kept.close()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMED = st.none() | TEXT.filter(bool)
NUMBER = st.none() | st.integers(0, 2**63 - 1)
EVENTS = st.lists(
    st.builds(
        dict,
        type_=st.sampled_from(["note", "llm_response", "tool_result", "acme.thing", "span_started"]),
        payload=st.dictionaries(TEXT, JSON, max_size=4) | st.just({"text": "long " * 9_000}),
        created_at=st.integers(-(2**62), 2**62) | st.just(START),
        run_id=st.none() | st.sampled_from(["r1", "ü/run", "r\x00"]),
        project=st.sampled_from(["default", "a/b c", "..", "日本", "x" * 128, "é" * 128]),
        **dict.fromkeys(
            ("name", "source", "actor", "trace_id", "span_id", "task_id", "correlation_id", "status"), NAMED
        ),
        duration_ns=NUMBER,
        seq=NUMBER,
        flags=st.integers(0, 255),
        erased=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@hypothesis_settings(max_examples=12)
@given(EVENTS)
def test_whatever_an_event_has_in_it_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[dict[str, Any]]
) -> None:
    kept = Kept(tmp_path_factory.mktemp("any") / "flight", seal=True)
    made, erased = [], []
    for number, fields in enumerate(drawn, 1):
        type_, payload = fields.pop("type_"), fields.pop("payload")
        if fields.pop("erased"):
            erased.append(number)
        made.append(event(number, type_, payload=payload, **fields))
    kept.journal.append(made)
    with_payloads = [f"e{number:06d}" for number in erased]
    kept.seal()
    _erase(kept, with_payloads)
    before = kept.hot()
    kept.archive()
    assert kept.archived() == before
    assert kept.hot() == []
    for file in kept.files():
        assert file.events == sum(file.type_counts.values()) == sum(file.level_counts.values())
    assert kept.objects() == {file.path for file in kept.files()}
    kept.close()


def _erase(kept: Kept, event_ids: list[str]) -> None:
    from flightlog.journal.erase import erase_payloads
    from flightlog.seal.erase import erase

    def work(tx: Any) -> None:
        ids = list(tx.sql.execute(select(run_events.c.id).where(run_events.c.event_id.in_(event_ids))).scalars())
        erase(tx, ids)
        erase_payloads(tx, ids, 1)

    kept.store.write(work)


def test_typed_columns_are_those_of_the_generation_and_the_tool(kept: Kept) -> None:
    kept.journal.append(everything())
    kept.archive()
    from flightlog.archive.files import decode

    with kept.store.read() as connection:
        known = {
            row.answer_id: row for row in connection.exec_driver_sql("SELECT * FROM generations WHERE answer_id > 0")
        }
    found = 0
    for file in kept.files():
        for row in decode(file.path, kept.place.objects.read(file.path)).to_pylist():
            generation = known.get(row["id"])
            for name in ("provider", "model", "operation", "tokens_input", "tokens_output", "cost_nano_usd"):
                assert row[name] == (getattr(generation, name) if generation else None)
            assert row["tool"] == (row["name"] if row["type"] in ("tool_call", "tool_result") else None)
            found += generation is not None
    assert found == len(known) > 0


def test_a_file_is_of_one_project_and_one_date_and_sorted_by_run(kept: Kept) -> None:
    kept.journal.append(everything())
    kept.archive()
    found = kept.files()
    assert {(file.project, file.date) for file in found} == {
        ("default", "2023-11-14"), ("p2", "2023-11-14"), ("default", "2023-11-11")
    }  # fmt: skip
    from flightlog.archive.files import decode

    for file in found:
        assert file.path.startswith(f"project={file.project}/date={file.date}/{file.first_id}-{file.last_id}-")
        rows = decode(file.path, kept.place.objects.read(file.path)).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["run_id"] is None, row["run_id"] or "", row["id"]))
        assert {row["project"] for row in rows} == {file.project}


def test_the_key_filters_find_every_key_and_hardly_any_other(kept: Kept) -> None:
    kept.journal.append(everything())
    rows = kept.hot()
    kept.archive()
    with kept.store.read() as connection:
        for row in rows:
            values = dict(zip(NAMES, row, strict=True))
            for column in ("event_id", "run_id", "trace_id", "span_id", "task_id", "correlation_id"):
                if values[column] is not None:
                    assert manifest.files_with(connection, column, values[column])
        assert sum(bool(manifest.files_with(connection, "event_id", f"x{number}")) for number in range(300)) < 30


# ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_are_archived_a_day_after_they_came_an_hour_of_them_at_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_after_seconds=86_400.0)
    for number in range(1, 27):
        kept.clock.forward(3_600)
        kept.journal.append([event(number)])
    assert kept.archive(everything=False) == 2, "the first is 25 hours old, the second a day"
    assert kept.archive(everything=False) == 0
    kept.clock.forward(7_199)
    assert kept.archive(everything=False) == 0, "one is older than a day, and not by an hour"
    kept.clock.forward(1)
    assert kept.archive(everything=False) == 2
    kept.close()


def test_a_clock_that_jumps_neither_stops_the_archive_nor_loses_an_event(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_after_seconds=86_400.0)
    times = [0, 400 * 86_400, -10 * 86_400, 5, -3_000_000, 86_400, 0, 0]
    for number, seconds in enumerate(times, 1):
        kept.clock.now = START + seconds * SECOND
        kept.journal.append([event(number, created_at=kept.clock.now)])
    before = kept.hot()
    for _ in range(20):
        kept.clock.forward(40 * 86_400)
        kept.archive(everything=False)
        assert sorted(kept.archived() + kept.hot()) == before
    assert kept.hot() == []
    kept.close()


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_after_seconds=86_400.0, hot_events_max=100)
    kept.journal.append([event(number) for number in range(1, 101)])
    assert kept.archive(everything=False) == 0
    kept.journal.append([event(101)])
    assert kept.archive(everything=False) == 26
    assert len(kept.hot()) == 75
    kept.close()


def test_what_is_not_sealed_stays(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", seal=True)
    kept.journal.append([event(number) for number in range(1, 11)])
    due = kept.archiver.due(everything=True)
    assert (due.until_id, due.waits_for) == (0, "the seal")
    kept.seal()
    kept.journal.append([event(11)])
    assert kept.archive() == 10
    kept.close()


def test_nothing_goes_while_a_projection_is_being_built(kept: Kept) -> None:
    kept.journal.append([event(1)])
    kept.store.write(lambda tx: tx.driver.execute("INSERT INTO projections VALUES ('later', 0, 1)") and None)
    due = kept.archiver.due(everything=True)
    assert (due.until_id, due.waits_for) == (0, "the projection later, which is being built")


def test_a_file_has_at_most_so_many_events_and_bytes(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_file_events_max=10)
    kept.journal.append([event(number) for number in range(1, 36)])
    kept.archive()
    assert [file.events for file in kept.files()] == [10, 10, 10, 5]
    kept.close()
    kept = Kept(tmp_path / "large", archive_file_bytes_max=200_000)
    kept.journal.append([event(number, payload={"text": "x" * 30_000}) for number in range(1, 11)])
    kept.archive()
    assert [file.events for file in kept.files()] == [4, 4, 2]
    kept.close()


def test_events_of_very_many_days_do_not_become_very_many_files_at_once(kept: Kept) -> None:
    kept.journal.append([event(number, created_at=START + number * DAY) for number in range(1, 151)])
    told = []
    kept.archiver.write(kept.archiver.due(everything=True), lambda passed: told.append(passed.files) or True)  # type: ignore[func-returns-value]
    assert told == [100, 150]
    assert len(kept.archived()) == 150


# ── what changes meanwhile ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_erased_while_it_is_being_archived_does_not_come_back(tmp_path: Path) -> None:
    """The worker has read the payload already when it is erased."""

    def slow(job: Job) -> Iterator[Done]:
        for done in do(job):
            if kept.state().archived_until == 0 and not erased:
                erased.append(1)
                _erase(kept, ["e000002"])
            yield done

    erased: list[int] = []
    kept = Kept(tmp_path / "flight", slow)
    kept.journal.append([event(number) for number in range(1, 4)])
    assert kept.archive() == 0
    assert kept.objects() == set()
    assert kept.archive() == 3
    assert [row[-1] is None for row in kept.archived()] == [False, True, False]
    kept.close()


def test_what_another_has_archived_is_not_archived_again(tmp_path: Path) -> None:
    def late(job: Job) -> Iterator[Done]:
        for done in do(job):
            if not others:
                others.append(1)
                Kept.archive(kept)
            yield done

    others: list[int] = []
    kept = Kept(tmp_path / "flight", late)
    kept.journal.append([event(number) for number in range(1, 4)])
    before = kept.hot()
    kept.archive()
    assert kept.archived() == before
    assert kept.objects() == {file.path for file in kept.files()}
    kept.close()


def test_a_file_that_reads_back_otherwise_is_not_believed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.journal.append([event(number) for number in range(1, 4)])
    from flightlog.archive.objects import LocalObjects

    whole = LocalObjects.read

    def rotten(self: LocalObjects, path: str) -> bytes:
        data = whole(self, path)
        return data if path == "flightlog-archive" else data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]

    monkeypatch.setattr(LocalObjects, "read", rotten)
    with pytest.raises(ArchiveFileBroken):
        kept.archive()
    assert len(kept.hot()) == 3
    monkeypatch.undo()
    assert kept.place.sweep().orphans == 1
    assert kept.archive() == 3
    assert kept.objects() == {file.path for file in kept.files()}


def test_two_stores_never_share_a_place(kept: Kept, tmp_path: Path) -> None:
    kept.journal.append([event(1)])
    kept.archive()
    other = Kept(tmp_path / "other", archive_url=str(tmp_path / "flight" / "archive"))
    other.journal.append([event(2)])
    with pytest.raises(SettingInvalid, match="another store"):
        other.archive()
    with pytest.raises(SettingInvalid):
        other.place.sweep()
    assert len(kept.archived()) == 1
    other.close()


def test_an_orphan_goes_and_what_waits_for_its_readers_stays_that_long(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", archive_grace_seconds=60.0)
    kept.journal.append([event(1)])
    kept.archive()
    kept.place.objects.put_new("project=p/date=2026-01-01/1-1-00000000.parquet", b"never committed")
    kept.clock.now = 4_102_444_800 * SECOND  # long after the file system's own time
    assert kept.place.sweep().orphans == 1
    from flightlog.archive.commit import drop_files

    kept.store.write(lambda tx: drop_files(tx, [1], kept.clock.now_ns()))
    kept.clock.forward(59)
    assert kept.place.sweep() == (0, 0)
    kept.clock.forward(1)
    assert kept.place.sweep() == (1, 0)
    assert kept.objects() == set()
    kept.close()


# ── the rows and their space ─────────────────────────────────────────────────────────────────────────────────────


def test_deleting_goes_on_where_it_was_and_space_comes_back(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight")
    kept.journal.append([event(number, payload={"text": "x" * 2_000}) for number in range(1, 2_001)])
    kept.store.scrub()
    large = (tmp_path / "flight" / "flightlog.db").stat().st_size
    kept.archiver.write(kept.archiver.due(everything=True))
    assert drop_some(kept.store).done == 500
    assert kept.state().dropped_until == 500
    assert kept.hot() == [], "no reader takes a row from there that is in a file"
    kept.close()
    kept = Kept(tmp_path / "flight")
    while drop_some(kept.store):
        pass
    assert kept.state().dropped_until == 2_000
    free = space(kept.store).free
    assert vacuum_some(kept.store).done == 128
    assert space(kept.store).free == free - 128
    while vacuum_some(kept.store):
        pass
    kept.store.scrub()
    assert space(kept.store).free == 0
    assert (tmp_path / "flight" / "flightlog.db").stat().st_size < large / 4
    kept.close()


def test_the_text_index_lets_go_of_what_is_archived(kept: Kept) -> None:
    from flightlog.journal import index

    kept.journal.append([event(number) for number in range(1, 11)])
    index.build(kept.store)
    kept.archive()
    kept.journal.append([event(11)])
    with kept.store.read() as connection:
        assert index.held(connection) == (11, 11)
        found = connection.exec_driver_sql("SELECT rowid FROM event_words WHERE event_words MATCH 'number'").all()
    assert [row[0] for row in found] == [11]


def test_a_process_of_its_own_does_the_same(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", ChildWorker(), archive_file_events_max=200)
    kept.journal.append(everything())
    before = kept.hot()
    kept.archive()
    assert kept.archived() == before
    kept.close()


def test_an_error_of_the_other_process_is_ours(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "flight", ChildWorker())
    kept.journal.append([event(1)])
    with kept.place.changing():
        pass
    for folder in (tmp_path / "flight" / "archive", tmp_path / "flight" / "archive" / "project=default"):
        folder.mkdir(exist_ok=True)
    # A file where a folder has to be: no user may make one there, root included.
    (tmp_path / "flight" / "archive" / "project=default" / "date=2023-11-14").write_text("in the way")
    with pytest.raises(ArchiveUnavailable):
        kept.archive()
    assert len(kept.hot()) == 1
    kept.close()


def test_an_event_is_what_it_says() -> None:
    """The columns of files follow the envelope; whoever adds a field to it adds a column, and a schema version."""
    from flightlog.archive.columns import NAMES as COLUMNS

    assert COLUMNS[1 : len(Event.__struct_fields__)] == Event.__struct_fields__[:-1]
    assert msgspec.json.encode(COLUMNS[:3]) == b'["id","event_id","type"]'
