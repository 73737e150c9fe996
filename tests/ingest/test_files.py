"""Whole imports: files into a real journal, twice, grown, damaged and missing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.clock import FakeClock
from flightlog.config import Settings
from flightlog.errors import EventIdConflict, EventInvalid, ImportInvalid, StoreBusy
from flightlog.events.envelope import Event
from flightlog.ingest.batch import Intake
from flightlog.ingest.files import BATCH_EVENTS, ImportReport, Progress, import_files
from flightlog.ingest.importers.base import Problem
from flightlog.journal.append import Appended, Journal
from flightlog.recorder.redact import Redactor
from flightlog.runs.project import RunProjector
from flightlog.runs.summary import RunSummary, get_run
from flightlog.store.engine import open_store
from tests.ingest.claude import SESSION, Transcript, text, use

Write = Callable[..., Path]


class Place:
    """A journal in a folder, and imports into it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.intake = Intake(Redactor(digest_key=b"test"), Settings())

    def take(self, format_: str, *paths: Path, **options: Any) -> ImportReport:
        return import_files(
            lambda events: self.journal.append(events, rejects="return"), self.intake, list(paths), format_, **options
        )

    def run(self, run_id: str) -> RunSummary:
        return get_run(self.journal.store, run_id)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    store = open_store(tmp_path / "flight", settings=Settings(), writable=True)
    yield Place(Journal(store, [RunProjector()]))
    store.close()


def test_real_trajectories_in_the_journal_have_the_right_totals(place: Place, samples: Path) -> None:
    report = place.take("swe-agent", samples / "swe-agent-traj")
    assert [(Path(file.path).name, file.stored, file.problems) for file in report.files] == [
        ("humanevalfix-python-0.traj", 23, []),
        ("marshmallow-1867.function_calling_v1.traj", 47, []),
        ("pydicom-1458.gpt4.traj", 51, []),
    ]
    run = place.run(report.files[2].run_ids[0])
    assert (run.name, run.status, run.source) == ("pydicom-1458.gpt4", "succeeded", "swe-agent")
    assert (run.tokens_input, run.tokens_output, run.cost_usd) == (122_612, 1_369, pytest.approx(1.26719))
    assert (run.counts["tool_call"], run.counts["llm_response"], run.error_count) == (12, 12, 4)


def test_real_sessions_in_the_journal_have_the_right_totals(place: Place, samples: Path) -> None:
    report = place.take("claude-code", samples / "claude-code-jsonl")
    assert [(Path(file.path).name, file.stored, len(file.problems)) for file in report.files] == [
        ("edge_cases.jsonl", 23, 7),
        ("representative_messages.jsonl", 21, 0),
        ("session_b.jsonl", 6, 0),
        ("todowrite_examples.jsonl", 23, 0),
    ]
    run = place.run("claude-code-test_session")
    assert (run.status, run.tokens_input, run.tokens_output) == ("succeeded", 218, 445)
    assert run.duration_ns == 240 * 10**9


def test_importing_again_stores_nothing_new(place: Place, samples: Path) -> None:
    for format_, folder in (("swe-agent", "swe-agent-traj"), ("claude-code", "claude-code-jsonl")):
        first = place.take(format_, samples / folder)
        again = place.take(format_, samples / folder)
        assert (again.stored, sum(file.changed for file in again.files)) == (0, 0)
        assert [file.duplicates for file in again.files] == [file.stored for file in first.files]


def test_a_trajectory_that_was_touched_stays_as_it_was_first_imported(place: Place, write_lines: Write) -> None:
    step = {"action": "ls", "observation": "x", "response": "I look."}
    path = write_lines({"trajectory": [step], "info": {"exit_status": "submitted"}}, name="i.traj")
    first = place.take("swe-agent", path)
    os.utime(path, (1, 1))
    again = place.take("swe-agent", path).files[0]
    assert (again.stored, again.changed, again.problems) == (0, first.stored, [])


def test_a_session_that_grew_adds_only_its_new_part(place: Place, write_lines: Write) -> None:
    t = Transcript()
    lines = [t.prompt(), t.answer(use("t1"), message_id="m1"), t.result("t1"), t.answer(text("a"), message_id="m2")]
    more = [t.prompt("and?"), t.answer(text("b"), message_id="m3", output=40)]
    first = place.take("claude-code", write_lines(*lines))
    second = place.take("claude-code", write_lines(*lines, *more))
    # All but the first end of the run is there already; the run ends anew.
    assert (second.files[0].duplicates, second.stored) == (first.stored - 1, 4)
    run = place.run(f"claude-code-{SESSION}")
    assert (run.status, run.duration_ns, run.tokens_output) == ("succeeded", 5 * 10**9, 60)
    assert run.counts["llm_response"] == 3


def test_a_session_in_two_files_is_one_run_that_began_with_the_earlier_one(place: Place, write_lines: Write) -> None:
    t = Transcript()
    one = write_lines(t.prompt("first"), t.answer(text("a"), message_id="m1"), name="z.jsonl")
    two = write_lines(t.prompt("second"), t.answer(text("b"), message_id="m2"), name="a.jsonl")
    report = place.take("claude-code", two, one)
    assert [(file.stored, file.changed) for file in report.files] == [(5, 0), (5, 0)]
    run = place.run(f"claude-code-{SESSION}")
    assert (run.name, run.tokens_output, run.counts["llm_response"]) == ("first", 20, 2)
    assert run.finished_at == run.last_event_at


