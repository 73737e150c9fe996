"""One run and one event are checked without reading the whole store, and what was done to them is found all the same."""

from __future__ import annotations

import os
import random
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from flightlog.errors import EventNotFound, RunNotFound
from flightlog.seal.tiles import tile_path
from flightlog.seal.verify_part import verify_event, verify_run
from tests.contract.making import event
from tests.seal.conftest import Flight
from tests.seal.test_verify import EVENTS, KINDS_OF_EDIT, after, sealed  # noqa: F401 (the fixture)

RUNS = ("r0", "r1", "r2")
MIXED = 900


@pytest.fixture
def mixed(flight: Flight) -> Flight:
    """Three runs whose events take turns; the last of each came after the checkpoint."""
    flight.journal.append([event(number, run_id=RUNS[number % 3]) for number in range(1, MIXED + 1)])
    flight.seal()
    flight.journal.append([event(number, run_id=RUNS[number % 3]) for number in range(MIXED + 1, MIXED + 4)])
    return flight


def edit(flight: Flight, *statements: str) -> None:
    with sqlite3.connect(flight.folder / "flightlog.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def of_run(flight: Flight, run_id: str = "r1") -> list[tuple[str, int | None]]:
    report = verify_run(flight.store, flight.seal_folder, flight.keys, run_id)
    return [(one.kind, one.id) for one in report.findings]


def of_event(flight: Flight, event_id: str) -> list[tuple[str, int | None]]:
    report = verify_event(flight.store, flight.seal_folder, flight.keys, event_id)
    return [(one.kind, one.id) for one in report.findings]


def test_an_untouched_run_has_nothing_to_be_found_and_says_how_much_is_not_sealed_yet(mixed: Flight) -> None:
    report = verify_run(mixed.store, mixed.seal_folder, mixed.keys, "r1")
    assert (report.findings, report.checked, report.sealed, report.unsealed) == ([], 300, 300, 1)


def test_an_untouched_event_has_nothing_to_be_found_and_a_new_one_is_not_sealed_yet(mixed: Flight) -> None:
    report = verify_event(mixed.store, mixed.seal_folder, mixed.keys, "e000007")
    assert (report.findings, report.checked, report.unsealed) == ([], 1, 0)
    report = verify_event(mixed.store, mixed.seal_folder, mixed.keys, f"e{MIXED + 2:06d}")
    assert (report.findings, report.checked, report.unsealed) == ([], 0, 1)


def test_what_nobody_recorded_is_not_found(mixed: Flight) -> None:
    with pytest.raises(RunNotFound):
        of_run(mixed, "r")
    with pytest.raises(EventNotFound):
        of_event(mixed, "e00000")
    with pytest.raises(RunNotFound):
        of_run(mixed, "\ud800")


def test_an_edit_is_found_in_its_run_and_event_and_in_no_other(mixed: Flight) -> None:
    edit(
        mixed,
        "UPDATE run_events SET actor = 'nobody' WHERE id = 7",
        "UPDATE event_payloads SET payload = '{}' WHERE id = 10",
    )
    assert of_run(mixed, "r1") == [("changed_envelope", 7), ("changed_payload", 10)]
    assert of_run(mixed, "r2") == []
    assert of_event(mixed, "e000007") == [("changed_envelope", 7)]
    assert of_event(mixed, "e000008") == []


def test_a_row_that_is_gone_is_missed_by_the_leaf_that_names_it(mixed: Flight) -> None:
    edit(mixed, "DELETE FROM run_events WHERE id = 700")
    assert of_run(mixed, "r1") == [("deleted_row", 700)]
    assert of_event(mixed, "e000700") == [("deleted_row", 700)]
    edit(mixed, "DELETE FROM run_events WHERE run_id = 'r1'")
    assert len(of_run(mixed, "r1")) == 300


def test_an_event_that_was_moved_to_another_run_is_missed_in_one_and_too_much_in_the_other(mixed: Flight) -> None:
    edit(mixed, "UPDATE run_events SET run_id = 'r2' WHERE id = 7")
    assert of_run(mixed, "r1") == [("changed_envelope", 7)]
    assert of_run(mixed, "r2") == [("changed_envelope", 7)]
    assert of_run(mixed, "r0") == []


def test_an_event_whose_id_was_changed_is_missed_under_the_old_id_and_false_under_the_new(mixed: Flight) -> None:
    edit(mixed, "UPDATE run_events SET event_id = 'forged' WHERE id = 7")
    assert of_event(mixed, "e000007") == [("changed_envelope", 7)]
    assert of_event(mixed, "forged") == [("changed_envelope", 7)]


def test_a_leaf_and_its_tile_changed_together_do_not_lead_to_the_root(mixed: Flight) -> None:
    """Who alters a row, its leaf and the leaf's hash to fit each other is found by the way to the signed root."""
    from flightlog.seal.merkle import leaf_hash

    entries, hashes = (mixed.seal_folder / tile_path(level, 1) for level in ("entries", 0))
    old = mixed.sealer()._edge.tiles.entries(1, 256)[10]
    new = old.replace(b'"r2"', b'"r1"') if b'"r2"' in old else old.replace(b'"note"', b'"nope"')
    assert new != old
    entries.write_bytes(entries.read_bytes().replace(old, new))
    hashes.write_bytes(hashes.read_bytes().replace(leaf_hash(old), leaf_hash(new)))
    assert "forked_tree" in {kind for kind, _ in of_event(mixed, f"e{256 + 11:06d}")}


def test_a_piece_of_the_tree_that_is_gone_is_told_where_it_could_have_named_the_run(mixed: Flight) -> None:
    (mixed.seal_folder / tile_path("entries", 0)).unlink()
    assert ("missing_tile", None) in of_run(mixed, "r1")
    assert ("missing_tile", None) in of_event(mixed, "e000800")


def test_without_a_checkpoint_that_is_what_is_found(flight: Flight) -> None:
    flight.record(3)
    assert of_run(flight) == [("missing_tile", None)]
    with pytest.raises(RunNotFound):
        of_run(flight, "nosuch")


def test_edits_of_every_kind_to_a_run_are_found_and_named_as_in_the_whole_store(
    sealed: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("FLIGHTLOG_TEST_SEED", "2"))
    chance = random.Random(seed)
    for made in KINDS_OF_EDIT * 2:
        report, named = after(sealed, tmp_path / "copy", made, chance, partial(verify_run, run_id="r1"))
        assert {one.kind for one in report.findings} == named, f"{made.__name__}, seed {seed}: {report.findings}"
    report, _ = after(sealed, tmp_path / "copy", lambda *_: set(), chance, partial(verify_run, run_id="r1"))
    assert (report.findings, report.checked) == ([], EVENTS)
