"""One run: its totals and how it went, and below them its events as a timeline, to be read, as a list, or added up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.kinds import KINDS, Segment, bar, in_words, shares
from flightlog.console.page import Notice, Page, QueryFault, href
from flightlog.console.pages.reading import Reading, reading_of
from flightlog.console.pages.run_events import NARROWING, EventList, empty_list, list_of
from flightlog.console.pages.runs_rows import run_time, status_of
from flightlog.console.pages.tasks_rows import is_task, task_href
from flightlog.console.pages.totals import Totals, totals_of
from flightlog.console.pages.traces_rows import in_signs
from flightlog.console.pages.trust import Trust, trust_of
from flightlog.console.pages.verdict import verdict_of
from flightlog.errors import FilterInvalid, QueryInvalid
from flightlog.filters.language import quote
from flightlog.filters.params import words
from flightlog.runs.feedback_filter import FeedbackFilter
from flightlog.runs.feedback_summary import sum_up
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary, get_run
from flightlog.services import Services
from flightlog.version import __version__

TIMELINE, READING, EVENTS, TOTALS = "timeline", "reading", "events", "totals"
VIEWS = (TIMELINE, READING, EVENTS, TOTALS)
LISTING = (TIMELINE, EVENTS)  # views of single events, which a query narrows
# `mode`, `from`, `to` and `fold` are the timeline's own: they say what its script shows.
PARAMETERS = frozenset(
    {
        "view",
        "q",
        "afterId",
        "beforeId",
        "latest",
        "limit",
        "types",
        "level",
        "event",
        "id",
        "mode",
        "from",
        "to",
        "fold",
    }
)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One total."""

    word: Annotated[str, "What is counted."]
    value: Annotated[str, "The number."]
    more: Annotated[str, "A smaller word beside it; may be empty."] = ""
    bad: Annotated[bool, "Whether it is something to worry about."] = False


@dataclass(frozen=True, kw_only=True)
class KindChoice:
    """A link that shows one kind of events alone."""

    key: Annotated[str, "The class of its colour; empty for all kinds."]
    word: Annotated[str, "What it is called."]
    count: Annotated[str, "How many there are; empty when that is not known."]
    href: Annotated[str, "The view with that kind alone."]
    is_set: Annotated[bool, "Whether it is what is shown."]


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One way to look at a run."""

    word: Annotated[str, "What it is called."]
    href: Annotated[str, "Where it is."]
    is_set: Annotated[bool, "Whether it is what is shown."]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What the script that draws the timeline has to know."""

    data_href: Annotated[str, "Where the events come from."]
    lines_href: Annotated[str, "Where it asks what events say, in one line each."]
    kinds: Annotated[str, "Which types are of which kind: `key=type,type` with spaces between."]
    open_id: Annotated[int | None, "The place of the event that is opened, if one is."]


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """One run."""

    template: ClassVar[str] = "run.html"

    run_id: Annotated[str, "Its id."]
    name: Annotated[str, "Its name, or its id shortened."]
    status: Annotated[str, "running, hung, succeeded, failed or canceled."]
    verdict: Annotated[str, "How it went, in one sentence."]
    actor: Annotated[str, "Who it was started for; may be empty."]
    started: Annotated[fmt.Moment, "When it began."]
    tiles: Annotated[list[Tile], "Its totals."]
    bar: Annotated[list[Segment], "Its events by kind, as stretches of a bar of length 100."]
    kinds_text: Annotated[str, "The same in words."]
    kinds: Annotated[list[KindChoice], "The kinds that it has events of; empty where they choose nothing."]
    tabs: Annotated[list[Tab], "The ways to look at it."]
    timeline: Annotated[Timeline | None, "What the timeline is drawn from, where it is shown."]
    reading: Annotated[Reading | None, "The run to be read, where it is shown."]
    totals: Annotated[Totals | None, "What the run comes to, where it is shown."]
    listed: Annotated[EventList | None, "Its events, where they are shown; with the timeline, for who has no scripts."]
    json_href: Annotated[str, "The run as JSON."]
    report_href: Annotated[str, "The run's report, to be read and filed."]
    curl: Annotated[str, "A command that gets the same."]
    permalink: Annotated[str, "This page without what is opened or filtered."]
    compare_href: Annotated[str, "Where it is put beside another run."]
    traces_href: Annotated[str | None, "Its model calls as a list, if it has any."]
    task_href: Annotated[str | None, "The task that it tells of, if it is a task's."]
    trust: Annotated[Trust, "How far it is sealed."]


