"""Ready answers over all that there is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from flightlog.analytics.answer import answer
from flightlog.analytics.question import BUCKETS_MAX, TOP_DEFAULT, TOP_MAX, make_question
from flightlog.analytics.subjects import BUCKETS, SUBJECTS
from flightlog.api.filters import Project, now_of
from flightlog.api.paging import LimitText, MomentText
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_stats import StatsShape, stats_shape
from flightlog.filters.params import moment, parse_limit, words
from flightlog.runs.summary import silent_since

router = APIRouter(prefix="/api/stats", tags=["stats"])

_MEASURES = "; ".join(f"of {one.name}: {', '.join(one.measures)}" for one in SUBJECTS.values())
_BY = "; ".join(f"{one.name} by {', '.join(one.by)}" for one in SUBJECTS.values())


@router.get("", summary="Count and sum up", responses=answers(StatsShape, 400, 500, 503))
def stats(
    request: Request,
    here: Here,
    of: Annotated[
        str | None, Query(description=f"What is counted: {', '.join(SUBJECTS)}. `models` if not given: their answers.")
    ] = None,
    measure: Annotated[
        list[str] | None, Query(description=f"Which numbers, separated by commas; all if not given. {_MEASURES}.")
    ] = None,
    by: Annotated[str | None, Query(description=f"Groups: {_BY}. Only the total if not given.")] = None,
    bucket: Annotated[
        str | None,
        Query(description=f"{' or '.join(BUCKETS)}, of UTC: `series` beside each number. At most {BUCKETS_MAX}."),
    ] = None,
    q: Annotated[
        str | None, Query(description="A query, as the list of what is counted takes it: `model:gpt* status:error`.")
    ] = None,
    project: Project = None,
    since: Annotated[
        MomentText | None,
        Query(description="From this time on: as with events. Seven days back if not given; `0` is always."),
    ] = None,
    until: Annotated[MomentText | None, Query(description="Before this time; now if not given.")] = None,
    sort: Annotated[
        str | None,
        Query(description="The number that the largest groups have most of: `calls`, `cost_usd`, `errors`, …"),
    ] = None,
    top: Annotated[
        LimitText | None,
        Query(description=f"So many groups, 1 to {TOP_MAX}; {TOP_DEFAULT} if not given. `others` are all the rest."),
    ] = None,
) -> Response:
    """Calls, errors, tokens, cost and percentiles of time, in groups and over time, of events in the store and the archive
    together. Percentiles are at most 0.8 % off. A model's answer counts when it came."""
    now = now_of(request)
    question = make_question(
        of=of,
        measures=words(measure),
        by=by,
        bucket=bucket,
        since=moment("since", since, now),
        until=moment("until", until, now),
        project=project,
        q=q,
        sort=sort,
        top=parse_limit(top, TOP_MAX),
        now_ns=now,
    )
    found = answer(here.store, question, request.app.state.stats, silent_since=silent_since(here.clock, here.settings))
    return json_response(stats_shape(found))
