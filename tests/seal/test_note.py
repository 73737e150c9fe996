"""Signed notes and checkpoints: what is believed, and what is not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.errors import NoteInvalid
from flightlog.seal.note import Checkpoint, Signer, Verifier, open_note, sign

# The key and the note that golang.org/x/mod/sumdb/note documents itself with.
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ANN = Signer("ann.example/log", bytes(range(32)))
BOB = Signer("bob.example/log", bytes(range(1, 33)))
TEXT = "ann.example/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_a_note_that_others_signed_is_read() -> None:
    text, signers = open_note(NOTE, [Verifier.parse(KEY)])
    assert text.startswith("If you think cryptography")
    assert [signer.name for signer in signers] == ["PeterNeumann"]
    assert Verifier.parse(KEY).text == KEY


def test_any_trusted_key_is_enough_and_others_are_stepped_over() -> None:
    note = sign(TEXT, [ANN, BOB])
    assert open_note(note, [BOB.verifier]) == (TEXT, [BOB.verifier])
    assert open_note(note, [BOB.verifier, ANN.verifier]) == (TEXT, [ANN.verifier, BOB.verifier])


@given(st.data())
def test_a_note_with_any_other_byte_is_not_believed(data: st.DataObject) -> None:
    note = sign(TEXT, [ANN])
    at = data.draw(st.integers(0, len(note) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda char: char != note[at]))
    forged = note[:at] + char + note[at + 1 :]
    try:
        text, _ = open_note(forged, [ANN.verifier])
    except NoteInvalid:
        return
    # Unused bits of the last base64 digit say nothing; they are the only thing that may differ.
    assert text == TEXT
    assert base64.b64decode(forged.split()[-1]) == base64.b64decode(note.split()[-1])


@pytest.mark.parametrize(
    "note",
    ["", "\n", TEXT, TEXT + "\n", TEXT + "\nno signature\n", TEXT + "\n— ann.example/log x\n", sign(TEXT, [BOB]),
     sign(TEXT, [ANN])[:-1], "bell\a\n" + sign(TEXT, [ANN])],
)  # fmt: skip
def test_what_is_no_note_or_is_signed_by_nobody_we_trust_is_refused(note: str) -> None:
    with pytest.raises(NoteInvalid):
        open_note(note, [ANN.verifier])


@pytest.mark.parametrize(
    "key", ["", "name", "name+12345678+AAAA", KEY.replace("c74f", "c74e"), KEY.replace("Peter", "Pe ter")]
)
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(NoteInvalid):
        Verifier.parse(key)


def test_a_checkpoint_is_three_lines() -> None:
    made = Checkpoint.parse(TEXT)
    assert (made.origin, made.size, made.text) == ("ann.example/log", 7, TEXT)


@pytest.mark.parametrize("text", ["", "a\n", "a\n7\n", "a\n07\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n7\nAAAA\n",
                                  "\n7\n" + "A" * 43 + "=\n", "a\n7\n" + "A" * 43 + "="])  # fmt: skip
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid, match="no checkpoint"):
        Checkpoint.parse(text)


def test_control_characters_are_not_signed() -> None:
    for text in ("no newline", "bell\a\n"):
        with pytest.raises(NoteInvalid):
            sign(text, [ANN])
    for name in ("", "with space", "with+plus"):
        with pytest.raises(NoteInvalid):
            Signer(name, bytes(32))
