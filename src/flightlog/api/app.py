"""The HTTP app, put together."""

from __future__ import annotations

import threading
from typing import Any

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import Scope

from flightlog.analytics.place import open_kept
from flightlog.api.doorway import Doorway, request_id_of, wants_page
from flightlog.api.otlp import is_otlp, status_response
from flightlog.api.paging import only_known_parameters
from flightlog.api.problems import HTTP_KINDS, Kind, Problem, kind_of, problem_of
from flightlog.api.routes import (
    audits,
    catalogue,
    compare,
    deadletters,
    events,
    facets,
    feedback,
    generations,
    health,
    metrics,
    otlp,
    otlp_unmapped,
    prices,
    problems,
    report,
    retention,
    rollup,
    runs,
    seal,
    sql,
    stats,
    stream,
    tasks,
    timeline,
    views,
)
from flightlog.api.schemas import make_openapi
from flightlog.api.security import check_bind as check_bind
from flightlog.api.sse import Streams
from flightlog.console import routes as pages
from flightlog.console.pages.problem import problem_page
from flightlog.console.render import render
from flightlog.errors import BadInput, FlightlogError
from flightlog.metrics.exposition import measure
from flightlog.metrics.http import Counted
from flightlog.query.files import stored
from flightlog.query.runner import Runner
from flightlog.services import DrainHealth as DrainHealth
from flightlog.services import Intake as Intake
from flightlog.services import Services as Services
from flightlog.version import __version__

PACKED_BYTES_MIN = 1_000  # a smaller answer fits into one packet as it is
GZIP_LEVEL = 4  # higher levels take twice as long for a few percent
VERIFIERS = 2  # runs and events verified, and bundles made, at once; more wait
ASKERS = 16  # tasks asked for, canceled and retried at once; they share commits; more wait
APPENDERS = 4  # bodies decoded and stored at once; more wait

DESCRIPTION = """
Flightlog keeps a durable, append-only journal of what AI systems did. This is its door for programs.

* Lists are read by cursor: hand `nextAfterId` (or `nextCursor`) back until there is no more.
* `POST /api/events` answers after the commit, and takes the same events twice without harm.
* `/stream` endpoints are Server-Sent Events; they go on after `Last-Event-ID` without loss or repeats.
* Errors are problem documents (RFC 9457) with a stable `code`; their `type` is a path on this server that explains them.
* There is no authentication yet: the server answers on loopback only, by its own name, and not to pages of other sites.
"""

TAGS = [
    {"name": "runs", "description": "A small summary of every run: status, counts, tokens, cost."},
    {"name": "generations", "description": "Every call of a model: what it said, took and cost, by which price."},
    {"name": "feedback", "description": "What people, programs and models think of generations, spans and runs."},
    {
        "name": "audit",
        "description": "Who did what, and who was allowed to: audit records and decisions on permissions.",
    },
    {
        "name": "stats",
        "description": "Calls, errors, tokens, cost and time, in groups and over time, archived events too.",
    },
    {
        "name": "tasks",
        "description": "Work that is accepted once and done to its end, through states that a pipeline declares.",
    },
    {"name": "deadletters", "description": "What failed for good, what it failed of, and having it done again."},
    {"name": "events", "description": "The journal: pages, single events, appending, live streams."},
    {"name": "sql", "description": "One SELECT over documented views, in a process of its own, within limits."},
    {"name": "views", "description": "Pages of the console under a name: how somebody filtered and sorted them."},
    {"name": "opentelemetry", "description": "OTLP/HTTP in protobuf and JSON, as OpenTelemetry's exporters send it."},
    {"name": "seal", "description": "How far the journal is sealed, whether that holds, and evidence to take away."},
    {
        "name": "retention",
        "description": "How long what is kept: rules, legal holds, what would go, receipts of what went.",
    },
    {"name": "catalogue", "description": "The built-in event types with their schemas and examples."},
    {"name": "system", "description": "How the server is doing, and what its problems mean."},
]


