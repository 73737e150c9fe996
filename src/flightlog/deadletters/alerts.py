"""Alerts about dead letters: too many of what ends, or one that lies there for too long.

An alert is raised when its number goes over the limit, and cleared when the number is well below it again, so that one that
swings around the limit is told once. Both are events, once each whichever process notices: the row of the alert is compared and
set in the transaction of the event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from flightlog.clock import NS_PER_SECOND
from flightlog.config import DRILL_PIPELINE, Settings
from flightlog.deadletters.letters import EVENT_SOURCE
from flightlog.deadletters.table import IS_OPEN, dead_letter_alerts, dead_letters
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.store.contract import Store, Tx

log = logging.getLogger("flightlog.deadletters")

RATIO, AGE = "dead_letter_ratio", "dead_letter_age"
NAMES = (RATIO, AGE)

# How many tasks have succeeded since then: the tasks' room knows.
CountSucceeded = Callable[[Connection, int], int]


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the alerts are about: letters and tasks that succeeded within the window, and of the open letters how many there are
    and when the oldest failed (nanoseconds).
    """

    dead: int
    succeeded: int
    open: int
    oldest_at: int | None

    @property
    def ended(self) -> int:
        """How many came to an end in the window, one way or the other."""
        return self.dead + self.succeeded

    @property
    def ratio(self) -> float:
        """The share of dead letters among them; 0 where nothing ended."""
        return self.dead / self.ended if self.ended else 0.0


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert: whether it is raised, its number and limit now, and since when it is as it is (0: always)."""

    name: str
    raised: bool
    value: float
    limit: float
    changed_at: int
    text: str


class Verdict(NamedTuple):
    """What a number means for its alert."""

    raised: bool
    value: float
    limit: float


def judge_ratio(numbers: Numbers, was_raised: bool, settings: Settings) -> Verdict:
    """Raised above the limit, given enough of a sample; cleared at `dead_letter_clear_share` of it, or when nothing is dead."""
    limit = settings.dead_letter_ratio_max
    if numbers.dead == 0:
        return Verdict(False, 0.0, limit)
    if numbers.ended < settings.dead_letter_sample_min:
        return Verdict(was_raised, numbers.ratio, limit)
    over = numbers.ratio > (limit * settings.dead_letter_clear_share if was_raised else limit)
    return Verdict(over, numbers.ratio, limit)


def judge_age(numbers: Numbers, now_ns: int, was_raised: bool, settings: Settings) -> Verdict:
    """Raised when the oldest open letter is older than the limit; cleared at `dead_letter_clear_share` of it."""
    limit = settings.dead_letter_age_seconds_max
    if numbers.oldest_at is None:
        return Verdict(False, 0.0, limit)
    age = max(now_ns - numbers.oldest_at, 0) / NS_PER_SECOND
    return Verdict(age > (limit * settings.dead_letter_clear_share if was_raised else limit), age, limit)


class Alerts:
    """The alerts of one store. `tick` from one thread; `states` from any."""

    def __init__(
        self, store: Store, journal: Journal, settings: Settings, ids: Ids, count_succeeded: CountSucceeded
    ) -> None:
        self._store = store
        self._journal = journal
        self._settings = settings
        self._ids = ids
        self._count_succeeded = count_succeeded
        self._checked_at: int | None = None

    def tick(self, now_ns: int) -> None:
        """Evaluate, if `dead_letter_check_seconds` have passed since, and tell what has changed."""
        every = int(self._settings.dead_letter_check_seconds * NS_PER_SECOND)
        if self._checked_at is not None and 0 <= now_ns - self._checked_at < every:
            return
        self._checked_at = now_ns
        for alert, was in self._evaluate(now_ns):
            if alert.raised != was and self._store.write(partial(self._set, alert, now_ns)):
                say = log.warning if alert.raised else log.info
                say("%s %s: %s", alert.name, "raised" if alert.raised else "cleared", alert.text)

    def numbers(self, connection: Connection, now_ns: int) -> Numbers:
        """What the alerts are about, as it stands. Letters of drills are none of it."""
        letter = dead_letters.c
        meant = letter.pipeline.is_distinct_from(DRILL_PIPELINE)
        since = now_ns - int(self._settings.dead_letter_window_seconds * NS_PER_SECOND)
        dead = connection.execute(select(func.count()).where(letter.failed_at > since, meant)).scalar_one()
        asked = select(func.count(), func.min(letter.failed_at)).where(IS_OPEN, meant)
        open_, oldest = connection.execute(asked).one()
        succeeded = self._count_succeeded(connection, since)
        return Numbers(dead=dead, succeeded=succeeded, open=open_, oldest_at=oldest)

    def states(self, now_ns: int) -> list[Alert]:
        """Every alert: raised or not as it was last evaluated, by any process, with its number of now."""
        with self._store.read() as connection:
            numbers, rows = self.numbers(connection, now_ns), _rows(connection)
        found = []
        for name in NAMES:
            raised, changed_at = rows.get(name, (False, 0))
            verdict = self._judge(name, numbers, raised, now_ns)
            found.append(self._alert(name, verdict._replace(raised=raised), numbers, changed_at))
        return found

    # ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────

    def _evaluate(self, now_ns: int) -> list[tuple[Alert, bool]]:
        """Every alert as it ought to be, and whether it is raised."""
        with self._store.read() as connection:
            numbers, rows = self.numbers(connection, now_ns), _rows(connection)
        found = []
        for name in NAMES:
            was, _ = rows.get(name, (False, 0))
            found.append((self._alert(name, self._judge(name, numbers, was, now_ns), numbers, now_ns), was))
        return found

    def _judge(self, name: str, numbers: Numbers, was_raised: bool, now_ns: int) -> Verdict:
        if name == RATIO:
            return judge_ratio(numbers, was_raised, self._settings)
        return judge_age(numbers, now_ns, was_raised, self._settings)

    def _alert(self, name: str, verdict: Verdict, numbers: Numbers, changed_at: int) -> Alert:
        if name == RATIO:
            text = (
                f"{numbers.dead} of {numbers.ended} tasks that ended within "
                f"{self._settings.dead_letter_window_seconds:g} s are dead letters "
                f"({100 * verdict.value:.3g} %; the limit is {100 * verdict.limit:.3g} %)"
            )
        else:
            text = (
                f"{numbers.open} dead letters are open, the oldest for {verdict.value:.0f} s"
                f" (the limit is {verdict.limit:g} s)"
            )
        return Alert(
            name=name, raised=verdict.raised, value=verdict.value, limit=verdict.limit, changed_at=changed_at, text=text
        )

    def _set(self, alert: Alert, now_ns: int, tx: Tx) -> bool:
        """Set the alert and tell it, unless somebody else just did."""
        row = dead_letter_alerts.c
        known = tx.sql.execute(select(row.raised).where(row.name == alert.name)).scalar()
        if bool(known) == alert.raised:
            return False
        values = {"raised": int(alert.raised), "value": alert.value, "changed_at": now_ns}
        if known is None:
            tx.sql.execute(insert(dead_letter_alerts).values(name=alert.name, **values))
        else:
            tx.sql.execute(update(dead_letter_alerts).where(row.name == alert.name).values(values))
        self._journal.append_in(tx, [self._event(alert, now_ns)])
        return True

    def _event(self, alert: Alert, now_ns: int) -> Event:
        said = {
            "alert": alert.name, "value": alert.value, "limit": alert.limit, "text": alert.text,
            "window_seconds": self._settings.dead_letter_window_seconds if alert.name == RATIO else None,
        }  # fmt: skip
        told = {name: value for name, value in said.items() if value is not None}
        return Event(
            event_id=self._ids.event_id(now_ns),
            type="alert",
            created_at=now_ns,
            project=self._settings.project,
            name=alert.name,
            level="warn" if alert.raised else "info",
            source=EVENT_SOURCE,
            status="raised" if alert.raised else "cleared",
            payload=msgspec.Raw(msgspec.json.encode(told)),
        )


def _rows(connection: Connection) -> dict[str, tuple[bool, int]]:
    row = dead_letter_alerts.c
    asked = select(row.name, row.raised, row.changed_at)
    return {name: (bool(raised), changed_at) for name, raised, changed_at in connection.execute(asked)}
