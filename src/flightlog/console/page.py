"""What a page is: a dataclass with a sentence for each field, and a template that shows exactly these fields.

The sentence stands in the annotation, for whoever writes the template.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import quote, urlencode


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
class Page(Fragment):
    """What every page has: the frame around it."""

    title: Annotated[str, "What the tab is called."]
    place: Annotated[str, "The entry of the rail that is lit: runs, or empty."] = ""
    search: Annotated[str, "What stands in the search field."] = ""
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
