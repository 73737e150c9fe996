"""The floors: imports point down, also those inside functions and under TYPE_CHECKING, and nothing runs in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "flightlog"

FLOORS: dict[int, set[str]] = {
    6: {
        "analytics",
        "query",
        "api",
        "console",
        "cli",
        "ops",
        "demo",
        "otel",
        "reports",
        "exports",
        "mcp",
        "metrics",
        "drills",
        "pytest_plugin",
    },
    5: {"wiring", "decoding", "archiving", "keeping", "testing", "services", "filters", "working"},
    4: {"archive", "erasure", "audit", "ingest", "runs", "seal", "views", "retention", "tasks", "usage", "deadletters"},
    3: {"journal", "outbox", "queue"},
    2: {"recorder", "store"},
    1: {"events"},
    0: {"errors", "clock", "ids", "config", "version"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

# Rooms on one floor stay apart. The ground stands on itself, testing is wired like the rest, and of the doors the command
# line opens the others.
NEIGHBOURS: set[tuple[str, str]] = {
    ("config", "errors"),
    ("testing", "wiring"),
    ("archiving", "wiring"),
    ("keeping", "archiving"),
    ("keeping", "wiring"),
    ("services", "working"),
    ("working", "wiring"),
    ("keeping", "working"),
    ("keeping", "archiving"),
    ("cli", "api"),
    ("cli", "ops"),
    ("cli", "demo"),
    ("cli", "otel"),
    ("api", "console"),
    # A report says of an event what the console says of it, in the same words; both doors hand reports out.
    ("reports", "console"),
    ("api", "reports"),
    ("console", "query"),
    ("cli", "query"),
    ("api", "query"),
    ("cli", "reports"),
    # Text for an agent is made fit to be seen as a report's is.
    ("mcp", "reports"),
    ("cli", "mcp"),
    ("api", "metrics"),
    ("api", "exports"),
    ("api", "analytics"),
    ("cli", "analytics"),
    ("console", "analytics"),
    ("cli", "exports"),
    ("cli", "drills"),
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = list(path.relative_to(SRC.parent).with_suffix("").parts)
        if "versions" in parts or "project" in parts or "bootstrap" in parts:
            continue  # migrations and what Python starts with are run by file name; the demo's little project is data
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


def imports_of(name: str, path: Path) -> Iterator[str]:
    """The modules of ours that this one imports anywhere in its text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            targets = [
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{name}:{node.lineno} imports relatively; write the whole name")
        else:
            continue
        for target in targets:
            if target.split(".")[0] == "flightlog" and target != name:
                yield target


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_module_has_a_floor() -> None:
    homeless = {room(name) for name in MODULES} - FLOOR_OF.keys() - {""}
    assert not homeless, f"give these rooms a floor in this test and in the docs: {sorted(homeless)}"


def test_imports_point_down() -> None:
    wrong = []
    for name, path in MODULES.items():
        here = room(name)
        if here == "":
            continue  # the package itself stands on top of everything
        for target in imports_of(name, path):
            there = room(target)
            if there == "":
                wrong.append(f"{name} imports the package itself ({target})")
            elif here != there and FLOOR_OF[there] >= FLOOR_OF[here] and (here, there) not in NEIGHBOURS:
                wrong.append(f"{name} (floor {FLOOR_OF[here]}) imports {target} (floor {FLOOR_OF[there]})")
    assert not wrong, "these imports do not point down:\n  " + "\n  ".join(wrong)


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {name: set(imports_of(name, path)) & MODULES.keys() for name, path in MODULES.items()}
    state: dict[str, int] = {}
    trail: list[str] = []

    def walk(name: str) -> list[str] | None:
        state[name] = 1
        trail.append(name)
        for target in sorted(graph[name]):
            if state.get(target) == 1:
                return [*trail[trail.index(target) :], target]
            if target not in state and (found := walk(target)):
                return found
        trail.pop()
        state[name] = 2
        return None

    for name in graph:
        if name not in state:
            circle = walk(name)
            assert circle is None, "a circle of imports: " + " → ".join(circle or [])


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers_misc", "common", "misc", "shared"}
    found = [name for name in MODULES if drawers & set(name.split("."))]
    assert not found, f"give these a noun: {found}"


def test_files_stay_readable() -> None:
    """400 lines is where a file starts to want a reason; the reasons are listed here."""
    reasons = {
        "flightlog.api.problems": "one table: what every error is over HTTP",
        "flightlog.errors": "one tree: what can go wrong, drawn at the top, and what is said then",
    }
    long = {}
    for name, path in MODULES.items():
        lines = len(path.read_text("utf-8").splitlines())
        if lines > 400 and name not in reasons:
            long[name] = lines
    assert not long, f"split these, or write down here why they are whole: {long}"