def test_a_secret_in_a_file_does_not_reach_the_store(place: Place, write_lines: Write, tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    t = Transcript()
    path = write_lines(
        t.prompt(f"use {secret}"),
        t.answer(use("t1", command=f"curl -H 'Authorization: token {secret}'"), message_id="m1"),
        t.result("t1", f"token {secret}", {"stdout": f"{secret}", "stderr": "x"}),
    )
    report = place.take("claude-code", path).files[0]
    assert report.redacted >= 4
    place.journal.store.close()
    for file in (tmp_path / "flight").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_a_picture_is_cut_to_the_limit_of_a_payload(place: Place, write_lines: Write) -> None:
    t = Transcript()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K" * 50_000}}
    report = place.take("claude-code", write_lines(t.prompt([image]), t.answer(text("a cat"), message_id="m1"))).files[
        0
    ]
    assert (report.truncated, report.problems) == (1, [])
    assert place.run(report.run_ids[0]).tokens_output == 10


def test_a_live_session_is_left_open_until_it_settles(place: Place, write_lines: Write) -> None:
    t = Transcript()
    path = write_lines(t.prompt(), t.answer(text("so far"), message_id="m1"))
    clock = FakeClock(1_749_895_200 * 10**9 + 3 * 10**9)  # three seconds into the session
    live = place.take("claude-code", path, clock=clock)
    assert live.files[0].problems == [
        Problem("end of file", "the last answer is still being written; import again to take it")
    ]
    assert place.run(f"claude-code-{SESSION}").status == "running"
    clock.advance(seconds=3_600)
    place.take("claude-code", path, clock=clock)
    assert place.run(f"claude-code-{SESSION}").status == "succeeded"


# Without a journal


def nowhere(
    paths: Sequence[Path], format_: str = "claude-code", **options: Any
) -> tuple[ImportReport, list[list[Event]]]:
    batches: list[list[Event]] = []
    intake = Intake(Redactor(), Settings())
    return import_files(lambda events: batches.append(list(events)), intake, paths, format_, **options), batches


def test_events_come_in_batches_and_progress_is_told(write_lines: Write) -> None:
    t = Transcript()
    path = write_lines(*(t.prompt(str(number)) for number in range(2_500)))
    seen: list[Progress] = []
    report, batches = nowhere([path], progress=seen.append)
    assert [len(batch) for batch in batches] == [BATCH_EVENTS, BATCH_EVENTS, 502]
    assert [one.events for one in seen] == [1_000, 2_000, 2_502]
    assert seen[-1].bytes_done == seen[-1].bytes_total == path.stat().st_size
    assert 0 < seen[0].bytes_done < seen[1].bytes_done < seen[2].bytes_done
    # A way in that says nothing has taken all.
    assert (report.stored, report.problems) == (2_502, 0)


def test_a_folder_stands_for_the_files_of_the_format_in_it(write_lines: Write, tmp_path: Path) -> None:
    t = Transcript()
    write_lines(t.prompt(), name="projects/b/two.jsonl")
    write_lines(t.prompt(), name="projects/a/one.jsonl")
    write_lines(t.prompt(), name="projects/notes.txt")
    report, _ = nowhere([tmp_path / "projects"])
    assert [Path(file.path).name for file in report.files] == ["one.jsonl", "two.jsonl"]


def test_a_file_that_is_not_there_is_a_problem_and_the_next_one_is_read(write_lines: Write, tmp_path: Path) -> None:
    good = write_lines(Transcript().prompt())
    report, _ = nowhere([tmp_path / "gone.jsonl", good])
    assert report.files[0].problems == [Problem("file", "No such file or directory")]
    assert report.files[1].stored == 3
    assert report.problems == 1


def test_a_format_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportInvalid, match="as word: the formats are swe-agent, claude-code, jsonl, otlp"):
        nowhere([tmp_path], "word")


def test_what_the_journal_refuses_is_reported_and_what_it_raises_ends_the_import(write_lines: Write) -> None:
    path = write_lines(Transcript().prompt())
    intake = Intake(Redactor(), Settings())

    def refusing(events: list[Event]) -> Appended:
        refused = [(0, EventIdConflict(event_id="e")), (1, EventInvalid(reason="no"))]
        return Appended(ids=[0, 0, 9], stored=1, duplicates=0, rejected=refused)

    file = import_files(refusing, intake, [path], "claude-code").files[0]
    assert (file.events, file.stored, file.changed) == (3, 1, 1)
    assert file.problems == [Problem("note event", "The event is not valid: no.")]

    def busy(events: list[Event]) -> Appended:
        raise StoreBusy(timeout_seconds=5)

    with pytest.raises(StoreBusy):
        import_files(busy, intake, [path], "claude-code")


def test_a_report_becomes_json(write_lines: Write) -> None:
    report, _ = nowhere([write_lines(Transcript().prompt(), b"{")])
    document = json.loads(msgspec.json.encode(report))
    assert document["files"][0]["types"] == {"run_started": 1, "note": 1, "run_finished": 1}
    assert document["files"][0]["problems"] == [{"where": "line 2", "reason": "it is not valid JSON"}]
