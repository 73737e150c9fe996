"""Running a command for real, and recording what it was, how it ended and the ends of what it wrote."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import IO, Any

import msgspec

from flightlog.events.payload import describe_error
from flightlog.recorder.helpers.base import Emits, Pair, as_text, without_nones
from flightlog.recorder.helpers.output import Captured, Ends
from flightlog.recorder.helpers.processes import Sink, converse, forwarded_signals, put_down

Command = str | Sequence[str | os.PathLike[str]]
Folder = str | os.PathLike[str]

TITLE_CHARS_MAX = 100


class ExecResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended.

    `exit_code` is negative when a signal ended it, and `signal` then names it. Of long outputs both ends are kept and a note
    in the middle says how much is missing; `truncated` tells.
    """

    command: list[str]
    exit_code: int
    stdout: str
    stderr: str
    duration_ns: int
    timed_out: bool = False
    signal: str | None = None
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.exit_code == 0 and not self.timed_out


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a command; `Instruments.exec` says what each is for."""

    cwd: Folder | None = None
    env: Mapping[str, str] | None = None
    timeout: float | None = None
    input: str | bytes | None = None
    check: bool = False
    capture: bool = True
    echo: bool = False
    output_bytes_max: int | None = None


def execute(emits: Emits, command: Command, options: Options) -> ExecResult:
    """Run the command and record it; `Instruments.exec` says how."""
    pair = Pair(emits)
    words, problem = command_words(command)
    pair.begin("exec_started", {"command": words, "cwd": _folder(options.cwd)}, name=title(words))
    if problem is not None:
        _end(pair, words, error=problem)
        raise problem
    try:
        process = _start(words, options)
    except Exception as error:
        _end(pair, words, error=error)
        raise
    event_bytes_max = emits.settings.exec_output_bytes_max
    keep_bytes_max = event_bytes_max if options.output_bytes_max is None else options.output_bytes_max
    kept = [Captured(max(event_bytes_max, keep_bytes_max)) for _ in range(2)]
    try:
        timed_out = _attend(process, kept, options)
    except BaseException as error:
        put_down(process)
        _end(pair, words, process, _for_event(options, kept, event_bytes_max), error=error)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    duration_ns = pair.elapsed_ns()
    _end(pair, words, process, _for_event(options, kept, event_bytes_max), timed_out, duration_ns)
    out, err = (captured.ends(keep_bytes_max) for captured in kept)
    result = ExecResult(
        command=words,
        exit_code=process.returncode,
        stdout=out.text,
        stderr=err.text,
        duration_ns=duration_ns,
        timed_out=timed_out,
        signal=signal_name(process.returncode),
        truncated=out.truncated or err.truncated,
    )
    if options.check and not result.ok:
        raise _failure(result, options.timeout)
    return result


def command_words(command: Command) -> tuple[list[str], Exception | None]:
    """The command as the list that is run, and what is wrong with it. A text is split as a shell would; no shell is used.

    >>> command_words("grep -n 'two words' file")
    (['grep', '-n', 'two words', 'file'], None)
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else [os.fspath(word) for word in command]
    except (TypeError, ValueError) as error:
        return [as_text(command)], error
    if not words:
        return [], ValueError("the command is empty")
    return words, None


def title(words: list[str]) -> str:
    """The command's name in lists: its first words. Words are left out whole, since half a secret is not recognised."""
    name = ""
    for number, word in enumerate([os.path.basename(words[0]), *words[1:]] if words else []):
        longer = f"{name} {shlex.quote(word)}" if number else word
        if len(longer) > TITLE_CHARS_MAX:
            return f"{name} …".strip()
        name = longer
    return name


def signal_name(exit_code: int | None) -> str | None:
    """The signal behind a negative exit code.

    >>> signal_name(-9), signal_name(1)
    ('SIGKILL', None)
    """
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def _folder(cwd: Folder | None) -> str | None:
    try:
        return os.fspath(cwd) if cwd is not None else os.getcwd()
    except (OSError, TypeError):
        return None


def _start(words: list[str], options: Options) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE if options.capture else None
    stdin = subprocess.PIPE if options.input is not None else None if options.echo else subprocess.DEVNULL
    return subprocess.Popen(  # noqa: S603 - running what the caller names is what this is for
        words,
        cwd=options.cwd,
        env=options.env,
        stdin=stdin,
        stdout=pipe,
        stderr=pipe,
        bufsize=0,
        start_new_session=True,
    )


def _attend(process: subprocess.Popen[bytes], kept: list[Captured], options: Options) -> bool:
    """Serve the process to its end; True when time was up."""
    sinks: dict[IO[bytes], Sink] = {}
    for pipe, captured, stream in zip((process.stdout, process.stderr), kept, (sys.stdout, sys.stderr), strict=True):
        if pipe is not None:
            sinks[pipe] = _echoing(captured, stream) if options.echo else _quiet(captured)
    data = options.input.encode("utf-8", "surrogateescape") if isinstance(options.input, str) else options.input
    with forwarded_signals(process) if options.echo else nullcontext():
        return converse(process, sinks, data, options.timeout)


def _quiet(captured: Captured) -> Sink:
    def take(data: bytes) -> bool:
        captured.feed(data)
        return True

    return take


def _echoing(captured: Captured, stream: Any) -> Sink:
    """Also pass the bytes on. When our own reader is gone the process is to notice, as it would without us."""

    def take(data: bytes) -> bool:
        captured.feed(data)
        try:
            if binary := getattr(stream, "buffer", None):
                binary.write(data)
            else:
                stream.write(data.decode("utf-8", "replace"))
            stream.flush()
        except BrokenPipeError:
            return False
        except (AttributeError, OSError, ValueError):
            pass  # there is no stream, or it is closed; what the process says is recorded all the same
        return True

    return take


def _for_event(options: Options, kept: list[Captured], limit: int) -> list[Ends]:
    return [captured.ends(limit) for captured in kept] if options.capture else []


def _end(
    pair: Pair,
    words: list[str],
    process: subprocess.Popen[bytes] | None = None,
    outputs: Sequence[Ends] = (),
    timed_out: bool = False,
    duration_ns: int | None = None,
    error: BaseException | None = None,
) -> None:
    exit_code = process.returncode if process is not None else None
    payload: dict[str, Any] = {"command": words, "exit_code": exit_code, "signal": signal_name(exit_code)}
    payload.update({name: ends.as_payload() for name, ends in zip(("stdout", "stderr"), outputs, strict=False)})
    payload["timed_out"] = timed_out
    if error is not None:
        payload["error"] = describe_error(error)
    ok = exit_code == 0 and not timed_out and error is None
    fields = without_nones({"duration_ns": duration_ns})
    pair.end(
        "exec_result",
        payload,
        name=title(words),
        status="ok" if ok else "error",
        level="info" if ok else "error",
        **fields,
    )


def _failure(result: ExecResult, timeout: float | None) -> subprocess.SubprocessError:
    if result.timed_out:
        return subprocess.TimeoutExpired(result.command, timeout or 0.0, result.stdout, result.stderr)
    return subprocess.CalledProcessError(result.exit_code, result.command, result.stdout, result.stderr)
