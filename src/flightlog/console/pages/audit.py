"""The audit page: what was done and by whom, and which permissions were asked for, granted and denied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.audit.filter import AuditFilter
from flightlog.audit.listing import AuditPage as Found
from flightlog.audit.listing import count_decisions, count_orphans, list_audits
from flightlog.audit.project import ORPHANED
from flightlog.audit.reading import AUDIT, DECISION, DECISIONS
from flightlog.console import format as fmt
from flightlog.console.page import Page, QueryFault, href
from flightlog.console.pages.audit_rows import TABLE, AuditRow, AuditRows, audit_rows_of
from flightlog.console.pages.columns import Column, ColumnChoice
from flightlog.console.pages.frame import notice_for
from flightlog.console.pages.runs import Part
from flightlog.errors import QueryInvalid
from flightlog.filters.compile import audit_filter, narrowed_audits
from flightlog.filters.fields import AUDITS
from flightlog.filters.language import Query, parse
from flightlog.filters.params import moment
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.version import __version__

# `id` is the event that is open in the panel.
PARAMETERS = frozenset({"q", "project", "since", "until", "columns", "cursor", "id"})
AUDITS_SHOWN = 50
CAPABILITIES_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Count:
    """One count, and the list of what it counts."""

    word: Annotated[str, "What is counted: requested, granted, denied or other."]
    value: Annotated[str, "How many; empty for none."]
    href: Annotated[str | None, "The list with these alone, if there are any."]
    is_set: Annotated[bool, "Whether that is what is shown."]


@dataclass(frozen=True, kw_only=True)
class CapabilityRow:
    """One permission and how it was decided."""

    name: Annotated[str, "The permission."]
    href: Annotated[str, "The list with it alone."]
    is_set: Annotated[bool, "Whether that is what is shown."]
    counts: Annotated[list[Count], "How often it was requested, granted, denied."]
    last: Annotated[fmt.Moment, "When it came up last."]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Permissions and decisions."""

    rows: Annotated[list[CapabilityRow], "The permissions, the most frequent first."]
    left_out: Annotated[str, "How many more there are; empty for none."]
    total: Annotated[list[Count], "The sums."]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A term that is often wanted: a link that sets it, or takes it away."""

    word: Annotated[str, "What it is called."]
    count: Annotated[str, "How many records it would show; empty when that was not counted."]
    href: Annotated[str, "The list with or without it."]
    is_set: Annotated[bool, "Whether it is set."]
    title: Annotated[str, "What it means; may be empty."] = ""


@dataclass(frozen=True, kw_only=True)
class AuditListPage(Page):
    """Audit records and decisions, the latest first."""

    template: ClassVar[str] = "audit.html"

    rows: Annotated[list[AuditRow], "The records on this page."]
    columns: Annotated[list[Column], "The columns that are shown."]
    choices: Annotated[list[ColumnChoice], "The columns that there are."]
    terms: Annotated[list[Part], "The terms of the query, each with a way to be rid of it."]
    quick: Annotated[list[Choice], "Terms that are often wanted."]
    matrix: Annotated[Matrix | None, "How permissions were decided, where any were."]
    filtered: Annotated[bool, "Whether any filter is set, or this is a later page."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    more: Annotated[str | None, "The same as rows alone."]
    first: Annotated[bool, "Whether this is the first page, where new records come in."]
    server: Annotated[str, "This server's own URL, for the lines that would fill an empty page."]


def audit_page(services: Services, params: Mapping[str, str], server: str) -> AuditListPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid; a query that can't be read is told on the page."""
    asked = {name: value for name, value in params.items() if value and name not in ("cursor", "id")}
    cursor = params.get("cursor") or None
    with services.store.read() as connection:
        position = head_id(connection)
    now = services.clock.now_ns()
    fault, query, page, matrix = None, Query(), Found([], None), None
    try:
        query = parse(asked.get("q", ""), AUDITS)
        page = _page(services, asked, cursor)
        matrix = _matrix(services, query, asked, now)
    except QueryInvalid as error:
        fault = QueryFault.of(error)
    return AuditListPage(
        title="Audit",
        place="audit",
        scope="audits",
        action="/audit",
        query=asked.get("q", ""),
        query_error=fault,
        kept={name: asked[name] for name in ("columns",) if name in asked},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=notice_for(services),
        live=href("/api/events/stream", {"afterId": str(position), "payloads": "false"}),
        version=__version__,
        rows=audit_rows_of(page.audits, now),
        columns=TABLE.columns(asked),
        choices=TABLE.choices(asked),
        terms=[
            Part(text=str(term), href=_with(asked, query.without_term(place))) for place, term in enumerate(query.terms)
        ],
        quick=_quick(services, query, asked) if fault is None else [],
        matrix=matrix,
        filtered=bool(asked.keys() - {"columns"}) or cursor is not None,
        clear="/audit",
        newest=href("/audit", asked) if cursor else None,
        older=_older("/audit", asked, page),
        more=_older("/audit/rows", asked, page),
        first=cursor is None,
        server=server,
    )


