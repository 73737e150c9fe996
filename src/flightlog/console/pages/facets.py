"""The facets and the histogram beside the list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.clock import format_ns
from flightlog.console import format as fmt
from flightlog.console.page import Fragment, href
from flightlog.filters.compile import narrowed_runs, run_filter
from flightlog.filters.fields import RUNS
from flightlog.filters.language import Query, parse
from flightlog.filters.params import moment
from flightlog.runs.facets import Bucket, Counted, Facets, Histogram, count_facets
from flightlog.runs.filter import RunFilter
from flightlog.services import Services

VALUES_SHOWN = 8
# In the order in which somebody who looks for trouble wants them.
STATUS_ORDER = ("running", "hung", "failed", "canceled", "succeeded")
HEIGHT = 36.0
WORDS = {"status": "Status", "actor": "Actor", "model": "Model", "project": "Project", "source": "Source"}


@dataclass(frozen=True, kw_only=True)
class FacetValue:
    """One value, how many runs have it, and the list with it, or without it when it is chosen."""

    value: Annotated[str, "The value."]
    count: Annotated[str, "How many runs have it."]
    href: Annotated[str, "The list with or without it."]
    is_set: Annotated[bool, "Whether it is chosen."]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """One field with its most frequent values."""

    key: Annotated[str, "The field's name in a query."]
    word: Annotated[str, "What it is called."]
    values: Annotated[list[FacetValue], "Its values, the most frequent first."]
    more: Annotated[list[FacetValue], "Those that are folded away."]


@dataclass(frozen=True, kw_only=True)
class Column:
    """The starts in one stretch of time, as a column of three parts. Lengths are in the units of the picture."""

    x: Annotated[float, "Where it begins."]
    width: Annotated[float, "How wide it is."]
    parts: Annotated[
        list[tuple[str, float, float]], "Of each part its class, where it begins from the top, its height."
    ]
    words: Annotated[str, "What it says."]
    since: Annotated[str, "When the stretch begins (RFC 3339)."]
    until: Annotated[str, "When it ends."]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The histogram as a picture 1000 wide and 36 high."""

    columns: Annotated[list[Column], "Its columns, oldest first."]
    words: Annotated[str, "The whole in a sentence."]
    since: Annotated[str, "Where it begins (RFC 3339)."]
    until: Annotated[str, "Where it ends."]
    first: Annotated[str, "The same, short."]
    last: Annotated[str, "The same, short."]
    seconds: Annotated[int, "How long a stretch is."]
    clear: Annotated[str | None, "The list without a time range, when one is set."]


@dataclass(frozen=True, kw_only=True)
class FacetsPanel:
    """What the runs that match hold, in numbers."""

    facets: Annotated[list[Facet], "The facets that say something."]
    chart: Annotated[Chart | None, "When the runs started; None without runs."]
    counted: Annotated[str, "How many runs match."]
    is_one: Annotated[bool, "Whether that is one."]
    note: Annotated[str, "What was not counted; may be empty."]


@dataclass(frozen=True, kw_only=True)
class FacetsFragment(Fragment):
    """The panel alone, for the script that puts it beside the list."""

    template: ClassVar[str] = "_runs_facets.html"

    panel: Annotated[FacetsPanel, "The panel."]


def facets_fragment(services: Services, params: Mapping[str, str]) -> FacetsFragment:
    """The panel alone. Raises FilterInvalid."""
    return FacetsFragment(panel=facets_panel(services, params))


def facets_panel(services: Services, params: Mapping[str, str]) -> FacetsPanel:
    """The panel for these parameters. Raises FilterInvalid."""
    asked = {name: value for name, value in params.items() if value and name not in ("cursor", "facets")}
    now = services.clock.now_ns()
    framed = RunFilter(
        project=asked.get("project"),
        since=moment("since", asked.get("since"), now),
        until=moment("until", asked.get("until"), now),
    )
    wanted = narrowed_runs(run_filter(asked.get("q", ""), now), framed)
    found = count_facets(services.store, wanted, clock=services.clock, settings=services.settings)
    query = parse(asked.get("q", ""), RUNS)
    made = [_facet(name, values, query, asked) for name, values in found.facets.items()]
    return FacetsPanel(
        # A single value that every run has is no choice.
        facets=[facet for facet in made if len(facet.values) > 1 or any(value.is_set for value in facet.values)],
        chart=None if found.histogram is None else _chart(found.histogram, asked),
        counted=fmt.count(found.counted) + ("" if found.complete else "+"),
        is_one=found.counted == 1 and found.complete,
        note=_note(found),
    )


