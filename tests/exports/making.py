"""Events of every shape, and stores to take them out of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.events.envelope import LEVELS, Event, StoredEvent
from flightlog.exports.reading import Wanted
from flightlog.ingest.files import ImportReport, import_files
from flightlog.journal.filter import EVERYTHING, EventFilter
from flightlog.journal.read import read_events
from flightlog.wiring import Keeper, make_intake
from tests.contract.making import START

# What an event is but for where the journal put it.
GIVEN_ANEW = ("id", "received_at")

# No backslashes: on the way in escapes are spelled out, of any producer, so that no secret hides in them (ingest/batch.py).
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), max_size=40)
_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
_words = texts | st.sampled_from(["=1+1", "-2", "@SUM(A1)", '"', ",", "\r\n", "\u2028"])


@st.composite
def payloads(draw: st.DrawFn) -> msgspec.Raw:
    """A payload as somebody wrote it: with spaces, and line ends between its values."""
    text = msgspec.json.encode(draw(st.dictionaries(texts, _values, max_size=4)))
    if draw(st.booleans()):
        text = msgspec.json.format(text, indent=draw(st.sampled_from([-1, 0, 2])))
    return msgspec.Raw(text)


@st.composite
def events(draw: st.DrawFn, number: int = 1) -> Event:
    """An event with any envelope that the journal takes."""
    word = st.none() | _words
    return Event(
        event_id=f"e{number:06d}",
        type=draw(
            st.sampled_from(
                ["note", "acme.thing", "llm_response", "tool_result", "span_finished", "run_finished", "log"]
            )
        ),
        created_at=draw(st.integers(0, START * 2)),
        run_id=draw(st.none() | st.just("r1")),
        project=draw(st.sampled_from(["default", "shop"])),
        name=draw(word),
        level=draw(st.sampled_from(LEVELS)),
        source=draw(word),
        actor=draw(word),
        trace_id=draw(st.none() | st.just("a" * 32) | st.just("no-hex")),
        span_id=draw(st.none() | st.just("b" * 16) | st.just("0" * 16)),
        parent_span_id=draw(st.none() | st.just("c" * 16)),
        task_id=draw(word),
        correlation_id=draw(st.none() | st.just("k")),
        status=draw(st.none() | st.just("ok") | st.just("error")),
        duration_ns=draw(st.none() | st.integers(0, 2**62)),
        producer_id=draw(st.none() | st.just("p")),
        seq=draw(st.none() | st.integers(1, 9)),
        flags=draw(st.integers(0, 127)),
        payload=draw(payloads()),
    )


@contextmanager
def flight(folder: Path, some: Iterable[Event] = (), **settings: Any) -> Iterator[Keeper]:
    """A folder with these events, open for writing."""
    keeper = Keeper(folder, Settings(**settings), writable=True)
    try:
        if batch := list(some):
            keeper.journal.append(batch)
        yield keeper
    finally:
        keeper.close()


def everything(keeper: Keeper, wanted: EventFilter = EVERYTHING) -> list[StoredEvent]:
    """All events, with their payloads."""
    return read_events(keeper.store, wanted, after_id=0, limit=1_000).events


def wanted_of(keeper: Keeper, wanted: EventFilter = EVERYTHING) -> Wanted:
    """An export of this store."""
    return Wanted(keeper.store, wanted, keeper.settings)


def imported(keeper: Keeper, *files: Path, format: str | None = None) -> ImportReport:  # noqa: A002
    """What became of these files in this folder, as `flightlog import` would do it."""
    intake = make_intake(keeper.folder, keeper.settings)
    return import_files(lambda some: keeper.journal.append(some, rejects="return"), intake, files, format)


def contents(some: Iterable[StoredEvent]) -> list[dict[str, Any]]:
    """The events without what the journal gave them."""
    return [{key: value for key, value in msgspec.structs.asdict(one).items() if key not in GIVEN_ANEW} for one in some]
