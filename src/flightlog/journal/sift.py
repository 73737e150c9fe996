"""The careful way in, for a batch that did not go in at once: duplicates are counted, what can't be stored is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flightlog.errors import EventIdConflict, EventInvalid, FlightlogError
from flightlog.events.envelope import check_envelope
from flightlog.journal.history import history_of
from flightlog.journal.lookup import ids_of, rows_at
from flightlog.journal.ready import Ready
from flightlog.journal.rows import CONTENT_COLUMNS, ERASED_DIGEST, content, insert
from flightlog.store.contract import DuplicateKey, RowRefused, Tx

_KNOWN_COLUMNS = ("id", *CONTENT_COLUMNS, "payload_digest")


class Sifted(NamedTuple):
    """`stored` went in under rising ids from the first; `ids` and `rejected` speak of places in the batch."""

    stored: list[Ready]
    ids: dict[int, int]
    rejected: dict[int, FlightlogError]


def sift(tx: Tx, batch: Sequence[Ready | FlightlogError], first_id: int, received_at: int) -> Sifted:
    """Store what is new, find what is there already, and say for the rest why not."""
    found = Sifted([], {}, {})
    fresh, twins = _split(tx, batch, found)
    stored = _insert_fresh(tx, fresh, first_id, received_at, found)
    for row_id, place in enumerate(stored, first_id):
        found.ids[place] = row_id
        found.stored.append(fresh[place])
    for place, first in twins.items():
        if first in found.ids:
            found.ids[place] = found.ids[first]
        else:
            found.rejected[place] = found.rejected[first]
    return found


def _split(tx: Tx, batch: Sequence[Ready | FlightlogError], found: Sifted) -> tuple[dict[int, Ready], dict[int, int]]:
    """The events nobody has, by place; and those that are a second copy of one of them."""
    known = _known(tx, [item[0].event_id for item in batch if not isinstance(item, FlightlogError)])
    seen: dict[str, int] = {}
    fresh: dict[int, Ready] = {}
    twins: dict[int, int] = {}
    for place, item in enumerate(batch):
        if isinstance(item, FlightlogError):
            found.rejected[place] = item
            continue
        event_id = item[0].event_id
        mine = content(item[0], item[3])
        if event_id in known:
            row_id, theirs = known[event_id]
        elif event_id in seen:
            row_id, theirs = 0, content(fresh[seen[event_id]][0], fresh[seen[event_id]][3])
        else:
            seen[event_id] = place
            fresh[place] = item
            continue
        if mine != theirs and not _is_erased(mine, theirs) and not _is_described(mine, theirs):
            found.rejected[place] = EventIdConflict(event_id=event_id)
        elif row_id:
            found.ids[place] = row_id
        else:
            twins[place] = seen[event_id]
    return fresh, twins


def _is_erased(mine: tuple[object, ...], theirs: tuple[object, ...]) -> bool:
    """Whether it is a late delivery of an event whose payload was erased since: it must not bring the payload back."""
    return theirs[-1] == ERASED_DIGEST and mine[:-1] == theirs[:-1]


def _is_described(mine: tuple[object, ...], theirs: tuple[object, ...]) -> bool:
    """Whether both describe one resource, which each process does with the time at which it saw it first: the first stays."""
    return mine[:2] == theirs[:2] and mine[1] == "resource" and mine[-1] == theirs[-1]


def _known(tx: Tx, event_ids: list[str]) -> dict[str, tuple[int, tuple[object, ...]]]:
    """Which of these are in the journal: their ids and content."""
    places = ids_of(tx.sql, [event_id for event_id in event_ids if _is_text(event_id)])
    return {row[1]: (row[0], tuple(row[1:])) for row in rows_at(tx.sql, _KNOWN_COLUMNS, places.values())}


def came_before(tx: Tx, batch: Sequence[Ready]) -> bool:
    """Whether one of these events is in the history already, where no index of the tables would meet it.

    Whatever is in there was created by a certain time, and what is new is younger: the usual batch is not looked for.
    """
    history = history_of(tx.sql)
    if history is None or not history.until(tx.sql):
        return False
    newest = history.newest(tx.sql)
    late = [event.event_id for event, *_ in batch if _is_number(event.created_at) and event.created_at <= newest]
    return bool(history.find(tx.sql, [event_id for event_id in late if _is_text(event_id)])) if late else False


def _is_number(value: object) -> bool:
    return isinstance(value, int)


def _is_text(value: object) -> bool:
    """Whether the database can be asked about this at all."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _insert_fresh(tx: Tx, fresh: dict[int, Ready], first_id: int, received_at: int, found: Sifted) -> list[int]:
    """The places that were stored, in the order of their ids: together if they can, else one by one."""
    if not fresh:
        return []
    try:
        insert(tx, list(fresh.values()), first_id, received_at)
        return list(fresh)
    except RowRefused:
        pass
    stored: list[int] = []
    for place, item in fresh.items():
        try:
            insert(tx, [item], first_id + len(stored), received_at)
            stored.append(place)
        except (RowRefused, DuplicateKey) as error:
            found.rejected[place] = _reason(item, error)
    return stored


def _reason(item: Ready, error: Exception) -> FlightlogError:
    try:
        check_envelope(item[0])
    except FlightlogError as better:
        return better
    except Exception as broken:  # a field of a kind that the check does not expect either
        return EventInvalid(reason=f"a field is of the wrong kind ({broken})")
    return EventInvalid(reason=f"the store does not take it ({error})")
