"""No reader notices whether a row is hot or archived: the same calls on the same journal give the same answers."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.archive import files
from flightlog.audit.listing import find_audit
from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import count_of_run, ids_of
from flightlog.journal.read import EVERYTHING, get_event, get_event_at, get_events_at, read_events
from flightlog.journal.spans import events_of_spans
from flightlog.journal.tail import Tail
from flightlog.ops.archivecheck import look_at_archive
from flightlog.ops.remap import Remap, Wanted
from flightlog.runs.feedback import get_feedback, history_of
from flightlog.seal.keys import Keys
from flightlog.seal.verify import verify_store
from flightlog.seal.verify_part import verify_event, verify_run
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys
from tests.api.serving import Client, changed, client_of, open_services
from tests.archive.journal import fill
from tests.archive.reading import Archiving
from tests.archive.seaweed import BUCKET, Seaweed
from tests.contract.making import SECOND, START, event

PAGE = 37
FEEDBACK, AUDIT = "e000537", "e000541"  # the first of each in tests/archive/journal.py


class Noon:
    """A clock that stands, so that pages that say how long ago something was say the same."""

    def now_ns(self) -> int:
        return START + 10_000 * SECOND

    def monotonic_ns(self) -> int:
        return 0


def _condition(field: str, **more: Any) -> EventFilter:
    return EventFilter(also=(Condition(field=field, **more),))


FILTERS: dict[str, EventFilter] = {
    "everything": EVERYTHING,
    "a run": EventFilter(run_id="r1"),
    "a run and types": EventFilter(run_id="r2", types=("note", "llm_response")),
    "a run and a level": EventFilter(run_id="r3", levels=("error",)),
    "a trace": EventFilter(trace_id="r1"),
    "a trace of no run": EventFilter(trace_id="t-alone"),
    "a task": EventFilter(task_id="T1"),
    "a correlation": EventFilter(correlation_id="c-r1-3"),
    "a span": EventFilter(span_id="s-r2-3"),
    "a project": EventFilter(project="p2"),
    "types": EventFilter(types=("degraded", "error")),
    "levels": EventFilter(levels=("warn", "error")),
    "actors": EventFilter(actors=("a1",)),
    "sources": EventFilter(sources=("agent", "server")),
    "statuses and a name": EventFilter(statuses=("error",), name="ls"),
    "since": EventFilter(since=START + 200 * SECOND),
    "until": EventFilter(until=START + 100 * SECOND),
    "nothing at all": EventFilter(run_id="nobody"),
    "a text": EventFilter(text="needle"),
    "a text in a run": EventFilter(text='"number 12"', run_id="r1"),
    "like a name": _condition("name", patterns=("L*",)),
    "one of some spans": _condition("span_id", values=("s-r1-1", "s-r4-5")),
    "not a status": _condition("status", values=("ok",), negated=True),
    "slow ones": _condition("duration_ns", low=2_000_000, high=5_000_010.5, high_open=True),
}


def forwards(services: Services, wanted: EventFilter) -> list[Any]:
    pages, after = [], None
    while True:
        page = read_events(services.store, wanted, after_id=after, limit=PAGE, settings=services.settings)
        pages.append(page)
        after = page.next_after_id
        if not page.more:
            return pages


def backwards(services: Services, wanted: EventFilter) -> list[Any]:
    pages, before = [], None
    while True:
        page = read_events(
            services.store,
            wanted,
            before_id=before,
            limit=PAGE,
            backwards=True,
            payloads=False,
            settings=services.settings,
        )
        pages.append(page)
        before = page.next_before_id
        if not page.more:
            return pages


def keys_of(services: Services) -> Keys:
    assert services.seal_folder is not None
    return Keys(services.seal_folder, overlap_seconds=services.settings.seal_key_overlap_seconds)


def on_a_snapshot(ask: Callable[[Any], Any]) -> Callable[[Services], Any]:
    def call(services: Services) -> Any:
        with services.store.read() as connection:
            return ask(connection)

    return call


def tail_from_the_start(services: Services) -> list[int]:
    tail, seen = Tail(services.store, after_id=0, limit=50, settings=services.settings), []
    while found := tail.next(0):
        seen += [event.id for event in found]
    return seen


class _Keeper:
    def __init__(self, services: Services) -> None:
        self.store, self.journal, self.settings, self.prices = (
            services.store, services.journal, services.settings, services.prices,
        )  # fmt: skip


_clients: dict[int, Client] = {}


def get(services: Services, url: str) -> httpx.Response:
    """One app for each services: making it takes longer than what it is asked."""
    if id(services) not in _clients:
        _clients[id(services)] = client_of(services)
    return _clients[id(services)].get(url)


def evidence(services: Services) -> dict[str, bytes]:
    response = get(services, "/api/runs/r2/evidence")
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as bundle:
        return {name: bundle.read(name) for name in ("events.jsonl", "proof.json", "checkpoint")}


def paged(read: Callable[[Services, EventFilter], Any], wanted: EventFilter) -> Callable[[Services], Any]:
    return lambda services: read(services, wanted)


CALLS: dict[str, Callable[[Services], Any]] = {
    **{f"forwards: {name}": paged(forwards, wanted) for name, wanted in FILTERS.items()},
    **{f"backwards: {name}": paged(backwards, wanted) for name, wanted in FILTERS.items()},
    "an event by its id": lambda s: [get_event(s.store, f"e{number:06d}") for number in (1, 77, 300, 400)],
    "an event by its place": lambda s: [get_event_at(s.store, row_id) for row_id in (1, 200, 401)],
    "events by their places": lambda s: get_events_at(s.store, [400, 3, 99_999, 250, 2, 1]),
    "places of events": on_a_snapshot(lambda c: ids_of(c, ["e000001", "e000300", "nobody"])),
    "spans": on_a_snapshot(lambda c: sorted(events_of_spans(c, {"s-r1-1", "s-r4-20", "nobody"}))),
    "what a run has after a place": on_a_snapshot(lambda c: count_of_run(c, "r1", after_id=100)),
    "a tail from the start": tail_from_the_start,
    "an audit record": lambda s: find_audit(s.store, AUDIT),
    "a feedback by its event": lambda s: get_feedback(s.store, FEEDBACK),
    "what was said of it": lambda s: history_of(s.store, get_feedback(s.store, FEEDBACK).feedback_id),
    "what a remap would do": lambda s: Remap(_Keeper(s), Wanted(), version=99).dry_run(),  # type: ignore[arg-type]
    "the whole store against its seal": lambda s: verify_store(s.store, s.seal_folder, keys_of(s)),  # type: ignore[arg-type]
    "a run against its seal": lambda s: verify_run(s.store, s.seal_folder, keys_of(s), "r2"),  # type: ignore[arg-type]
    "an event against its seal": lambda s: verify_event(s.store, s.seal_folder, keys_of(s), "e000077"),  # type: ignore[arg-type]
    "an evidence bundle": evidence,
}

URLS = (
    "/api/runs",
    "/api/runs/r1",
    "/api/runs/r1/events?limit=20&afterId=30",
    "/api/runs/r2/events?limit=20&latest=true&types=note",
    "/api/runs/r1/timeline",
    "/api/runs/r2/rollup",
    "/api/runs/compare?left=r1&right=r2",
    "/api/runs/r1/report?format=json",
    "/api/runs/r3/report?format=md",
    "/api/events?q=duration%3E2ms%20-status%3Aok&limit=50",
    "/api/events/e000077",
    "/api/generations?limit=20&count=true",
    "/api/generations?sort=-tokens&q=run%3Ar3",
    "/api/generations/r1-c-r1-1",
    "/api/feedback",
    f"/api/feedback/{FEEDBACK}",
    "/api/audits",
    f"/api/audits/{AUDIT}",
    "/api/audits/decisions",
    "/api/otlp/unmapped",
    "/runs/r1",
    "/runs/r1/reading",
    "/runs/r1/trust",
    "/runs/r2?level=error",
    "/panel/100",
    "/events",
    "/events?q=needle",
    "/events/e000077",
    "/traces",
    "/traces/r1-c-r1-1",
    "/audit",
    "/compare?left=r1&right=r2",
)  # fmt: skip


def by_url(url: str) -> Callable[[Services], Any]:
    def ask(services: Services) -> Any:
        response = get(services, url)
        assert response.status_code == 200, (url, response.status_code, response.text[:500])
        return response.text

    return ask


CALLS |= {url: by_url(url) for url in URLS}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("recorded") / "flight"
    return folder, fill(folder)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Services]:
    with open_services(folder, **settings) as services:
        clock: Clock = Noon()
        stands = changed(services, clock=clock)
        yield stands
        _clients.pop(id(stands), None)


@pytest.fixture(scope="module")
def expected(recorded: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the calls answer as long as all is in the tables."""
    folder = tmp_path_factory.mktemp("hot") / "flight"
    shutil.copytree(recorded[0], folder)
    with opened(folder) as services:
        return {name: call(services) for name, call in CALLS.items()}


