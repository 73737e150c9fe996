"""What no mapping understood, by the instrumentation that says it: attributes that stayed in an event under their own names.

Nothing is lost by it, the event has them; the list says what a mapping might learn next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, case, func, select, update

from flightlog.config import Settings
from flightlog.errors import LimitInvalid
from flightlog.events.envelope import StoredEvent
from flightlog.ingest.otlp.leftover import Leftover, LeftoverLooker
from flightlog.ingest.otlp.sources import Sources
from flightlog.ingest.otlp.unmapped_table import unmapped_attributes
from flightlog.store.contract import Store, Tx
from flightlog.store.prepared import Prepared

OTHERS = "*"  # the scope, or the key, of what is beyond the limits
KEY_CHARS_MAX = 200
ROWS_DEFAULT, ROWS_MAX = 100, 1_000
_SHAPES_REMEMBERED_MAX = 10_000

_number = re.compile(r"(?<=\.)\d+(?=\.|$)")


class Unmapped(msgspec.Struct, frozen=True, kw_only=True):
    """How often an instrumentation (`scope`) said an attribute (`key`) that no mapping understood, and when; `event_id` is the
    latest event that has it. Numbers in a key are N: `llm.prompts.N.x` is one. What is beyond the limits has `*`.
    """

    scope: str
    key: str
    count: int
    first_at: int
    last_at: int
    event_id: str


class UnmappedList(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that came most often, of how many in how many scopes."""

    attributes: list[Unmapped]
    keys: int
    scopes: int


class Seen:
    """Leftover attributes of some events, added up: by scope and key, how often, first, last, and the latest event."""

    __slots__ = ("_shapes",)

    def __init__(self) -> None:
        # Events of one instrumentation mostly have the same keys, so these are counted together.
        self._shapes: dict[tuple[str, tuple[str, ...]], list[Any]] = {}

    def add(self, scope: str, keys: Iterable[str], event: StoredEvent) -> None:
        """Count an event's keys."""
        shape = (scope, tuple(keys))
        at, event_id = event.created_at, event.event_id
        held = self._shapes.get(shape)
        if held is None:
            self._shapes[shape] = [1, at, at, event_id]
            return
        held[0] += 1
        if at < held[1]:
            held[1] = at
        if (at, event_id) > (held[2], held[3]):
            held[2], held[3] = at, event_id

    def rows(self) -> dict[tuple[str, str], list[Any]]:
        """(scope, key) → count, first_at, last_at, event_id."""
        found: dict[tuple[str, str], list[Any]] = {}
        for (scope, keys), (count, first, last, event_id) in self._shapes.items():
            for key in dict.fromkeys(map(plain_key, keys)):
                held = found.get((scope, key))
                if held is None:
                    found[scope, key] = [count, first, last, event_id]
                else:
                    _merge(held, (count, first, last, event_id))
        return found


