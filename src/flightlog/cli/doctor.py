"""`flightlog doctor`: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.remote import ServerSource
from flightlog.ops.doctor import INTEGRITY_SECONDS_MAX, Report, examine
from flightlog.ops.findings import Finding, ok, problem

STYLES = {"ok": "green", "warn": "yellow", "problem": "red", "unknown": "dim"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(
    folder: options.Folder = None,
    server: options.Server = None,
    store: options.Store = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help=f"Check all of the database's pages, not only for {INTEGRITY_SECONDS_MAX:g} s."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Look at everything and change nothing. The exit code is 1 when something is wrong."""
    if server is not None:
        options.chosen_folder(folder, server)
        report = ask(server)
    else:
        place, address = options.chosen_place(folder, store)
        report = examine(place, None if deep else INTEGRITY_SECONDS_MAX, address)
    if as_json:
        output.print_json(report)
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(FAILED)


def ask(server: str) -> Report:
    """What a running server says of itself."""
    health = ServerSource(server).health()
    findings: list[Finding] = [
        ok(
            "versions",
            ", ".join(f"{name} {version}" for name, version in health["versions"].items()),
            **health["versions"],
        ),
        ok("store", f"Its newest event is {health['store'].get('last_event_id') or 0:,}.", **health["store"]),
    ]
    advice = "Run `flightlog doctor --dir FOLDER` on the server's machine."
    findings.extend(problem("health", reason, advice) for reason in health["reasons"])
    if not health["reasons"]:
        findings.append(ok("health", f"The server says that it is {health['status']}."))
    if health["drain"]:
        drain = health["drain"]
        text = f"It delivers the spool: {drain['drained']:,} events so far, {drain['backlog_bytes']:,} bytes wait."
        findings.append(ok("drain", text, **drain))
    good = all(finding.state != "problem" for finding in findings)
    return Report(folder=server, ok=good, findings=findings, spools=[], settings=[])


def _print(report: Report) -> None:
    for finding in report.findings:
        parts = [(finding.state.ljust(7), STYLES[finding.state]), (finding.name.ljust(12), "bold")]
        output.print_wrapped(parts, finding.text)
        if finding.advice:
            output.print_wrapped([(" " * 7, ""), (" " * 12, "")], f"→ {finding.advice}")
    spools = [spool for spool in report.spools if spool.alive or spool.segments or spool.lost]
    if spools:
        print()
        columns = ("producer", "pid", "state", "segments", "bytes", "events", "damaged", "lost")
        rows: list[list[output.Cell]] = [
            [
                spool.producer_id,
                str(spool.pid or ""),
                ("alive", "green") if spool.alive else ("dead", "yellow"),
                f"{spool.segments:,}",
                f"{spool.bytes:,}",
                f"{spool.events:,}",
                f"{spool.damaged_bytes:,}",
                f"{spool.lost:,}",
            ]
            for spool in spools
        ]
        output.print_table(columns, rows, right=columns[3:])
    changed = [setting for setting in report.settings if setting.origin != "default"]
    if report.settings:
        print()
        print(f"{len(report.settings) - len(changed)} settings have their default (--json lists them).")
        if changed:
            output.print_table(("setting", "value", "from"), [[it.name, _shown(it.value), it.origin] for it in changed])
    print()
    output.print_text("all is well" if report.ok else "there are problems", "green" if report.ok else "red")


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
