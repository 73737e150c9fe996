"""The task centre: what waits, what is worked on, what ended, and the queues and workers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
from sqlalchemy import select

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.console.pages.alarm import alarm_of
from flightlog.console.pages.run import Tile
from flightlog.console.pages.runs import Part
from flightlog.console.pages.tasks_rows import TaskRow, TaskRows, mark_of, task_rows
from flightlog.filters.params import moment
from flightlog.journal.filter import is_storable
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.tasks.listing import StateCount, TaskFilter, TaskPage, count_states, list_tasks
from flightlog.tasks.listing import TaskRow as Listed
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, QUEUED, SUCCEEDED
from flightlog.tasks.table import tasks
from flightlog.version import __version__
from flightlog.working.roster import ALIVE, DRAINING

PARAMETERS = frozenset({"ids", "q", "state", "pipeline", "queue", "user", "project", "since", "until", "cursor"})
TASKS_SHOWN = 50
IDS_MAX = 200
STATES_MAX = 40
NARROWING = ("state", "pipeline", "queue", "user")


@dataclass(frozen=True, kw_only=True)
class StateChoice:
    """A link that shows what is in one state alone."""

    word: Annotated[str, "What it is called."]
    mark: Annotated[str, "Its sign; empty for all of them."]
    count: Annotated[str, "How many there are."]
    href: Annotated[str, "The list with these alone."]
    is_set: Annotated[bool, "Whether it is what is shown."]


@dataclass(frozen=True, kw_only=True)
class TasksPage(Page):
    """Tasks, newest first."""

    template: ClassVar[str] = "tasks.html"

    rows: Annotated[list[TaskRow], "The tasks on this page."]
    states: Annotated[list[StateChoice], "The states, with how many tasks are in each."]
    strip: Annotated[list[Tile], "What waits, what runs and who works."]
    terms: Annotated[list[Part], "What the list is narrowed to, each with a way to be rid of it."]
    pipeline: Annotated[str, "The pipeline that is shown alone; may be empty."]
    queue: Annotated[str, "The queue that is shown alone; may be empty."]
    user: Annotated[str, "The user who is shown alone; may be empty."]
    pipelines: Annotated[list[str], "The pipelines that there are."]
    queues: Annotated[list[str], "The queues that there are."]
    narrowed: Annotated[dict[str, str], "What a choice of pipeline, queue or user keeps, as hidden fields."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    more: Annotated[str | None, "The same as rows alone."]
    first: Annotated[bool, "Whether this is the first page, where new tasks come in."]
    server: Annotated[str, "This server's own URL, for the lines that would fill an empty page."]


def tasks_page(services: Services, params: Mapping[str, str], server: str) -> TasksPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid."""
    asked = asked_of(params)
    cursor = params.get("cursor") or None
    with services.store.read() as connection:
        position = head_id(connection)
    now = services.clock.now_ns()
    wanted = wanted_tasks(asked, now)
    page = _page(services, wanted, cursor)
    platform = services.platform
    known = platform.pipelines.values() if platform is not None else ()
    return TasksPage(
        title="Tasks",
        place="tasks",
        scope="tasks",
        action="/tasks",
        query=asked.get("q", ""),
        kept={name: asked[name] for name in NARROWING if name in asked},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=alarm_of(services),
        live=href(
            "/api/events/stream", {"afterId": str(position), "types": "task_transition", "payloads": "false"}
        ),
        version=__version__,
        rows=task_rows(page.tasks, now, acts=platform is not None),
        states=_states(count_states(services.store, wanted), asked),
        strip=strip_of(services, now),
        terms=_terms(asked),
        pipeline=asked.get("pipeline", ""),
        queue=asked.get("queue", ""),
        user=asked.get("user", ""),
        pipelines=_names((one.name for one in known), asked.get("pipeline")),
        queues=_names((one.queue for one in known), asked.get("queue")),
        narrowed={name: value for name, value in asked.items() if name not in ("pipeline", "queue", "user")},
        clear="/tasks",
        newest=href("/tasks", asked) if cursor else None,
        older=_older("/tasks", asked, page),
        more=_older("/tasks/rows", asked, page),
        first=cursor is None,
        server=server,
    )  # fmt: skip


def tasks_rows(services: Services, params: Mapping[str, str]) -> TaskRows:
    """The rows that follow a page; with `ids`, those tasks as they are now. Raises FilterInvalid, CursorInvalid."""
    acts = services.platform is not None
    now = services.clock.now_ns()
    if params.get("ids"):
        return TaskRows(rows=task_rows(_named(services, params["ids"].split(",")), now, acts=acts), more=None)
    asked = asked_of(params)
    page = _page(services, wanted_tasks(asked, now), params.get("cursor") or None)
    return TaskRows(rows=task_rows(page.tasks, now, acts=acts), more=_older("/tasks/rows", asked, page))


def asked_of(params: Mapping[str, str]) -> dict[str, str]:
    """What the list is narrowed to, without its place in it."""
    return {name: value.strip() for name, value in params.items() if value.strip() and name not in ("cursor", "ids")}


