"""Every page in both themes, wide and narrow: no error, nothing for axe to object to, nothing wider than the screen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.chromium import WIDTHS, Visits
from tests.browser.flights import Flown

PICTURES = os.environ.get("FLIGHTLOG_TEST_PICTURES")
GRAVE = {"serious", "critical"}


class Screen(NamedTuple):
    """Where a page is, what shows that it is there, and what its picture is called, if the docs have one."""

    path: str
    shows: str
    picture: str = ""
    empty: bool = False
    problem: bool = False


SCREENS: dict[str, Screen] = {
    "runs": Screen("/", "main >> text=fix the login bug", "runs"),
    "runs, none yet": Screen("/", "main >> text=No runs yet", empty=True),
    "runs, no match": Screen("/?q=nosuchrunanywhere", "main >> text=/no run/i"),
    "run": Screen("/runs/{agent}", "main h1", "run"),
    "event": Screen("/events/{event}", "main >> text=Payload", "event"),
    "problem": Screen("/runs/nosuchrun", "main >> text=40401", problem=True),
}


def event_of(visits: Visits, run: str, type_: str) -> str:
    answer = visits.get(f"/api/runs/{run}/events?types={type_}&limit=1")
    return str(answer["events"][0]["event_id"])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SCREENS)
def test_a_page_is_sound(name: str, width: int, theme: str, request: pytest.FixtureRequest) -> None:
    screen = SCREENS[name]
    visits: Visits = request.getfixturevalue("empty" if screen.empty else "visits")
    path = screen.path
    if not screen.empty:
        flown: Flown = request.getfixturevalue("flown")
        path = path.format(**flown.runs, event=event_of(visits, flown.runs["agent"], "test_result"))
    if screen.problem:
        visits.expect("status of 404")
    page = visits.open(path, width=width, theme=theme)
    page.locator(screen.shows).first.wait_for()
    assert widest(page) <= width
    assert grave_violations(page) == []
    take_picture(page, screen.picture, width, theme)


def widest(page: Page) -> int:
    """How wide the page is, in pixels: more than the screen means that it scrolls sideways."""
    return int(page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"))


def grave_violations(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}\n" + "\n".join(node["html"][:200] for node in one["nodes"][:3])
        for one in found
        if one["impact"] in GRAVE
    ]


def take_picture(page: Page, picture: str, width: int, theme: str) -> None:
    if not PICTURES or not picture:
        return
    small = "" if width == max(WIDTHS) else f"-{width}"
    dark = "-dark" if theme == "dark" else ""
    page.screenshot(path=Path(PICTURES) / f"{picture}{small}{dark}.png")
