"""Dead letters: what failed for good, together by what it failed of, or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
from sqlalchemy import func, select

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.console.pages.alarm import alarm_of
from flightlog.console.pages.letters_rows import LetterGroup, LetterRow, LetterRows, group_row, letter_row
from flightlog.console.pages.run import Tab
from flightlog.console.pages.runs import Part
from flightlog.console.pages.tasks import StateChoice
from flightlog.deadletters.filter import LetterFilter, conditions
from flightlog.deadletters.letters import OPEN, STATUSES
from flightlog.deadletters.listing import GROUPS_MAX, LetterGroups, LetterPage, group_letters, list_letters
from flightlog.deadletters.table import dead_letters
from flightlog.errors import FilterInvalid
from flightlog.filters.params import moment
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.version import __version__

GROUPS, LETTERS = "groups", "letters"
ALL = "all"
# As a parameter, and the field of the filter.
FIELDS = {
    "q": "task_id", "letter": "letter_id", "source": "source", "pipeline": "pipeline", "queue": "queue",
    "state": "state", "user": "user_id", "project": "project", "event": "event_id", "topic": "topic", "kind": "kind",
    "fingerprint": "fingerprint",
}  # fmt: skip
PARAMETERS = frozenset({*FIELDS, "status", "cause", "since", "until", "view", "cursor"})
LETTERS_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class DeadLettersPage(Page):
    """Dead letters, newest first."""

    template: ClassVar[str] = "deadletters.html"

    groups: Annotated[
        list[LetterGroup], "Those that failed of the same thing, together; empty where they are one by one."
    ]
    groups_left_out: Annotated[str, "That there are more groups, if there are; else empty."]
    spark_words: Annotated[str, "What time the small charts are of."]
    rows: Annotated[list[LetterRow], "The letters on this page, one by one."]
    tabs: Annotated[list[Tab], "The ways to look at them."]
    statuses: Annotated[list[StateChoice], "What became of them, with how many there are."]
    terms: Annotated[list[Part], "What the list is narrowed to, each with a way to be rid of it."]
    pipeline: Annotated[str, "The pipeline that is shown alone; may be empty."]
    source: Annotated[str, "task or outbox, where that is shown alone; may be empty."]
    user: Annotated[str, "The user who is shown alone; may be empty."]
    pipelines: Annotated[list[str], "The pipelines that there are."]
    narrowed: Annotated[dict[str, str], "What a choice of pipeline, source or user keeps, as hidden fields."]
    can_plan: Annotated[bool, "Whether a replay of what is shown may be planned."]
    plan_filter: Annotated[str, "What is shown, as a plan asks for it: JSON."]
    plan_words: Annotated[str, "The same in words."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    more: Annotated[str | None, "The same as rows alone."]
    first: Annotated[bool, "Whether this is the first page, where new letters come in."]
    server: Annotated[str, "This server's own URL, for the lines that show how they come to be."]


def deadletters_page(services: Services, params: Mapping[str, str], server: str) -> DeadLettersPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid."""
    asked = asked_of(params)
    view = asked.get("view", GROUPS)
    if view not in (GROUPS, LETTERS):
        raise FilterInvalid(reason=f"view is {GROUPS} or {LETTERS}, not {view!r}")
    cursor = params.get("cursor") or None
    now = services.clock.now_ns()
    wanted = wanted_letters(asked, now)
    with services.store.read() as connection:
        position = head_id(connection)
    found = group_letters(services.store, wanted) if view == GROUPS else None
    page = _page(services, wanted, cursor) if view == LETTERS else LetterPage([], None)
    counts = _statuses(services, wanted)
    return DeadLettersPage(
        title="Dead letters",
        place="deadletters",
        scope="letters",
        action="/deadletters",
        query=asked.get("q", ""),
        kept={name: value for name, value in asked.items() if name not in ("q", "project", "since", "until")},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=alarm_of(services),
        live=href(
            "/api/events/stream",
            {
                "afterId": str(position),
                "types": "dead_letter,dead_letter_replayed,task_transition",
                "payloads": "false",
            },
        ),
        version=__version__,
        groups=_groups(found, asked, now) if found is not None else [],
        groups_left_out=f"Only the largest {GROUPS_MAX} groups are shown."
        if found is not None and len(found.groups) == GROUPS_MAX
        else "",
        spark_words=_spark_words(found),
        rows=[letter_row(letter, now) for letter in page.letters],
        tabs=tabs_of(view, asked),
        statuses=_choices(counts, asked),
        terms=_terms(asked),
        pipeline=asked.get("pipeline", ""),
        source=asked.get("source", ""),
        user=asked.get("user", ""),
        pipelines=_pipelines(services, asked),
        narrowed={name: value for name, value in asked.items() if name not in ("pipeline", "source", "user")},
        can_plan=services.platform is not None and bool((found and found.letters) or page.letters),
        plan_filter=plan_filter(wanted),
        plan_words=plan_words(wanted),
        clear="/deadletters",
        newest=href("/deadletters", asked) if cursor else None,
        older=_older("/deadletters", asked, page),
        more=_older("/deadletters/rows", asked, page),
        first=cursor is None,
        server=server,
    )


def deadletters_rows(services: Services, params: Mapping[str, str]) -> LetterRows:
    """The rows that follow a page. Raises FilterInvalid, CursorInvalid."""
    asked = asked_of(params)
    now = services.clock.now_ns()
    page = _page(services, wanted_letters(asked, now), params.get("cursor") or None)
    rows = [letter_row(letter, now) for letter in page.letters]
    return LetterRows(rows=rows, more=_older("/deadletters/rows", asked, page))


