"""The replays that were planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page
from flightlog.console.pages.run import Tab


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One replay in the list."""

    plan_id: Annotated[str, "Its id."]
    href: Annotated[str, "Its page."]
    state: Annotated[str, "How far it is."]
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
    tabs: Annotated[list[Tab], "The ways to look at dead letters."]
    server: Annotated[str, "This server's own URL."]
