"""`flightlog exec`: run a command and record that it was run, how it ended and what it said."""

from __future__ import annotations

import contextlib
import logging
import shlex
import subprocess
import sys
import time
from typing import Annotated, Any

import typer

from flightlog import wiring
from flightlog.cli import options, output
from flightlog.cli.problems import USAGE
from flightlog.cli.words import duration
from flightlog.errors import BadInput
from flightlog.recorder.client import Recorder
from flightlog.recorder.health import Health
from flightlog.store.lock import holder

NAME = "flightlog exec"
LOOK_SECONDS = 0.1
# As the shell, env and timeout say it.
NOT_EXECUTABLE, NOT_FOUND, SIGNALED = 126, 127, 128


def register(app: typer.Typer) -> None:
    """Add the verb. All after its own options is the command's, so that bytes that are no text get through too."""
    settings = {"ignore_unknown_options": False, "allow_extra_args": True, "allow_interspersed_args": False}
    app.command("exec", context_settings=settings, options_metavar="[OPTIONS] -- CMD...")(exec_)


def exec_(
    ctx: typer.Context,
    folder: options.Folder = None,
    server: options.Server = None,
    run_name: Annotated[
        str | None, typer.Option("--run-name", metavar="TEXT", help="The run's name. Default: the command.")
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Who runs it.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="ID", help="The task that it is run for.")] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="The run's project.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of the recording.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a command as a recorded run; its exit code is ours.

    Its output passes through as it comes, and signals are handed on to it.

    With --json the command's standard output goes to standard error, so that only the result is on standard output.
    """
    command = [str(word) for word in ctx.args]
    if not command:
        raise BadInput(reason="there is no command; write it after --, as in `flightlog exec -- make test`")
    place = options.chosen_folder(folder, server)
    logging.getLogger("flightlog").addHandler(logging.NullHandler())  # what there is to say is said at the end
    recorder = wiring.open(place if server is None else server, project=project, source="cli")
    try:
        found = _run(recorder, command, run_name, actor, task, as_json)
        # Worth waiting for only where somebody delivers: a server, this process, or the folder's writer.
        awaited = server is not None or wiring.has_server_extra() or holder(place) is not None
        delivered = _await_delivery(recorder) if awaited else recorder.flush(0)
        health = recorder.health()
    finally:
        recorder.close(timeout=0)
    if as_json:
        output.print_json({**found, "delivered": delivered, "events_lost": health.dropped_total})
    elif not quiet:
        _say(found, delivered, health, server)
    raise typer.Exit(found["exit_code"])


def _say(found: dict[str, Any], delivered: bool, health: Health, server: str | None) -> None:
    output.hint(f"recorded as run {found['run_id']}: exit {found['exit_code']} after {duration(found['duration_ns'])}")
    if not delivered:
        why = f" ({health.drain_error})" if health.drain_error else ""
        verb = "`flightlog drain` or `flightlog up`" if server is None else f"`flightlog drain --server {server}`"
        output.hint(f"its events wait in the spool{why}; {verb} delivers them")
    if health.dropped_total:
        output.hint(f"{health.dropped_total} events could not be recorded; `flightlog doctor` says why")


def _await_delivery(recorder: Recorder) -> bool:
    """Wait until everything is in the store, for as long as a flush may take, unless something is in the way."""
    deadline = time.monotonic() + recorder.settings.flush_timeout_seconds
    while not (delivered := recorder.flush(LOOK_SECONDS)):
        if time.monotonic() >= deadline or recorder.health().drain_error is not None:
            break
    return delivered


def _run(
    recorder: Recorder, command: list[str], run_name: str | None, actor: str | None, task: str | None, as_json: bool
) -> dict[str, Any]:
    title = run_name or shlex.join(command)
    run = recorder.run(title, actor=actor, task_id=task, attributes={"command": command})
    # Its standard output is not ours to fill when a program reads our JSON there.
    aside = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with run, aside:
        try:
            result = run.exec(command, echo=True)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            run.finish("failed", error=error)
            print(f"{NAME}: {command[0]}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
            return _found(run, command, _code_of(error), None, run.elapsed_ns())
        code = result.exit_code if result.exit_code >= 0 else SIGNALED - result.exit_code
        run.finish("succeeded" if result.ok else "failed", output={"exit_code": result.exit_code})
    return _found(run, command, code, result.signal, result.duration_ns)


def _found(run: Any, command: list[str], code: int, signal: str | None, duration_ns: int) -> dict[str, Any]:
    return {"run_id": run.id, "command": command, "exit_code": code, "signal": signal, "duration_ns": duration_ns}


def _code_of(error: Exception) -> int:
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND
    return NOT_EXECUTABLE if isinstance(error, OSError) else USAGE
