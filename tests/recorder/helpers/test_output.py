"""Bounded output: what is kept, where it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.recorder.helpers.output import Captured, whole_lines_after, whole_lines_before
from flightlog.testing import MemoryRecorder


def captured(data: bytes, limit: int, piece: int = 7) -> Captured:
    found = Captured(limit)
    for at in range(0, len(data), piece):
        found.feed(data[at : at + piece])
    return found


@given(data=st.binary(max_size=400), limit=st.integers(0, 120), ask=st.integers(0, 150), piece=st.integers(1, 50))
def test_short_output_is_whole_and_long_output_keeps_true_ends(data, limit, ask, piece):
    ends = captured(data, limit, piece).ends(ask)
    bound = min(limit, ask)
    assert ends.bytes == len(data)
    assert ends.truncated == (len(data) > 2 * bound)
    if not ends.truncated:
        assert (ends.head, ends.tail) == (data.decode("utf-8", "replace"), "")
        assert ends.text == ends.head
    elif data.isascii():
        assert data.decode().startswith(ends.head)
        assert data.decode().endswith(ends.tail)
        assert len(ends.head) <= bound
        assert len(ends.tail) <= bound


@given(text=st.text(alphabet="aé😀\n ", max_size=300), limit=st.integers(0, 60))
def test_no_character_is_cut_in_half(text, limit):
    ends = captured(text.encode(), limit).ends(limit)
    assert "�" not in ends.head + ends.tail


def test_memory_is_bounded_by_the_limit_however_much_comes():
    found = Captured(1000)
    for _ in range(10_000):
        found.feed(b"x" * 999 + b"\n")
    assert len(found._head) + len(found._tail) <= 3000 + 1000
    assert found.bytes == 10_000_000


@pytest.mark.parametrize("where", range(0, 160, 3))
def test_a_secret_that_the_cut_would_go_through_is_not_kept_in_half(where):
    """Wherever the kept ends stop, no recognisable piece of the token is left in the recorded event."""
    token = "ghp_" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z0Q7e"
    noise = [f"line {number} of the log" for number in range(60)]
    before = "\n".join(noise)[:where]
    text = f"{before}\nexport TOKEN={token}\n" + "\n".join(noise)
    rec = MemoryRecorder(settings=Settings(exec_output_bytes_max=120))
    with rec.run("r") as run:
        run.exec(["cat"], input=text)
        run.exec(["cat"], input=text[::-1].replace(token[::-1], token))
    stored = b"".join(rec.memory.bodies).decode()
    for at in range(len(token) - 8):
        assert token[at : at + 8] not in stored


def test_a_cut_never_leaves_half_a_private_key():
    begin, end = b"-----BEGIN RSA PRIVATE KEY-----\n", b"-----END RSA PRIVATE KEY-----\n"
    assert whole_lines_before(b"one\ntwo\nthree\n" + begin + b"MIIE\nAAAA\nBBB") == b"one\ntwo\nthree\n"
    assert whole_lines_after(b"AA\nBBBB\n" + end + b"one\ntwo\n") == b"one\ntwo\n"
    assert whole_lines_before(b"x\n" + begin + b"MIIE\n" + end + b"y\nz") == b"x\n" + begin + b"MIIE\n" + end + b"y\n"


def test_in_one_very_long_line_the_cut_falls_between_words():
    line = b"first second third"
    assert whole_lines_before(line) == b"first second "
    # The first whole word might be the value of a key that was cut off.
    assert whole_lines_after(line) == b"third"
    assert whole_lines_before(b"x" * 50) == b""
    assert whole_lines_after(b"x" * 50) == b""
