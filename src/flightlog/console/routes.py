"""The console's paths."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from flightlog.console.page import Fragment
from flightlog.console.pages import (
    audit,
    compare,
    deadletter,
    deadletters,
    event,
    events,
    facets,
    lines,
    panel,
    reading,
    replay,
    replays,
    retention,
    run,
    runs,
    sql,
    stats,
    task,
    tasks,
    trace,
    traces,
    trust,
    unmapped,
)
from flightlog.console.pages.frame import framed
from flightlog.console.render import STATIC, render
from flightlog.errors import OriginRefused
from flightlog.filters.params import check_known
from flightlog.services import Services

router = APIRouter(include_in_schema=False)


def _asked(request: Request, known: frozenset[str]) -> tuple[Services, dict[str, str]]:
    """The services and the parameters. Raises ParameterUnknown."""
    check_known(request.query_params, known)
    return request.app.state.services, dict(request.query_params)


def _shown(request: Request, page: Fragment, status: int = 200) -> Response:
    """The page inside its frame."""
    return render(framed(request.app.state.services, page, request.query_params), status)


def _is_from_here(request: Request) -> bool:
    """Whether a page of ours asks, or the person themselves."""
    return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")


@router.get("/")
def runs_(request: Request) -> Response:
    services, params = _asked(request, runs.PARAMETERS)
    return _shown(request, runs.runs_page(services, params, str(request.base_url).rstrip("/")))


@router.get("/rows")
def rows_(request: Request) -> Response:
    services, params = _asked(request, runs.PARAMETERS)
    return render(runs.runs_rows(services, params))


@router.get("/facets")
def facets_(request: Request) -> Response:
    services, params = _asked(request, runs.PARAMETERS)
    return render(facets.facets_fragment(services, params))


@router.get("/traces")
def traces_(request: Request) -> Response:
    services, params = _asked(request, traces.PARAMETERS)
    page = traces.traces_page(services, params, str(request.base_url).rstrip("/"))
    return _shown(request, page, 400 if page.query_error else 200)


@router.get("/traces/rows")
def trace_rows_(request: Request) -> Response:
    services, params = _asked(request, traces.PARAMETERS)
    return render(traces.traces_rows(services, params))


@router.get("/audit")
def audit_(request: Request) -> Response:
    services, params = _asked(request, audit.PARAMETERS)
    page = audit.audit_page(services, params, str(request.base_url).rstrip("/"))
    return _shown(request, page, 400 if page.query_error else 200)


@router.get("/audit/rows")
def audit_rows_(request: Request) -> Response:
    services, params = _asked(request, audit.PARAMETERS)
    return render(audit.audit_rows(services, params))


@router.get("/tasks")
def tasks_(request: Request) -> Response:
    services, params = _asked(request, tasks.PARAMETERS)
    return _shown(request, tasks.tasks_page(services, params, str(request.base_url).rstrip("/")))


# Before a task's own path, which would take it for an id.
@router.get("/tasks/rows")
def task_rows_(request: Request) -> Response:
    services, params = _asked(request, tasks.PARAMETERS)
    return render(tasks.tasks_rows(services, params))


@router.get("/tasks/{task_id:path}")
def task_(request: Request, task_id: str) -> Response:
    services, _ = _asked(request, task.PARAMETERS)
    return _shown(request, task.task_page(services, task_id, str(request.base_url).rstrip("/")))


@router.get("/deadletters")
def deadletters_(request: Request) -> Response:
    services, params = _asked(request, deadletters.PARAMETERS)
    return _shown(request, deadletters.deadletters_page(services, params, str(request.base_url).rstrip("/")))


@router.get("/deadletters/rows")
def deadletter_rows_(request: Request) -> Response:
    services, params = _asked(request, deadletters.PARAMETERS)
    return render(deadletters.deadletters_rows(services, params))


@router.get("/deadletters/plans")
def replays_(request: Request) -> Response:
    services, params = _asked(request, replays.PARAMETERS)
    return _shown(request, replays.replays_page(services, params, str(request.base_url).rstrip("/")))


@router.get("/deadletters/plans/{plan_id:path}")
def replay_(request: Request, plan_id: str) -> Response:
    services, params = _asked(request, replay.PARAMETERS)
    return _shown(request, replay.replay_page(services, plan_id, params))


# After the rows and the plans, which would be taken for an id.
@router.get("/deadletters/{letter_id:path}")
def deadletter_(request: Request, letter_id: str) -> Response:
    services, _ = _asked(request, deadletter.PARAMETERS)
    return _shown(request, deadletter.deadletter_page(services, letter_id))


@router.get("/stats")
def stats_(request: Request) -> Response:
    services, params = _asked(request, stats.PARAMETERS)
    page = stats.stats_page(services, params, str(request.base_url).rstrip("/"), request.app.state.stats)
    return _shown(request, page, 400 if page.query_error else 200)


@router.get("/retention")
def retention_(request: Request) -> Response:
    services, _ = _asked(request, retention.PARAMETERS)
    return _shown(request, retention.retention_page(services))


@router.get("/unmapped")
def unmapped_(request: Request) -> Response:
    services, params = _asked(request, unmapped.PARAMETERS)
    return _shown(request, unmapped.unmapped_page(services, params))


@router.get("/sql")
async def sql_(request: Request) -> Response:
    services, params = _asked(request, sql.PARAMETERS)
    sql.require_sql(services)
    # A link on a page of another site shows the query; whoever followed it decides whether it is run.
    page = await sql.sql_page(request.app.state.sql, params, request.is_disconnected, runs=_is_from_here(request))
    return await to_thread.run_sync(_shown, request, page, 400 if page.result and page.result.fault else 200)


@router.get("/sql/result")
async def sql_result_(request: Request) -> Response:
    services, params = _asked(request, sql.PARAMETERS)
    sql.require_sql(services)
    if not _is_from_here(request):
        raise OriginRefused(origin=f"{request.headers['sec-fetch-site']} (Sec-Fetch-Site)")
    return render(await sql.sql_result(request.app.state.sql, params, request.is_disconnected))


# After the rows, which would be taken for an id.
@router.get("/traces/{generation_id:path}")
def trace_(request: Request, generation_id: str) -> Response:
    services, _ = _asked(request, frozenset())
    return _shown(request, trace.trace_page(services, generation_id, str(request.base_url).rstrip("/")))


@router.get("/runs/{run_id:path}/lines")
def lines_(request: Request, run_id: str) -> Response:
    services, params = _asked(request, lines.PARAMETERS)
    return JSONResponse(lines.lines_of(services, run_id, params.get("ids", "")))


@router.get("/runs/{run_id:path}/reading")
def reading_(request: Request, run_id: str) -> Response:
    services, params = _asked(request, reading.PARAMETERS)
    return _shown(request, reading.reading_fragment(services, run_id, params))


@router.get("/runs/{run_id:path}/trust")
def trust_(request: Request, run_id: str) -> Response:
    services, _ = _asked(request, frozenset())
    return render(trust.trust_fragment(services, run_id))


@router.get("/compare")
def compare_(request: Request) -> Response:
    services, params = _asked(request, compare.PARAMETERS)
    return _shown(request, compare.compare_page(services, params))


@router.get("/panel/{event_id}")
def panel_(request: Request, event_id: str) -> Response:
    services, _ = _asked(request, frozenset())
    return _shown(request, panel.panel_at(services, event_id, str(request.base_url).rstrip("/")))


@router.get("/runs/{run_id:path}")
def run_(request: Request, run_id: str) -> Response:
    services, params = _asked(request, run.PARAMETERS)
    page = run.run_page(services, run_id, params, str(request.base_url).rstrip("/"))
    return _shown(request, page, 400 if page.query_error else 200)


@router.get("/events")
def events_(request: Request) -> Response:
    services, params = _asked(request, events.PARAMETERS)
    page = events.events_page(services, params, str(request.base_url).rstrip("/"))
    return _shown(request, page, 400 if page.query_error else 200)


# Before the path of a single event, which would take it for an id.
@router.get("/events/rows")
def event_rows_(request: Request) -> Response:
    services, params = _asked(request, events.PARAMETERS)
    return _shown(request, events.event_rows(services, params))


@router.get("/events/{event_id:path}")
def event_(request: Request, event_id: str) -> Response:
    services, _ = _asked(request, frozenset())
    return _shown(request, event.event_page(services, event_id, str(request.base_url).rstrip("/")))


class Static(StaticFiles):
    """Files beside this one: kept by the browser, and asked for again each time, so that an upgrade shows at once."""

    def file_response(self, *args: object, **more: object) -> Response:
        response = super().file_response(*args, **more)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def static_files() -> Static:
    """The app for /static."""
    return Static(directory=STATIC)
