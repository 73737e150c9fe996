"""Every page in both themes, wide and narrow: no error, nothing for axe to object to, nothing wider than the screen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.chromium import LOADED, WIDTHS, Visits
from tests.browser.flights import Flown

PICTURES = os.environ.get("FLIGHTLOG_TEST_PICTURES")
GRAVE = {"serious", "critical"}

Theme = Literal["light", "dark"]
LOOKS: list[tuple[int, Theme]] = [
    (max(WIDTHS), "light"), (min(WIDTHS), "dark"), (max(WIDTHS), "dark"), (min(WIDTHS), "light"),
]  # fmt: skip


class Screen(NamedTuple):
    """Where a page is, what shows that it is there, and what its picture is called, if the docs have one."""

    path: str
    shows: str
    picture: str = ""
    empty: bool = False
    problem: bool = False
    loaded: bool = False  # whether it says when all is there
    rare: bool = False  # whether it is like another one, and looked at in the long campaigns only


SCREENS: dict[str, Screen] = {
    "runs": Screen("/", "main >> text=fix the login bug", "runs"),
    "runs, filtered": Screen("/?q=status:failed+events:>50", "main >> text=fix issue"),
    "runs, none yet": Screen("/", "main >> text=No runs yet", empty=True),
    "runs, no match": Screen("/?q=nosuchrunanywhere", "main >> text=/no run/i"),
    "run, timeline": Screen("/runs/{long}", "main canvas", "timeline", loaded=True),
    "run, timeline of a short one": Screen("/runs/{agent}", "main canvas", "run", loaded=True),
    "run, with losses": Screen("/runs/{loss}", "main canvas", loaded=True),
    "run, reading": Screen("/runs/{agent}?view=reading", "main >> text=shop/login.py", "reading"),
    "run, events": Screen("/runs/{agent}?view=events", "main >> text=tool_call"),
    "run, totals": Screen("/runs/{agent}?view=totals", "main >> text=read_file", "totals"),
    "run, panel": Screen("/runs/{agent}?view=events&id={error}", "#panel >> text=the last row is missing", "panel"),
    "event": Screen("/events/{test}", "main >> text=test_the_last_row_is_kept", "event"),
    "events": Screen("/events", "main >> text=run_finished", "events"),
    "events, filtered, panel": Screen(
        "/events?q=type:test_result+status:failed&id={test_id}", "#panel >> text=test_the_last_row_is_kept"
    ),
    "events, no match": Screen("/events?q=type:nosuchtype", "main >> text=No event matches"),
    "events, none yet": Screen("/events", "main >> text=No events yet", empty=True),
    "run of spans, timeline": Screen("/runs/{traced}", "main canvas", loaded=True),
    "run of spans, reading": Screen("/runs/{traced}?view=reading", "main >> text=Where is my parcel 4711?"),
    "traces": Screen("/traces", "main >> text=Your parcel left Hamburg", "traces"),
    "traces, filtered": Screen("/traces?q=thumb:down", "main >> text=Your parcel left Hamburg"),
    "traces, none yet": Screen("/traces", "main >> text=OTEL_EXPORTER_OTLP_ENDPOINT", empty=True),
    "traces, no match": Screen("/traces?q=model:nosuchmodel", "main >> text=No model call matches"),
    "trace": Screen("/traces/{traced}-b4", "main >> text=When does it arrive?", "trace"),
    "trace, of a recorder": Screen("/traces/{call}", "main >> text=The login fails"),
    "not mapped": Screen("/unmapped", "main >> text=acme.tier", "unmapped"),
    "retention": Screen("/retention", "main >> text=default for audit records", "retention"),
    "not mapped, nothing": Screen("/unmapped", "main >> text=Everything was mapped", empty=True),
    "report": Screen("/api/runs/{agent}/report?format=html", "main >> text=shop/login.py", "report"),
    "report, of losses": Screen("/api/runs/{loss}/report?format=html", "main >> text=How far this can be trusted"),
    "report, of spans": Screen("/api/runs/{traced}/report?format=html", "main >> text=Where is my parcel 4711?"),
    "report, of a long run": Screen("/api/runs/{long}/report?format=html", "main >> text=Tools"),
    "audit": Screen("/audit", "main >> text=account.close", "audit"),
    "audit, filtered, panel": Screen(
        "/audit?q=decision:denied&id={denied}", "#panel >> text=outside of the repository"
    ),
    "audit, no match": Screen("/audit?q=actor:nosuchactor", "main >> text=No audit record matches"),
    "audit, none yet": Screen("/audit?q=", "main >> text=recorder.audit", empty=True),
    "tasks": Screen("/tasks", "main >> text=OSError: no room for letter-5.txt", "tasks"),
    "tasks, filtered": Screen("/tasks?state=FAILED&user=user-3", "main >> text=letter-3.txt", rare=True),
    "tasks, no match": Screen("/tasks?state=NOSUCH", "main >> text=No task matches", rare=True),
    "tasks, none yet": Screen("/tasks", "main >> text=No tasks yet", empty=True),
    "task, waiting": Screen("/tasks/{task_waiting}", "#story >> text=have passed", "task"),
    "task, failed": Screen("/tasks/{task_failed}", "#data >> text=no room for letter-5.txt", rare=True),
    "task, done": Screen("/tasks/{task_done}", "#data >> text=1204"),
    "dead letters": Screen("/deadletters", "#groups >> text=no room for letter-5.txt", "deadletters"),
    "dead letters, one by one": Screen(
        "/deadletters?view=letters", "#letters >> text=no room for letter-2.txt", rare=True
    ),
    "dead letters, none yet": Screen("/deadletters", "main >> text=No dead letters", empty=True, rare=True),
    "dead letter": Screen("/deadletters/{letter}", "main >> text=Its chain"),
    "replays": Screen("/deadletters/plans", "main >> text=pipeline summarise", rare=True),
    "replays, none yet": Screen("/deadletters/plans", "main >> text=No replay was planned yet", empty=True, rare=True),
    "replay, planned": Screen("/deadletters/plans/{plan}", "main >> text=What would happen", "replay"),
    "analytics": Screen("/stats", "main .uplot", "analytics"),
    "analytics, filtered": Screen("/stats?q=model:nosuchmodel", "main >> text=Nothing to count"),
    "analytics, none yet": Screen("/stats", "main >> text=Nothing to count yet", empty=True),
    "sql": Screen(
        "/sql?query=SELECT+type,+count(*)+AS+n+FROM+events+GROUP+BY+ALL+ORDER+BY+n+DESC",
        "#result >> text=tool_call",
        "sql",
    ),
    "sql, empty": Screen("/sql", "#schema >> text=run_events"),
    "sql, a fault": Screen("/sql?query=SELECT+nosuch+FROM+events", "#result mark", problem=True),
    "compare, form": Screen("/compare", "main h1"),
    "compare": Screen("/compare?left={agent}&right={week}", "main h1", "compare"),
    "problem": Screen("/runs/nosuchrun", "main >> text=40401", problem=True),
}


def places(visits: Visits, flown: Flown) -> dict[str, object]:
    """What the paths name."""
    run = flown.runs["agent"]
    error = visits.get(f"/api/runs/{run}/events?types=error&limit=1")["events"][0]
    test = visits.get(f"/api/runs/{run}/events?types=test_result&limit=1")["events"][0]
    call = visits.get(f"/api/generations?run={run}&limit=1")["generations"][0]["generation_id"]
    denied = visits.get("/api/audits?capability=fs.write&decision=denied&limit=1")["audits"][0]["id"]
    return {
        **flown.runs,
        "denied": denied,
        "call": call,
        "error": error["id"],
        "test": test["event_id"],
        "test_id": test["id"],
    }


# By turns a page is looked at in one of the four each time, and with the long campaigns in the other three: axe takes minutes.
EACH = [
    pytest.param(
        name,
        *look,
        id=f"{name}, {look[0]}, {look[1]}",
        marks=() if turn == at % 4 and not screen.rare else pytest.mark.torture,
    )
    for at, (name, screen) in enumerate(SCREENS.items())
    for turn, look in enumerate(LOOKS)
]


@pytest.mark.parametrize(("name", "width", "theme"), EACH)
def test_a_page_is_sound(name: str, width: int, theme: Theme, request: pytest.FixtureRequest) -> None:
    screen = SCREENS[name]
    visits: Visits = request.getfixturevalue("empty" if screen.empty else "visits")
    path = screen.path
    if not screen.empty:
        path = path.format(**places(visits, request.getfixturevalue("flown")))
    if screen.problem:
        visits.expect("status of 40[04]")
    page = visits.open(path, width=width)
    page.locator(screen.shows).first.wait_for()
    if screen.loaded:
        page.wait_for_function(LOADED, timeout=20_000)
    page.emulate_media(color_scheme=theme)
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