# What an endpoint takes is worked out by FastAPI at the first request that comes past it, a tenth of a second for all of them. So
# they are shared by all apps of a process.
ROUTES = APIRouter()
# Streams first: the path of a single event or run would take theirs for an id.
for _router in (
    stream.router,
    events.router,
    timeline.router,
    facets.router,
    compare.router,
    rollup.router,
    report.router,
    retention.router,
    seal.router,
    runs.router,
    generations.router,
    feedback.router,
    audits.router,
    prices.router,
    catalogue.router,
    health.router,
    metrics.router,
    problems.router,
    views.router,
    stats.router,
    sql.router,
    otlp.router,
    otlp_unmapped.router,
    tasks.router,
    deadletters.router,
):
    ROUTES.include_router(_router, dependencies=[Depends(only_known_parameters)])
ROUTES.include_router(pages.router)


class App(FastAPI):
    """FastAPI with our own structs in its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = make_openapi(self)
        return self.openapi_schema


def create_app(services: Services) -> FastAPI:
    """The whole server over these services: the API, and the console for people."""
    app = App(
        title="Flightlog",
        summary="The flight recorder for AI work.",
        description=DESCRIPTION,
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        # Both load scripts from elsewhere; the console brings its own.
        docs_url=None,
        redoc_url=None,
        # Nothing leaves this host unless somebody says so.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.services = services
    # A store that takes its time must not take the readers' threads.
    app.state.appenders = CapacityLimiter(APPENDERS)
    app.state.askers = CapacityLimiter(ASKERS)
    app.state.verifier = threading.Lock()  # of the whole store
    app.state.verifiers = CapacityLimiter(VERIFIERS)
    app.state.stats = open_kept(services.store)
    app.state.otlp_waiting = otlp.Waiting(services.settings.otlp_requests_max)
    app.state.otlp_grpc = None  # where whoever serves the app takes OTLP/gRPC too
    app.state.sql = Runner(lambda: stored(services.store), services.settings)
    app.state.streams = Streams(services.settings.sse_watchers_max)
    app.state.metrics = measure(services, app.state.streams)
    app.router.routes.extend(ROUTES.routes)
    app.mount("/static", pages.static_files())

    def answer(scope: Scope, problem: Problem) -> Response:
        if is_otlp(scope):
            return status_response(scope, problem)
        if wants_page(scope):
            kind = problem.kind
            return render(
                problem_page(kind.status, kind.code, kind.title, problem.detail, kind.advice, request_id_of(scope)),
                kind.status,
            )
        return problem.response(scope["path"], request_id_of(scope))

    async def refused(request: Request, error: Exception) -> Response:
        return answer(request.scope, translate(error))

    for cls in (FlightlogError, HTTPException, RequestValidationError):
        app.add_exception_handler(cls, refused)
    # Inside the doorway. Streams of events pass through untouched, and so does what is packed already.
    app.add_middleware(GZipMiddleware, minimum_size=PACKED_BYTES_MIN, compresslevel=GZIP_LEVEL)
    app.add_middleware(Doorway, answer=answer, clock=services.clock, ids=services.ids)
    app.add_middleware(Counted, meters=app.state.metrics.meters)
    return app


def translate(error: Exception) -> Problem:
    """What the framework or a room raised, as a problem."""
    if isinstance(error, FlightlogError):
        return problem_of(error)
    if isinstance(error, RequestValidationError):
        first = dict(error.errors()[0])
        return problem_of(BadInput(reason=f"{first.get('loc')}: {first.get('msg')}"))
    if not isinstance(error, HTTPException):
        raise error
    kind = HTTP_KINDS.get(error.status_code)
    if kind is None:
        base = kind_of(BadInput)
        kind = Kind(error.status_code * 100, base.slug, str(error.detail), base.advice)
    return Problem(kind, f"{kind.title}.", headers=error.headers or {})
