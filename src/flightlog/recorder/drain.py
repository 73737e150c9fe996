"""From the spool into a sink: every producer's segments, in order, exactly once, with every gap said aloud."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from flightlog.config import Settings
from flightlog.errors import FlightlogError, ServerExtraMissing, ServerUnavailable, StoreGone, WriterLocked
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.recorder import segment
from flightlog.recorder.health import Draining, Loss
from flightlog.recorder.losses import degraded, degraded_for, explains, keep_aside
from flightlog.recorder.room import folder_bytes
from flightlog.recorder.sinks import Sink
from flightlog.recorder.state import ProducerState, look_at_producer

log = logging.getLogger("flightlog.drain")

LOCK_RETRY_SECONDS = 0.5
# Inside a host's process batches are small: every emit gives Python's lock away for its write, and gets it back only when
# the drain comes to the end of what it is doing.
HOST_BATCH_EVENTS = 100
# A host that records faster than its drain may deliver gets a faster drain once its spool is so full.
HEAVY_SHARE, WEIGH_SECONDS = 1 / 16, 0.5
BATCH_BYTES_EACH = 4096  # no use in reading much more than a batch will hold
STORE_RETRY_SECONDS, STORE_RETRY_SECONDS_MAX = 0.1, 2.0


# What a forked child got from its parent and must neither use nor take down: the parent's open database above all.
_inherited: list[Sink | None] = []


class _Producer:
    """What the drain knows of one producer: where it stands in each segment, and the last seq it saw."""

    def __init__(self, producer_id: str) -> None:
        self.id = producer_id
        self.last_seq: int | None = None
        self.reported_seq = 0  # seq of the producer's own last report of losses
        self.offsets: dict[str, int] = {}


class Drain:
    """Empties one spool folder into one sink, from a thread of its own or step by step with `drain_once`.

    `open_sink` raises WriterLocked while another process drains; then this one waits for its turn. `share_max` bounds the
    part of one core's time that is taken while nobody is waiting (see `hurry`); a process whose only job is to drain gives 1.
    When `gives_way` says so, the sink is let go for another process to take.
    """

    def __init__(
        self,
        spool: Path,
        open_sink: Callable[[], Sink],
        settings: Settings,
        share_max: float = 1.0,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        self.spool = spool
        self.state: Draining = "nobody"
        self.error: str | None = None
        self.drained = 0
        self._open_sink = open_sink
        self._gives_way = gives_way
        self._settings = settings
        self._share_max = min(max(share_max, 0.01), 1.0)
        self._producers: dict[str, _Producer] = {}
        self._sink: Sink | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._hurry_until = 0.0
        self._weighed_at = 0.0
        self._is_heavy = False
        self._failures = 0
        self.progress = threading.Condition()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Drain in the background. Safe to call twice."""
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._loop, name="flightlog-drain", daemon=True)
            self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop after the batch under way and let go of the sink. Safe to call twice."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        if self._thread is None or not self._thread.is_alive():
            self._close_sink()

    def hurry(self, seconds: float) -> None:
        """Somebody is waiting: drain at full speed for so long."""
        self._hurry_until = max(self._hurry_until, time.monotonic() + seconds)
        self._wake.set()

    def _is_pressed(self) -> bool:
        """Whether to work at full speed: nobody else needs the time, somebody waits, or the spool is filling up."""
        now = time.monotonic()
        if self._share_max >= 1.0 or now < self._hurry_until:
            return True
        if now - self._weighed_at >= WEIGH_SECONDS:
            self._weighed_at = now
            try:
                self._is_heavy = folder_bytes(self.spool) > self._settings.spool_bytes_max * HEAVY_SHARE
            except OSError:
                self._is_heavy = False
        return self._is_heavy

    def _loop(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            wait = self._step()
            if wait is None:
                return
            if wait == 0.0 and not self._is_pressed():
                wait = (time.monotonic() - started) * (1.0 / self._share_max - 1.0)
            if wait > 0.0:
                self._wake.wait(wait)
            self._wake.clear()

    def _step(self) -> float | None:
        """One round; the seconds to wait before the next, or None when this process can never drain."""
        try:
            count = self.drain_once()
        except WriterLocked:
            self.state, self.error = "elsewhere", None
            return LOCK_RETRY_SECONDS
        except ServerExtraMissing:
            self.state = "nobody"
            return None
        except FlightlogError as error:
            self._set_error(str(error))
            if isinstance(error, StoreGone):
                self._close_sink()
            return self._backoff(error)
        except Exception as error:
            # Anything else is a fault of ours or of the machine; the events stay spooled, and it is said, not hidden.
            self._set_error(f"{type(error).__name__}: {error}")
            self._close_sink()
            return self._backoff(error)
        self._failures = 0
        self.error = None
        return 0.0 if count else self._settings.drain_poll_seconds

    def _backoff(self, error: Exception) -> float:
        """Seconds to the next attempt: doubling, and over a network with jitter, so that many senders do not come at once."""
        doubling = 2.0 ** min(self._failures, 16)
        self._failures += 1
        if isinstance(error, ServerUnavailable):
            most = min(self._settings.http_retry_seconds_base * doubling, self._settings.http_retry_seconds_max)
            return most * random.uniform(0.5, 1.0)
        return min(STORE_RETRY_SECONDS * doubling, STORE_RETRY_SECONDS_MAX)

    def _set_error(self, text: str) -> None:
        if self.error != text:
            log.warning("events stay in the spool: %s", text)
        self.error = text

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        self._producers.clear()
        self.state = "nobody"
        if sink is not None:
            sink.close()

    def after_fork_in_child(self) -> None:
        """The parent drains; a child starts with nothing open and takes its turn when it gets the lock."""
        _inherited.append(self._sink)
        self._sink = None
        self._thread = None
        self._producers = {}
        self._wake, self._stop = threading.Event(), threading.Event()
        self.progress = threading.Condition()
        self.state = "nobody"

    # ── one pass ─────────────────────────────────────────────────────────────────────────────────────────────────

    def drain_once(self) -> int:
        """Hand over what is in the spool now, at most one batch a segment; the number of events. Raises as the sink does."""
        if self._gives_way():
            self._close_sink()
            raise WriterLocked(pid="asking for it", folder=str(self.spool.parent))
        if self._sink is None:
            self._sink = self._open_sink()
            self._producers.clear()
        self.state = "here"
        count = 0
        for producer_id, names in sorted(self._list().items()):
            count += self._drain_producer(producer_id, sorted(names))
            if self._stop.is_set():
                break
        if count:
            self.drained += count
            with self.progress:
                self.progress.notify_all()
        return count

    def _list(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        try:
            with os.scandir(self.spool) as entries:
                for entry in entries:
                    name = entry.name
                    if name.endswith(segment.SUFFIX):
                        found.setdefault(name.split(".", 1)[0], []).append(name)
                    elif name.endswith(segment.STATE_SUFFIX):
                        found.setdefault(name.split(".", 1)[0], [])
        except FileNotFoundError:
            return {}
        for gone in self._producers.keys() - found.keys():
            del self._producers[gone]
        return found

    def _drain_producer(self, producer_id: str, names: list[str]) -> int:
        producer = self._producers.get(producer_id)
        if producer is None:
            producer = self._producers[producer_id] = _Producer(producer_id)
        # Asked before the files are read: what a dead producer wrote is all there when it is read afterwards.
        alive, state = look_at_producer(self.spool, producer_id)
        count = 0
        for place, name in enumerate(names):
            last = place == len(names) - 1
            drained, done = self._drain_segment(producer, name, writing=alive and last)
            count += drained
            if not done:
                return count
        if not alive:
            count += self._finish_producer(producer, state)
        return count

    def _drain_segment(self, producer: _Producer, name: str, *, writing: bool) -> tuple[int, bool]:
        """Hand over one batch of a segment. Gives how many events, and whether the segment is done with and removed."""
        assert self._sink is not None
        path = self.spool / name
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0, True
        try:
            offset = producer.offsets.get(name)
            if offset is None:
                offset = producer.offsets[name] = self._sink.position(name)
                if producer.last_seq is None and offset == 0 and _number(name) == 1:
                    producer.last_seq = 0
            size = os.fstat(fd).st_size
            if writing and size <= offset:
                return 0, False
            most = self._settings.drain_batch_events_max
            if not self._is_pressed():
                most = min(most, HOST_BATCH_EVENTS)
            chunk = segment.read_chunk(
                fd,
                offset,
                bytes_max=min(self._settings.drain_batch_bytes_max, most * BATCH_BYTES_EACH),
                records_max=most,
            )
            events = self._decode(producer, chunk)
            if chunk.closed_at is not None:
                events += self._missing(producer, chunk.closed_at + 1, events, bool(chunk.damages), size)
            if chunk.offset > offset:
                self._hand_over(events, name, chunk.offset)
                producer.offsets[name] = chunk.offset
            finished = chunk.closed_at is not None or (not writing and chunk.offset == offset)
            if finished:
                os.pwrite(fd, segment.DELIVERED, segment.STATE_OFFSET)
        finally:
            os.close(fd)
        if finished:
            self._remove(producer, name, path)
        return len(events), finished

    def _remove(self, producer: _Producer, name: str, path: Path) -> None:
        assert self._sink is not None
        path.unlink(missing_ok=True)
        self._sink.forget(name)
        producer.offsets.pop(name, None)
        with self.progress:
            self.progress.notify_all()

    def _hand_over(self, events: list[Event], name: str, offset: int) -> None:
        assert self._sink is not None
        rejected = self._sink.write(events, name, offset)
        if rejected:
            self._quarantine(name, [(events[index], error) for index, error in rejected])

    # ── what is missing ──────────────────────────────────────────────────────────────────────────────────────────

    def _decode(self, producer: _Producer, chunk: segment.Chunk) -> list[Event]:
        events: list[Event] = []
        damaged_before = {damage.before for damage in chunk.damages}
        for index, (seq, body) in enumerate(chunk.records):
            try:
                event = wire.decode(body)
            except msgspec.DecodeError as error:
                at = events[-1].created_at if events else 0
                events.append(degraded(producer.id, "undecodable", 1, seq, created_at=at, detail=str(error)))
                keep_aside(self.spool, producer.id, body)
                producer.last_seq = seq
                continue
            event.producer_id, event.seq = producer.id, seq
            expected = None if producer.last_seq is None else producer.last_seq + 1
            if event.type == "degraded" and event.source == "recorder":
                producer.reported_seq = seq
            if expected is not None and seq > expected and not explains(event, expected, seq):
                reason = "spool_corrupt" if index in damaged_before else "gap"
                events.append(degraded(producer.id, reason, seq - expected, expected, created_at=event.created_at))
            if producer.last_seq is None or seq > producer.last_seq:
                producer.last_seq = seq
            events.append(event)
        return events

    def _missing(self, producer: _Producer, until: int, events: list[Event], damaged: bool, size: int) -> list[Event]:
        """What a closed segment should have held at its end and does not."""
        if producer.last_seq is None or until <= producer.last_seq + 1:
            return []
        first, count = producer.last_seq + 1, until - producer.last_seq - 1
        producer.last_seq = until - 1
        at = events[-1].created_at if events else 0
        reason = "spool_corrupt" if damaged else "gap"
        return [
            degraded(
                producer.id, reason, count, first, created_at=at, detail=f"at the end of a segment of {size} bytes"
            )
        ]

    def _finish_producer(self, producer: _Producer, state: ProducerState | None) -> int:
        """A producer is gone and its segments are delivered: report the losses that it could not report itself."""
        assert self._sink is not None
        losses: list[Loss] = state.losses if state is not None and producer.reported_seq <= state.seq else []
        name = producer.id + segment.STATE_SUFFIX
        if losses:
            seq = max(producer.last_seq or 0, state.seq if state else 0) + 1
            self._hand_over(degraded_for(producer.id, losses, seq), name, 1)
        (self.spool / name).unlink(missing_ok=True)
        self._sink.forget(name)
        self._producers.pop(producer.id, None)
        return len(losses)

    # ── what the sink will never take ────────────────────────────────────────────────────────────────────────────

    def _quarantine(self, name: str, refused: list[tuple[Event, FlightlogError]]) -> None:
        """Keep refused events aside, already redacted as they are, and say so in the stream."""
        assert self._sink is not None
        notes = []
        for event, error in refused:
            keep_aside(self.spool, name.split(".", 1)[0], wire.encode(event))
            notes.append(
                degraded(
                    event.producer_id or "",
                    "rejected",
                    1,
                    event.seq or 0,
                    created_at=event.created_at,
                    run_id=event.run_id,
                    detail=str(error),
                )
            )
        self._sink.write(notes, name + ".rejected", 0)


def _number(name: str) -> int:
    part = name.split(".")[1]
    return int(part) if part.isdigit() else 0


def wait_for(predicate: Callable[[], bool], progress: threading.Condition | None, timeout: float) -> bool:
    """Wait until `predicate` holds, looking again at every sign of progress and every 10 ms."""
    deadline = time.monotonic() + timeout
    while not predicate():
        left = deadline - time.monotonic()
        if left <= 0:
            return predicate()
        if progress is None:
            time.sleep(min(0.01, left))
        else:
            with progress:
                progress.wait(min(0.01, left))
    return True
