"""Large requests read in a process of their own, while this one stores what was read of them before.

Python runs one thread of a process at a time, and reading takes half of what a span costs. The other process has no store, and no
secrets but the key of redaction marks. It is asked and answers by pipes, a message at a time, each with its length in four bytes
before it: an Order, then for each request a Request and its body; back come a Hello, and for each request Answers, of which the
last says so.

It is begun when the first large request comes, which is read here meanwhile. When it ends, by whatever cause, the request that it
was at is refused for now, and another is begun.
"""

from __future__ import annotations

import logging
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from flightlog import errors
from flightlog.config import Settings
from flightlog.errors import FlightlogError, ReaderLost
from flightlog.ingest.otlp.decoded import Decoded
from flightlog.ingest.otlp.pipes import read_message, widen, write_message
from flightlog.ingest.otlp.reading import SIGNALS, Batch, Encoding, Refused, SignalName
from flightlog.journal.ready import Preparation
from flightlog.version import __version__

log = logging.getLogger("flightlog.otlp")

BODY_BYTES_MIN = 64 * 1024  # what is smaller is read sooner than it is handed over
BODY_BYTES_MAX = 8 * 1024 * 1024  # what is larger would leave a process behind that is as large
RECORDS_MAX = 128  # in one answer: it is stored while the next are read
LEAD_RECORDS = 64  # of a sender that is alone, read by the server itself meanwhile
TOGETHER_MAX = 8  # answers that are stored at once
ANSWER_SECONDS_MAX = 60.0
START_SECONDS_MAX = 30.0
RETRY_SECONDS = 10.0  # after a process that did not begin


class Order(msgspec.Struct, array_like=True):
    """What the process is to go by."""

    settings: Settings
    digest_key: bytes


class Hello(msgspec.Struct, array_like=True):
    """It is ready; another version would pack otherwise."""

    version: str


class Request(msgspec.Struct, array_like=True):
    """A request, whose body follows."""

    signal: SignalName
    encoding: Encoding
    project: str | None
    records_max: int
    lead: int  # so many of its records are read by the server


class Answer(msgspec.Struct, array_like=True):
    """Events of a request, packed. The last has none, but what was refused in all, or the error that the request as a whole is."""

    events: bytes
    owners: list[int]
    records: int
    described: dict[str, int]
    is_last: bool = False
    refused: int = 0
    reasons: list[str] = []
    error: str | None = None
    facts: dict[str, str] = {}


_encode = msgspec.msgpack.Encoder().encode
_hello = msgspec.msgpack.Decoder(Hello).decode
_answer = msgspec.msgpack.Decoder(Answer).decode


class NotThere(Exception):
    """There is no such process just now: the request is to be read here."""


class Apart:
    """The other process. Any thread may use it; requests are read one after the other.

    `command` begins a process that does what `apartwork.work` does.
    """

    def __init__(self, command: Sequence[str], settings: Settings, digest_key: bytes, preparation: Preparation) -> None:
        self._command = list(command)
        self._order = _encode(Order(settings, digest_key))
        self._preparation = preparation
        self._guard = threading.Lock()  # of what follows
        self._reader: _Reader | None = None
        self._begun = threading.Event()
        self._is_starting = False
        self._closed = False
        self._retry_at = 0.0

    def batches(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        project: str | None,
        refused: Refused,
        here: Callable[[Iterator[Decoded[Any]]], Iterator[Batch]] | None = None,
    ) -> Iterator[Batch]:
        """The events of a request, batch by batch; then what was refused is in `refused`. The next are read meanwhile.

        With `here`, which reads too, the first piece is read by it while the other process reads the rest: a sender that is alone
        waits less. Raises NotThere before anything else, BodyInvalid and its like, and ReaderLost.
        """
        reader = self._there() if BODY_BYTES_MIN <= len(body) <= BODY_BYTES_MAX else None
        if reader is None:
            raise NotThere
        if here is not None and not SIGNALS[signal].in_pieces(encoding):
            here = None
        lead = 0 if here is None else LEAD_RECORDS
        answers = reader.ask(_encode(Request(signal, encoding, project, RECORDS_MAX, lead)), body)
        if here is not None:
            yield from here(islice(SIGNALS[signal].pieces(body, encoding, RECORDS_MAX, lead), 1))
        is_over = False
        while not is_over:
            batch = Batch([], [], 0, {})
            for answer, read in answers.next():
                if answer.error is not None:
                    raise _error_of(answer)
                is_over = answer.is_last
                refused.add(*answer.reasons, count=answer.refused)
                if read is not None:
                    batch.add(read)
            if batch.items:
                yield batch

    def wait(self, timeout: float = START_SECONDS_MAX) -> bool:
        """Wait until a process that was begun is there; False where there is none then."""
        self._begun.wait(timeout)
        return self.pid is not None

    def close(self) -> None:
        """End the process; requests that it is at are refused. Safe to call twice."""
        with self._guard:
            self._closed = True
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.end()

    @property
    def pid(self) -> int | None:
        """The process, where there is one."""
        reader = self._reader
        return None if reader is None or reader.is_lost else reader.pid

    def _there(self) -> _Reader | None:
        """The process. If it is not there it is begun, if that makes sense."""
        with self._guard:
            if self._reader is not None and not self._reader.is_lost:
                return self._reader
            if not self._closed and not self._is_starting and time.monotonic() >= self._retry_at:
                self._is_starting = True
                self._begun.clear()
                threading.Thread(target=self._start, name="flightlog-otlp-start", daemon=True).start()
        return None

    def _start(self) -> None:
        try:
            reader = _Reader(self._command, self._order, self._preparation)
        except (OSError, ReaderLost, msgspec.MsgspecError) as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            log.warning("the server itself reads OpenTelemetry: the process for it did not begin (%s)", error)
        else:
            with self._guard:
                is_late = self._closed
                if not is_late:
                    self._reader = reader
            if is_late:
                reader.end()
        finally:
            with self._guard:
                self._is_starting = False
            self._begun.set()