def asked_of(params: Mapping[str, str]) -> dict[str, str]:
    """What the list is narrowed to, without its place in it."""
    return {name: value.strip() for name, value in params.items() if value.strip() and name != "cursor"}


def wanted_letters(asked: Mapping[str, str], now_ns: int) -> LetterFilter:
    """The filter that these parameters ask for; the open ones where no status is named. Raises FilterInvalid."""
    status = asked.get("status", OPEN).upper()
    given: dict[str, Any] = {field: asked[name] for name, field in FIELDS.items() if name in asked}
    return LetterFilter(
        **given,
        statuses=() if status == ALL.upper() else tuple(status.split(",")),
        causes=tuple(filter(None, asked.get("cause", "").split(","))),
        since=moment("since", asked.get("since"), now_ns),
        until=moment("until", asked.get("until"), now_ns),
    )


def tabs_of(view: str, asked: Mapping[str, str]) -> list[Tab]:
    """The ways to look at dead letters: `view` is groups, letters or plans."""
    kept = {name: value for name, value in asked.items() if name != "view"}
    return [
        Tab(word="Groups", href=href("/deadletters", kept), is_set=view == GROUPS),
        Tab(word="Letters", href=href("/deadletters", {**kept, "view": LETTERS}), is_set=view == LETTERS),
        Tab(word="Replays", href="/deadletters/plans", is_set=view == "plans"),
    ]


def plan_filter(wanted: LetterFilter) -> str:
    """What a plan is asked for with at `/v1/deadletters/plans`, as JSON.

    >>> plan_filter(LetterFilter(pipeline="summarise", user_id="ann"))
    '{"pipeline":"summarise","user":"ann","status":["OPEN"]}'
    """
    wanted = planned(wanted)
    given: dict[str, Any] = {"task" if name == "q" else name: getattr(wanted, field) for name, field in FIELDS.items()}
    given |= {name: None if (at := getattr(wanted, name)) is None else str(at) for name in ("since", "until")}
    given |= {"cause": list(wanted.causes), "status": list(wanted.statuses)}
    return msgspec.json.encode({name: value for name, value in given.items() if value}).decode()


def planned(wanted: LetterFilter) -> LetterFilter:
    """What a plan makes of a filter: it is about open letters, unless others are named."""
    return wanted if wanted.statuses else msgspec.structs.replace(wanted, statuses=(OPEN,))


def plan_words(wanted: LetterFilter) -> str:
    """Which letters a plan of a filter means, in words.

    >>> plan_words(LetterFilter(pipeline="summarise"))
    'status open, pipeline summarise'
    """
    wanted = planned(wanted)
    said = []
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        word = {"statuses": "status", "causes": "cause", "user_id": "user", "task_id": "task"}.get(name, name)
        if isinstance(value, tuple) and value:
            said.append(f"{word} {' or '.join(value).lower()}")
        elif isinstance(value, int):
            said.append(f"{word} {fmt.in_full(value)[:19]}")
        elif value:
            said.append(f"{word.removesuffix('_id')} {value}")
    return ", ".join(sorted(said, key=lambda one: not one.startswith("status")))


def _page(services: Services, wanted: LetterFilter, cursor: str | None) -> LetterPage:
    return list_letters(services.store, wanted, limit=LETTERS_SHOWN, cursor=cursor, settings=services.settings)


def _groups(found: LetterGroups, asked: Mapping[str, str], now_ns: int) -> list[LetterGroup]:
    return [
        group_row(group, href("/deadletters", {**asked, "fingerprint": group.fingerprint, "view": LETTERS}), now_ns)
        for group in found.groups
    ]


def _spark_words(found: LetterGroups | None) -> str:
    if found is None or found.first_at is None or found.last_at is None:
        return ""
    return f"Over {fmt.duration(max(found.last_at - found.first_at, 0))}"


def _statuses(services: Services, wanted: LetterFilter) -> dict[str, int]:
    """How many letters there are of each status, whatever status is asked for."""
    which = conditions(msgspec.structs.replace(wanted, statuses=()))
    status = dead_letters.c.status
    with services.store.read() as connection:
        found = connection.execute(select(status, func.count()).where(*which).group_by(status)).all()
    return {row[0]: row[1] for row in found}


def _choices(counts: Mapping[str, int], asked: Mapping[str, str]) -> list[StateChoice]:
    here = asked.get("status", OPEN).lower()
    made = []
    for status in (*STATUSES, ALL):
        word = status.lower()
        number = sum(counts.values()) if status == ALL else counts.get(status, 0)
        link = href("/deadletters", {**asked, "status": word if status != OPEN else None})
        mark = word if status != ALL else ""
        made.append(StateChoice(word=word, mark=mark, count=fmt.count(number), href=link, is_set=here == word))
    return made


def _pipelines(services: Services, asked: Mapping[str, str]) -> list[str]:
    known = services.platform.pipelines if services.platform is not None else {}
    return sorted({*known, *([asked["pipeline"]] if "pipeline" in asked else [])})


def _terms(asked: Mapping[str, str]) -> list[Part]:
    """What the list is narrowed to beside status, project and time, which stand elsewhere."""
    words = {name: name for name in (*FIELDS, "cause") if name != "project"} | {"q": "task"}
    return [
        Part(text=f"{words[name]}:{value}", href=href("/deadletters", {**asked, name: None}))
        for name, value in asked.items()
        if name in words
    ]


def _older(path: str, asked: Mapping[str, str], page: LetterPage) -> str | None:
    return href(path, {**asked, "cursor": page.next_cursor}) if page.next_cursor is not None else None
