"""Analytics: what calls, tools, runs, permissions and feedback come to, each number with the way to what is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from flightlog.analytics.answer import Answer, answer
from flightlog.analytics.kept import Kept
from flightlog.analytics.question import BUCKETS_MAX, SINCE_NS, make_question
from flightlog.analytics.subjects import BUCKETS
from flightlog.clock import NS_PER_SECOND
from flightlog.console import format as fmt
from flightlog.console.page import Page, QueryFault, href
from flightlog.console.pages.frame import notice_for
from flightlog.console.pages.runs import Part
from flightlog.console.pages.stats_charts import StatsChart, charts_of
from flightlog.console.pages.stats_tables import Asked, StatsTable, tables_of
from flightlog.errors import QueryInvalid
from flightlog.filters.fields import GENERATIONS
from flightlog.filters.language import parse
from flightlog.filters.params import moment
from flightlog.runs.filter import RunFilter
from flightlog.runs.listing import list_runs
from flightlog.runs.summary import RunSummary, silent_since
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"q", "project", "since", "until", "bucket"})
MODELS_SHOWN, TOOLS_SHOWN, LINES_SHOWN = 8, 6, 10
HOURS_NS_MAX = 49 * 3_600 * NS_PER_SECOND  # beyond it days are shown unless somebody asks


@dataclass(frozen=True, kw_only=True)
class StatsTile:
    """One number of all."""

    topic: Annotated[str, "What it is."]
    figure: Annotated[str, "The number."]
    hint: Annotated[str, "What else is known of it; may be empty."]


@dataclass(frozen=True, kw_only=True)
class BucketChoice:
    """Another width of the charts' bars."""

    word: Annotated[str, "By hour or by day."]
    href: Annotated[str, "The page with it."]
    is_set: Annotated[bool, "Whether it is what is shown."]


@dataclass(frozen=True, kw_only=True)
class StatsPage(Page):
    """Numbers over time, and in groups."""

    template: ClassVar[str] = "stats.html"

    tiles: Annotated[list[StatsTile], "The totals; empty where there is nothing."]
    charts: Annotated[list[StatsChart], "Numbers over time."]
    tables: Annotated[list[StatsTable], "Numbers in groups."]
    buckets: Annotated[list[BucketChoice], "How wide a bar may be."]
    period: Annotated[str, "From when to when, in words."]
    terms: Annotated[list[Part], "The terms of the query, each with a way to be rid of it."]
    filtered: Annotated[bool, "Whether any filter or time is set."]
    clear: Annotated[str, "The page without any of them."]
    stale: Annotated[str, "What of the numbers is not up to date; empty where all is."]
    server: Annotated[str, "This server's own URL, for the lines that would fill an empty page."]


@dataclass(frozen=True)
class Found:
    """The answers that the page shows. With a query only those of model calls."""

    models: Answer
    speeds: Answer  # the same groups by their latency, which is not needed over time
    tools: Answer | None
    failing: Answer | None
    decisions: Answer | None
    feedback: Answer | None
    slowest: list[RunSummary]


def stats_page(services: Services, params: Mapping[str, str], server: str, kept: Kept) -> StatsPage:
    """The page for these parameters. Raises FilterInvalid, StatsTooMuch; a query that can't be read is told on the page."""
    asked = {name: value for name, value in params.items() if value}
    now = services.clock.now_ns()
    since, until = (moment(name, asked.get(name), now) for name in ("since", "until"))
    bucket = asked.get("bucket") or _bucket(since, until, now)
    found, fault, terms = None, None, []
    try:
        terms = _terms(asked)
        found = _find(services, kept, asked, since, until, bucket, now)
    except QueryInvalid as error:
        fault = QueryFault.of(error)
    about = Asked(asked.get("project", ""), asked.get("q", "")) if found is None else _about(found, asked)
    is_empty = found is None or _is_empty(found)
    return StatsPage(
        title="Analytics",
        place="stats",
        scope="generations",
        action="/stats",
        query=asked.get("q", ""),
        query_error=fault,
        kept={name: asked[name] for name in ("bucket",) if name in asked},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=notice_for(services),
        version=__version__,
        tiles=[] if found is None or is_empty else _tiles(found),
        charts=[] if found is None or is_empty else charts_of(about, found.models, found.tools),
        tables=[] if found is None or is_empty else _tables(about, found),
        buckets=_buckets(asked, bucket, found),
        period=""
        if found is None
        else f"{_short(found.models.question.since)} – {_short(found.models.question.until)} UTC",
        terms=terms,
        filtered=bool(asked.keys() - {"bucket"}),
        clear="/stats",
        stale="" if found is None else _stale(found.models),
        server=server,
    )