def _note(found: Facets) -> str:
    return "" if found.complete else f"Counted in the newest {fmt.count(found.counted)} that match."


def _facet(name: str, values: list[Counted], query: Query, asked: Mapping[str, str]) -> Facet:
    chosen = query.values(name)
    ordered = sorted(values, key=lambda one: STATUS_ORDER.index(one.value)) if name == "status" else values
    gone = [Counted(value, 0) for value in chosen if value not in {one.value for one in values}]
    links = [_value(name, one, query, one.value in chosen, asked) for one in (*ordered, *gone)]
    # What is chosen stays in sight.
    shown = [link for place, link in enumerate(links) if place < VALUES_SHOWN or link.is_set]
    return Facet(key=name, word=WORDS[name], values=shown, more=[link for link in links if link not in shown])


def _value(name: str, one: Counted, query: Query, is_set: bool, asked: Mapping[str, str]) -> FacetValue:
    turned = query.without(name, one.value) if is_set else query.with_value(name, one.value)
    return FacetValue(
        value=one.value,
        count=fmt.count(one.count),
        href=href("/", {**asked, "q": str(turned)}),
        is_set=is_set,
    )


def _chart(histogram: Histogram, asked: Mapping[str, str]) -> Chart:
    width_ns = histogram.seconds * 1_000_000_000
    stretches = max(1, (histogram.until - histogram.since) // width_ns)
    most = max(_total(bucket) for bucket in histogram.buckets)
    wide = 1000 / stretches
    total = sum(_total(bucket) for bucket in histogram.buckets)
    failed = sum(bucket.failed for bucket in histogram.buckets)
    ranged = {name: value for name, value in asked.items() if name not in ("since", "until")}
    return Chart(
        columns=[
            _column(bucket, (bucket.at - histogram.since) // width_ns * wide, wide, most, width_ns)
            for bucket in histogram.buckets
        ],
        words=f"{fmt.count(total)} runs started from {_short(histogram.since)} to {_short(histogram.until)}, "
        f"{fmt.count(failed)} of them failed",
        since=format_ns(histogram.since),
        until=format_ns(histogram.until),
        first=_short(histogram.since),
        last=_short(histogram.until),
        seconds=histogram.seconds,
        clear=href("/", ranged) if len(ranged) < len(asked) else None,
    )


def _column(bucket: Bucket, x: float, wide: float, most: int, width_ns: int) -> Column:
    parts: list[tuple[str, float, float]] = []
    top = HEIGHT
    for name, number in (
        ("failed", bucket.failed),
        ("canceled", bucket.canceled),
        ("running", bucket.running),
        ("succeeded", bucket.succeeded),
    ):
        if number:
            high = max(HEIGHT * number / most, 1.0)
            top = max(0.0, top - high)
            parts.append((name, round(top, 2), round(high, 2)))
    said = ", ".join(
        f"{number} {name}"
        for name, number in (
            ("succeeded", bucket.succeeded),
            ("failed", bucket.failed),
            ("running", bucket.running),
            ("canceled", bucket.canceled),
        )
        if number
    )
    return Column(
        x=round(x, 3),
        width=round(max(wide * 0.86, 1.0), 3),
        parts=parts,
        words=f"{_short(bucket.at)}: {said}",
        since=format_ns(bucket.at),
        until=format_ns(bucket.at + width_ns),
    )


def _total(bucket: Bucket) -> int:
    return bucket.succeeded + bucket.failed + bucket.running + bucket.canceled


def _short(ns: int) -> str:
    """To the minute, UTC."""
    return format_ns(ns)[:16].replace("T", " ")
