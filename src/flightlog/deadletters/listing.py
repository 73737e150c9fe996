"""Reading dead letters: page by page, in groups that failed of the same thing, and one with its chain."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, literal, select, tuple_

from flightlog.config import Settings
from flightlog.deadletters.filter import ALL_LETTERS, LetterFilter, conditions
from flightlog.deadletters.letters import OPEN
from flightlog.deadletters.table import dead_letters, replay_items
from flightlog.errors import CursorInvalid, LetterNotFound, LimitInvalid
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.store.contract import Store

GROUPS_MAX = 200
BUCKETS = 24  # of the times of a group
CHAIN_MAX = 100
DEFAULTS = Settings()


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter. Times are in nanoseconds. `source` is task or outbox; `round_no` is the task's, of a message how often it
    died. `status` is OPEN, REPLAYED (its task was done again) or RESOLVED (and succeeded), since `changed_at`; `plan_id` says which
    plan replayed it. `replay_of` is the letter of the round before, `replays` how many came before it.
    """

    letter_id: str
    source: str
    cause: str
    task_id: str
    event_id: str | None
    topic: str | None
    round_no: int
    pipeline: str | None
    queue: str | None
    state: str | None
    user_id: str | None
    project: str
    kind: str
    message: str
    fingerprint: str
    attempts: int
    tries: int
    deaths: int
    worker_id: str | None
    input_digest: str | None
    failed_at: int
    replay_of: str | None
    replays: int
    status: str
    changed_at: int
    plan_id: str | None


class LetterPage(msgspec.Struct, frozen=True):
    """Letters, the latest first, and the cursor of the next page; None on the last."""

    letters: list[Letter]
    next_cursor: str | None


class LetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Letters with one fingerprint: how many, how many of them are open, from when to when, and the last as an example.

    `times` has how many failed in each of BUCKETS equal parts of the time that all groups together span.
    """

    fingerprint: str
    count: int
    open: int
    first_at: int
    last_at: int
    example: Letter
    times: list[int]


class LetterGroups(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, the largest first, at most GROUPS_MAX of them; `letters` is how many letters match in all, from when to when."""

    groups: list[LetterGroup]
    letters: int
    first_at: int | None
    last_at: int | None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that a letter was in, and what became of it there."""

    plan_id: str
    outcome: str | None
    detail: str | None
    stage: str | None
    replayed_at: int | None
    next_round_no: int | None
    ended: str | None


class LetterDetail(msgspec.Struct, frozen=True):
    """One letter, all letters of its task (or of its message) by round, and the plans that it was in, the latest first."""

    letter: Letter
    chain: list[Letter]
    turns: list[Turn]


class _Cursor(NamedTuple):
    failed_at: int
    letter_id: str


def list_letters(
    store: Store,
    wanted: LetterFilter = ALL_LETTERS,
    *,
    limit: int | None = None,
    cursor: str | None = None,
    settings: Settings = DEFAULTS,
) -> LetterPage:
    """A page of letters, the latest first. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    limit = min(settings.page_events_default, settings.page_events_max) if limit is None else limit
    if not 1 <= limit <= settings.page_events_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_events_max)
    asked = select(dead_letters).where(*conditions(wanted))
    if cursor is not None:
        last = _open_cursor(cursor)
        here = tuple_(dead_letters.c.failed_at, dead_letters.c.letter_id)
        asked = asked.where(here < tuple_(literal(last.failed_at), literal(last.letter_id)))
    asked = asked.order_by(dead_letters.c.failed_at.desc(), dead_letters.c.letter_id.desc()).limit(limit + 1)
    with store.read() as connection:
        found = [letter_of(row) for row in connection.execute(asked)]
    page = found[:limit]
    more = len(found) > limit
    return LetterPage(page, _make_cursor(_Cursor(page[-1].failed_at, page[-1].letter_id)) if more else None)


