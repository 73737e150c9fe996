"""The replays that were planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.console.pages.alarm import alarm_of
from flightlog.console.pages.deadletters import plan_words, tabs_of
from flightlog.console.pages.replay_items import words_of
from flightlog.console.pages.run import Tab
from flightlog.deadletters.plan import DONE, REFUSED, RUNNING, STOPPED, Plan
from flightlog.deadletters.progress import list_plans
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"cursor"})
PLANS_SHOWN = 50
_MARKS = {DONE: "succeeded", STOPPED: "canceled", REFUSED: "failed"} | dict.fromkeys(RUNNING, "running")


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One replay in the list."""

    plan_id: Annotated[str, "Its id."]
    href: Annotated[str, "Its page."]
    state: Annotated[str, "How far it is: planned, running, done, stopped or refused."]
    mark: Annotated[str, "The sign of that: running, succeeded, failed, canceled, or empty where it is planned only."]
    which: Annotated[str, "Which letters it is of."]
    count: Annotated[str, "How many they are."]
    who: Annotated[str, "Who planned it."]
    why: Annotated[str, "Why it was applied; may be empty."]
    created: Annotated[fmt.Moment, "When it was planned."]


@dataclass(frozen=True, kw_only=True)
class ReplaysPage(Page):
    """Replays, newest first."""

    template: ClassVar[str] = "replays.html"

    plans: Annotated[list[PlanRow], "The latest replays."]
    older: Annotated[str | None, "The next page, if there is one."]
    tabs: Annotated[list[Tab], "The ways to look at dead letters."]
    server: Annotated[str, "This server's own URL."]


def replays_page(services: Services, params: Mapping[str, str], server: str) -> ReplaysPage:
    """The latest plans, or those before the one that `cursor` names."""
    now = services.clock.now_ns()
    found = list_plans(services.store, limit=PLANS_SHOWN + 1, before=params.get("cursor") or None)
    plans = found[:PLANS_SHOWN]
    return ReplaysPage(
        title="Replays of dead letters",
        place="deadletters",
        scope="letters",
        action="/deadletters",
        notice=alarm_of(services),
        version=__version__,
        plans=[_row(plan, now) for plan in plans],
        older=href("/deadletters/plans", {"cursor": plans[-1].plan_id}) if len(found) > PLANS_SHOWN else None,
        tabs=tabs_of("plans", {}),
        server=server,
    )


def _row(plan: Plan, now_ns: int) -> PlanRow:
    return PlanRow(
        plan_id=plan.plan_id,
        href=plan_href(plan.plan_id),
        state=plan_state(plan),
        mark=plan_mark(plan),
        which=plan_words(plan.filter),
        count=fmt.count(plan.letters),
        who=plan.created_by,
        why=plan.reason or "",
        created=fmt.moment(plan.created_at, now_ns),
    )


def plan_href(plan_id: str) -> str:
    """The page of a replay."""
    return href(f"/deadletters/plans/{plan_id}")


def plan_state(plan: Plan) -> str:
    """How far a replay is, in a word: planned, running, done, stopped or refused."""
    return "running" if plan.state in RUNNING else words_of(plan.state)


def plan_mark(plan: Plan) -> str:
    """The sign of how far a replay is; empty where it is planned only."""
    return _MARKS.get(plan.state, "")
