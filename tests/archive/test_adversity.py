"""SIGKILL at random points of archiving and merging, an S3 server that goes away, a disk that is full: no event is lost or there
twice, and the next pass leaves no orphan.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.archive.objects import S3Objects
from flightlog.archive.work import Done, Job, do
from flightlog.errors import ArchiveUnavailable
from tests.archive.keeping import NAMES, Kept
from tests.archive.seaweed import BUCKET, Seaweed
from tests.contract.making import event

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

# Appends, archives, deletes, vacuums, merges and sweeps as fast as it can, and says how many events were stored.
ACTOR = """
import sys
from pathlib import Path
from flightlog.archive.compact import compact
from flightlog.archive.drop import vacuum_some
from flightlog.archive.work import ChildWorker, do
from tests.archive.keeping import Kept
from tests.archive.test_adversity import made

work = ChildWorker() if sys.argv[2] == "child" else do
kept = Kept(Path(sys.argv[1]), work, archive_file_events_max=400)
with kept.store.read() as connection:
    number = connection.exec_driver_sql("SELECT last_id FROM journal_head").scalar_one()
print("begun", flush=True)
while True:
    kept.journal.append([made(number + step) for step in range(1, 51)])
    number += 50
    print(number, flush=True)
    kept.archive()
    vacuum_some(kept.store)
    compact(kept.place, kept.settings, work)
    kept.place.sweep(orphans=False)
