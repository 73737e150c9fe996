"""`flightlog tasks`: ask for tasks, list and follow them, cancel and retry them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output, problems
from flightlog.cli.query import Doc
from flightlog.cli.tasking import OVER, SERVER, ServerTasks, TaskQuery, open_reading
from flightlog.cli.words import moment, short_time
from flightlog.errors import BadInput

STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELED": "yellow"}
WORDS = {
    "pipeline": "pipeline", "queue": "queue", "user": "user_id", "project": "project", "round": "round_no",
    "attempt": "attempt_no", "tries": "tries", "deaths": "deaths", "worker": "worker_id",
}  # fmt: skip
TIMES = {
    "asked for": "created_at", "began": "began_at", "ended": "finished_at", "deadline": "deadline_at",
    "kept until": "result_until",
}  # fmt: skip

Running = Annotated[
    str | None, typer.Option("--server", metavar="URL", help=f"The server that takes it. Default: {SERVER}.")
]
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The id of a task.")]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="Makes this one request, however often it is sent."),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the task.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for name, verb in (
        ("submit", submit), ("list", list_), ("show", show), ("result", result), ("cancel", cancel), ("retry", retry),
        ("watch", watch),
    ):  # fmt: skip
        group.command(name)(verb)
    app.add_typer(group, name="tasks", help="Ask for tasks, list and follow them, cancel and retry them.")


def submit(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="What kind of task it is.")],
    given: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON", help="What it works on: JSON, @FILE, or - for standard input."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Whose it is. Default: local.")] = None,
    project: options.Project = None,
    priority: Annotated[int, typer.Option("--priority", metavar="N", help="A larger one is done first.")] = 0,
    units: Annotated[int, typer.Option("--units", metavar="N", help="What is held of the user's quota.")] = 1,
    deadline: Annotated[
        float | None, typer.Option("--deadline-seconds", metavar="N", help="Fails when it is not done by then.")
    ] = None,
    key: Key = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, and print its result.")] = False,
    server: Running = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask for a task. It is stored when this returns. With --wait the exit code is 1 unless it succeeds."""
    asked: Doc = {
        "pipeline": pipeline, "input": _read_input(given), "user_id": user, "project": project, "priority": priority,
        "units": units, "deadline_seconds": deadline,
    }  # fmt: skip
    source = ServerTasks(server)
    task = source.submit({name: value for name, value in asked.items() if value is not None}, key)
    if not wait:
        _print(task, as_json)
        return
    if not as_json:
        output.hint(f"task {task['task_id']} is {task['state']}")
    last = _last_of(source, task["task_id"], lambda task: None)
    if last["state"] == "SUCCEEDED":
        output.print_json(source.result(task["task_id"]) if as_json else source.result(task["task_id"])["result"])
        return
    _print(source.show(task["task_id"]), as_json)
    raise typer.Exit(problems.FAILED)


def list_(
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATES", help="Only in these states; several with commas.")
    ] = None,
    pipeline: Annotated[str | None, typer.Option("--pipeline", metavar="NAME", help="Only of this pipeline.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="NAME", help="Only of this queue.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Only of this user.")] = None,
    project: options.Project = None,
    begins: Annotated[str | None, typer.Option("--id", metavar="TEXT", help="Whose id begins so.")] = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="The page after this; the page before names it.")
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List tasks, the newest first."""
    wanted = TaskQuery(
        states=options.words(state), pipeline=pipeline, queue=queue, user=user, project=project,
        since=moment("since", since), until=moment("until", until), q=begins,
    )  # fmt: skip
    page = open_reading(folder, server).list(wanted, limit, cursor)
    if as_json:
        output.print_json({"tasks": page["tasks"], "next_cursor": page["nextCursor"]})
        return
    if not page["tasks"]:
        output.hint("there is no such task")
        return
    columns = ("task", "pipeline", "state", "done", "attempt", "user", "asked for", "said")
    output.print_table(
        columns, [_row(task) for task in page["tasks"]], right=("done", "attempt"), shrinks="said",
        optional=("attempt", "user", "asked for"),
    )  # fmt: skip
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def show(
    task_id: TaskId, folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False
) -> None:
    """Show one task. Its story is that of the run with its id: `flightlog run show TASK`."""
    _print(open_reading(folder, server).show(task_id), as_json)


def result(
    task_id: TaskId, folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False
) -> None:
    """Print what came out of a task, as JSON."""
    found = open_reading(folder, server).result(task_id)
    output.print_json(found if as_json else found["result"])


def cancel(
    task_id: TaskId, reason: Reason = None, key: Key = None, server: Running = None, as_json: options.AsJson = False
) -> None:
    """End a task that is under way."""
    _print(ServerTasks(server).act(task_id, "cancel", reason, key), as_json)


def retry(
    task_id: TaskId, reason: Reason = None, key: Key = None, server: Running = None, as_json: options.AsJson = False
) -> None:
    """Have a task that failed or was canceled done again, from its first step."""
    _print(ServerTasks(server).act(task_id, "retry", reason, key), as_json)


def watch(task_id: TaskId, server: Running = None, as_json: options.AsJson = False) -> None:
    """Follow a task to its end, a line for each change. The exit code is 1 unless it succeeds."""

    def tell(task: Doc) -> None:
        if as_json:
            output.print_json(task, lines=True)
        else:
            said = _said(task)
            line = [(short_time(task["updated_at"])[11:], "dim"), _state(task), (_share(task), ""), (said, "")]
            output.print_line([part for part in line if part[0]])
        sys.stdout.flush()

    if _last_of(ServerTasks(server), task_id, tell)["state"] != "SUCCEEDED":
        raise typer.Exit(problems.FAILED)


def _last_of(source: ServerTasks, task_id: str, tell: Any) -> Doc:
    """The task when it is over; told at each change before that, and then."""
    for task in source.follow(task_id):
        tell(task)
        if task["state"] in OVER:
            return task
    return source.show(task_id)


def _read_input(given: str | None) -> Any:
    """Raises BadInput."""
    if given is None:
        return None
    try:
        text = sys.stdin.read() if given == "-" else Path(given[1:]).read_text("utf-8") if given[:1] == "@" else given
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadInput(reason=f"the input is not JSON: {error}") from None
    except OSError as error:
        raise BadInput(reason=f"{given[1:]} can't be read: {error.strerror}") from None


def _print(task: Doc, as_json: bool) -> None:
    if as_json:
        output.print_json(task)
        return
    facts: list[tuple[str, output.Cell]] = [("task", task["task_id"]), ("state", _state(task))]
    facts += [(word, str(task[name])) for word, name in WORDS.items() if task[name]]
    facts.append(("done", _share(task)))
    facts += [(word, short_time(task[name])) for word, name in TIMES.items() if task[name]]
    facts.append(("said", _said(task)))
    if task.get("input") is not None:
        facts.append(("input", msgspec.json.encode(task["input"]).decode()))
    facts += [(state, msgspec.json.encode(value).decode()) for state, value in (task.get("results") or {}).items()]
    output.print_facts([(word, value) for word, value in facts if value])


def _row(task: Doc) -> list[output.Cell]:
    return [
        task["task_id"], task["pipeline"], _state(task), _share(task), str(task["attempt_no"]), task["user_id"],
        short_time(task["created_at"])[:19], _said(task),
    ]  # fmt: skip


def _state(task: Doc) -> output.Part:
    return task["state"], STYLES.get(task["state"], "")


def _share(task: Doc) -> str:
    return f"{task['progress']:.0%}"


def _said(task: Doc) -> str:
    error = task["error"] or {}
    return str(task["reason"] or error.get("message") or error.get("kind") or "")