def _find(
    services: Services,
    kept: Kept,
    asked: Mapping[str, str],
    since: int | None,
    until: int | None,
    bucket: str,
    now: int,
) -> Found:
    def ask(of: str, by: str, *, top: int, **more: Any) -> Answer:
        question = make_question(
            of=of, by=by, top=top, since=since, until=until, project=asked.get("project"), now_ns=now, **more
        )
        return answer(services.store, question, kept, silent_since=silent_since(services.clock, services.settings))

    query = asked.get("q")
    which: Mapping[str, Any] = {"top": MODELS_SHOWN, "q": query, "sort": "cost_usd"}
    models = ask("models", "model", bucket=bucket, measures=("calls", "tokens", "cost"), **which)
    # Of the same time, which the buckets have made longer.
    since, until = models.question.since, models.question.until
    speeds = ask("models", "model", measures=("latency",), **which)
    if query:
        return Found(models, speeds, None, None, None, None, [])
    slowest = list_runs(
        services.store,
        RunFilter(project=asked.get("project"), since=models.question.since, until=models.question.until),
        sort="-duration",
        limit=LINES_SHOWN,
        settings=services.settings,
    )
    return Found(
        models=models,
        speeds=speeds,
        tools=ask("tools", "tool", top=TOOLS_SHOWN, bucket=bucket),
        failing=ask("tools", "tool", top=LINES_SHOWN, sort="errors"),
        decisions=ask("decisions", "capability", top=LINES_SHOWN),
        feedback=ask("feedback", "model", top=LINES_SHOWN),
        slowest=slowest.runs,
    )


def _about(found: Found, asked: Mapping[str, str]) -> Asked:
    question = found.models.question
    return Asked(asked.get("project", ""), asked.get("q", ""), question.since, question.until)


def _bucket(since: int | None, until: int | None, now: int) -> str:
    last = now if until is None else until
    first = last - SINCE_NS if since is None else since
    return "hour" if last - first <= HOURS_NS_MAX else "day"


def _buckets(asked: Mapping[str, str], bucket: str, found: Found | None) -> list[BucketChoice]:
    if found is None:
        return []
    span = found.models.question.until - found.models.question.since
    return [
        BucketChoice(word=f"by {name}", href=href("/stats", {**asked, "bucket": name}), is_set=name == bucket)
        for name, width in BUCKETS.items()
        if span // width < BUCKETS_MAX
    ]


def _is_empty(found: Found) -> bool:
    every = (found.models, found.tools, found.decisions, found.feedback)
    return not found.slowest and not any(one is not None and one.groups for one in every)


def _tiles(found: Found) -> list[StatsTile]:
    models = found.models.total.numbers
    calls, spread = models["calls"], found.speeds.total.numbers["latency_ns"]
    made = [
        StatsTile(topic="Model calls", figure=fmt.count(calls), hint=""),
        StatsTile(topic="Failed", figure=fmt.count(models["errors"]), hint=percent(models["error_rate"])),
        StatsTile(topic="Cost", figure=fmt.money(models["cost_usd"]), hint=_unpriced(calls - models["priced"])),
        StatsTile(topic="Tokens in", figure=fmt.short(models["tokens_input"]), hint=_cached(models)),
        StatsTile(topic="Tokens out", figure=fmt.short(models["tokens_output"]), hint=""),
        StatsTile(topic="Model p50 · p95", figure=f"{fmt.duration(spread.p50)} · {fmt.duration(spread.p95)}", hint=""),
    ]
    if found.tools is not None:
        tools = found.tools.total.numbers
        hint = f"{percent(tools['error_rate'])} failed" if tools["errors"] else ""
        made.append(StatsTile(topic="Tool calls", figure=fmt.count(tools["calls"]), hint=hint))
    if found.decisions is not None and found.decisions.groups:
        denied = found.decisions.total.numbers["denied"]
        made.append(StatsTile(topic="Denied", figure=fmt.count(denied), hint=""))
    return made


def _unpriced(calls: int) -> str:
    return f"{fmt.counted(calls, 'call', 'calls')} without a price" if calls else ""


def _cached(numbers: Mapping[str, Any]) -> str:
    cached = numbers["tokens_cached_input"]
    return f"{fmt.short(cached)} cached" if cached else ""


def percent(share: float | None) -> str:
    """A share in percent; nothing of nothing.

    >>> percent(0.0123), percent(None)
    ('1.2 %', '–')
    """
    return fmt.NOTHING if share is None else f"{share * 100:.1f} %"


def _tables(about: Asked, found: Found) -> list[StatsTable]:
    return tables_of(about, found.models, found.speeds, found.failing, found.decisions, found.feedback, found.slowest)


def _stale(models: Answer) -> str:
    if not models.stale_files:
        return ""
    noun = fmt.counted(models.stale_files, "archived file", "archived files")
    return f"Prices were recomputed; costs in {noun} are from before, until these are written anew."


def _short(ns: int) -> str:
    """To the minute."""
    return fmt.in_full(ns)[:16]


def _terms(asked: Mapping[str, str]) -> list[Part]:
    """Raises QueryInvalid."""
    read = parse(asked.get("q", ""), GENERATIONS)
    return [
        Part(text=str(term), href=href("/stats", {**asked, "q": str(read.without_term(place))}))
        for place, term in enumerate(read.terms)
    ]
