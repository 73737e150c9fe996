"""Keys: made once, private, handed over, and never believed without the signature of the one before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flightlog.errors import NoteInvalid
from flightlog.seal.keys import Keys
from flightlog.seal.note import Signer, open_note, sign

SECOND = 1_000_000_000
NOW = 1_772_442_847 * SECOND


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "seal", overlap_seconds=60)
    made.begin(NOW)
    return made


def test_the_first_start_makes_a_name_and_a_key_and_the_second_keeps_them(keys: Keys) -> None:
    before = keys.all()
    keys.begin(NOW + SECOND)
    assert keys.all()[0].verifier == before[0].verifier
    assert keys.origin.startswith("flightlog.local/")
    assert before[0].verifier.name == keys.origin


def test_only_its_owner_can_read_a_private_key(keys: Keys) -> None:
    assert (keys.folder / "keys/001.key").stat().st_mode & 0o777 == 0o600


def test_both_keys_sign_during_the_overlap_and_the_old_one_is_gone_after_it(keys: Keys) -> None:
    keys.rotate(NOW + SECOND)
    first, second = (key.verifier for key in keys.all())
    note = sign("text\n", keys.signing(NOW + 30 * SECOND))
    assert open_note(note, [first])[1] == open_note(note, [first])[1] == [first]
    assert open_note(note, [second])[1] == [second]
    later = sign("text\n", keys.signing(NOW + 62 * SECOND))
    assert open_note(later, [second])[1] == [second]
    with pytest.raises(NoteInvalid):
        open_note(later, [first])
    assert not (keys.folder / "keys/001.key").exists()


def test_who_trusts_the_first_key_comes_to_trust_the_newest(keys: Keys) -> None:
    for turn in range(3):
        keys.rotate(NOW + turn * SECOND)
    everyone = [key.verifier for key in keys.all()]
    assert keys.trusted() == everyone
    assert keys.trusted(everyone[2]) == everyone[2:]


def test_a_key_that_nobody_handed_over_to_is_not_believed(keys: Keys) -> None:
    keys.rotate(NOW)
    note = keys.folder / "keys/002.note"
    said = note.read_text()
    note.unlink()
    with pytest.raises(NoteInvalid, match="was not signed"):
        keys.trusted()
    stranger = Signer(keys.origin, os.urandom(32))
    note.write_text(sign(said.split("\n\n")[0] + "\n", [stranger]))
    with pytest.raises(NoteInvalid, match="none of the trusted keys"):
        keys.trusted()
    note.write_text(said)
    (keys.folder / "keys/002.pub").write_text(f"{stranger.verifier.text}\n2026-03-02T09:14:07.000000000Z\n")
    (keys.folder / "keys/002.key").unlink()
    with pytest.raises(NoteInvalid, match="names another key"):
        keys.trusted()


def test_a_key_of_another_log_is_no_beginning(keys: Keys) -> None:
    with pytest.raises(NoteInvalid, match="no key of this log"):
        keys.trusted(Signer("elsewhere", os.urandom(32)).verifier)


def test_a_key_whose_parts_do_not_belong_together_is_refused(keys: Keys) -> None:
    (keys.folder / "keys/001.key").write_text("A" * 43 + "=\n")
    with pytest.raises(NoteInvalid, match="do not belong together"):
        keys.all()


def test_nobody_signs_without_the_private_part(keys: Keys) -> None:
    (keys.folder / "keys/001.key").unlink()
    assert keys.signing(NOW) == []
    with pytest.raises(NoteInvalid, match="private part"):
        keys.rotate(NOW)
