"""A report as Markdown, as one file of HTML that needs nothing else, and as JSON."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flightlog.console import format as fmt
from flightlog.errors import BadInput
from flightlog.reports import markdown
from flightlog.reports.model import RunReport
from flightlog.reports.text import clean
from flightlog.reports.trust import care_words, seal_words
from flightlog.version import __version__

FORMATS = ("md", "html", "json")
MEDIA_TYPES = {"md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8", "json": "application/json"}

_HERE = Path(__file__).parent
STYLE = (_HERE / "report.css").read_text("utf-8")
# The page may use this style and load nothing: said by the file itself, and again by a server that hands it out.
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"


def _shown(value: Any) -> Any:
    return clean(value) if type(value) is str else value


def _environment(*, escape: bool) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=escape,  # noqa: S701 - Markdown has its own escapes, see markdown.py
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,  # on whatever a template puts on the page, also ids and names that no teller went over
        auto_reload=False,
    )
    made.filters |= {
        "duration": fmt.duration,
        "money": fmt.money,
        "number": fmt.count,
        "e": markdown.escaped,
        "span": markdown.span,
        "cell": markdown.cell,
        "fenced": markdown.fenced,
        "time": lambda at: at[:19].replace("T", " ") + " UTC",
        "clock": lambda at: at[11:23],
        "plural": lambda number, one, many=None: fmt.counted(number, one, many or one + "s"),
    }
    return made


_markdown = _environment(escape=False)
_html = _environment(escape=True)
del _html.filters["span"], _html.filters["cell"], _html.filters["fenced"], _html.filters["e"]


def render(report: RunReport, form: str, link_base: str | None = None) -> bytes:
    """The report in one of FORMATS. With the address of a server, lines link to their events there; without, they name them.

    Raises BadInput for another format, and for an address that is none.
    """
    if form not in FORMATS:
        raise BadInput(reason=f"format is one of {', '.join(FORMATS)}, not {form!r}")
    base = checked_base(link_base)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    values: dict[str, Any] = {
        "report": report,
        "total": report.totals,
        "left": defaultdict(int, report.left_out),
        "run_href": None if base is None else f"{base}/runs/{quote(report.run_id, safe='')}",
        "event_href": partial(_event_href, base),
        "style": Markup(STYLE),  # noqa: S704 - our own file
        "policy": PAGE_POLICY,
        "care_words": care_words,
        "seal_words": seal_words,
        "version": __version__,
    }
    environment = _html if form == "html" else _markdown
    return environment.get_template(f"run.{form}.j2").render(values).encode("utf-8", "replace")


def checked_base(link_base: str | None) -> str | None:
    """The address without the slash at its end, with nothing in it that could end a link. Raises BadInput."""
    if link_base is None:
        return None
    parts = urlsplit(link_base)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise BadInput(reason=f"the address for links is like http://127.0.0.1:4747, not {link_base!r}")
    return quote(link_base.rstrip("/"), safe="/:[]%-._~")


def _event_href(base: str | None, event_id: str) -> str | None:
    return None if base is None else f"{base}/events/{quote(event_id, safe='')}"
