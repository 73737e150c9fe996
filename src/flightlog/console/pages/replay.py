"""One replay: what would happen, and then what does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page
from flightlog.console.pages.replay_items import ReplayItem
from flightlog.console.pages.run import Tile
from flightlog.console.pages.task_story import TrackState
from flightlog.console.pages.tasks import StateChoice


@dataclass(frozen=True, kw_only=True)
class ReplayPage(Page):
    """One replay."""

    template: ClassVar[str] = "replay.html"

    plan_id: Annotated[str, "Its id."]
    headline: Annotated[str, "What it is."]
    headline_count: Annotated[str, "How many letters it is of, in words."]
    state: Annotated[str, "How far it is."]
    mark: Annotated[str, "The sign of that: running, succeeded, failed, canceled, or empty where it is planned only."]
    sentence: Annotated[str, "How it is going, in one sentence."]
    created: Annotated[fmt.Moment, "When it was planned."]
    is_applied: Annotated[bool, "Whether it was begun."]
    is_running: Annotated[bool, "Whether it goes on."]
    count: Annotated[int, "How many letters it is of."]
    done: Annotated[int, "How many had their turn."]
    track: Annotated[list[TrackState], "Its stages."]
    tiles: Annotated[list[Tile], "What else is known of it."]
    warnings: Annotated[list[str], "What whoever applies it has to know."]
    can_apply: Annotated[bool, "Whether it may be begun."]
    can_stop: Annotated[bool, "Whether it may be stopped."]
    phrase: Annotated[str, "What has to be typed to begin it; empty where nothing has."]
    hash: Annotated[str, "The digest of which letters are meant."]
    outcomes: Annotated[list[StateChoice], "What became of its letters, or would, with how many there are."]
    items: Annotated[list[ReplayItem], "The letters on this page."]
    before: Annotated[str | None, "The first of its letters, when these are later ones."]
    after: Annotated[str | None, "The letters that follow, if any do."]
    letters_href: Annotated[str, "The letters as they are now."]
    json_href: Annotated[str, "The replay as JSON."]
