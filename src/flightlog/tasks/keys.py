"""Keys that make a request one, however often it is sent: the same key and the same request get the same answer again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, insert, select, tuple_, update

from flightlog.errors import KeyInvalid, KeyMisused
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared
from flightlog.tasks.table import idempotency_keys, task_action_idempotency

KEY_CHARS_MAX = 255


def check_key(key: str) -> str:
    """The key, if it can be one: visible ASCII, as in a header. Raises KeyInvalid."""
    if not key or len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise KeyInvalid(chars_max=KEY_CHARS_MAX)
    return key


def digest_of(body: bytes) -> str:
    """What two requests have in common that are one."""
    return sha256(body).hexdigest()


def known_answer(tx: Tx, user_id: str, key: str, route: str, digest: str, now_ns: int) -> str | None:
    """What this request was answered when it came before; None where it is new. Raises KeyMisused where the key was another's."""
    return _find(tx, idempotency_keys, user_id, key, (route, digest), now_ns)


def keep_answer(
    tx: Tx, user_id: str, key: str, route: str, digest: str, answer: str, now_ns: int, kept_ns: int
) -> None:
    """Keep the answer in the transaction of what was asked for."""
    _KEEP_ANSWER.run(
        tx, user_id=user_id, key=key, route=route, body_digest=digest, answer=answer, created_at=now_ns,
        expires_at=now_ns + kept_ns,
    )  # fmt: skip


def known_action(tx: Tx, user_id: str, key: str, task_id: str, action: str, now_ns: int) -> str | None:
    """The same for what is done to a task: a key is for one action on one task."""
    return _find(tx, task_action_idempotency, user_id, key, (task_id, action), now_ns)


def keep_action(
    tx: Tx, user_id: str, key: str, task_id: str, action: str, answer: str, now_ns: int, kept_ns: int
) -> None:
    """Keep the answer in the transaction of the action."""
    _KEEP_ACTION.run(
        tx, user_id=user_id, key=key, task_id=task_id, action=action, answer=answer, created_at=now_ns,
        expires_at=now_ns + kept_ns,
    )  # fmt: skip


def forget_keys(tx: Tx, now_ns: int, rows_max: int) -> int:
    """Drop at most so many keys of either kind whose time is over; how many there were."""
    gone = 0
    for table in (idempotency_keys, task_action_idempotency):
        over = select(table.c.user_id, table.c.key).where(table.c.expires_at <= now_ns).limit(rows_max)
        gone += tx.sql.execute(delete(table).where(tuple_(table.c.user_id, table.c.key).in_(over))).rowcount
    return gone


class Owner(Protocol):
    """What is known of a task by which the keys of requests about it are found."""

    @property
    def task_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def created_at(self) -> int: ...


def forget_words(tx: Tx, owners: Collection[Owner], words: Mapping[str, Any]) -> None:
    """Put `words` in the place of what answers about these tasks say under the same names. The answers stay: the same request
    gets the same task.
    """
    for table, is_it, answer in _answers_of(tx, owners):
        said = {name: words[name] if name in words and value is not None else value for name, value in answer.items()}
        tx.sql.execute(update(table).where(is_it).values(answer=msgspec.json.encode(said).decode()))


def forget_tasks(tx: Tx, owners: Collection[Owner]) -> None:
    """Drop the keys of requests about these tasks: what they were answered is not there any more."""
    for table, is_it, _ in _answers_of(tx, owners):
        tx.sql.execute(delete(table).where(is_it))


def _answers_of(tx: Tx, owners: Collection[Owner]) -> list[tuple[Table, ColumnElement[bool], dict[str, Any]]]:
    """Each answer about one of these tasks, with its table and what is true of its row alone."""
    task_ids = {owner.task_id for owner in owners}
    first, later = idempotency_keys.c, task_action_idempotency.c
    asked = {
        # The key of a task is its user's, and as old as the task.
        idempotency_keys: and_(
            first.user_id.in_({owner.user_id for owner in owners}),
            first.created_at.in_({owner.created_at for owner in owners}),
        ),
        task_action_idempotency: later.task_id.in_(task_ids),
    }
    found: list[tuple[Table, ColumnElement[bool], dict[str, Any]]] = []
    for table, where in asked.items():
        for user_id, key, answer in tx.sql.execute(select(table.c.user_id, table.c.key, table.c.answer).where(where)):
            said: dict[str, Any] = msgspec.json.decode(answer)
            if said["task_id"] in task_ids:
                found.append((table, and_(table.c.user_id == user_id, table.c.key == key), said))
    return found


def _find(tx: Tx, table: Table, user_id: str, key: str, asked: tuple[str, str], now_ns: int) -> str | None:
    found = _OF_KEY[table].run(tx, user_id=user_id, key=key).fetchone()
    if found is None:
        return None
    *before, answer, expires_at = found
    if expires_at <= now_ns:
        tx.sql.execute(delete(table).where(table.c.user_id == user_id, table.c.key == key))
        return None
    if tuple(before) != asked:
        raise KeyMisused(key=key)
    return str(answer)


def _of_key(table: Table, *asked: str) -> Prepared:
    """What was asked for under a key, the answer, and until when it is kept."""
    columns = [table.c[name] for name in (*asked, "answer", "expires_at")]
    return Prepared(select(*columns).where(table.c.user_id == bindparam("user_id"), table.c.key == bindparam("key")))


_KEEP_ANSWER, _KEEP_ACTION = Prepared(insert(idempotency_keys)), Prepared(insert(task_action_idempotency))
_OF_KEY = {
    idempotency_keys: _of_key(idempotency_keys, "route", "body_digest"),
    task_action_idempotency: _of_key(task_action_idempotency, "task_id", "action"),
}
