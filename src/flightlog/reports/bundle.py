"""The report as files of an evidence bundle."""

from __future__ import annotations

from flightlog.reports.model import RunReport
from flightlog.reports.render import render

MEANING = "What the run was asked, did and came to, made from these events for reading; each line names its event."


def bundled(report: RunReport) -> dict[str, tuple[str, bytes]]:
    """The files by name, each with the words for what it is, as `write_bundle` takes them. Their lines link nowhere."""
    return {f"run.{form}": (MEANING, render(report, form)) for form in ("md", "html")}