def audit_rows(services: Services, params: Mapping[str, str]) -> AuditRows:
    """The rows that follow a page. Raises FilterInvalid, CursorInvalid."""
    asked = {name: value for name, value in params.items() if value and name not in ("cursor", "id")}
    page = _page(services, asked, params.get("cursor") or None)
    return AuditRows(
        rows=audit_rows_of(page.audits, services.clock.now_ns()),
        columns=TABLE.columns(asked),
        more=_older("/audit/rows", asked, page),
    )


def _page(services: Services, asked: Mapping[str, str], cursor: str | None) -> Found:
    wanted = _wanted(services, asked, asked.get("q", ""))
    return list_audits(services.store, wanted, limit=AUDITS_SHOWN, cursor=cursor, settings=services.settings)


def _wanted(services: Services, asked: Mapping[str, str], query: str) -> AuditFilter:
    now = services.clock.now_ns()
    framed = AuditFilter(
        project=asked.get("project") or None,
        since=moment("since", asked.get("since") or None, now),
        until=moment("until", asked.get("until") or None, now),
    )
    return narrowed_audits(audit_filter(query, now), framed)


def _older(path: str, asked: Mapping[str, str], page: Found) -> str | None:
    return href(path, {**asked, "cursor": page.next_cursor}) if page.next_cursor is not None else None


def _with(asked: Mapping[str, str], query: Query) -> str:
    return href("/audit", {**asked, "q": str(query)})


# ── terms that are often wanted ──────────────────────────────────────────────────────────────────────────────────────


def _quick(services: Services, query: Query, asked: Mapping[str, str]) -> list[Choice]:
    orphans = count_orphans(services.store)
    made = [
        _choice("records", "type", AUDIT, query, asked),
        _choice("decisions", "type", DECISION, query, asked),
        _choice("denied", "decision", "denied", query, asked),
    ]
    orphaned = _choice("orphaned", "orphan", ORPHANED, query, asked, fmt.count(orphans.count))
    return [*made, orphaned] if orphans.count or orphaned.is_set else made


def _choice(word: str, field: str, value: str, query: Query, asked: Mapping[str, str], count: str = "") -> Choice:
    is_set = value in query.values(field)
    turned = query.without(field, value) if is_set else query.without(field).with_value(field, value)
    title = "They name a run or task that nothing else in the store names" if field == "orphan" else ""
    return Choice(word=word, count=count, href=_with(asked, turned), is_set=is_set, title=title)


# ── the matrix ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _matrix(services: Services, query: Query, asked: Mapping[str, str], now_ns: int) -> Matrix | None:
    """Over what the rest of the query lets through, so that the alternatives stay in view."""
    rest = query.without("capability").without("decision").without("type")
    found = count_decisions(services.store, _wanted(services, asked, str(rest)))
    if not found.rows:
        return None
    words = [word for word in (*DECISIONS, "other") if word != "other" or found.total["other"]]
    set_names, set_words = query.values("capability"), query.values("decision")
    rows = []
    for row in found.rows[:CAPABILITIES_SHOWN]:
        name = row.capability
        chosen = rest if name is None else rest.with_value("capability", name)
        is_set = set_names == (name,)
        rows.append(
            CapabilityRow(
                name=name or "without a name",
                href=_with(asked, rest if is_set else chosen),
                is_set=is_set and not set_words,
                counts=[
                    _count(word, getattr(row, word), chosen, asked, is_set and set_words == (word,)) for word in words
                ],
                last=fmt.moment(row.last_at, now_ns),
            )
        )
    total = [_count(word, found.total[word], rest, asked, not set_names and set_words == (word,)) for word in words]
    more = len(found.rows) - len(rows)
    return Matrix(rows=rows, left_out=f"and {fmt.count(more)} more" if more else "", total=total)


def _count(word: str, number: int, query: Query, asked: Mapping[str, str], is_set: bool) -> Count:
    if not number:
        return Count(word=word, value="", href=None, is_set=False)
    chosen = query if is_set or word == "other" else query.with_value("decision", word)
    return Count(word=word, value=fmt.count(number), href=_with(asked, chosen), is_set=is_set)
