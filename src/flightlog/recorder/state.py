"""The state file of a producer: locked while it lives, and holding the losses that it has not reported yet.

It is written in full when it is made, so that counting losses needs no free space on a full disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from zlib import crc32

import msgspec

from flightlog.recorder.health import Loss
from flightlog.recorder.segment import STATE_SUFFIX

STATE_BYTES = 16 * 1024
_HEAD = struct.Struct("<4sII")
_MARK = b"FLS1"


class ProducerState(msgspec.Struct):
    """What a producer leaves behind for whoever drains its segments after it died."""

    producer_id: str
    pid: int
    seq: int
    losses: list[Loss]


class StateFile:
    """The producer's end."""

    def __init__(self, folder: Path, producer_id: str) -> None:
        """Make the file and lock it. Raises OSError and leaves nothing behind when that is not possible."""
        self.producer_id = producer_id
        path = folder / f"{producer_id}{STATE_SUFFIX}"
        unborn = path.with_suffix(".unborn")
        self.fd = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Locked before it has its name: whoever drains must never see the state of a living producer unlocked.
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if os.pwrite(self.fd, bytes(STATE_BYTES), 0) != STATE_BYTES:
                raise OSError(errno.ENOSPC, "no space left on device")
            self.save(0, [])
            os.rename(unborn, path)
        except OSError:
            os.close(self.fd)
            unborn.unlink(missing_ok=True)
            raise

    def save(self, seq: int, losses: list[Loss]) -> None:
        """Write down what is lost and not reported. Never raises: the tally in memory stays right whatever happens here."""
        body = msgspec.json.encode(ProducerState(self.producer_id, os.getpid(), seq, losses))
        if len(body) > STATE_BYTES - _HEAD.size:
            return
        try:
            os.pwrite(self.fd, _HEAD.pack(_MARK, len(body), crc32(body)) + body, 0)
        except OSError:
            pass  # only a crash before the next event would lose the count

    def is_unlinked(self) -> bool:
        """Whether somebody removed the file."""
        return is_unlinked(self.fd)

    def close(self) -> None:
        """Let go of the lock: this producer is done."""
        os.close(self.fd)


def is_unlinked(fd: int) -> bool:
    """Whether an open file has no name any more."""
    return os.fstat(fd).st_nlink == 0


def look_at_producer(folder: Path, producer_id: str) -> tuple[bool, ProducerState | None]:
    """Whether the producer still lives and, when it does not, what its state file says (None: nothing readable)."""
    try:
        fd = os.open(folder / f"{producer_id}{STATE_SUFFIX}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False, _read(fd)
    except OSError:
        return True, None
    finally:
        os.close(fd)


def _read(fd: int) -> ProducerState | None:
    data = os.pread(fd, STATE_BYTES, 0)
    if len(data) < _HEAD.size:
        return None
    mark, length, crc = _HEAD.unpack_from(data)
    body = data[_HEAD.size : _HEAD.size + length]
    if mark != _MARK or len(body) != length or crc32(body) != crc:
        return None
    try:
        return msgspec.json.decode(body, type=ProducerState)
    except msgspec.DecodeError:
        return None
