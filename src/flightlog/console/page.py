"""What a page is: a dataclass with a sentence for each field, and a template that shows exactly these fields.

The sentence stands in the annotation, for whoever writes the template.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import quote, urlencode

from flightlog.errors import QueryInvalid


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """A banner over a page: something that whoever looks at the data has to know."""

    text: Annotated[str, "What is wrong, in a few words."]
    detail: Annotated[str, "The rest of it."]
    href: Annotated[str | None, "Where to see more, if anywhere."] = None
    link: Annotated[str, "What that link is called."] = "See it"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fragment:
    """What a template shows: a whole page, or the part of one that a script puts in its place."""

    template: ClassVar[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueryFault:
    """What is wrong with a query that can't be read."""

    at: Annotated[int, "Where the wrong stretch begins, in characters."]
    length: Annotated[int, "How long it is; may be 0 at the end."]
    sentence: Annotated[str, "What is wrong."]

    @classmethod
    def of(cls, error: QueryInvalid) -> QueryFault:
        """What the language said of a query."""
        reason = str(error.facts["reason"])
        return cls(
            at=error.facts["at"],
            length=error.facts["length"],
            sentence=f"{reason[:1].upper()}{reason[1:].rstrip('.')}.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViewLink:
    """A saved view in the rail."""

    view_id: Annotated[str, "Its id."]
    name: Annotated[str, "What somebody called it."]
    page: Annotated[str, "The page that it is of: runs, traces, events, audit or stats."]
    href: Annotated[str, "Where it leads."]
    is_set: Annotated[bool, "Whether it is what is shown now."]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page(Fragment):
    """What every page has: the frame around it. A page sets what it knows; `framed` fills in the projects and the views."""

    title: Annotated[str, "What the tab is called."]
    place: Annotated[
        str, "The entry of the rail that is lit: runs, traces, events, audit, sql, stats, compare, or empty."
    ] = ""
    scope: Annotated[
        str,
        "What the filter bar asks for: runs, generations, events, audits, or empty where it only finds runs elsewhere.",
    ] = ""
    action: Annotated[str, "The path that a query is sent to."] = "/"
    query: Annotated[str, "What stands in the filter bar."] = ""
    query_error: Annotated[QueryFault | None, "What is wrong with it, if it can't be read."] = None
    kept: Annotated[dict[str, str], "What a new query keeps besides project and time, as hidden fields."] = (
        dataclasses.field(default_factory=dict)
    )
    project: Annotated[
        str | None, "The project that is shown, empty for all; None where the page has no such choice."
    ] = None
    since: Annotated[
        str | None, "From when, as in the URL, empty for always; None where the page has no such choice."
    ] = None
    until: Annotated[str, "Until when, as in the URL; empty for now."] = ""
    projects: Annotated[list[str], "The projects that there are."] = dataclasses.field(default_factory=list)
    views: Annotated[list[ViewLink], "The saved views."] = dataclasses.field(default_factory=list)
    absent: Annotated[tuple[str, ...], "The entries of the rail that this store has no page for."] = ()
    notice: Annotated[Notice | None, "The banner, if there is one."] = None
    live: Annotated[str | None, "The stream that brings news for this page, if any can come."] = None
    version: Annotated[str, "The version of Flightlog."]


def href(path: str, params: Mapping[str, object] | None = None) -> str:
    """A link inside the console, without the parameters that are None or empty.

    >>> href("/runs/a b", {"types": "note", "event": None})
    '/runs/a%20b?types=note'
    """
    query = urlencode({name: value for name, value in (params or {}).items() if value not in (None, "")})
    return quote(path, safe="/:@!$&'()*+,;=~") + ("?" + query if query else "")
