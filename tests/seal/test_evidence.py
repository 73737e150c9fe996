"""Evidence bundles: whoever gets one checks it with nothing but Python, and any change shows."""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flightlog.errors import EvidenceMissing
from flightlog.journal.filter import EventFilter
from flightlog.seal.evidence import Bundle, write_bundle
from flightlog.seal.leaf import read_leaf
from flightlog.seal.merkle import leaf_hash, root_from_inclusion
from flightlog.seal.note import Checkpoint, open_note
from tests.contract.making import START, event
from tests.seal.conftest import Flight

RUN = EventFilter(run_id="wanted")


def flown(flight: Flight, others: int = 700, wanted: int = 40) -> Flight:
    """A run between others, sealed; with texts that a careless reader of JSON trips over."""
    events = [event(number) for number in range(1, others + 1)]
    nasty = {"text": 'a ","payload":{} b', "name": 'ä€😀\u2028\x00\x1f"\\', "n": [1.5, 2**60, None]}
    for number in range(wanted):
        made = event(5000 + number, run_id="wanted", name='x","payload":{', payload={**nasty, "number": number})
        events.insert(3 + number * others // (wanted + 1), made)
    for start in range(0, len(events), 100):
        flight.journal.append(events[start : start + 100])
    flight.seal()
    return flight


def bundle(flight: Flight, wanted: EventFilter = RUN) -> tuple[Bundle, bytes]:
    out = io.BytesIO()
    made = write_bundle(flight.store, flight.seal_folder, flight.keys, wanted, out, subject="run wanted", now_ns=START)
    return made, out.getvalue()


def unpacked(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


def check(folder: Path, *args: str, python: str = sys.executable) -> tuple[int, str]:
    # -I and -S: nothing of this installation is there, only the standard library.
    done = subprocess.run(
        [python, "-I", "-S", str(folder / "verify.py"), *args], capture_output=True, text=True, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_bundle_holds_on_a_machine_that_has_only_python(flight: Flight, tmp_path: Path) -> None:
    made, data = bundle(flown(flight))
    folder = unpacked(data, tmp_path / "elsewhere")
    key = flight.keys.trusted()[0].text
    assert (made.events, made.unsealed, made.erased, made.size) == (40, 0, 0, 740)
    code, said = check(folder, "--key", key)
    assert code == 0, said
    assert "events:     40, all as they were sealed" in said
    assert said.endswith("HOLDS\n")
    assert check(folder)[0] == 0


def test_the_same_evidence_is_the_same_bytes(flight: Flight) -> None:
    flown(flight)
    assert bundle(flight)[1] == bundle(flight)[1]


def test_a_bundle_of_everything_and_of_one_event_hold_too(flight: Flight, tmp_path: Path) -> None:
    flown(flight)
    for name, wanted in (
        ("all", EventFilter(since=0)),
        ("one", EventFilter(run_id="wanted", since=START + 5039 * 10**9)),
    ):
        made, data = bundle(flight, wanted)
        assert made.events == (740 if name == "all" else 1)
        assert check(unpacked(data, tmp_path / name))[0] == 0


def test_any_change_of_any_file_shows(flight: Flight, tmp_path: Path) -> None:
    folder = unpacked(bundle(flown(flight))[1], tmp_path / "bundle")
    chance = random.Random(3)
    for name in ("events.jsonl", "proof.json", "checkpoint", "keys.txt", "report.md"):
        path = folder / name
        whole = path.read_bytes()
        for _ in range(3):
            changed = bytearray(whole)
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(7)
            path.write_bytes(changed)
            code, said = check(folder)
            assert code == 1, f"{name}: {said}"
            assert "DOES NOT HOLD" in said
        path.write_bytes(whole)
    assert check(folder)[0] == 0


@pytest.mark.parametrize("edit", ["payload", "envelope", "dropped", "twice", "salt", "leaf"])
def test_a_forger_who_also_mends_the_manifest_is_found(flight: Flight, tmp_path: Path, edit: str) -> None:
    import hashlib

    folder = unpacked(bundle(flown(flight))[1], tmp_path / "bundle")
    path = folder / "events.jsonl"
    lines = path.read_text("utf-8").split("\n")[:-1]
    manifest = json.loads((folder / "manifest.json").read_text())
    if edit == "payload":
        lines[7] = lines[7].replace('"number":7', '"number":8')
    elif edit == "envelope":
        lines[7] = lines[7].replace('"level":"info"', '"level":"warn"')
    elif edit == "dropped":
        del lines[7]
        manifest["events"] -= 1
    elif edit == "twice":
        lines[8] = lines[7]
    elif edit == "salt":
        lines[7] = lines[7].replace(json.loads(lines[7])["salt"], "00" * 16)
    else:
        lines[7] = lines[7].replace("flightlog-leaf/1", "flightlog-leaf/9")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    manifest["files"]["events.jsonl"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, said = check(folder)
    assert code == 1, said


def test_another_log_s_bundle_does_not_hold_under_our_key(flight: Flight, tmp_path: Path) -> None:
    other = Flight(tmp_path / "other", seed=8)
    data = bundle(flown(other))[1]
    other.store.close()
    flown(flight)
    code, said = check(unpacked(data, tmp_path / "bundle"), "--key", flight.keys.trusted()[0].text)
    assert code == 1
    assert "is not signed by the key" in said


def test_keys_that_were_handed_over_are_followed(flight: Flight, tmp_path: Path) -> None:
    first = flight.keys
    first.begin(START)
    flown(flight)
    flight.keys.rotate(flight.clock.now_ns())
    flight.keys.rotate(flight.clock.now_ns())
    flight.record(10, first=20_000)
    flight.seal()
    folder = unpacked(bundle(flight)[1], tmp_path / "bundle")
    for key in flight.keys.trusted():
        assert check(folder, "--key", key.text)[0] == 0
    (folder / "keys/003.note").write_text((folder / "keys/002.note").read_text())
    assert check(folder, "--key", flight.keys.trusted()[0].text)[0] == 1


def test_every_event_s_own_proof_is_what_rfc_6962_asks_for(flight: Flight, tmp_path: Path) -> None:
    folder = unpacked(bundle(flown(flight))[1], tmp_path / "bundle")
    for line in (folder / "events.jsonl").read_text("utf-8").split("\n")[:-1]:
        leaf = json.loads(line)["leaf"].encode()
        number = read_leaf(leaf).id
        head, _, note = (folder / f"proofs/{number}.tlog-proof").read_text("utf-8").partition("\n\n")
        version, index, *hashes = head.split("\n")
        checkpoint = Checkpoint.parse(open_note(note, flight.keys.trusted())[0])
        assert (version, index) == ("c2sp.org/tlog-proof@v1", f"index {number - 1}")
        proof = [base64.b64decode(hash_) for hash_ in hashes]
        assert root_from_inclusion(number - 1, checkpoint.size, leaf_hash(leaf), proof) == checkpoint.root


def test_what_is_not_sealed_yet_is_counted_and_left_out(flight: Flight) -> None:
    flown(flight)
    flight.journal.append([event(9000 + number, run_id="wanted") for number in range(3)])
    assert bundle(flight)[0].unsealed == 3
    with pytest.raises(EvidenceMissing, match="no event that matches"):
        bundle(flight, EventFilter(run_id="nobody"))


def test_without_a_seal_there_is_no_evidence(flight: Flight) -> None:
    flight.record(3)
    with pytest.raises(EvidenceMissing, match="nothing is sealed yet"):
        bundle(flight)


def test_the_report_says_what_was_degraded_and_escapes_what_it_is_told(flight: Flight, tmp_path: Path) -> None:
    flight.journal.append([event(1, "degraded", run_id="wanted", payload={"reason": "gap"})])
    flight.seal()
    out = io.BytesIO()
    write_bundle(flight.store, flight.seal_folder, flight.keys, RUN, out, subject="run <script>", now_ns=START)
    folder = unpacked(out.getvalue(), tmp_path / "bundle")
    assert "run &lt;script&gt;" in (folder / "report.html").read_text()
    assert "<script>" not in (folder / "report.html").read_text()
    assert "1 events of the type degraded" in (folder / "report.md").read_text()
