"""All verbs: their help, their place in the docs, and that each is quick to start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from flightlog.cli.app import VERBS, app, load
from flightlog.version import __version__
from tests.cli.terminal import environment, flightlog, flightlog_process

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands() -> dict[str, Any]:
    """Every verb by its whole name, `run list` too."""
    found: dict[str, Any] = {}

    def take(verb: str, command: Any) -> None:
        inner = getattr(command, "commands", None)
        if not inner:
            found[verb] = command
        for name, it in (inner or {}).items():
            take(f"{verb} {name}", it)

    for verb in VERBS:
        take(verb, load(verb))
    return found


COMMANDS = commands()


def test_the_verbs_are_these() -> None:
    assert sorted(COMMANDS) == [
        "archive compact",
        "archive run",
        "archive status",
        "audit add",
        "audit decisions",
        "audit list",
        "audit show",
        "backup create",
        "backup drill",
        "backup verify",
        "catalogue",
        "deadletters groups",
        "deadletters list",
        "deadletters plan",
        "deadletters plans",
        "deadletters replay",
        "deadletters show",
        "deadletters stop",
        "demo",
        "doctor",
        "drain",
        "drill deadletters",
        "drill matrix",
        "drill smoke",
        "erase",
        "events",
        "exec",
        "export events",
        "export evidence",
        "feedback add",
        "feedback list",
        "generation list",
        "generation show",
        "import",
        "index build",
        "index drop",
        "index status",
        "instrument",
        "mcp",
        "migrate",
        "otlp unmapped",
        "prices list",
        "prices recompute",
        "prices show",
        "query",
        "queues",
        "remap",
        "report",
        "restore",
        "retention hold add",
        "retention hold list",
        "retention hold release",
        "retention plan",
        "retention receipts",
        "retention rules",
        "retention run",
        "run compare",
        "run list",
        "run show",
        "seal consistent",
        "seal keys",
        "seal rotate",
        "seal status",
        "seal witness",
        "stats",
        "tail",
        "tasks cancel",
        "tasks list",
        "tasks result",
        "tasks retry",
        "tasks show",
        "tasks submit",
        "tasks watch",
        "up",
        "verify",
        "worker",
    ]


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_explains_itself(verb: str) -> None:
    said = flightlog(*verb.split(), "--help")
    assert said.code == 0
    assert f"Usage: flightlog {verb}" in said.out
    assert "--json" in said.out


def test_help_lists_every_verb_with_a_sentence_that_is_whole() -> None:
    said = flightlog("--help")
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", said.out.split("Commands:")[1], re.MULTILINE))
    assert list(listed) == list(VERBS)
    assert not [sentence for sentence in listed.values() if not sentence.endswith(".") or sentence.endswith("...")]


def test_every_verb_takes_json() -> None:
    assert not [verb for verb, command in COMMANDS.items() if "--json" not in _options(command)]


def _options(command: Any) -> set[str]:
    own = [param for param in command.params if param.param_type_name == "option"]
    return {name for param in own for name in (*param.opts, *param.secondary_opts)}


def _sections() -> dict[str, str]:
    parts = re.split(r"^## flightlog ", DOCS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def test_every_verb_and_option_is_documented_and_nothing_else_is() -> None:
    sections = _sections()
    assert sorted(sections) == sorted(COMMANDS)
    for verb, text in sections.items():
        # An option is documented where it begins a code span in a table or in the line of shared options.
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        shared = "".join(re.findall(r"Shared:(.*?)(?:\n\n|\Z)", text, re.DOTALL))
        documented = set(re.findall(r"`(--?[a-z][a-z-]*)", " ".join(rows) + shared))
        assert documented == _options(COMMANDS[verb]), verb


def test_the_version_needs_nothing_but_the_recorder() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--version']\n"
        "from flightlog.cli.main import main; main()\n"
        "heavy = {'typer', 'rich', 'pydantic', 'sqlalchemy', 'fastapi', 'uvicorn', 'alembic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout == f"flightlog {__version__}\n"


def test_a_verb_loads_only_what_it_needs() -> None:
    code = (
        "import sys\nfrom flightlog.cli.app import app\n"
        "try: app(['catalogue', 'note', '--json'])\nexcept SystemExit as end: assert not end.code\n"
        "heavy = {'rich', 'sqlalchemy', 'fastapi', 'uvicorn', 'alembic', 'flightlog.ingest'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)


def test_the_version_is_the_same_by_option_and_by_command() -> None:
    assert flightlog("--version").out == flightlog_process("--version").out == f"flightlog {__version__}\n"


def test_a_misspelt_verb_names_the_near_one() -> None:
    said = flightlog("evnets")
    assert said.code == 2
    assert "'events'" in said.err


def test_a_misspelt_option_is_refused_and_named_in_json_too() -> None:
    said = flightlog("run", "list", "--limti", "3", "--json")
    assert (said.code, said.out) == (2, "")
    assert said.problem["type"] == "/problems/usage"
    assert "--limti" in said.problem["detail"]


def test_no_arguments_show_the_help() -> None:
    said = flightlog()
    assert said.code == 2
    assert "Commands:" in said.out + said.err


def test_the_app_is_one_that_typer_knows() -> None:
    assert isinstance(app, typer.Typer)
