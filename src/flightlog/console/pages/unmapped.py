"""Attributes that no mapping took, by the instrumentation that says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.ingest.otlp.unmapped import OTHERS, Unmapped, list_unmapped
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"scope"})
SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class UnmappedRow:
    """One attribute."""

    key: Annotated[str, "Its name; numbers in it are N."]
    count: Annotated[str, "How often it came."]
    share: Annotated[float, "The same as a length, of 100 for the most frequent of its instrumentation."]
    latest: Annotated[fmt.Moment, "When it came last."]
    href: Annotated[str, "The latest event that has it."]


@dataclass(frozen=True, kw_only=True)
class UnmappedScope:
    """One instrumentation."""

    scope: Annotated[str, "Its name and version."]
    href: Annotated[str, "The page with it alone."]
    count: Annotated[str, "How many attributes of it are shown, in words."]
    rows: Annotated[list[UnmappedRow], "Its attributes, the most frequent first."]


@dataclass(frozen=True, kw_only=True)
class UnmappedPage(Page):
    """What no mapping took."""

    template: ClassVar[str] = "unmapped.html"

    scopes: Annotated[list[UnmappedScope], "The instrumentations, the one with the most frequent attribute first."]
    only: Annotated[str | None, "The instrumentation that is shown alone; None for all."]
    counted: Annotated[str, "How many attributes there are, in words."]
    left_out: Annotated[str, "How many of them are not on the page; empty for none."]
    json_href: Annotated[str, "The same as JSON."]


def unmapped_page(services: Services, params: Mapping[str, str]) -> UnmappedPage:
    """The page for these parameters."""
    only = params.get("scope")
    found = list_unmapped(services.store, only, SHOWN)
    now = services.clock.now_ns()
    scopes: dict[str, list[Unmapped]] = {}
    for row in found.attributes:
        scopes.setdefault(row.scope, []).append(row)
    keys = fmt.counted(found.keys, "attribute", "attributes")
    more = found.keys - len(found.attributes)
    return UnmappedPage(
        title="Not mapped",
        place="traces",
        scope="generations",
        action="/traces",
        version=__version__,
        scopes=[_scope(scope, rows, now) for scope, rows in scopes.items()],
        only=None if only is None else _name(only),
        counted=f"{keys} of {fmt.counted(found.scopes, 'instrumentation', 'instrumentations')}",
        left_out=f"{fmt.count(more)} more, in the JSON" if more > 0 else "",
        json_href=_only("/api/otlp/unmapped", only),
    )


def _scope(scope: str, rows: list[Unmapped], now_ns: int) -> UnmappedScope:
    most = max(row.count for row in rows)
    return UnmappedScope(
        scope=_name(scope),
        href=_only("/unmapped", scope),
        count=fmt.counted(len(rows), "attribute", "attributes"),
        rows=[
            UnmappedRow(
                key="all others" if row.key == OTHERS else row.key,
                count=fmt.count(row.count),
                share=round(100 * row.count / most, 1),
                latest=fmt.moment(row.last_at, now_ns),
                href=href(f"/events/{row.event_id}"),
            )
            for row in rows
        ],
    )


def _name(scope: str) -> str:
    return {OTHERS: "all others", "": "without a name"}.get(scope, scope)


def _only(path: str, scope: str | None) -> str:
    """The address of one instrumentation; the empty name is one, and is not left out."""
    return path if scope is None else f"{path}?{urlencode({'scope': scope})}"
