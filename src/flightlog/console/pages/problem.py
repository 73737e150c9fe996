"""A problem, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console.page import Page
from flightlog.version import __version__


@dataclass(frozen=True, kw_only=True)
class ProblemPage(Page):
    """What went wrong, and what to do about it."""

    template: ClassVar[str] = "problem.html"

    status: Annotated[int, "The HTTP status."]
    code: Annotated[int, "The stable code."]
    headline: Annotated[str, "What kind of problem it is."]
    detail: Annotated[str, "What happened this time."]
    advice: Annotated[str, "What to do about it."]
    request_id: Annotated[str, "Under which the server's log has it."]


def problem_page(status: int, code: int, headline: str, detail: str, advice: str, request_id: str) -> ProblemPage:
    """The page of one problem."""
    return ProblemPage(
        title=headline,
        version=__version__,
        status=status,
        code=code,
        headline=headline,
        detail=detail,
        advice=advice,
        request_id=request_id,
    )