class UnmappedProjector(LeftoverLooker):
    """A Projector: counts the leftover attributes of what came by OpenTelemetry. What has none costs a look at its bytes."""

    def __init__(self, settings: Settings) -> None:
        self._keys_max = max(1, settings.unmapped_keys_max)
        self._scopes_max = max(1, settings.unmapped_scopes_max)
        self._sources = Sources()

    def apply(self, tx: Tx, events: Sequence[StoredEvent], looks: Sequence[Leftover | None] | None = None) -> None:
        """Count what these events have left over."""
        self._sources.learn(events)
        if looks is None:
            looks = [self.look(event) for event in events]
        left = [(event, *found) for event, found in zip(events, looks, strict=True) if found is not None]
        if not left:
            return
        sources = self._sources.find(tx.sql, {digest for _, _, digest, _ in left if digest})
        seen = Seen()
        for event, scope, digest, keys in left:
            seen.add(sources[digest].scope if digest else scope, keys, event)
        self.count(tx, seen)

    def count(self, tx: Tx, seen: Seen) -> None:
        """Add what was seen to the table; beyond the limits, to the rows of the others."""
        rows = seen.rows()
        if not rows:
            return
        changed = _UPDATE.run_many(tx, [_parameters(*named, *held) for named, held in rows.items()])
        if changed < len(rows):
            self._insert(tx, rows)

    def _insert(self, tx: Tx, rows: dict[tuple[str, str], list[Any]]) -> None:
        """The rows that are not there yet, as far as there is room."""
        scopes = {scope for scope, _ in rows}
        known: dict[str, set[str]] = {}
        for start in range(0, len(scopes), 500):
            some = sorted(scopes)[start : start + 500]
            columns = (unmapped_attributes.c.scope, unmapped_attributes.c.key)
            for scope, key in tx.sql.execute(select(*columns).where(unmapped_attributes.c.scope.in_(some))):
                known.setdefault(scope, set()).add(key)
        room = self._scopes_max - int(
            tx.sql.execute(select(func.count(unmapped_attributes.c.scope.distinct()))).scalar_one()
        )
        fresh: dict[tuple[str, str], list[Any]] = {}
        for (scope, key), held in sorted(rows.items()):
            keys = known.get(scope)
            if keys is None and room <= 0:
                scope = key = OTHERS
            elif keys is None:
                keys = known[scope] = set()
                room -= 1
            if keys is not None and key in keys:
                continue  # counted by the update
            if keys is not None and len(keys - {OTHERS}) >= self._keys_max:
                key = OTHERS
            elif keys is not None:
                keys.add(key)
            if (scope, key) in fresh:
                _merge(fresh[scope, key], held)
            else:
                fresh[scope, key] = list(held)
        self._upsert(tx, fresh)

    def _upsert(self, tx: Tx, fresh: dict[tuple[str, str], list[Any]]) -> None:
        new = []
        for (scope, key), held in fresh.items():
            # Of new rows only those of the others may be there.
            if key != OTHERS or not _UPDATE.run(tx, **_parameters(scope, key, *held)).rowcount:
                new.append((scope, key, *held))
        if new:
            tx.insert_many((unmapped_attributes, new))


def plain_key(key: str) -> str:
    """The key as it is listed: numbers between dots are N, and it is cut to what a row holds.

    >>> plain_key("llm.prompts.12.text"), plain_key("http.status_code"), plain_key("a.3")
    ('llm.prompts.N.text', 'http.status_code', 'a.N')
    """
    known = _plain.get(key)
    if known is None:
        if len(_plain) >= _SHAPES_REMEMBERED_MAX:
            _plain.clear()
        known = _plain[key] = _number.sub("N", key[:KEY_CHARS_MAX])
    return known


def list_unmapped(store: Store, scope: str | None = None, limit: int | None = None) -> UnmappedList:
    """What came most often, of one scope or of all. Raises LimitInvalid."""
    limit = ROWS_DEFAULT if limit is None else limit
    if not 1 <= limit <= ROWS_MAX:
        raise LimitInvalid(limit=limit, limit_max=ROWS_MAX)
    table = unmapped_attributes
    where = () if scope is None else (table.c.scope == scope,)
    listed = select(table).where(*where).order_by(table.c.count.desc(), table.c.scope, table.c.key).limit(limit)
    totals = select(func.count(), func.count(table.c.scope.distinct())).select_from(table).where(*where)
    with store.read() as connection:
        found = [Unmapped(**row) for row in connection.execute(listed).mappings()]
        keys, scopes = connection.execute(totals).one()
    return UnmappedList(attributes=found, keys=keys, scopes=scopes)


def _merge(held: list[Any], more: Sequence[Any]) -> None:
    count, first, last, event_id = more
    held[0] += count
    held[1] = min(held[1], first)
    held[2], held[3] = max((held[2], held[3]), (last, event_id))


def _parameters(scope: str, key: str, count: int, first: int, last: int, event_id: str) -> dict[str, Any]:
    return {"the_scope": scope, "the_key": key, "more": count, "first": first, "last": last, "event": event_id}


def _update() -> Any:
    table = unmapped_attributes
    more: Any = bindparam("more")
    first: Any = bindparam("first")
    last: Any = bindparam("last")
    event: Any = bindparam("event")
    is_later = (last > table.c.last_at) | ((last == table.c.last_at) & (event > table.c.event_id))
    return (
        update(table)
        .where(table.c.scope == bindparam("the_scope"), table.c.key == bindparam("the_key"))
        .values(
            count=table.c.count + more,
            first_at=case((first < table.c.first_at, first), else_=table.c.first_at),
            last_at=case((is_later, last), else_=table.c.last_at),
            event_id=case((is_later, event), else_=table.c.event_id),
        )
    )


_UPDATE = Prepared(_update())
_plain: dict[str, str] = {}
