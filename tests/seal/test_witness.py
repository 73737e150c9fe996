"""Witnesses: copies of checkpoints elsewhere, and what they show when history was made anew."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flightlog.errors import NoteInvalid, SettingInvalid, WitnessFailed
from flightlog.seal.keeper import SealKeeper
from flightlog.seal.witness import check_kept, notes_in, raise_failed, tell, witness_of
from tests.seal.conftest import Flight
from tests.seal.test_keeper import closed


class Calendar(HTTPServer):
    """Takes what is posted; answers as it is told."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Calendar

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        self.wfile.write(b"timestamp of " + body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    server = Calendar()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def note_of(flight: Flight) -> str:
    return (flight.seal_folder / "checkpoint").read_text("utf-8")


def test_a_file_keeps_every_checkpoint_and_the_log_is_held_against_all_of_them(flight: Flight, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for turn in range(4):
        flight.record(100, first=1 + 100 * turn)
        flight.seal()
        told = tell([witness_of(f"file:{kept}")], flight.seal_folder, note_of(flight))
        assert (told.size, told.failed) == (100 * (turn + 1), {})
    found = check_kept(kept.read_text("utf-8"), flight.seal_folder, flight.keys)
    assert [(one.size, one.trouble) for one in found] == [(100, None), (200, None), (300, None), (400, None)]


def test_history_that_was_made_anew_with_the_same_key_contradicts_what_was_kept(flight: Flight, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    flight.record(100)
    flight.seal()
    tell([witness_of(f"file:{kept}")], flight.seal_folder, note_of(flight))
    flight.store.close()
    # Whoever has the folder begins anew, with the old key.
    for name in ("tile", "checkpoint"):
        path = flight.seal_folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in flight.folder.glob("flightlog.db*"):
        path.unlink()
    flight.open()
    flight.record(200, first=1000)
    flight.seal()
    (found,) = check_kept(kept.read_text("utf-8"), flight.seal_folder, flight.keys)
    assert found.trouble == "the log begins with other events now"


def test_a_log_that_is_shorter_than_what_was_kept_is_named(flight: Flight, tmp_path: Path) -> None:
    flight.record(10)
    flight.seal()
    early = note_of(flight)
    flight.record(10, first=11)
    flight.seal()
    late = note_of(flight)
    (flight.seal_folder / "checkpoint").write_text(early)
    (found,) = check_kept(late, flight.seal_folder, flight.keys)
    assert found.trouble == "the log has only 10 events now"
    with pytest.raises(NoteInvalid):
        check_kept("nothing", flight.seal_folder, flight.keys)
    with pytest.raises(NoteInvalid):
        check_kept(late.replace("\n20\n", "\n21\n"), flight.seal_folder, flight.keys)


def test_a_hook_gets_the_note_and_a_calendar_the_digest_whose_timestamp_is_kept(
    flight: Flight, calendar: Calendar
) -> None:
    flight.record(3)
    flight.seal()
    note = note_of(flight)
    witnesses = [witness_of(f"{calendar.url}/hook?a=b"), witness_of(f"ots:{calendar.url}/calendar/")]
    assert tell(witnesses, flight.seal_folder, note).failed == {}
    digest = hashlib.sha256(note.encode()).digest()
    assert calendar.posted == [("/hook?a=b", note.encode()), ("/calendar/digest", digest)]
    assert (flight.seal_folder / "witness/3.1.ots").read_bytes() == b"timestamp of " + digest


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_witness_that_did_not_take_it_is_named_and_no_redirect_is_followed(
    flight: Flight, calendar: Calendar, status: int
) -> None:
    flight.seal()
    calendar.status = status
    told = tell([witness_of(calendar.url)], flight.seal_folder, note_of(flight))
    assert told.failed == {calendar.url: f"it answered {status}"}
    assert len(calendar.posted) == 1
    with pytest.raises(WitnessFailed, match=f"it answered {status}"):
        raise_failed(told)


def test_one_that_fails_does_not_keep_the_others_from_their_copy(flight: Flight, tmp_path: Path) -> None:
    flight.seal()
    places = [f"file:{tmp_path}/no/such/folder", "http://127.0.0.1:9/", f"git:{tmp_path}", f"file:{tmp_path}/kept"]
    told = tell([witness_of(place) for place in places], flight.seal_folder, note_of(flight))
    assert (set(told.failed), told.kept) == (set(places[:3]), [places[3]])


def test_a_repository_gets_a_commit_for_every_new_checkpoint(flight: Flight, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    for turn in range(2):
        flight.record(5, first=1 + 5 * turn)
        flight.seal()
        for _ in range(2):  # the same checkpoint again is no commit
            assert tell([witness_of(f"git:{repository}")], flight.seal_folder, note_of(flight)).failed == {}
    log = subprocess.run(["git", "-C", repository, "log", "--format=%s"], capture_output=True, text=True, check=True)
    assert log.stdout.split("\n")[:-1] == ["Checkpoint of 10 events", "Checkpoint of 5 events"]
    assert (repository / "checkpoint").read_text("utf-8") == note_of(flight)


@pytest.mark.parametrize(
    "place",
    ["", "nowhere", "file:", "http://example.com/x", "https://", "https://user:pw@example.com/", "ots:http://10.0.0.1/", "ftp://example.com"],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(SettingInvalid):
        witness_of(place)


def test_the_keeper_tells_at_the_start_and_says_what_failed(flight: Flight, tmp_path: Path) -> None:
    flight.record(7)
    kept = tmp_path / "kept"
    places = [witness_of(f"file:{kept}"), witness_of(f"file:{tmp_path}/no/such/folder")]
    told = threading.Event()

    def telling(note: str) -> bytes:
        told.set()
        return b""

    keeper = SealKeeper(
        lambda: closed(flight), seconds=0.01, share_max=1.0, witnesses=[*places, places[0]._replace(send=telling)],
        witness_seconds=0.01,
    )  # fmt: skip
    keeper.start()
    assert told.wait(30)
    while not keeper.health().witness_error:
        pass
    keeper.stop(30)
    health = keeper.health()
    assert health.witness_error is not None
    assert "no/such/folder" in health.witness_error
    assert health.witnessed_id == 0
    assert notes_in(kept.read_text("utf-8"))