def run_page(services: Services, run_id: str, params: Mapping[str, str], base_url: str = "") -> RunPage:
    """The page for these parameters. Raises RunNotFound, CursorInvalid, FilterInvalid, LimitInvalid."""
    run = get_run(services.store, run_id, clock=services.clock, settings=services.settings)
    view = _view(params)
    now = services.clock.now_ns()
    path, json_href = f"/runs/{run_id}", href(f"/api/runs/{run_id}")
    listed, fault = _listed(services, run, params, base_url) if view in LISTING else (None, None)
    kept = {name: params[name] for name in NARROWING if params.get(name)}
    return RunPage(
        title=run.name or fmt.short_id(run_id),
        place="runs",
        scope="events" if view in LISTING else "",
        action=href(path) if view in LISTING else "/",
        query=kept.get("q", ""),
        query_error=fault,
        kept={**kept, **({"view": view} if view == EVENTS else {})} if view in LISTING else {},
        notice=_notice(run),
        live=href(f"/api/runs/{run_id}/stream", {"afterId": str(run.last_event_id), "payloads": "false"}),
        version=__version__,
        run_id=run_id,
        name=run.name or fmt.short_id(run_id),
        status=status_of(run),
        verdict=verdict_of(services.store, run, now),
        actor=run.actor or "",
        started=fmt.moment(run.started_at, now),
        tiles=[*_tiles(run, now), *_judged(services, run_id)],
        bar=bar(run.counts),
        kinds_text=in_words(run.counts),
        kinds=_kinds(run, path, "" if view == TIMELINE else view, kept) if view in LISTING else [],
        tabs=_tabs(path, view),
        timeline=_timeline(run, listed) if view == TIMELINE and listed else None,
        reading=reading_of(services, run, params) if view == READING else None,
        totals=totals_of(services, run) if view == TOTALS else None,
        listed=listed,
        json_href=json_href,
        report_href=href(f"/api/runs/{run_id}/report", {"format": "html"}),
        curl=f"curl -s {shlex.quote(base_url + json_href)}",
        permalink=href(path),
        compare_href=href("/compare", {"left": run_id}),
        traces_href=href("/traces", {"q": f"run:{quote(run_id)}"}) if _calls(run) else None,
        task_href=task_href(run_id) if is_task(services.store, run_id) else None,
        trust=trust_of(services, run),
    )


def _calls(run: RunSummary) -> int:
    return max(run.counts.get("llm_request", 0), run.counts.get("llm_response", 0))


def _view(params: Mapping[str, str]) -> str:
    """The view that is asked for. Raises FilterInvalid."""
    view = params.get("view") or TIMELINE
    if view not in VIEWS:
        raise FilterInvalid(reason=f"view is one of {', '.join(VIEWS)}, not {view!r}")
    return view


def _listed(
    services: Services, run: RunSummary, params: Mapping[str, str], base_url: str
) -> tuple[EventList, QueryFault | None]:
    """The events, or none and what is wrong with the query."""
    try:
        return list_of(services, run, params, base_url), None
    except QueryInvalid as error:
        return empty_list(run), QueryFault.of(error)


def _tabs(path: str, view: str) -> list[Tab]:
    words = {TIMELINE: "Timeline", READING: "Reading", EVENTS: "Events", TOTALS: "Totals"}
    return [
        Tab(word=word, href=href(path, {"view": name if name != TIMELINE else None}), is_set=view == name)
        for name, word in words.items()
    ]


