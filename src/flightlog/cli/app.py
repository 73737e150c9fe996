"""The verbs, put together, and how each of them ends."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flightlog.cli import problems
from flightlog.errors import FlightlogError
from flightlog.version import __version__

# The verbs in the order of the help, each with its file. One is imported when it is called, so that none waits for all.
VERBS: dict[str, str] = {
    "up": "up",
    "worker": "worker",
    "tasks": "tasks",
    "deadletters": "deadletters",
    "queues": "queues",
    "demo": "demo",
    "exec": "exec",
    "instrument": "instrument",
    "run": "run",
    "report": "report",
    "mcp": "mcp",
    "tail": "tail",
    "events": "events",
    "stats": "stats",
    "query": "sql",
    "generation": "generation",
    "prices": "prices",
    "feedback": "feedback",
    "audit": "audit",
    "otlp": "otlp",
    "remap": "remap",
    "import": "import_",
    "catalogue": "catalogue",
    "doctor": "doctor",
    "verify": "verify",
    "drill": "drill",
    "export": "export",
    "backup": "backup",
    "restore": "backup",
    "erase": "erase",
    "retention": "retention",
    "seal": "seal",
    "archive": "archive",
    "drain": "drain",
    "migrate": "migrate",
    "index": "index",
}


class Verbs(TyperGroup):
    """The boundary of all verbs: what we raise on purpose ends in one line and an exit code, never in a traceback."""

    as_json = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.commands[cmd_name] = load(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            for verb in VERBS:  # so that a near one can be named
                self.get_command(ctx, verb)
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        ours = args[: args.index("--")] if "--" in args else args
        self.as_json = "--json" in ours
        return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            # Whoever read our output has had enough. Python would complain once more when it flushes at the end.
            _forget_stdout()
            raise typer.Exit(problems.OK) from None
        except KeyboardInterrupt:
            raise typer.Exit(problems.INTERRUPTED) from None
        except FlightlogError as error:
            raise typer.Exit(problems.say(error, self.as_json)) from None
        except typer.TyperException as error:
            if not self.as_json:
                raise
            problems.say_document(problems.usage_document(error.format_message(), error.exit_code))
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    name="flightlog",
    cls=Verbs,
    help="The flight recorder for AI work: record runs, read them back, keep their store.",
    epilog="Exit codes and all options: docs/reference/cli.md",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)


def load(verb: str) -> Any:
    """One verb, as Typer makes it."""
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.callback()(lambda: None)  # so that it is a group, also of one
    importlib.import_module(f"flightlog.cli.{VERBS[verb]}").register(alone)
    group = typer.main.get_command(alone)
    assert isinstance(group, TyperGroup)
    return group.commands[verb]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"flightlog {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """The flight recorder for AI work: record runs, read them back, keep their store."""


def _forget_stdout() -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass  # not a real file, as in tests
