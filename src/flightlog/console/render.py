"""From a page to its HTML."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from flightlog.console.page import Fragment

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"

# A name that a template asks for and the page does not have is an error; text never becomes markup.
environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(page: Fragment, status: int = 200) -> HTMLResponse:
    """The page as an answer. The template gets the page's fields by name, and nothing else."""
    values = {field.name: getattr(page, field.name) for field in dataclasses.fields(page)}
    return HTMLResponse(environment.get_template(page.template).render(values), status)
