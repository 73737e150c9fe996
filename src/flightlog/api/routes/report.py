"""The report of a run, to be read and filed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from flightlog.api.routes.deps import Here
from flightlog.api.schemas import report_answers
from flightlog.reports.render import FORMATS, MEDIA_TYPES, PAGE_POLICY, render
from flightlog.reports.run import UNSEALED, run_report
from flightlog.seal.state import SealState, read_seal
from flightlog.services import Services

router = APIRouter(prefix="/api/runs", tags=["runs"])

Format = Annotated[str | None, Query(description=f"One of {', '.join(FORMATS)}; md if not given.")]
LinkBase = Annotated[
    str | None,
    Query(alias="linkBase", description="The address that links to events begin with; this server's if not given."),
]


@router.get("/{run_id:path}/report", summary="The report of a run", responses=report_answers(400, 404, 503))
def report(request: Request, here: Here, run_id: str, format: Format = None, link_base: LinkBase = None) -> Response:  # noqa: A002
    """What was asked, commands, tests, patches, permissions, errors, cost, losses and the seal, each line with its event.

    As Markdown, as one page of HTML that needs nothing else, or as data.
    """
    form = format or FORMATS[0]
    made = run_report(
        here.store,
        run_id,
        seal=seal_of(here),
        clock=here.clock,
        settings=here.settings,
    )
    body = render(made, form, link_base or str(request.base_url))
    headers = {"content-security-policy": f"{PAGE_POLICY}; frame-ancestors 'none'"} if form == "html" else {}
    return Response(body, media_type=MEDIA_TYPES[form], headers=headers)


def seal_of(services: Services) -> SealState:
    """How far the journal is sealed, as far as this server knows."""
    log = services.log
    return UNSEALED if log is None else read_seal(services.store, log.folder, log.keys)
