"""Every drill on every target: in turn or side by side, and a report in Markdown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from flightlog.clock import Clock
from flightlog.drills.check import SIGNS, Drill, Outcome, Report, fly
from flightlog.drills.target import Target
from flightlog.drills.walk import Walk


def fly_matrix(
    targets: Mapping[str, Target],
    drills: Sequence[Drill],
    clock: Clock,
    new_tag: Callable[[], str],
    *,
    wait_seconds: float,
    parallel: bool = False,
    ended: threading.Event | None = None,
    told: Callable[[str, str, Outcome], None] = lambda *_: None,
) -> list[Report]:
    """A report for each target and drill, by targets in the order given. A target is flown by one drill at a time; with `parallel`
    all targets are flown at once. `told` hears target, drill and outcome, from several threads then. With `ended`, or an
    interruption, every drill that is under way ends and cleans up first; then KeyboardInterrupt is raised.
    """
    stop = ended or threading.Event()

    def new_walk(name: str) -> Walk:
        walk = Walk(targets[name], new_tag(), clock, wait_seconds=wait_seconds)
        walk.ended = stop
        return walk

    def fly_target(name: str) -> list[Report]:
        return [
            fly(
                drill,
                new_walk(name),
                clock,
                target=name,
                told=lambda outcome, drill=drill: told(name, drill.name, outcome),  # type: ignore[misc]
            )
            for drill in drills
        ]

    if not parallel:
        return [report for name in targets for report in fly_target(name)]
    with ThreadPoolExecutor(max(len(targets), 1), "flightlog-drill") as pool:
        try:
            return [report for reports in pool.map(fly_target, targets) for report in reports]
        except BaseException:
            stop.set()
            raise


def markdown(reports: Sequence[Report]) -> str:
    """What came out: a table of targets and drills, then each check with what was seen."""
    drills = list(dict.fromkeys(report.drill for report in reports))
    targets = list(dict.fromkeys(report.target for report in reports))
    found = {(report.target, report.drill): report for report in reports}
    red = sum(not report.ok for report in reports)
    lines = [
        "# Drills",
        "",
        f"{len(reports)} drills on {len(targets)} targets, from {reports[0].began_at[:19]}Z: "
        + ("**all green**" if not red else f"**{red} red**")
        if reports
        else "No target.",
        "",
        "| target | URL | " + " | ".join(drills) + " |",
        "|---|---|" + "---|" * len(drills),
    ]
    for target in targets:
        own = [found[target, drill] for drill in drills]
        lines.append(f"| {_cell(target)} | {_cell(own[0].url)} | " + " | ".join(_verdict(one) for one in own) + " |")
    for report in reports:
        lines += [
            "",
            f"## {_cell(report.target)}: {report.drill}",
            "",
            f"{_verdict(report)}, began at {report.began_at[:19]}Z",
            "",
            "| | check | what it proves | seen | seconds |",
            "|---|---|---|---|---|",
        ]
        for one in report.outcomes:
            lines.append(
                f"| {SIGNS[one.verdict]} | {one.name} | {one.proves} | {_cell(one.said)} | {one.seconds:.3f} |"
            )
        lines += [f"\nLeft behind: {_cell(text)}" for text in report.left_behind]
    return "\n".join(lines) + "\n"


def _verdict(report: Report) -> str:
    counts = dict.fromkeys(SIGNS, 0)
    for outcome in report.outcomes:
        counts[outcome.verdict] += 1
    words = [f"{counts['passed']} of {counts['passed'] + counts['failed']} checks"]
    if counts["skipped"]:
        words.append(f"{counts['skipped']} not tried")
    if report.left_behind:
        words.append(f"{len(report.left_behind)} left behind")
    first = next((one.said for one in report.outcomes if one.verdict == "failed"), None)
    if first is not None:
        words.append(_cell(first))
    return f"{'✓' if report.ok else '✗'} {', '.join(words)}, {report.seconds:.1f} s"


def _cell(text: str) -> str:
    """Text in a cell of a table: on one line, without a bar, nothing in it read as markup."""
    flat = " ".join(text.split())
    for char in "\\`*_[]<>|":
        flat = flat.replace(char, f"\\{char}")
    return flat