STATES: dict[str, Callable[[Archiving, int], None]] = {
    "archived": lambda archiving, head: archiving.archive(head),
    "half, its rows left behind": lambda archiving, head: archiving.archive(head // 2, drop=False),
    "compacted": lambda archiving, head: archiving.archive(head - 20, compact=True),
}


@pytest.mark.parametrize("state", STATES)
def test_whether_a_row_is_hot_or_archived_shows_in_no_answer(
    recorded: tuple[Path, int], expected: dict[str, Any], state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROW_GROUP_EVENTS", 32)
    shutil.copytree(recorded[0], tmp_path / "flight")
    with opened(tmp_path / "flight") as services:
        archiving = Archiving(services.store, tmp_path / "flight")
        STATES[state](archiving, recorded[1])
        assert len(archiving.files()) > 1
        assert differing(services, expected) == []


def test_nor_does_it_show_that_the_files_are_in_s3(
    recorded: tuple[Path, int], expected: dict[str, Any], seaweed: Seaweed, tmp_path: Path
) -> None:
    where: dict[str, Any] = {"archive_url": f"s3://{BUCKET}/exam", "archive_s3_endpoint": seaweed.endpoint}
    shutil.copytree(recorded[0], tmp_path / "flight")
    with opened(tmp_path / "flight", **where) as services:
        archiving = Archiving(services.store, tmp_path / "flight", Settings(**where, archive_file_events_max=200))
        archiving.archive(recorded[1] - 10)
        assert archiving.objects.folder is None
        assert differing(services, expected) == []


def differing(services: Services, expected: dict[str, Any]) -> list[str]:
    """The calls that answer otherwise."""
    return [name for name, call in CALLS.items() if call(services) != expected[name]]


def test_a_file_that_is_lost_is_named_by_verifying_and_by_the_doctor(
    recorded: tuple[Path, int], tmp_path: Path
) -> None:
    folder = tmp_path / "flight"
    shutil.copytree(recorded[0], folder)
    keeper = Keeper(folder, Settings(), writable=True)
    archiving = Archiving(keeper.store, folder)
    archiving.archive(recorded[1] // 2)
    assert look_at_archive(keeper).state == "ok"
    lost = archiving.files()[0].path
    (folder / "archive" / lost).unlink()
    found = look_at_archive(keeper)
    assert (found.state, found.facts["lost"]) == ("problem", [f"{folder / 'archive'}/{lost}"])
    report = verify_store(keeper.store, folder / SEAL_FOLDER, seal_keys(folder, keeper.settings))
    assert [(one.kind, lost in one.detail) for one in report.findings] == [("broken_archive", True)]
    keeper.close()


def late() -> list[Event]:
    """What comes later, about what was archived meanwhile."""
    number = 2_000

    def one(type_: str, payload: Any, **fields: Any) -> Event:
        nonlocal number
        number += 1
        return event(number, type_, payload=payload, **{"run_id": None, **fields})

    said = [
        ("s-r2-3", None),
        ("r1-s-r1-0", "span"),
        ("e000077", None),
        ("r3", "run"),
        ("c-r4-7", None),
        ("later", None),
    ]
    made = [
        one(
            "feedback",
            {"target_id": target, "target_type": kind, "kind": "score", "value": 1},
            run_id="r4",
            trace_id="r4",
        )
        for target, kind in said
    ]
    record = {"operation": "person.looked_up", "subject_type": "person", "subject_id": "p1"}
    made += [one("audit", record, run_id=run, task_id=task) for run, task in (("r3", "T1"), ("nobody", "T2"))]
    # A second answer of one call: its generation is made anew from all of its events.
    again = {"model": "m9", "message": {"role": "assistant", "content": "again"}}
    made.append(one("llm_response", again, run_id="r1", correlation_id="c-r1-2", name="m9"))
    made.append(one("span_started", {"name": "later"}, run_id="r9", span_id="later", trace_id="t9"))
    made.append(one("note", {"text": "of nobody"}, run_id="nobody", task_id="T2"))
    return made


def test_what_comes_later_finds_what_it_is_about(recorded: tuple[Path, int], tmp_path: Path) -> None:
    tables = ("feedback", "feedback_events", "generations", "audits", "runs")
    found: list[dict[str, Any]] = []
    for until in (0, recorded[1]):
        folder = tmp_path / str(until)
        shutil.copytree(recorded[0], folder)
        with opened(folder) as services:
            if until:
                Archiving(services.store, folder).archive(until)
            for each in late():
                services.journal.append([each])
            with services.store.read() as connection:
                found.append(
                    {name: connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}
                )
    for rows in found:
        rows["audits"] = [tuple(row)[:-2] for row in rows["audits"]]  # without when it was adopted
    assert [name for name in tables if found[0][name] != found[1][name]] == []
    linked = [row for row in found[1]["feedback"] if "linked" in tuple(row)]
    assert len(linked) == 8


def test_the_exam_is_not_of_nothing(expected: dict[str, Any]) -> None:
    empty = [name for name, answer in expected.items() if not answer and name != "what a remap would do"]
    assert empty == []
    pages = expected["forwards: a text"]
    assert sum(len(page.events) for page in pages) > 10
    assert expected["the whole store against its seal"].ok
    assert expected["the whole store against its seal"].erased > 5
    assert len(json.loads(expected["/api/generations?limit=20&count=true"])["generations"]) == 20
