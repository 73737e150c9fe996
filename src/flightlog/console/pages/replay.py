"""One replay: what would happen, and then what does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.console.pages.deadletters import FIELDS, plan_words
from flightlog.console.pages.replay_items import ReplayItem, item_of, outcome_mark, words_of
from flightlog.console.pages.replays import plan_href, plan_mark, plan_state
from flightlog.console.pages.run import Tile
from flightlog.console.pages.task_story import TrackState
from flightlog.console.pages.tasks import StateChoice
from flightlog.deadletters.plan import (
    CANARY_1,
    CANARY_10,
    DONE,
    OUTCOMES,
    PLANNED,
    REFUSED,
    REST,
    RUNNING,
    STOPPED,
    Plan,
    confirmation,
    needs_confirmation,
)
from flightlog.deadletters.progress import Progress, get_progress, list_items
from flightlog.errors import FilterInvalid
from flightlog.filters.params import parse_id
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"outcome", "after"})
ITEMS_SHOWN = 50
LIVE_TYPES = "dead_letter_replayed,dead_letter,task_transition,audit"
STAGES = {CANARY_1: "the first one", CANARY_10: "ten more", REST: "the rest"}


@dataclass(frozen=True, kw_only=True)
class ReplayPage(Page):
    """One replay."""

    template: ClassVar[str] = "replay.html"

    plan_id: Annotated[str, "Its id."]
    headline: Annotated[str, "What it is."]
    headline_count: Annotated[str, "How many letters it is of, in words."]
    state: Annotated[str, "How far it is: planned, running, done, stopped or refused."]
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


def replay_page(services: Services, plan_id: str, params: Mapping[str, str]) -> ReplayPage:
    """The page of a replay. Raises ReplayNotFound, CursorInvalid, FilterInvalid."""
    outcome = params.get("outcome") or None
    if outcome is not None and outcome not in OUTCOMES:
        raise FilterInvalid(reason=f"outcome is one of {', '.join(OUTCOMES)}, not {outcome!r}")
    after = parse_id(params.get("after") or None) or 0
    found = get_progress(services.store, plan_id)
    with services.store.read() as connection:
        position = head_id(connection)
    plan, now = found.plan, services.clock.now_ns()
    rows = list_items(services.store, plan_id, after_no=after, limit=ITEMS_SHOWN + 1, outcome=outcome)
    items = rows[:ITEMS_SHOWN]
    here = plan_href(plan_id)
    count_words = fmt.counted(plan.letters, "dead letter", "dead letters")
    is_applied = plan.applied_at is not None
    is_running = plan.state in RUNNING
    can_act = services.platform is not None
    return ReplayPage(
        title=f"Replay of {count_words}",
        place="deadletters",
        scope="letters",
        action="/deadletters",
        live=href("/api/events/stream", {"afterId": str(position), "types": LIVE_TYPES, "payloads": "false"}),
        version=__version__,
        plan_id=plan_id,
        headline=f"Replay of {count_words}",
        headline_count=count_words,
        state=plan_state(plan),
        mark=plan_mark(plan),
        sentence=_sentence(found),
        created=fmt.moment(plan.created_at, now),
        is_applied=is_applied,
        is_running=is_running,
        count=plan.letters,
        done=plan.letters - found.waiting,
        track=_track(found),
        tiles=_tiles(found),
        warnings=plan.warnings if plan.state == PLANNED else [],
        can_apply=can_act and plan.state == PLANNED and plan.letters > 0,
        can_stop=can_act and is_running,
        phrase=confirmation(plan.letters) if needs_confirmation(plan, services.settings) else "",
        hash=plan.hash,
        outcomes=_outcomes(found, here, outcome, is_applied=is_applied),
        items=[item_of(item, is_applied=is_applied, deletes=plan.delete_after_replay) for item in items],
        before=href(here, {"outcome": outcome}) if after else None,
        after=href(here, {"outcome": outcome, "after": items[-1].letter_no}) if len(rows) > ITEMS_SHOWN else None,
        letters_href=_letters_href(plan),
        json_href=href(f"/v1/deadletters/plans/{plan_id}"),
    )


def _sentence(found: Progress) -> str:
    plan = found.plan
    which = f"Of those with {plan_words(plan.filter)}."
    if plan.state == PLANNED:
        return which + ("" if plan.letters else " None matched, so there is nothing to replay.")
    if plan.state == REFUSED:
        return f"{which} It was refused: {plan.because}."
    if plan.state == STOPPED:
        return f"{which} It was stopped{': ' + plan.because if plan.because else ''}."
    if plan.state == DONE:
        again = found.ended.get("FAILED", 0)
        failed = f"; {fmt.counted(again, 'of their tasks', 'of their tasks')} failed again" if again else ""
        return f"{which} All had their turn{failed}."
    return f"{which} {fmt.counted(found.under_way, 'task is', 'tasks are')} under way."


def _track(found: Progress) -> list[TrackState]:
    """The stages: 1, then 10, then the rest."""
    plan = found.plan
    stages = list(STAGES)
    here = plan.state
    place = stages.index(here) if here in stages else len(stages)
    if here == STOPPED:
        # Where it was stopped is told by how many had their turn.
        had = plan.letters - found.waiting
        place = 0 if had < 1 else 1 if had < 11 else 2
    made = []
    for at, stage in enumerate(stages):
        sign = "done" if at < place else "ahead"
        if at == place:
            sign = "canceled" if here == STOPPED else "now"
        made.append(TrackState(word=STAGES[stage], sign=sign, is_now=stage == here))
    end = {STOPPED: "canceled", REFUSED: "failed", DONE: "succeeded"}.get(here, "ahead")
    made.append(TrackState(word=words_of(here) if end != "ahead" else "done", sign=end, is_now=end != "ahead"))
    return made


def _tiles(found: Progress) -> list[Tile]:
    plan = found.plan
    ended, failed = found.ended, found.ended.get("FAILED", 0)
    made = [
        Tile(word="Letters", value=fmt.count(plan.letters), more=f"{fmt.count(found.waiting)} wait for their turn"),
        Tile(
            word="At once",
            value=str(plan.concurrency),
            more="high concurrency" if plan.is_high else "",
            bad=False,
        ),
        Tile(word="Stops at", value=f"{100 * plan.stop_failures_ratio:g} %", more="of its tasks failing again"),
        Tile(word="Letters after", value="deleted" if plan.delete_after_replay else "kept"),
        Tile(word="Planned by", value=plan.created_by),
    ]
    if plan.applied_at is not None:
        made += [
            Tile(word="Begun by", value=plan.applied_by or fmt.NOTHING, more=plan.reason or ""),
            Tile(
                word="Tasks since",
                value=f"{fmt.count(ended.get('SUCCEEDED', 0))} succeeded",
                more=f"{fmt.count(failed)} failed again, {fmt.count(found.under_way)} under way",
                bad=bool(failed),
            ),
        ]
    made.append(Tile(word="Which letters", value=plan.hash.removeprefix("sha256:")[:12], more="SHA-256 of their ids"))
    return made


def _outcomes(found: Progress, here: str, chosen: str | None, *, is_applied: bool) -> list[StateChoice]:
    counts: Mapping[str, int] = found.outcomes if is_applied else found.expected
    link = here if is_applied else ""
    made = [StateChoice(word="all", mark="all", count=fmt.count(found.plan.letters), href=link, is_set=chosen is None)]
    made += [
        StateChoice(
            word=words_of(outcome),
            mark=outcome_mark(outcome),
            count=fmt.count(counts.get(outcome, 0)),
            href=href(here, {"outcome": outcome}) if is_applied else "",
            is_set=chosen == outcome,
        )
        for outcome in OUTCOMES
        if counts.get(outcome) or outcome == chosen
    ]
    return made


def _letters_href(plan: Plan) -> str:
    """The list of the letters that the filter of a plan finds now."""
    given = plan.filter
    params = {name: getattr(given, field) for name, field in FIELDS.items()}
    return href(
        "/deadletters",
        {
            **params,
            "view": "letters",
            "status": "all",
            "cause": ",".join(given.causes),
            "since": given.since,
            "until": given.until,
        },
    )
