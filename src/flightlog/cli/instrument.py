"""`flightlog instrument`: run a Python program with every OpenTelemetry instrumentation that is installed beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

import flightlog.recorder
from flightlog import wiring
from flightlog.cli import options, output
from flightlog.errors import BadInput
from flightlog.recorder.client import Recorder
from flightlog.recorder.helpers.processes import FORWARDED
from flightlog.recorder.segment import SUFFIX
from flightlog.recorder.state import look_at_producer
from flightlog.store.lock import holder

NAME = "flightlog instrument"
BOOTSTRAP = Path(flightlog.recorder.__file__).parents[1] / "otel" / "bootstrap"
LOOK_SECONDS = 0.02
NOT_EXECUTABLE, NOT_FOUND, SIGNALED = 126, 127, 128  # as the shell, env and timeout say it

# What instrumentations ask the environment about recording what was said: OpenTelemetry's, Traceloop's, OpenInference's.
CONTENT = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": ("SPAN_AND_EVENT", "NO_CONTENT"),
    "TRACELOOP_TRACE_CONTENT": ("true", "false"),
    "OPENINFERENCE_HIDE_INPUTS": ("false", "true"),
    "OPENINFERENCE_HIDE_OUTPUTS": ("false", "true"),
}


def register(app: typer.Typer) -> None:
    """Add the verb. All after its own options is the program's."""
    settings = {"ignore_unknown_options": False, "allow_extra_args": True, "allow_interspersed_args": False}
    app.command("instrument", context_settings=settings, options_metavar="[OPTIONS] -- CMD...")(instrument)


def instrument(
    ctx: typer.Context,
    folder: options.Folder = None,
    server: options.Server = None,
    content: Annotated[
        bool, typer.Option("--content/--no-content", help="Record what was said, or only that it was.")
    ] = True,
    prefer: Annotated[
        list[str] | None,
        typer.Option("--prefer", metavar="WORD", help="Of several for one library, the package with this in its name."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of the recording.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a program with its OpenTelemetry instrumentations on.

    Nothing in the program changes, and its exit code is ours. What it records is delivered while it runs, by this process.

    With --json the program's standard output goes to standard error, so that only the result is on standard output.
    """
    command = [str(word) for word in ctx.args]
    if not command:
        raise BadInput(reason="there is no command; write it after --, as in `flightlog instrument -- python app.py`")
    place = options.chosen_folder(folder, server)
    target = server if server is not None else str(place.absolute())
    logging.getLogger("flightlog").addHandler(logging.NullHandler())  # what there is to say is said at the end
    recorder = wiring.open(target)
    try:
        code = _run(command, environment(os.environ, target, content, options.words(prefer), quiet), as_json)
        somebody = server is not None or wiring.has_server_extra() or holder(place) is not None
        delivered = _await_delivery(recorder, somebody)
        error = recorder.health().drain_error
    finally:
        recorder.close(timeout=0)
    if as_json:
        output.print_json({"command": command, "exit_code": code, "delivered": delivered})
    elif not delivered and not quiet:
        verb = "`flightlog drain` or `flightlog up`" if server is None else f"`flightlog drain --server {server}`"
        output.hint(f"events wait in the spool{f' ({error})' if error else ''}; {verb} delivers them")
    raise typer.Exit(code)


def environment(
    before: Mapping[str, str], target: str, content: bool, prefer: tuple[str, ...], quiet: bool
) -> dict[str, str]:
    """The environment of a program that is to be instrumented. What the caller has set on purpose stays."""
    made = dict(before)
    python_path = [path for path in made.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(BOOTSTRAP)]
    made["PYTHONPATH"] = os.pathsep.join([str(BOOTSTRAP), *python_path])
    made["FLIGHTLOG_INSTRUMENT_TARGET"] = target
    made["FLIGHTLOG_INSTRUMENT_PREFER"] = ",".join(prefer)
    if quiet:
        made["FLIGHTLOG_INSTRUMENT_QUIET"] = "1"
    made.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    for name, (said, unsaid) in CONTENT.items():
        if not content:
            made[name] = unsaid
        else:
            made.setdefault(name, said)
    return made


def _run(command: list[str], environ: dict[str, str], aside: bool) -> int:
    try:
        process = subprocess.Popen(command, env=environ, stdout=sys.stderr if aside else None)  # noqa: S603 - called for it
    except OSError as error:
        print(f"{NAME}: {command[0]}: {error.strerror or error}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    with _forwarding(process):
        code = process.wait()
    return code if code >= 0 else SIGNALED - code


@contextlib.contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Hand the signals that are meant to stop us to the program, which stays in our group and keeps the terminal."""

    def forward(number: int, frame: FrameType | None) -> None:
        if number not in (signal.SIGINT, signal.SIGQUIT) or not _is_from_terminal():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before: dict[signal.Signals, Any] = {}
    try:
        for which in FORWARDED:
            if signal.getsignal(which) not in (signal.SIG_IGN, None):
                before[which] = signal.signal(which, forward)
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _is_from_terminal() -> bool:
    """Whether Ctrl-C reaches the program without us: the terminal sends it to all of its foreground group."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _await_delivery(recorder: Recorder, somebody: bool) -> bool:
    """Wait until what the program and its children left is in the store, for as long as a flush may take, if somebody delivers."""
    deadline = time.monotonic() + recorder.settings.flush_timeout_seconds
    while waiting := _is_waiting(recorder.folder / wiring.SPOOL_FOLDER):
        if not somebody or time.monotonic() >= deadline or recorder.health().drain_error is not None:
            break
        recorder.flush(0)
        time.sleep(LOOK_SECONDS)
    return not waiting


def _is_waiting(spool: Path) -> bool:
    """Whether there is anything of producers that have ended."""
    return any(not look_at_producer(spool, path.name.split(".", 1)[0])[0] for path in spool.glob(f"*{SUFFIX}"))
