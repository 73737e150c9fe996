"""What a saved view is, and what may be one."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import msgspec

from flightlog.errors import ViewInvalid

PAGES = ("runs", "traces", "events", "audit", "stats")
VIEWS_MAX = 200
NAME_CHARS_MAX = 80
QUERY_CHARS_MAX = 4_000
# A place inside a list is no way of looking at it: the list has moved on by the time that the view is opened.
PLACES = frozenset({"cursor", "afterId", "beforeId", "latest", "event", "id"})


class SavedView(msgspec.Struct, frozen=True, kw_only=True):
    """One saved view. `query` is what stands behind the question mark of the page's URL; `created_at` is in nanoseconds."""

    view_id: str
    name: str
    page: str
    query: str
    created_at: int


def checked_name(name: str) -> str:
    """The name without white space around it. Raises ViewInvalid.

    >>> checked_name("  Failed today ")
    'Failed today'
    """
    name = name.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise ViewInvalid(reason=f"a name has 1 to {NAME_CHARS_MAX} characters on one line")
    return name


def checked_page(page: str) -> str:
    """The page. Raises ViewInvalid."""
    if page not in PAGES:
        raise ViewInvalid(reason=f"page is one of {', '.join(PAGES)}, not {page!r}")
    return page


def checked_query(query: str) -> str:
    """The query in one form, without empty parameters and without a place in the list. Raises ViewInvalid.

    >>> checked_query("?q=status%3Afailed&project=&cursor=abc&since=24h")
    'q=status%3Afailed&since=24h'
    """
    if len(query) > QUERY_CHARS_MAX:
        raise ViewInvalid(reason=f"its query has more than {QUERY_CHARS_MAX} characters")
    try:
        given = parse_qsl(query.removeprefix("?"), errors="strict", max_num_fields=50)
        return urlencode([(name, value) for name, value in given if name not in PLACES])
    except ValueError:
        raise ViewInvalid(reason="its query is not that of a URL in UTF-8") from None