def group_letters(store: Store, wanted: LetterFilter = ALL_LETTERS) -> LetterGroups:
    """The letters that pass the filter, by fingerprint. Raises FilterInvalid."""
    letter = dead_letters.c
    which = conditions(wanted)
    counts = (
        select(
            letter.fingerprint,
            func.count().label("letters"),
            func.count().filter(letter.status == OPEN).label("open"),
            func.min(letter.failed_at).label("first_at"),
            func.max(letter.failed_at).label("last_at"),
        )
        .where(*which)
        .group_by(letter.fingerprint)
        .order_by(func.count().desc(), letter.fingerprint)
        .limit(GROUPS_MAX)
    )
    with store.read() as connection:
        letters, first_at, last_at = connection.execute(
            select(func.count(), func.min(letter.failed_at), func.max(letter.failed_at)).where(*which)
        ).one()
        rows = connection.execute(counts).all()
        if not rows:
            return LetterGroups(groups=[], letters=0, first_at=None, last_at=None)
        names = [row.fingerprint for row in rows]
        examples = _latest(connection, which, names)
        times = _times(connection, which, names, first_at, last_at)
    groups = [
        LetterGroup(
            fingerprint=row.fingerprint,
            count=row.letters,
            open=row.open,
            first_at=row.first_at,
            last_at=row.last_at,
            example=examples[row.fingerprint],
            times=times[row.fingerprint],
        )
        for row in rows
    ]
    return LetterGroups(groups=groups, letters=letters, first_at=first_at, last_at=last_at)


def _latest(connection: Connection, which: list[Any], names: list[str]) -> dict[str, Letter]:
    """The latest letter of each group."""
    letter = dead_letters.c
    place = func.row_number().over(
        partition_by=letter.fingerprint, order_by=(letter.failed_at.desc(), letter.letter_id.desc())
    )
    placed = select(letter.letter_id, place.label("place")).where(*which, letter.fingerprint.in_(names)).subquery()
    asked = select(dead_letters).join(placed, placed.c.letter_id == letter.letter_id).where(placed.c.place == 1)
    return {found.fingerprint: found for found in map(letter_of, connection.execute(asked))}


def _times(
    connection: Connection, which: list[Any], names: list[str], first_at: int, last_at: int
) -> dict[str, list[int]]:
    letter = dead_letters.c
    width = (last_at - first_at) // BUCKETS + 1
    bucket = ((letter.failed_at - first_at) // width).label("bucket")
    asked = select(letter.fingerprint, bucket, func.count()).where(*which, letter.fingerprint.in_(names))
    times = {name: [0] * BUCKETS for name in names}
    for name, place, count in connection.execute(asked.group_by(letter.fingerprint, bucket)):
        times[name][int(place)] = count
    return times


def get_letter(store: Store, letter_id: str) -> LetterDetail:
    """One letter with its chain. Raises LetterNotFound."""
    if not is_storable(letter_id):
        raise LetterNotFound(letter_id=letter_id)
    letter, item = dead_letters.c, replay_items.c
    with store.read() as connection:
        row = connection.execute(select(dead_letters).where(letter.letter_id == letter_id)).first()
        if row is None:
            raise LetterNotFound(letter_id=letter_id)
        found = letter_of(row)
        same = letter.event_id.is_(None) if found.event_id is None else letter.event_id == found.event_id
        chain = select(dead_letters).where(letter.task_id == found.task_id, same).order_by(letter.round_no)
        turns = select(*(item[name] for name in Turn.__struct_fields__)).where(item.letter_id == letter_id)
        return LetterDetail(
            found,
            [letter_of(row) for row in connection.execute(chain.limit(CHAIN_MAX))],
            [Turn(**row._mapping) for row in connection.execute(turns.order_by(item.plan_id.desc()).limit(CHAIN_MAX))],
        )


def letter_of(row: Any) -> Letter:
    """The letter in a row of its table."""
    return Letter(**row._mapping)


def _make_cursor(last: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")


def _open_cursor(cursor: str) -> _Cursor:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.json.decode(data, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if not -INT64_MAX <= last.failed_at <= INT64_MAX or not is_storable(last.letter_id):
        raise CursorInvalid(cursor=cursor)
    return last
