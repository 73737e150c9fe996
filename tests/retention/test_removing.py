"""Removing what is due: exactly that goes, with all that came from it, an event says so, and the seal adds up."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from flightlog.config import Settings
from flightlog.journal import index
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.journal.removed import digest_of, pack
from flightlog.retention.holds import place as place_hold
from flightlog.seal.verify_part import verify_run
from flightlog.wiring import SEAL_FOLDER, seal_keys
from tests.cli.terminal import flightlog
from tests.retention.flight import Flight


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    made = Flight(tmp_path / "flight")
    yield made
    made.close()


def test_after_seven_days_events_go_and_the_runs_summary_stays(flight: Flight) -> None:
    old = flight.run("old", notes=3)
    flight.days(3)
    young = flight.run("young", notes=2)
    flight.days(4)
    flight.seal()
    assert flight.plan().tally.events == len(old)
    done = flight.clean()
    assert (done.events, done.in_tables) == (len(old), len(old))
    assert flight.ids() == young
    assert flight.sql("SELECT run_id, event_count FROM runs ORDER BY run_id") == [("old", 5), ("young", 4)]
    assert flight.verify().findings == []
    assert flight.verify().removed == len(old)


def test_what_goes_is_an_event_with_a_receipt(flight: Flight) -> None:
    old = flight.run("old", notes=3)
    flight.days(8)
    flight.clean()
    ((removal_id, details),) = flight.told()
    assert removal_id == old[-1] + 1
    assert (details["events"], details["first_id"], details["last_id"]) == (5, 1, 5)
    assert (details["rules"], details["projects"]) == ({"default": 5}, {"default": 5})
    assert details["ids"] == [[1, 5]]
    assert details["ranges_digest"] == digest_of([(1, 5)])
    assert len(details["rows_digest"]) == 64


def test_doing_it_again_does_nothing_and_says_nothing(flight: Flight) -> None:
    flight.run("old")
    flight.days(8)
    flight.clean()
    before = flight.ids(own=True)
    assert flight.clean().events == 0
    assert flight.ids(own=True) == before


def test_nothing_of_it_is_left_in_a_table(flight: Flight) -> None:
    index.build(flight.keeper.store)
    call = {"model": "m", "messages": [{"role": "user", "content": "the question"}]}
    answer = {"model": "m", "message": {"role": "assistant", "content": "the answer"}}
    span = "a" * 16
    flight.record(
        flight.event("run_started", run_id="r"),
        flight.event("llm_request", run_id="r", correlation_id="c", payload=call),
        flight.event("llm_response", run_id="r", correlation_id="c", span_id=span, payload=answer),
        flight.event("run_finished", run_id="r", status="failed"),
    )
    flight.thumb("r", "down")
    flight.days(8)
    flight.keeper.store.write(lambda tx: tx.sql.execute(text("INSERT INTO span_places VALUES (:s, 3)"), {"s": span}))
    assert flight.sql("SELECT input_preview FROM generations") == [("the question",)]
    flight.clean()
    assert flight.ids() == []
    for table in ("event_payloads", "seal_salts"):
        assert flight.sql(f"SELECT count(*) FROM {table} WHERE id < 6") == [(0,)], table
    assert flight.sql("SELECT count(*) FROM span_places") == [(0,)]
    assert flight.sql("SELECT input_preview, output_preview, model FROM generations") == [(None, None, "m")]
    assert flight.sql("SELECT comment, value_text, value_number FROM feedback") == [(None, "down", 0.0)]
    assert read_events(flight.keeper.store, EventFilter(text="question")).events == []


def test_a_run_that_is_not_over_is_left_alone_until_it_was_silent_as_long(flight: Flight) -> None:
    flight.run("open", status=None)
    flight.days(6)
    late = flight.record(flight.event(run_id="open"))
    flight.days(2)
    assert flight.clean().events == 0
    flight.days(4.9)
    assert flight.clean().events == 0
    flight.days(0.2)
    assert flight.clean().events == 3
    assert late[0] not in flight.ids()


def test_what_is_not_sealed_yet_waits(flight: Flight) -> None:
    flight.run("old")
    flight.days(8)
    assert flight.plan().tally.events == 0
    assert flight.plan().unsealed == 3
    assert flight.retention.run().events == 0
    assert flight.clean().events == 3


def test_where_nothing_seals_events_go_all_the_same(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", Settings(seal=False))
    flight.run("old")
    flight.days(8)
    assert flight.retention.run().events == 3
    flight.seal()  # and somebody switches it on after all
    assert (flight.verify().findings, flight.verify().removed) == ([], 3)
    flight.close()


def test_audit_records_and_decisions_stay_and_what_flightlog_says_of_itself_always(tmp_path: Path) -> None:
    rules = '[[rule]]\ntype = "*"\nkeep = 0\n'
    for name, text_, kept in (("by default", "", 2), ("with a rule for all", rules, 0)):
        flight = Flight(tmp_path / name, rules=text_)
        done = {"operation": "person.looked_up", "subject_type": "person"}
        flight.record(
            flight.event("audit", payload=done),
            flight.event("capability_decision", run_id="r", payload={"capability": "fs.write", "decision": "granted"}),
        )
        flight.days(1000)
        flight.clean()
        assert len(flight.ids()) == kept, name
        flight.days(1000)
        flight.clean()
        assert sum("events" in details for _, details in flight.told()) == (0 if kept else 1), name
        flight.close()


def test_a_run_with_a_thumb_down_is_kept_a_year(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", rules='[[rule]]\nfeedback = "thumb:down"\nkeep = "365d"\n')
    flight.run("fine")
    disliked = flight.run("disliked")
    flight.days(5)
    disliked.append(flight.thumb("disliked", "down"))
    flight.thumb("fine", "up")
    flight.days(10)
    flight.clean()
    assert flight.ids() == disliked
    flight.days(349)
    assert flight.clean().events == 0
    flight.days(1)
    assert flight.clean().events == 3
    assert flight.ids() == disliked[-1:]  # what was said five days later is five days younger
    flight.days(5)
    flight.clean()
    assert flight.ids() == []
    flight.close()


def test_summaries_go_a_year_after_the_last_event_did(flight: Flight) -> None:
    flight.run("old")
    flight.thumb("old", "up")
    flight.days(8)
    flight.clean()
    flight.days(364)
    assert flight.plan().runs == 0
    assert flight.clean().runs == 0
    flight.days(1)
    assert flight.plan().runs == 1
    assert flight.clean().runs == 1
    for table in ("runs", "generations", "feedback", "feedback_events"):
        assert flight.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert flight.told()[-1][1]["run_ids"] == ["old"]
    assert flight.verify().findings == []


def test_an_audit_record_of_a_run_whose_events_went_is_no_orphan(flight: Flight) -> None:
    flight.run("old", task_id="t")
    flight.days(8)
    flight.clean()
    done = {"operation": "person.looked_up", "subject_type": "person"}
    flight.record(
        *(
            flight.event("audit", payload=done, **about)
            for about in ({"run_id": "old"}, {"task_id": "t"}, {"run_id": "x"})
        )
    )
    assert flight.sql("SELECT orphan FROM audits WHERE source IS NULL ORDER BY id") == [
        ("known",),
        ("known",),
        ("orphaned",),
    ]


def test_a_run_some_of_whose_events_went_is_verified_and_says_how_many(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", rules='[[rule]]\ntype = "note"\nkeep = "1d"\n')
    flight.run("r", notes=4)
    flight.days(2)
    flight.clean()
    here = flight.keeper.store, flight.folder / SEAL_FOLDER, seal_keys(flight.folder, flight.settings)
    report = verify_run(*here, "r")
    assert (report.findings, report.removed, report.checked) == ([], 4, 6)
    flight.close()


# ── nobody hides a deletion behind retention ─────────────────────────────────────────────────────────────────────────


def delete(flight: Flight, row_id: int) -> None:
    def work(tx: object) -> None:
        for table in ("run_events", "event_payloads", "seal_salts"):
            tx.sql.execute(text(f"DELETE FROM {table} WHERE id = {row_id}"))  # type: ignore[attr-defined]

    flight.keeper.store.write(work)


def claim(flight: Flight, removal_id: int, ranges: list[tuple[int, int]]) -> None:
    values = {"id": removal_id, "first": ranges[0][0], "last": ranges[-1][1], "ranges": pack(ranges)}
    asked = text("INSERT OR REPLACE INTO removals VALUES (:id, 1, :first, :last, 1, :ranges)")
    flight.keeper.store.write(lambda tx: tx.sql.execute(asked, values))


def test_a_row_that_no_removal_names_is_a_deleted_row(flight: Flight) -> None:
    flight.run("old")
    flight.days(8)
    kept = flight.run("kept")
    flight.clean()
    delete(flight, kept[1])
    assert [(one.kind, one.id) for one in flight.verify().findings] == [("deleted_row", kept[1])]


def test_a_claim_that_is_widened_afterwards_is_not_believed(flight: Flight) -> None:
    flight.run("old")
    flight.days(8)
    kept = flight.run("kept")
    flight.clean()
    ((removal_id, _),) = flight.told()
    delete(flight, kept[1])
    claim(flight, removal_id, [(1, 3), (kept[1], kept[1])])
    report = flight.verify()
    assert {one.id for one in report.findings} == {1, 2, 3, kept[1]}  # the digest fits nothing any more
    assert report.removed == 0


def test_a_claim_that_nobody_sealed_is_not_believed(flight: Flight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flightlog.seal.claims.CLAIM_SECONDS", 0.0)
    kept = flight.run("kept")
    flight.seal()
    delete(flight, kept[1])
    said = {"operation": "retention.remove", "details": {"ranges_digest": digest_of([(kept[1], kept[1])])}}
    (forged,) = flight.record(flight.event("audit", name="retention.remove", source="flightlog", payload=said))
    claim(flight, forged, [(kept[1], kept[1])])
    (finding,) = flight.verify().findings
    assert (finding.kind, finding.id) == ("deleted_row", forged)
    assert "is not sealed" in finding.detail


def test_a_sealed_event_that_is_turned_into_a_claim_is_found(flight: Flight) -> None:
    kept = flight.run("kept")
    (audit,) = flight.record(flight.event("audit", payload={"operation": "person.looked_up"}))
    flight.seal()
    delete(flight, kept[1])
    said = '{"operation":"retention.remove","details":{"ranges_digest":"' + digest_of([(kept[1], kept[1])]) + '"}}'
    claim(flight, audit, [(kept[1], kept[1])])
    change = text("UPDATE event_payloads SET payload = :said WHERE id = :id")
    flight.keeper.store.write(lambda tx: tx.sql.execute(change, {"said": said, "id": audit}))
    assert {(one.kind, one.id) for one in flight.verify().findings} == {
        ("changed_payload", audit),
        ("deleted_row", audit),
    }


def test_a_bundle_of_a_run_says_what_went_and_proves_that_it_was_there(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", rules='[[rule]]\ntype = "note"\nkeep = "1d"\n')
    flight.run("r", notes=4)
    flight.run("other", notes=2)
    flight.days(2)
    flight.clean()
    flight.close()
    out = tmp_path / "r.zip"
    said = flightlog("export", "evidence", "r", "--dir", flight.folder, "--out", out)
    assert said.code == 0, said.err
    place = tmp_path / "bundle"
    with zipfile.ZipFile(out) as bundle:
        bundle.extractall(place)
    lines = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["run_started", "run_finished", "audit"]
    assert lines[-1]["name"] == "retention.remove"
    assert [json.loads(line)["id"] for line in (place / "removed.jsonl").read_text().splitlines()] == [2, 3, 4, 5]
    assert "4 events of the run went by the rules of retention" in (place / "report.md").read_text()
    held = subprocess.run([sys.executable, place / "verify.py"], capture_output=True, text=True, check=False)
    assert (held.returncode, "removed:    4 more were there" in held.stdout) == (0, True), held.stdout
    gone = (place / "removed.jsonl").read_text()
    (place / "removed.jsonl").write_text(gone.replace('\\"note\\"', '\\"nota\\"'))
    manifest = json.loads((place / "manifest.json").read_text())
    digest = hashlib.sha256((place / "removed.jsonl").read_bytes()).hexdigest()
    (place / "manifest.json").write_text(
        json.dumps(manifest | {"files": {**manifest["files"], "removed.jsonl": digest}})
    )
    held = subprocess.run([sys.executable, place / "verify.py"], capture_output=True, text=True, check=False)
    assert (held.returncode, "do not lead to the root" in held.stdout) == (1, True), held.stdout


# ── a soft cap ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_is_too_long_is_warned_of_once_and_loses_its_oldest_debug_then_info_events(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", Settings(run_events_max=12))
    (first,) = flight.record(flight.event("run_started", run_id="r"))
    warned = flight.record(flight.event(run_id="r", level="warn"))
    debug = flight.record(*(flight.event(run_id="r", level="debug") for _ in range(5)))
    info = flight.record(*(flight.event(run_id="r") for _ in range(8)))
    short = flight.run("short", notes=3)
    flight.seal()
    plan = flight.plan()
    assert (plan.tally.events, plan.capped, list(plan.tally.rules)) == (3, ["r"], ["run_events_max"])
    assert flight.clean().events == 3  # the run is not over, and all of it is young
    assert flight.ids() == sorted([first, *warned, *debug[3:], *info, *short])
    (told,) = read_events(flight.keeper.store, EventFilter(run_id="r", types=("degraded",))).events
    assert (told.name, told.level) == ("run_events_max", "warn")
    assert flight.clean().events == 1  # what was said of it is an event of the run too
    assert flight.clean().events == 0
    flight.record(*(flight.event(run_id="r") for _ in range(3)))
    assert flight.clean().events == 3
    assert len(read_events(flight.keeper.store, EventFilter(run_id="r", types=("degraded",))).events) == 1
    left = {event.id for event in read_events(flight.keeper.store, EventFilter(run_id="r")).events}
    assert (len(left), first in left, set(warned) < left, left & set(debug), info[1] in left) == (
        12,
        True,
        True,
        set(),
        False,
    )
    assert flight.verify().findings == []
    flight.close()


def test_what_is_held_stays_whatever_the_cap_says(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight", Settings(run_events_max=3))
    flight.run("r", notes=5)
    say = flight.retention._say
    wanted = EventFilter(run_id="r")
    flight.keeper.store.write(
        lambda tx: place_hold(tx, "h", wanted, {"run_id": "r"}, reason="r", actor="ann", now_ns=1, say=say)
    )
    assert flight.clean().events == 0
    flight.close()