def _timeline(run: RunSummary, listed: EventList) -> Timeline:
    return Timeline(
        data_href=href(f"/api/runs/{run.run_id}/timeline"),
        lines_href=href(f"/runs/{run.run_id}/lines"),
        kinds=" ".join(f"{kind.key}={','.join(kind.types)}" for kind in KINDS if kind.types),
        open_id=listed.panel.id if listed.panel else None,
    )


def _kinds(run: RunSummary, path: str, view: str, kept: Mapping[str, str]) -> list[KindChoice]:
    types, levels = words([kept.get("types", "")]), words([kept.get("level", "")])
    stays = {"view": view, "q": kept.get("q")}
    everything = KindChoice(
        key="",
        word="all",
        count=fmt.count(run.event_count),
        href=href(path, stays),
        is_set=not types + levels,
    )
    errors = KindChoice(
        key="err",
        word="at level error",
        count="",  # the summary counts events of type error with them, whatever their level
        href=href(path, {**stays, "level": "error"}),
        is_set=levels == ("error",),
    )
    return [
        everything,
        *([errors] if run.error_count else []),
        *(
            KindChoice(
                key=share.kind.key,
                word=share.kind.word,
                count=fmt.count(share.number),
                href=href(path, {**stays, "types": ",".join(share.types)}),
                is_set=set(types) == set(share.types),
            )
            for share in shares(run.counts)
        ),
    ]


def _notice(run: RunSummary) -> Notice | None:
    gaps = href(f"/runs/{run.run_id}", {"view": EVENTS, "types": "degraded"})
    if not run.lost_count:
        if "degraded" not in run.counts:
            return None
        detail = "Nothing of this run is known to be lost. The timeline and the list show when it was."
        return Notice(text="Recording was degraded for a while", detail=detail, href=gaps, link="See when")
    noun = "event of this run is" if run.lost_count == 1 else "events of this run are"
    return Notice(
        text=f"{fmt.count(run.lost_count)} {noun} lost",
        detail="The timeline and the list show where.",
        href=gaps,
        link="See the gaps",
    )


def _judged(services: Services, run_id: str) -> list[Tile]:
    """What people think of the run, its model calls and its spans; nothing where nobody said anything."""
    total, _ = sum_up(services.store, FeedbackFilter(run_id=run_id, statuses=("linked",)))
    if not total.count:
        return []
    ups, downs = (total.thumbs.up, total.thumbs.down) if total.thumbs else (0, 0)
    scores = [total.scores.average] * total.scores.count if total.scores else []
    signs, words = in_signs(ups, downs, scores, list(total.labels), total.comments + total.corrections)
    return [Tile(word="Feedback", value=signs, more=words, bad=downs > ups)]


def _tiles(run: RunSummary, now_ns: int) -> list[Tile]:
    def total(*types: str) -> str:
        return fmt.count(max(run.counts.get(name, 0) for name in types))

    running = run.status == RUNNING
    cached = run.tokens_cached_input
    return [
        Tile(word="Time", value=run_time(run, now_ns), more="so far" if running and not run.hung else "", bad=run.hung),
        Tile(word="Events", value=fmt.count(run.event_count)),
        Tile(word="Model calls", value=total("llm_request", "llm_response"), more=", ".join(run.models)),
        Tile(word="Tool calls", value=total("tool_call", "tool_result")),
        Tile(
            word="Tokens in / out",
            value=f"{fmt.short(run.tokens_input)} / {fmt.short(run.tokens_output)}",
            more=f"{fmt.short(cached)} cached" if cached else "",
        ),
        Tile(word="Cost", value=fmt.money(run.cost_usd)),
        Tile(word="Patches", value=total("patch_applied", "patch_proposed")),
        Tile(word="Test runs", value=total("test_started", "test_result")),
        Tile(word="Errors", value=fmt.count(run.error_count), bad=bool(run.error_count)),
        Tile(word="Lost", value=fmt.count(run.lost_count), bad=bool(run.lost_count)),
    ]
