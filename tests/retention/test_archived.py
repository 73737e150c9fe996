"""Retention of what is archived: whole files go where all is due, else they are written anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.keeping import keeper_retention
from flightlog.retention.holds import place
from flightlog.seal.verify_part import verify_run
from flightlog.wiring import SEAL_FOLDER, seal_keys
from tests.archive.reading import Archiving
from tests.retention.flight import Flight

RULES = """
[[rule]]
project = "billing"
keep = "90d"

[[rule]]
level = "debug"
keep = "2d"
"""


class Archived(Flight):
    """A flight with an archive."""

    def __init__(self, folder: Path, rules: str = RULES) -> None:
        super().__init__(folder, rules=rules)
        self.archiving = Archiving(self.keeper.store, folder, file_events=1000)
        self.retention = keeper_retention(self.keeper, "janitor", self.clock, lambda: self.archiving.place)

    def archive(self) -> None:
        self.seal()
        self.archiving.archive()


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Archived]:
    made = Archived(tmp_path / "flight")
    yield made
    made.close()


def test_a_file_of_which_all_is_due_goes_as_a_whole_and_another_is_written_anew(flight: Archived) -> None:
    plain = flight.run("plain", notes=20)
    billing = flight.run("bill", notes=10, project="billing")
    noise = flight.record(*(flight.event(project="billing", level="debug") for _ in range(5)))
    shop = flight.run("shop", notes=3, project="shop")
    chatter = flight.record(*(flight.event(project="shop", level="debug") for _ in range(4)))
    flight.archive()
    assert len(flight.archiving.files()) == 3
    flight.days(3)
    plan = flight.plan()
    assert [(one.whole, one.due) for one in plan.files] == [(False, 4)]
    done = flight.clean()
    assert (done.events, done.files_dropped, done.files_rewritten, done.in_tables) == (4, 0, 1, 0)
    assert flight.ids() == sorted(plain + billing + noise + shop)
    flight.days(5)
    done = flight.clean()
    assert (done.events, done.files_dropped, done.files_rewritten) == (len(plain + shop), 2, 0)
    assert flight.ids() == billing + noise
    report = flight.verify()
    assert (report.findings, report.removed) == ([], len(plain + shop + chatter))
    assert {details["file"].split("/")[0] for _, details in flight.told()} == {"project=default", "project=shop"}
    assert all(len(details["file_digest"]) == 64 for _, details in flight.told())


def test_objects_that_went_are_gone_from_the_disk(flight: Archived) -> None:
    flight.run("plain", notes=20)
    flight.archive()
    flight.days(8)
    flight.clean()
    flight.archiving.place.sweep()
    assert not list((flight.folder / "archive").rglob("*.parquet"))


def test_readers_find_what_is_left_on_both_sides_of_the_line(tmp_path: Path) -> None:
    flight = Archived(tmp_path / "flight", '[[rule]]\ntype = "note"\nkeep = "2d"\n')
    first = flight.run("r", notes=5)
    flight.archive()
    flight.days(1)
    second = flight.run("s", notes=5)
    flight.days(1.5)
    flight.record(flight.event(run_id="r"))
    flight.clean()
    flight.days(1)
    flight.clean()
    ends = [first[0], first[-1], second[0], second[-1]]
    assert [event.id for event in read_events(flight.keeper.store, EventFilter(run_id="r")).events][:2] == ends[:2]
    page = read_events(flight.keeper.store, limit=3)
    assert [event.id for event in page.events] == ends[:3]
    assert page.next_after_id is not None
    assert read_events(flight.keeper.store, after_id=page.next_after_id).events[0].id == ends[3]
    back = read_events(flight.keeper.store, before_id=ends[3], limit=2)
    assert [event.id for event in back.events] == ends[1:3]
    here = flight.keeper.store, flight.folder / SEAL_FOLDER, seal_keys(flight.folder, flight.settings)
    report = verify_run(*here, "r")
    assert (report.findings, report.removed) == ([], 5)
    flight.close()


def test_previews_of_archived_events_go_with_them(flight: Archived) -> None:
    call = {"model": "m", "messages": [{"role": "user", "content": "the question"}]}
    flight.record(
        flight.event("run_started", run_id="r"),
        flight.event("llm_request", run_id="r", correlation_id="c", payload=call),
        flight.event("run_finished", run_id="r", status="succeeded"),
    )
    flight.archive()
    flight.days(8)
    assert flight.clean().files_dropped == 1
    assert flight.sql("SELECT input_preview FROM generations") == [(None,)]


def test_a_hold_that_is_placed_while_a_file_is_looked_at_spares_it(
    flight: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = flight.run("plain", notes=5)
    flight.archive()
    flight.days(8)
    seen = flight.retention._forget

    def forget_and_hold(*args: object) -> None:
        seen(*args)  # type: ignore[arg-type]
        monkeypatch.undo()
        tx = args[0]
        wanted = EventFilter(run_id="plain")
        said = flight.retention._say
        place(tx, "h1", wanted, {"run_id": "plain"}, reason="r", actor="ann", now_ns=1, say=said)  # type: ignore[arg-type]

    monkeypatch.setattr(flight.retention, "_forget", forget_and_hold)
    assert flight.clean().events == 0
    assert flight.ids() == kept
