"""Where an event is safe first: an append to a file of this process, so that the bytes are in the kernel when it returns.

One producer (a recorder in one process) owns one state file and a row of segments in the spool folder:

    <producer>.state            locked while the producer lives; holds the losses it has not reported yet
    <producer>.00000001.seg     records (see segment.py); the last one is being written, the others are closed

Whoever drains the folder marks a segment as delivered before it unlinks it. A segment that vanished without that mark was
lost to somebody else, and is written again from the descriptor that the producer still holds.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from flightlog.clock import NS_PER_SECOND, Clock
from flightlog.config import Settings
from flightlog.recorder import segment
from flightlog.recorder.health import DROPPING, LEVEL_NUMBERS, OK, RUNGS, SHED_DEBUG, SHED_INFO, Loss, Tally, rung_for
from flightlog.recorder.room import look
from flightlog.recorder.segment import HEAD_BYTES, MARK, PRIME
from flightlog.recorder.state import StateFile, is_unlinked

# Losses become events at most this often, so that a long outage makes a handful of them.
REPORT_SECONDS = 1.0
# How often a folder that could not be opened is tried again, and the room on the disk is measured while it is short.
RETRY_SECONDS = 0.05

_pack = segment.HEAD.pack


class _Closed(NamedTuple):
    fd: int
    path: Path
    size: int


# Makes the events that report losses: takes them and the next free seq, gives (seq, body) pairs.
Report = Callable[[list[Loss], int], list[tuple[int, bytes]]]


class SpoolWriter:
    """The appending end of the spool. Any thread may call it; nothing here raises OSError to the caller."""

    def __init__(
        self,
        folder: Path,
        producer_id: str,
        settings: Settings,
        clock: Clock,
        report: Report,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.producer_id = producer_id
        self.recorded = 0
        self.seq = 0
        self.rung = OK
        self.trouble: str | None = None
        self._settings = settings
        self._clock = clock
        self._report = report
        self._on_open = on_open
        self._segment_bytes_max = settings.spool_segment_bytes_max
        self._wait_seconds = settings.spool_wait_ms_max / 1000
        self._stalled = False
        self._lock = threading.Lock()
        self._tally_lock = threading.Lock()
        self.tally = Tally()
        self._number = 0
        self._forget_files()

    def _forget_files(self) -> None:
        self._smooth = False  # a segment is open, no level is shed, nothing is wrong and no loss waits to be reported
        self._fd = -1
        self._state: StateFile | None = None
        self._path = self.folder
        self._size = 0
        self._closed: list[_Closed] = []
        self.bytes_used = 0  # of all producers in the folder, when it was last measured
        self.bytes_room = 0  # what may still be spooled, likewise
        self._attention = 0  # the room at which the next rung begins
        self._measured_ns = -NS_PER_SECOND
        self._tried_ns = -NS_PER_SECOND
        self._reported_ns = -NS_PER_SECOND
        self._level_floor = 0

    # ── appending ────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, body: bytes, level: str, run_id: str | None, now_ns: int) -> bool:
        """Append one event. True when its bytes are in the kernel; False when it was dropped, which is then counted."""
        lock = self._lock
        if not lock.acquire(False) and (self._stalled or not lock.acquire(True, self._wait_seconds)):
            # A thread hangs in its write. Whoever comes while it does goes on without waiting again.
            self._stalled = True
            self.lose("spool_stalled", run_id, now_ns)
            return False
        self._stalled = False
        try:
            if not self._smooth:
                return self._append_with_care(body, level, run_id, now_ns)
            seq = self.seq + 1
            length = len(body)
            record = _pack(MARK, length, crc32(body, seq % PRIME + length), seq) + body
            size = length + HEAD_BYTES
            if self.bytes_room - size < self._attention:
                return self._append_with_care(body, level, run_id, now_ns)
            # The same as self._write, without the call: this is the line that every event goes through.
            try:
                written = os.write(self._fd, record)
            except OSError as error:
                self._failed(error)
                return self._drop(run_id, now_ns)
            if written != size:
                self._take_back(written)
                return self._drop(run_id, now_ns)
            self.seq = seq
            self.recorded += 1
            self.bytes_room -= size
            self._size += size
            if self._size >= self._segment_bytes_max:
                self._cut()
            return True
        finally:
            lock.release()

    def _append_with_care(self, body: bytes, level: str, run_id: str | None, now_ns: int) -> bool:
        """The way of an event when anything is out of the ordinary: a new segment, a short disk, losses to report."""
        if self._level_floor and LEVEL_NUMBERS.get(level, 1) < self._level_floor:
            return self._drop(run_id, now_ns, self._shed_reason())
        if self._fd < 0 and not self._open():
            return self._drop(run_id, now_ns)
        # What was lost goes into the stream before what comes next.
        losses, seq = self._loss_records() if self.tally.open else (b"", self.seq)
        records = losses + segment.frame(seq + 1, body)
        if self.bytes_room - len(records) < self._attention and not self._measure(len(records)):
            return self._drop(run_id, now_ns)
        if not self._write(records):
            return self._drop(run_id, now_ns)
        self.seq = seq + 1
        self.recorded += 1
        if losses:
            self._losses_reported()
        self._smooth = not self._level_floor and not self.tally.open
        if self._size >= self._segment_bytes_max:
            self._cut()
        return True

    def _loss_records(self, *, now_please: bool = False) -> tuple[bytes, int]:
        """The records that report what was lost, or none when the last report is too recent; and the seq after them."""
        now = self._clock.monotonic_ns()
        if not now_please and now - self._reported_ns < REPORT_SECONDS * NS_PER_SECOND:
            return b"", self.seq
        with self._tally_lock:
            losses = self.tally.losses()
        pairs = self._report(losses, self.seq + 1)
        seq = pairs[-1][0] if pairs else self.seq
        return b"".join(segment.frame(number, body) for number, body in pairs), seq

    def _losses_reported(self) -> None:
        with self._tally_lock:
            self.tally.reported()
        self._reported_ns = self._clock.monotonic_ns()
        self._save_state()

    def lose(self, reason: str, run_id: str | None, now_ns: int) -> None:
        """Count an event that never became bytes."""
        with self._tally_lock:
            self.tally.add(reason, run_id, now_ns)
        self._smooth = False

    def _drop(self, run_id: str | None, now_ns: int, reason: str | None = None) -> bool:
        self.lose(reason or self.trouble or "spool_full", run_id, now_ns)
        self._save_state()
        return False

    def _shed_reason(self) -> str:
        if self.rung == DROPPING:
            return self.trouble or "spool_full"
        return "shed_debug" if self._level_floor == 1 else "shed_info"

    def _write(self, data: bytes) -> bool:
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._failed(error)
            return False
        if written != len(data):
            self._take_back(written)
            return False
        if self.trouble is not None:
            self.trouble = None
            self._measured_ns = -NS_PER_SECOND
        self._size += written
        self.bytes_room -= written
        return True

    def _take_back(self, written: int) -> None:
        """The disk became full in the middle of a record: remove the torn part, so that what follows is readable at once."""
        if written < 0:
            return
        try:
            os.ftruncate(self._fd, max(os.fstat(self._fd).st_size - written, 0))
        except OSError:
            pass
        self._failed(OSError(errno.ENOSPC, "no space left on device"))

    def _failed(self, error: OSError) -> None:
        self.trouble = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "spool_unwritable"
        self.rung = DROPPING
        self._smooth = False

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> bool:
        """Start the next segment. False when the folder can't be written; tried again after a moment."""
        now = self._clock.monotonic_ns()
        if now - self._tried_ns < RETRY_SECONDS * NS_PER_SECOND:
            return False
        self._tried_ns = now
        fd = -1
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._state is None:
                self._state = StateFile(self.folder, self.producer_id)
                self._save_state()
            self._number += 1
            path = self.folder / f"{self.producer_id}.{self._number:08d}{segment.SUFFIX}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if os.write(fd, segment.HEADER) != len(segment.HEADER):
                raise OSError(errno.ENOSPC, "no space left on device")
        except OSError as error:
            self._failed(error)
            if fd >= 0:
                os.close(fd)
                _unlink(path)
            return False
        self._fd, self._path, self._size = fd, path, len(segment.HEADER)
        self._tried_ns = -NS_PER_SECOND
        self._on_open()
        return True

    def _save_state(self) -> None:
        if self._state is not None:
            with self._tally_lock:
                losses = self.tally.losses()
            self._state.save(self.seq, losses)

    def _cut(self) -> None:
        """Close the segment that is being written; the next event starts another."""
        if self._fd < 0:
            return
        try:
            os.write(self._fd, segment.frame(self.seq, b""))
        except OSError:
            pass  # whoever drains takes it for closed once a later segment exists or this process is gone
        self._closed.append(_Closed(self._fd, self._path, self._size))
        self._fd = -1
        self._smooth = False
        self._tried_ns = -NS_PER_SECOND

    def _measure(self, needed: int = 0) -> bool:
        """Look how much of the disk is left for the spool, at most every RETRY_SECONDS. True when `needed` bytes fit."""
        now = self._clock.monotonic_ns()
        if now - self._measured_ns >= RETRY_SECONDS * NS_PER_SECOND:
            self._measured_ns = now
            try:
                used, capacity = look(self.folder, self._settings)
            except OSError as error:
                self._failed(error)
                self.bytes_room = 0
                return False
            self.bytes_used = used
            self.bytes_room = max(capacity - used, 0)
            self._step_to(rung_for(used / capacity if capacity else 1.0, True), capacity)
            if self.bytes_room == 0 and used < self._settings.spool_bytes_max:
                self.trouble = "disk_full"
        if self.bytes_room >= needed:
            return True
        self._step_to(DROPPING, 0)
        return False

    def _step_to(self, rung: int, capacity: int) -> None:
        self.rung = rung
        # While dropping, an event of any level is still tried, since whether it fits is known only then.
        self._level_floor = RUNGS[min(rung, SHED_INFO)].level_floor
        further = RUNGS[SHED_DEBUG if rung < SHED_DEBUG else min(rung + 1, DROPPING)].fill_min
        self._attention = int(capacity * (1.0 - further))
        self._smooth = self._smooth and not self._level_floor

    # ── upkeep, by a thread of the recorder ──────────────────────────────────────────────────────────────────────

    def tend(self) -> None:
        """Look after the files: let go of what was delivered, write again what somebody deleted, report losses."""
        with self._lock:
            self._release_delivered()
            if self._fd >= 0 and is_unlinked(self._fd):
                self._cut()
            self._salvage_unlinked()
            if self._fd >= 0 or self._closed or self.tally:
                self._measured_ns = -NS_PER_SECOND
                self._measure()
            if self._fd < 0 and self.tally:
                self._open()
            self._report_now()

    def _report_now(self) -> None:
        if self._fd < 0 or not self.tally:
            return
        records, seq = self._loss_records(now_please=self.trouble is None and self.rung == OK)
        if records and self.bytes_room >= len(records) and self._write(records):
            self.seq = seq
            self._losses_reported()

    def _release_delivered(self) -> None:
        kept = []
        for closed in self._closed:
            if os.pread(closed.fd, 1, segment.STATE_OFFSET) == segment.DELIVERED:
                os.close(closed.fd)
            else:
                kept.append(closed)
        self._closed = kept

    def _salvage_unlinked(self) -> None:
        """Write the records of deleted segments again. Those that were delivered already are recognised by their id."""
        lost = [closed for closed in self._closed if is_unlinked(closed.fd)]
        if not lost:
            return
        if self._state is not None and self._state.is_unlinked():
            self._state.close()
            self._state = None
        for closed in lost:
            if self._fd < 0 and not self._open():
                return
            data = os.pread(closed.fd, closed.size - len(segment.HEADER), len(segment.HEADER))
            if data and not self._write(data):
                return
            os.close(closed.fd)
            self._closed.remove(closed)

    def cut(self) -> None:
        """Close the segment being written if anything is in it, so that it can be delivered to its end and removed."""
        with self._lock:
            if self._fd >= 0 and self._size > len(segment.HEADER):
                self._cut()

    def delivered(self) -> bool:
        """True when every event that was appended before the last `cut` is in the store."""
        with self._lock:
            self._release_delivered()
            return not self._closed and (self._fd < 0 or self._size <= len(segment.HEADER))

    def close(self) -> None:
        """Stop writing. What is not delivered stays on the disk for whoever drains the folder next."""
        with self._lock:
            if self._fd >= 0 and self.tally:
                records, seq = self._loss_records(now_please=True)
                if self._write(records):
                    self.seq = seq
                    self._losses_reported()
            self._cut()
            for closed in self._closed:
                os.close(closed.fd)
            if self._state is not None:
                self._state.close()
            self._forget_files()

    def after_fork_in_child(self, producer_id: str) -> None:
        """Become a producer of its own. The parent's files, locks and losses are the parent's."""
        self._lock = threading.Lock()
        self._tally_lock = threading.Lock()
        for fd in [self._fd, *(closed.fd for closed in self._closed)]:
            if fd >= 0:
                os.close(fd)
        if self._state is not None:
            self._state.close()
        self.tally = Tally()
        self.producer_id = producer_id
        self.seq = 0
        self.recorded = 0
        self.rung = OK
        self.trouble = None
        self._stalled = False
        self._number = 0
        self._forget_files()


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass
