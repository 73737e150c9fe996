"""Reading the archive where it is hard: files that go away meanwhile, events that come again, every filter there is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flightlog.archive import files, finding
from flightlog.archive.cache import FOOTER, OBJECT
from flightlog.config import Settings
from flightlog.errors import ArchiveFileBroken, ArchiveFileMissing, EventIdConflict
from flightlog.events.envelope import Event
from flightlog.ids import SystemIds
from flightlog.journal import index
from flightlog.journal.append import Journal
from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import line_of
from flightlog.journal.lookup import ids_of, rows_at, rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.read import get_event, get_events_at, read_events
from flightlog.journal.rows import WHOLE
from flightlog.runs.generation_filter import ALL_GENERATIONS
from flightlog.runs.pricing import Price, PriceList
from flightlog.runs.project import RunProjector
from flightlog.runs.reprice import recompute_costs
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.archive.reading import Archiving
from tests.archive.seaweed import BUCKET, Seaweed
from tests.contract.making import SECOND, START, event
from tests.contract.test_read import ALL, FILTERS, backwards, forwards

DAY = 86_400 * SECOND


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flight"


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(files, "ROW_GROUP_EVENTS", 16)
    made = open_store(folder, writable=True)
    yield made
    made.close()


def filled(store: Store, folder: Path, until: int, **more: Any) -> Archiving:
    journal = Journal(store, [RunProjector()])
    for start in range(0, len(ALL), 60):
        journal.append(ALL[start : start + 60])
    archiving = Archiving(store, folder, **more)
    archiving.archive(until)
    return archiving


# ── every filter ─────────────────────────────────────────────────────────────────────────────────────────────────────

CONDITIONS = st.one_of(
    st.builds(
        Condition,
        field=st.sampled_from(("name", "status", "run_id", "span_id", "source", "type", "project")),
        values=st.lists(st.sampled_from(("gpt", "ok", "r1", "s1", "s3", "agent", "note", "p2")), max_size=2).map(tuple),
        patterns=st.lists(st.sampled_from(("*", "G*", "*1", "a?", "S_", "*%*", "n*t*")), max_size=2).map(tuple),
        negated=st.booleans(),
    ).filter(lambda made: bool(made.values or made.patterns)),
    st.builds(
        Condition,
        field=st.just("duration_ns"),
        low=st.none() | st.sampled_from((0, 10, 10.5, 2.0**60, 1e30)),
        high=st.none() | st.sampled_from((0, 99, 150.0, 150.25, -1e30)),
        low_open=st.booleans(),
        high_open=st.booleans(),
        negated=st.booleans(),
    ).filter(lambda made: made.low is not None or made.high is not None),
)


def test_every_filter_finds_the_same_hot_and_archived(store: Store, folder: Path, tmp_path: Path) -> None:
    timed = [replace(each, duration_ns=None if n % 5 else n) for n, each in enumerate(ALL)]
    hot = open_store(tmp_path / "hot", writable=True)
    for each in (hot, store):
        Journal(each).append(timed)
    Archiving(store, folder).archive(150)

    @settings(max_examples=40)
    @given(FILTERS, st.lists(CONDITIONS, max_size=2), st.integers(50, 300))
    def check(wanted: EventFilter, also: list[Condition], limit: int) -> None:
        wanted = replace(wanted, also=tuple(also))
        expected = [(found.id, found.event_id) for found in forwards(hot, wanted, limit)]
        assert [(found.id, found.event_id) for found in forwards(store, wanted, limit)] == expected
        assert [(found.id, found.event_id) for found in backwards(store, wanted, limit)] == expected

    check()
    hot.close()


@pytest.mark.parametrize("groups", [0, 1_000], ids=["in stretches", "by row groups"])
@pytest.mark.parametrize("size", [1, 40_000, 1 << 30], ids=["of one", "of some", "of all"])
def test_places_in_any_order_give_each_event_once(
    store: Store, folder: Path, groups: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "DIRECT_GROUPS_MAX", groups)
    monkeypatch.setattr(finding, "STRETCH_BYTES", size)
    filled(store, folder, 200)
    for ids in ([5, 3, 3, 201, 1], list(range(240, 0, -1)), [999, 0, -4], list(range(50, 180))):
        found = get_events_at(store, ids)
        assert [each.id for each in found] == sorted({row_id for row_id in ids if 0 < row_id <= 240})
        assert [each.event_id for each in found] == [ALL[each.id - 1].event_id for each in found]


def test_a_search_ends_after_as_many_events_wherever_they_lie(store: Store, folder: Path) -> None:
    Journal(store).append([event(number, payload={"text": "hay"}) for number in range(300)])
    wanted, bounded = EventFilter(text="needle"), Settings(search_events_max=120)
    hot = read_events(store, wanted, after_id=0, settings=bounded)
    Archiving(store, folder).archive(200)
    assert read_events(store, wanted, after_id=0, settings=bounded) == hot
    assert hot.scanned is not None
    assert (hot.scanned.count, hot.scanned.complete) == (120, False)


def test_an_index_of_words_finds_what_is_hot_and_payloads_are_looked_at_for_the_rest(
    store: Store, folder: Path
) -> None:
    Journal(store).append([event(number, payload={"text": f"w{number}w"}) for number in range(300)])
    index.build(store)
    archiving = Archiving(store, folder)
    archiving.archive(150)
    for number in (7, 149, 150, 299):
        for back in (False, True):
            page = read_events(store, EventFilter(text=f"w{number}w"), backwards=back)
            assert [found.event_id for found in page.events] == [f"e{number:06d}"]
    assert index.build(store).first_id == 151  # what is archived is not in it, and not waited for


# ── what comes again ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_comes_again_after_it_was_archived_is_a_duplicate(store: Store, folder: Path) -> None:
    filled(store, folder, 150)
    again = Journal(store).append([ALL[0], ALL[149], ALL[200], event(900), ALL[3]])
    assert (again.ids, again.stored, again.duplicates) == ([1, 150, 201, 241, 4], 1, 4)
    # Told by another producer it is the same event, as it is among hot ones.
    assert Journal(store).append([replace(ALL[5], producer_id="other", seq=9)]).duplicates == 1


@pytest.mark.parametrize(
    "changed", [{"payload": event(1, payload={"x": 1}).payload}, {"name": "other"}, {"created_at": START}]
)
def test_another_event_of_an_archived_id_is_a_conflict(store: Store, folder: Path, changed: dict[str, Any]) -> None:
    filled(store, folder, 150)
    with pytest.raises(EventIdConflict):
        Journal(store).append([event(900), replace(ALL[7], **changed)])
    back = Journal(store).append([event(900), replace(ALL[7], **changed)], rejects="return")
    assert (back.ids, back.stored, len(back.rejected)) == ([241, 0], 1, 1)


def test_new_events_are_not_looked_for_in_files(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archiving = filled(store, folder, 240)

    def find(*_: Any) -> dict[str, int]:
        raise AssertionError("looked for")

    monkeypatch.setattr(archiving.history, "find", find)
    assert Journal(store).append([event(number) for number in range(900, 910)]).stored == 10


# ── files that go away ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_snapshot_from_before_a_merge_reads_on_from_the_merged_file(store: Store, folder: Path) -> None:
    archiving = filled(store, folder, 200, file_events=50)
    span = Span(None, None, backwards=False)
    with store.read() as connection:
        before = line_of(connection)
        archiving.compact()
        archiving.archive(240)
        assert line_of(connection) == before == 200
        found = rows_of_page(connection, ("id", "event_id", "payload"), EventFilter(), span, 1_000)
        assert [row[1] for row in found] == [each.event_id for each in ALL]
        assert ids_of(connection, ["e000000", "e000199"]) == {"e000000": 1, "e000199": 200}
        assert len(rows_at(connection, WHOLE, range(1, 241))) == 240


def test_a_file_that_is_lost_is_named_and_the_others_are_read(store: Store, folder: Path) -> None:
    archiving = filled(store, folder, 200, file_events=100)
    lost = archiving.files()[-1]
    (folder / "archive" / lost.path).unlink()
    with pytest.raises(ArchiveFileMissing) as raised:
        read_events(store, limit=240)
    assert lost.path in raised.value.message
    assert get_events_at(store, [1, 2])
    assert read_events(store, after_id=200).events


def test_a_damaged_file_is_named(store: Store, folder: Path) -> None:
    archiving = filled(store, folder, 240, file_events=1_000)
    file = archiving.files()[-1]
    path = folder / "archive" / file.path
    data = bytearray(path.read_bytes())
    for place in range(4, len(data) - 20_000, 7):
        data[place] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(ArchiveFileBroken) as raised:
        read_events(store, limit=240)
    assert file.path in raised.value.message
    path.write_bytes(data[:100])
    with pytest.raises(ArchiveFileBroken):
        read_events(open_again(folder), limit=240)


def test_no_flipped_bit_of_a_file_makes_another_answer(store: Store, folder: Path) -> None:
    archiving = filled(store, folder, 240, file_events=1_000)
    expected = read_events(store, limit=240).events
    path = max((folder / "archive").rglob("*.parquet"), key=lambda each: each.stat().st_size)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    noticed = 0
    for place in range(4, len(data) - footer, (len(data) - footer) // 40):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        archiving.again()
        try:
            assert read_events(store, limit=240).events == expected, f"byte {place}"
        except ArchiveFileBroken:
            noticed += 1
    assert noticed > 20


def open_again(folder: Path) -> Store:
    """The same store for reading, by a history that knows no file yet."""
    store = open_store(folder, writable=False)
    Archiving(store, folder)
    return store


# ── what is loaded, and from where ───────────────────────────────────────────────────────────────────────────────────

_LAZY = """
import sys
from pathlib import Path
from flightlog.config import Settings
from flightlog.journal.read import EventFilter, get_event_at, read_events
from flightlog.wiring import Keeper
keeper = Keeper(Path(sys.argv[1]), Settings(), writable=True)
assert read_events(keeper.store, after_id=200).events
assert read_events(keeper.store, EventFilter(run_id="nobody"), after_id=200).events == []
print(*sorted({"pyarrow", "obstore", "numpy", "duckdb"} & sys.modules.keys()))
assert get_event_at(keeper.store, 1)
print("pyarrow" in sys.modules)
keeper.close()
"""


def test_pyarrow_is_loaded_when_the_first_archived_row_is_asked_for(store: Store, folder: Path) -> None:
    filled(store, folder, 200)
    store.close()
    done = subprocess.run([sys.executable, "-c", _LAZY, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["", "True"]), done.stderr


def test_rows_from_s3_are_read_by_ranges_and_whole_objects_by_a_bounded_cache(
    store: Store, folder: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = Settings(
        archive_url=f"s3://{BUCKET}/reading", archive_s3_endpoint=seaweed.endpoint, archive_file_events_max=100
    )
    archiving = filled(store, folder, 200, settings=where)
    cache = archiving.history.cache
    whole: list[str] = []
    monkeypatch.setattr(cache.objects, "read", lambda path: whole.append(path))
    assert [found.event_id for found in forwards(store, EventFilter(), 70)] == [each.event_id for each in ALL]
    wanted = EventFilter(run_id="r1", types=("note",))
    expected = [each.event_id for each in ALL if (each.run_id, each.type) == ("r1", "note")]
    assert [found.event_id for found in backwards(store, wanted, 5)] == expected
    assert get_event(store, "e000007").id == 8
    assert whole == []
    assert {path.suffix for path in cache.files()} == {FOOTER}
    monkeypatch.undo()
    archived = archiving.files()
    with cache.hold(archived) as paths:
        assert [path.stat().st_size for path in paths] == [file.bytes for file in archived]
    cache._bytes_max = archived[0].bytes + archived[1].bytes
    with cache.hold(archived[:1]):
        cache.tidy()
        kept = [path for path in cache.files() if path.suffix == OBJECT]
        assert archived[0].digest.hex() in {path.stem for path in kept}
    assert sum(path.stat().st_size for path in cache.files()) <= cache._bytes_max
    cache.forget(archived[0].digest)
    assert archived[0].digest.hex() not in {path.stem for path in cache.files()}


def test_events_of_several_projects_and_days_come_in_the_order_of_their_ids(store: Store, folder: Path) -> None:
    made: list[Event] = [
        event(n, project=f"p{n % 3}", created_at=START + (n % 4) * DAY + n * SECOND, run_id=f"r{n % 5}")
        for n in range(120)
    ]
    Journal(store).append(made)
    Archiving(store, folder, file_events=50).archive(110)
    for limit in (1, 7, 200):
        assert [found.event_id for found in forwards(store, EventFilter(), limit)] == [each.event_id for each in made]
        assert [found.event_id for found in backwards(store, EventFilter(run_id="r2"), limit)] == [
            each.event_id for each in made if each.run_id == "r2"
        ]


def test_when_costs_are_worked_out_again_the_files_that_have_them_are_stale(store: Store, folder: Path) -> None:
    journal = Journal(store, [RunProjector()])
    usage = {"model": "m1", "provider": "acme", "usage": {"input_tokens": 1_000_000, "output_tokens": 10}}
    journal.append(
        [event(n, "llm_response" if n == 30 else "note", payload=usage if n == 30 else None) for n in range(60)]
    )
    archiving = Archiving(store, folder, file_events=20)
    archiving.archive(40)
    price = Price(price_id="mine", model="m1", provider="acme", input=5_000_000_000, output=5_000_000_000)
    prices = PriceList([price], {"acme": frozenset({"acme"})})
    made = recompute_costs(store, journal, prices, ALL_GENERATIONS, ids=SystemIds())
    assert made.changed == 1
    assert [file.stale for file in archiving.files()] == [0, 1]