# With what was read, unpacked by the thread that hears it while the store is busy with others.
_Arrived = tuple[Answer, Batch | None]


class _Answers:
    """Where the answers to one request arrive."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._arrived: queue.SimpleQueue[_Arrived | ReaderLost] = queue.SimpleQueue()

    def put(self, answer: _Arrived | ReaderLost) -> None:
        self._arrived.put(answer)

    def next(self) -> Iterator[_Arrived]:
        """All that have arrived, at least one: what was read while the store was busy is stored together."""
        try:
            arrived = self._arrived.get(timeout=ANSWER_SECONDS_MAX)
        except queue.Empty:
            reason = f"it said nothing for {ANSWER_SECONDS_MAX:g} seconds"
            self._reader.lose(reason)
            raise ReaderLost(reason=reason) from None
        for more in reversed(range(TOGETHER_MAX)):
            if isinstance(arrived, ReaderLost):
                raise arrived
            yield arrived
            if not more or arrived[0].is_last or self._arrived.empty():
                return
            arrived = self._arrived.get()


class _Reader:
    """A process that has said that it is ready, and the thread that hands its answers on: to who asked first, until the last."""

    def __init__(self, command: Sequence[str], order: bytes, preparation: Preparation) -> None:
        self._process = _Process(command)
        self._preparation = preparation
        self._asking = threading.Lock()  # held while a request is sent
        self._guard = threading.Lock()  # of what follows
        self._waiting: deque[_Answers] = deque()
        self.is_lost = False
        try:
            self._process.send(order)
            version = _hello(self._process.receive(START_SECONDS_MAX)).version
            if version != __version__:
                raise ReaderLost(reason=f"it is of version {version}, and this is {__version__}: start the server anew")
        except BaseException:
            self._process.end()
            raise
        threading.Thread(target=self._listen, name="flightlog-otlp", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, head: bytes, body: bytes) -> _Answers:
        answers = _Answers(self)
        with self._asking:
            with self._guard:
                if self.is_lost:
                    raise NotThere
                self._waiting.append(answers)
            try:
                self._process.send(head, body)
            except OSError as error:
                self.lose(str(error))
        return answers

    def lose(self, reason: str) -> None:
        """It is of no use any more: who waits for it is told."""
        with self._guard:
            if self.is_lost:
                return
            self.is_lost = True
            self._process.kill()
            lost = ReaderLost(reason=reason)
            while self._waiting:
                self._waiting.popleft().put(lost)

    def end(self) -> None:
        self.lose("the server is ending")

    def _unpacked(self, answer: Answer) -> Batch | None:
        if not answer.owners:
            return None
        return Batch(self._preparation.unpack(answer.events), answer.owners, answer.records, answer.described)

    def _listen(self) -> None:
        reason = "it said nothing more"
        try:
            while not self.is_lost:
                answer = _answer(self._process.receive())
                arrived = answer, self._unpacked(answer)
                with self._guard:
                    if self.is_lost:
                        break
                    asked = self._waiting.popleft() if answer.is_last else self._waiting[0]
                asked.put(arrived)
        except (OSError, ReaderLost, msgspec.MsgspecError, IndexError) as error:
            reason = str(error.facts["reason"]) if isinstance(error, ReaderLost) else str(error)
        finally:
            self._process.kill()
            self.lose(f"{reason}; it ended with {self._process.wait()}")
            with self._asking:  # nobody writes to its pipe any more
                self._process.end()


class _Process:
    """A child and its pipes."""

    def __init__(self, command: Sequence[str]) -> None:
        self._child = subprocess.Popen(  # noqa: S603 (our own module)
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in, self._out = self._child.stdin.fileno(), self._child.stdout.fileno()
        for pipe in (self._in, self._out):
            widen(pipe)

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, *messages: bytes) -> None:
        for message in messages:
            write_message(self._in, message)

    def receive(self, seconds_max: float | None = None) -> bytearray:
        message = read_message(self._out, seconds_max)
        if message is None:
            raise ReaderLost(reason="it said nothing more")
        return message

    def kill(self) -> None:
        self._child.kill()

    def wait(self) -> int:
        return self._child.wait()

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()


def _error_of(answer: Answer) -> Exception:
    """The error that the other process raised; one that is none of ours is a fault, whose cause it has logged."""
    kind = getattr(errors, answer.error or "", None)
    if isinstance(kind, type) and issubclass(kind, FlightlogError):
        return kind(**answer.facts)
    return RuntimeError(f"{answer.error} in the process that reads OpenTelemetry; it has logged the cause")
