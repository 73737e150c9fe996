"""`flightlog drill`: try on a running server what is promised of its tasks, with samples of the drill's own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.errors import SettingInvalid

if TYPE_CHECKING:
    from flightlog.drills.check import Drill, Outcome, Report
    from flightlog.drills.target import Target

SERVER = "http://127.0.0.1:4747"
WAIT_SECONDS = 30.0
STYLES = {"passed": "green", "failed": "red", "skipped": "yellow"}

Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=1, help="Longest that a task of the drill may take.")
]
Place = Annotated[str, typer.Option("--server", metavar="URL", help=f"The server. Default: {SERVER}.")]
Samples = Annotated[
    int, typer.Option("--samples", metavar="N", min=50, max=2_000, help="How many dead letters are made; at least 50.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("smoke")(smoke)
    group.command("deadletters")(deadletters)
    group.command("matrix")(matrix)
    app.add_typer(group, name="drill", help="Try what a running server promises of tasks.")


def smoke(server: Place = SERVER, wait: Wait = WAIT_SECONDS, as_json: options.AsJson = False) -> None:
    """Walk a task from end to end, and every way in which a request is to be refused.

    The exit code is 1 when a check is red.
    """
    from flightlog.drills.smoke import SMOKE

    _one(SMOKE, server, wait, as_json)


def deadletters(
    server: Place = SERVER, samples: Samples = 50, wait: Wait = WAIT_SECONDS, as_json: options.AsJson = False
) -> None:
    """Make dead letters, see their replay refused where it has to be, and done where it may be.

    The exit code is 1 when a check is red.
    """
    from flightlog.drills.deadletters import deadletters_drill

    _one(deadletters_drill(samples), server, wait, as_json)


def matrix(
    targets: Annotated[
        str, typer.Option("--targets", metavar="NAME=URL,…", help="The servers, as in dev=http://127.0.0.1:4747.")
    ],
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report there, as Markdown.")
    ] = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="All targets at once.")] = False,
    samples: Samples = 50,
    wait: Wait = WAIT_SECONDS,
    as_json: options.AsJson = False,
) -> None:
    """Fly both drills on several servers, and report in Markdown.

    The exit code is 1 when anything is red; a server that can't be reached is.
    """
    from flightlog.clock import SystemClock
    from flightlog.drills.deadletters import deadletters_drill
    from flightlog.drills.matrix import fly_matrix, markdown
    from flightlog.drills.smoke import SMOKE

    places = _targets(targets)
    lock = threading.Lock()

    def told(target: str, drill: str, outcome: Outcome) -> None:
        with lock:
            output.hint(f"{target} {drill}: {_line(outcome)}")

    ended = threading.Event()
    with _ended_by_signal(ended):
        reports = fly_matrix(
            places, (SMOKE, deadletters_drill(samples)), SystemClock(), _new_tag, wait_seconds=wait, parallel=parallel,
            ended=ended, told=told,
        )  # fmt: skip
    text = markdown(reports)
    if report is not None:
        report.write_text(text, "utf-8")
    if as_json:
        output.print_json({"ok": all(one.ok for one in reports), "reports": [_document(one) for one in reports]})
    elif report is None:
        output.print_text(text)
    else:
        print(f"{report}: {sum(one.ok for one in reports)} of {len(reports)} drills green")
    if not all(one.ok for one in reports):
        raise typer.Exit(FAILED)


def _targets(text: str) -> dict[str, Target]:
    """The named servers. Raises SettingInvalid for what is no NAME=URL, and for a name that is there twice."""
    found: dict[str, Target] = {}
    for part in text.split(","):
        name, is_named, url = part.strip().partition("=")
        if not is_named or not name.strip():
            raise SettingInvalid(name="targets", value=part, reason="each is NAME=URL, as in dev=http://127.0.0.1:4747")
        if name.strip() in found:
            raise SettingInvalid(name="targets", value=part, reason="the name is there twice")
        found[name.strip()] = _target("targets", url.strip())
    return found


def _target(option: str, url: str) -> Target:
    from flightlog.drills.target import Target

    try:
        return Target(url)
    except ValueError as error:
        raise SettingInvalid(name=option, value=url, reason=str(error)) from None


def _one(drill: Drill, server: str, wait: float, as_json: bool) -> None:
    from flightlog.clock import SystemClock
    from flightlog.drills.check import fly
    from flightlog.drills.walk import Walk

    clock = SystemClock()
    walk = Walk(_target("server", server), _new_tag(), clock, wait_seconds=wait)
    watched = not as_json and output.is_terminal(sys.stderr)
    told = (lambda outcome: output.hint(_line(outcome))) if watched else (lambda outcome: None)
    with _ended_by_signal(walk.ended):
        report = fly(drill, walk, clock, told=told)
    if as_json:
        output.print_json(_document(report))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(FAILED)


def _print(report: Report) -> None:
    from flightlog.drills.check import SIGNS

    rows: list[list[output.Cell]] = [
        [(SIGNS[one.verdict], STYLES[one.verdict]), one.name, one.proves, one.said, f"{one.seconds:.3f}"]
        for one in report.outcomes
    ]
    output.print_table(
        ("", "check", "what it proves", "seen", "seconds"), rows, right=("seconds",), shrinks="seen",
        optional=("what it proves",),
    )  # fmt: skip
    for text in report.left_behind:
        output.hint(f"left behind: {text}")
    for one in report.outcomes:
        if one.verdict == "failed":
            output.hint(f"{one.name}: {one.said}")
    output.hint(f"{report.drill} on {report.url}: {'all well' if report.ok else 'red'}, {report.seconds:.1f} s")


def _line(outcome: Outcome) -> str:
    from flightlog.drills.check import SIGNS

    return f"{SIGNS[outcome.verdict]} {outcome.name}: {outcome.said}"


def _document(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(report)
    return {"ok": report.ok, **found}


def _new_tag() -> str:
    """Tells the samples of one drill from those of all others."""
    import secrets

    return secrets.token_hex(5)


@contextmanager
def _ended_by_signal(ended: threading.Event) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM end a drill after the request that is under way, and it cleans up; a second ends it at once."""

    def end(number: int, frame: FrameType | None) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()
        output.hint("the drill ends and cleans up; once more ends it at once")

    if threading.current_thread() is not threading.main_thread():
        yield  # as in tests: who can't be signalled is not
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
