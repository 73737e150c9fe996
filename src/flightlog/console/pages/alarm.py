"""What is wrong with the work as a whole, for the banner over its pages."""

from __future__ import annotations

from sqlalchemy import select

from flightlog.console import format as fmt
from flightlog.console.page import Notice
from flightlog.console.pages.frame import notice_for
from flightlog.deadletters.alerts import AGE, RATIO
from flightlog.deadletters.table import dead_letter_alerts
from flightlog.services import Services

_SAID = {RATIO: "Too many tasks fail for good", AGE: "Dead letters lie open for too long"}


def alarm_of(services: Services) -> Notice | None:
    """The banner: an alert of dead letters first, else what every page says."""
    row = dead_letter_alerts.c
    with services.store.read() as connection:
        raised = connection.execute(
            select(row.name, row.value, row.changed_at).where(row.raised == 1).order_by(row.changed_at.desc())
        ).all()
    if not raised:
        return notice_for(services)
    now = services.clock.now_ns()
    return Notice(
        text="; ".join(_SAID.get(one.name, one.name) for one in raised),
        detail=", ".join(f"{_number(one.name, one.value)}, since {fmt.ago(one.changed_at, now)}" for one in raised),
        href="/deadletters",
        link="See them",
    )


def _number(name: str, value: float) -> str:
    """What an alert was raised at.

    >>> _number(RATIO, 0.125), _number(AGE, 7_200.0)
    ('12.5 % of what ended', 'the oldest for 2 h 00 m')
    """
    if name == RATIO:
        return f"{100 * value:.3g} % of what ended"
    return f"the oldest for {fmt.duration(int(value * 1_000_000_000))}"