def wanted_tasks(asked: Mapping[str, str], now_ns: int) -> TaskFilter:
    """The filter that these parameters ask for. Raises FilterInvalid."""
    return TaskFilter(
        states=tuple(filter(None, asked.get("state", "").split(",")))[:STATES_MAX],
        pipeline=asked.get("pipeline"),
        queue=asked.get("queue"),
        user_id=asked.get("user"),
        project=asked.get("project"),
        since=moment("since", asked.get("since"), now_ns),
        until=moment("until", asked.get("until"), now_ns),
        text=asked.get("q"),
    )


def strip_of(services: Services, now_ns: int) -> list[Tile]:
    """What waits, what runs and who works."""
    platform = services.platform
    if platform is None:
        return [Tile(word="Workers", value="none here", more="this server only shows tasks")]
    with services.store.read() as connection:
        queues, workers = platform.queues(connection), platform.workers(connection)
    alive = [worker for worker in workers if worker.state in ALIVE]
    draining = sum(worker.state == DRAINING for worker in alive)
    room = sum(worker.concurrency for worker in alive)
    waits = any(queue.waiting for queue in queues)
    at_once = (
        f"{room} at once" if alive else "start one: flightlog worker, or --pipelines" if waits else "no work either"
    )
    more = ", ".join(filter(None, (at_once, f"{draining} draining" if draining else "")))
    made = [Tile(word="Workers", value=fmt.count(len(alive)), more=more, bad=waits and not alive)]
    for queue in queues:
        oldest = "" if queue.oldest_at is None else f", the oldest for {fmt.duration(max(0, now_ns - queue.oldest_at))}"
        made.append(
            Tile(
                word=f"Queue {queue.queue}",
                value=f"{fmt.count(queue.running)} running",
                more=f"{fmt.count(queue.waiting)} waiting{oldest}",
                bad=False,
            )
        )
    return made


def _page(services: Services, wanted: TaskFilter, cursor: str | None) -> TaskPage:
    return list_tasks(services.store, wanted, limit=TASKS_SHOWN, cursor=cursor, settings=services.settings)


def _named(services: Services, ids: list[str]) -> list[Listed]:
    """The tasks of these ids, at most IDS_MAX; those that are not there are passed over."""
    wanted = [one for one in ids if one and is_storable(one)][:IDS_MAX]
    columns = [tasks.c[name] for name in Listed.__struct_fields__]
    with services.store.read() as connection:
        found = connection.execute(select(*columns).where(tasks.c.task_id.in_(wanted))).all()
    rows = [dict(row._mapping) for row in found]
    return [Listed(**{**row, "error": msgspec.json.decode(row["error"]) if row["error"] else None}) for row in rows]


def _states(counts: list[StateCount], asked: Mapping[str, str]) -> list[StateChoice]:
    """Every state that there is, in the order of a task's way."""
    here = asked.get("state", "")
    kept = {name: value for name, value in asked.items() if name != "state"}
    by_name = {one.state: one for one in counts}
    for name in filter(None, here.split(",")[:STATES_MAX]):
        by_name.setdefault(name, StateCount(name, 0, False))
    working = sorted(by_name.keys() - ENDS - {QUEUED})
    order = [name for name in (QUEUED, *working, SUCCEEDED, FAILED, CANCELED) if name in by_name]
    total = StateCount("", sum(one.count for one in counts), any(one.is_more for one in counts))
    made = [StateChoice(word="all", mark="", count=_count(total), href=href("/tasks", kept), is_set=not here)]
    open_ = [name for name in order if name not in ENDS]
    if len(open_) > 1:
        some = [by_name[name] for name in open_]
        under_way = StateCount("", sum(one.count for one in some), any(one.is_more for one in some))
        joined = ",".join(open_)
        made.append(_choice("under way", "running", under_way, joined, kept, set(here.split(",")) == set(open_)))
    made += [_choice(name, mark_of(name), by_name[name], name, kept, here == name) for name in order]
    return made


def _choice(
    word: str, mark: str, counted: StateCount, state: str, kept: Mapping[str, str], is_set: bool
) -> StateChoice:
    link = href("/tasks", {**kept, "state": state})
    return StateChoice(word=word, mark=mark, count=_count(counted), href=link, is_set=is_set)


def _count(counted: StateCount) -> str:
    return fmt.count(counted.count) + ("+" if counted.is_more else "")


def _names(known: Iterable[str], asked: str | None) -> list[str]:
    return sorted({*known, *([asked] if asked else [])})


def _terms(asked: Mapping[str, str]) -> list[Part]:
    """What the list is narrowed to beside project and time, which the frame shows."""
    words = {"q": "id", **{name: name for name in NARROWING}}
    return [
        Part(text=f"{words[name]}:{value}", href=href("/tasks", {**asked, name: None}))
        for name, value in asked.items()
        if name in words
    ]


def _older(path: str, asked: Mapping[str, str], page: TaskPage) -> str | None:
    return href(path, {**asked, "cursor": page.next_cursor}) if page.next_cursor is not None else None
