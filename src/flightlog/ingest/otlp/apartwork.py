"""The other side of `apart.py`: reads requests until its input ends, which is when the server has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from flightlog.errors import FlightlogError
from flightlog.ingest.otlp.apart import Answer, Hello, Order, Request
from flightlog.ingest.otlp.pipes import read_message, widen, write_message
from flightlog.ingest.otlp.reading import SIGNALS, Reading, Refused
from flightlog.journal.ready import Preparation
from flightlog.version import __version__

log = logging.getLogger("flightlog.otlp")

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request).decode
_order = msgspec.msgpack.Decoder(Order).decode


def work(make: Callable[[Order], tuple[Reading, Preparation]], orders: int, answers: int) -> None:
    """Answer what comes by one descriptor on the other. `make` makes what reads, and what packs what was read."""

    def answer(message: msgspec.Struct) -> None:
        write_message(answers, _encode(message))

    for pipe in (orders, answers):
        widen(pipe)
    first = read_message(orders)
    if first is None:
        return
    reading, preparation = make(_order(first))
    answer(Hello(__version__))
    while (head := read_message(orders)) is not None and (body := read_message(orders)) is not None:
        _read(_request(head), bytes(body), reading, preparation, answer)


def _read(
    asked: Request, body: bytes, reading: Reading, preparation: Preparation, answer: Callable[[msgspec.Struct], None]
) -> None:
    """Answer one request, batch by batch, and at last with what was refused."""
    refused, described = Refused(), set[str]()
    last = Answer(b"", [], 0, {}, is_last=True)
    try:
        pieces = SIGNALS[asked.signal].pieces(body, asked.encoding, asked.records_max, asked.lead, asked.lead > 0)
        for batch in reading.batches(asked.signal, pieces, asked.project, refused, described):
            described.update(batch.described)
            answer(Answer(preparation.pack(batch.items), batch.owners, batch.records, batch.described))
        last.refused, last.reasons = refused.count, refused.reasons
    except FlightlogError as error:
        last.error = type(error).__name__
        last.facts = {name: str(value) for name, value in error.facts.items()}
    except OSError:
        raise  # nobody reads the answers any more
    except Exception as error:  # a fault of ours is told as one: sent again, it would be the same
        log.exception("a request of OpenTelemetry could not be read")
        last.error = type(error).__name__
    answer(last)