"""


def made(number: int) -> Any:
    """Event number so and so, the same in every process."""
    kind = ("note", "llm_response", "tool_result")[number % 3]
    return event(
        number,
        kind,
        run_id=f"r{number % 5}",
        span_id=f"s{number}",
        payload={"text": f"number {number} " * (number % 50)},
    )


def everything_is_there_once(kept: Kept, stored: int) -> None:
    """Every event that was acknowledged, and whatever else was stored, is read exactly once, as it was."""
    rows = [dict(zip(NAMES, row, strict=True)) for row in kept.archived() + kept.hot()]
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= stored
    for row in rows:
        whole = made(row["id"])
        assert (row["event_id"], row["payload"].encode()) == (whole.event_id, bytes(whole.payload))


def campaign(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    stored = 0
    for kill in range(kills):
        how = "child" if kill % 3 == 2 else "here"
        with subprocess.Popen(
            [sys.executable, "-c", ACTOR, str(folder), how], stdout=subprocess.PIPE, cwd=ROOT, env=ENVIRON
        ) as actor:
            assert actor.stdout is not None
            assert actor.stdout.readline() == b"begun\n", f"seed {seed}"
            stored = max(stored, int(actor.stdout.readline()))
            time.sleep(chance.uniform(0.0, 1.0))  # where it is hit is the campaign's own chance
            actor.send_signal(signal.SIGKILL)
            said = actor.stdout.read().split()
            actor.wait(30)
        stored = max([stored, *map(int, said)])
        kept = Kept(folder, archive_file_events_max=400)
        try:
            everything_is_there_once(kept, stored)
            while kept.archive():
                pass
            kept.place.sweep()
            everything_is_there_once(kept, stored)
            assert kept.objects() == {file.path for file in kept.files()}, f"seed {seed}"
            assert kept.state().dropped_until == kept.state().archived_until
        finally:
            kept.close()
    assert stored > 0


def test_a_sample_of_kills_loses_and_doubles_nothing(tmp_path: Path) -> None:
    campaign(tmp_path / "flight", 3, seed=random.randrange(2**32))


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_fifty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    campaign(tmp_path / "flight", 50, seed=random.randrange(2**32))


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_in_s3_is_what_was_in_the_tables(seaweed: Seaweed, tmp_path: Path) -> None:
    kept = _in_s3(tmp_path, seaweed)
    kept.journal.append([made(number) for number in range(1, 301)])
    kept.archive()
    everything_is_there_once(kept, 300)
    assert not (kept.folder / "archive").exists()
    assert kept.objects() == {file.path for file in kept.files()}
    kept.close()


def _in_s3(tmp_path: Path, server: Seaweed, **settings: Any) -> Kept:
    url = f"s3://{BUCKET}/{secrets.token_hex(4)}"
    return Kept(tmp_path / "flight", archive_url=url, archive_s3_endpoint=server.endpoint, **settings)


def test_a_connection_cut_off_half_way_leaves_the_events_where_they_were(
    seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.archive.objects.S3_RETRIES_MAX", 0)
    with Wire(seaweed.endpoint) as wire:
        url = f"s3://{BUCKET}/{secrets.token_hex(4)}"
        kept = Kept(tmp_path / "flight", archive_url=url, archive_s3_endpoint=wire.endpoint)
        kept.journal.append([made(number) for number in range(1, 301)])
        with kept.place.changing():
            pass
        for after in (0, 900, 3_000):
            wire.cut_after = after
            with pytest.raises(ArchiveUnavailable):
                kept.archive()
            wire.cut_after = None
            assert len(kept.hot()) == 300
            everything_is_there_once(kept, 300)
        kept.archive()
        kept.place.sweep()
        everything_is_there_once(kept, 300)
        assert kept.objects() == {file.path for file in kept.files()}
        kept.close()


def test_a_server_that_is_switched_off_between_two_files_keeps_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seaweed: Seaweed
) -> None:
    monkeypatch.setattr("flightlog.archive.objects.S3_RETRIES_MAX", 0)
    with Wire(seaweed.endpoint) as wire:

        def switched_off(job: Job) -> Iterator[Done]:
            for number, done in enumerate(do(job)):
                yield done
                if number == 0 and not off:
                    off.append(True)
                    wire.cut_after = 0

        off: list[bool] = []
        url = f"s3://{BUCKET}/{secrets.token_hex(4)}"
        kept = Kept(
            tmp_path / "flight",
            switched_off,
            archive_url=url,
            archive_s3_endpoint=wire.endpoint,
            archive_file_events_max=100,
        )
        kept.journal.append([made(number) for number in range(1, 501)])
        with pytest.raises(ArchiveUnavailable):
            kept.archive()
        committed = kept.state().archived_until
        assert 100 <= committed < 500
        assert [row[0] for row in kept.hot()] == list(range(committed + 1, 501))
        wire.cut_after = None
        kept.archive()
        kept.place.sweep()
        everything_is_there_once(kept, 500)
        assert kept.objects() == {file.path for file in kept.files()}
        kept.close()


class Wire:
    """A wire to the server that can be cut after so many bytes from the client."""

    def __init__(self, endpoint: str) -> None:
        import socket

        host, _, port = endpoint.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_after: int | None = None

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        import socket

        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, one: Any, other: Any, from_client: bool) -> None:
        carried = 0
        try:
            while data := one.recv(512):
                carried += len(data)
                if from_client and self.cut_after is not None and carried > self.cut_after:
                    break
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(2)
            except OSError:
                pass


def test_the_wire_cuts_what_the_client_sends(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flightlog.archive.objects.S3_RETRIES_MAX", 0)
    with Wire(seaweed.endpoint) as wire:
        objects = S3Objects(BUCKET, secrets.token_hex(4), wire.endpoint)
        objects.put_new("whole", b"x" * 10_000)
        wire.cut_after = 5_000
        with pytest.raises(ArchiveUnavailable):
            objects.put_new("half", b"x" * 10_000)
        wire.cut_after = None
        assert [found.path for found in objects.list()] == ["whole"]


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────────────────────

# Runs in a namespace of its own, where the folder is a disk of 24 MB: fills it until nothing goes in any more, then has the
# keeper make room, and looks at what is there.
FULL = """
import sys
from pathlib import Path
from flightlog.archive import disk
from flightlog.errors import FlightlogError
from tests.archive.keeping import Kept
from tests.archive.test_adversity import everything_is_there_once, made

disk.LOW_BYTES_MIN = 1_000_000
kept = Kept(Path(sys.argv[1]) / "flight", archive_after_seconds=1e9, reserve_bytes=6_000_000, archive_share_max=1.0)
thread = kept.thread()
stored = 0
while thread.health().reserve != "held":
    kept.journal.append([made(stored + step) for step in range(1, 101)])
    stored += 100
    thread.step()
try:
    while True:
        kept.journal.append([made(stored + step) for step in range(1, 101)])
        stored += 100
except FlightlogError as error:
    print("full after", stored, error.message)
assert stored > 1_000 and kept.state().archived_until == 0
steps = 0
while thread.step() and steps < 50:
    steps += 1
health = thread.health()
print(health)
assert health.archived_id > 0 and health.lack is None and health.reserve == "held", health
everything_is_there_once(kept, stored)
kept.journal.append([made(stored + step) for step in range(1, 101)])
everything_is_there_once(kept, stored + 100)
assert kept.objects() == {file.path for file in kept.files()}
kept.close()
print("fine")
"""


def test_a_full_disk_has_room_again_and_nothing_is_lost(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk (unshare -rm)")
    script = f"mount -t tmpfs -o size=24m tmpfs {tmp_path} && exec {sys.executable} - {tmp_path}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        input=FULL, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.stdout.endswith("fine\n"), done.stdout + done.stderr
