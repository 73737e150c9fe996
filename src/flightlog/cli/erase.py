"""`flightlog erase`: take payloads out of a folder, for good, and say so."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.words import count, moment
from flightlog.clock import SystemClock, format_ns
from flightlog.config import Settings
from flightlog.errors import BadInput, NotFound
from flightlog.keeping import keeper_eraser, say_erased
from flightlog.wiring import Keeper, keeper_drain


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("erase")(erase)


def erase(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run whose payloads are to go.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="All events of this task.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="ACTOR", help="All events of this actor.")] = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, only say how many payloads would go.")] = False,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Erase payloads for good; what happened, when and where stays.

    Payloads go from the database and its log, from the text index, from previews and comments, from the seal's salts and from the
    spool. The files are searched afterwards. An audit event says which events, why and by whom, and the seal still adds up. Stop
    `flightlog up` first: a folder has one writer.
    """
    from flightlog.audit.record import os_actor
    from flightlog.filters.compile import event_filter, narrowed_events
    from flightlog.journal.filter import EventFilter

    if run is None and task is None and actor is None and where is None and since is None and until is None:
        raise BadInput(reason="say whose payloads: a RUN, --task, --actor, --where, or a time")
    if yes and not (reason or "").strip():
        raise BadInput(reason="say why, with --reason; it is kept in the audit trail")
    place = options.chosen_folder(folder)
    if not (place / "flightlog.db").exists():
        raise NotFound(what="Flightlog store in", id=str(place))
    since_ns, until_ns = moment("since", since), moment("until", until)
    wanted = EventFilter(
        run_id=run, task_id=task, actors=() if actor is None else (actor,), since=since_ns, until=until_ns
    )
    if where is not None:
        wanted = narrowed_events(event_filter(where, SystemClock().now_ns()), wanted)
    said = {"run_id": run, "task_id": task, "actor": actor, "where": where,
            "since": format_ns(since_ns) if since_ns is not None else None,
            "until": format_ns(until_ns) if until_ns is not None else None}  # fmt: skip
    selection = {key: value for key, value in said.items() if value is not None}
    keeper = Keeper(place, Settings.load(place), writable=True, take_lock=True)
    try:
        deliver(keeper)
        eraser = keeper_eraser(keeper)
        if not yes:
            number, tasks = eraser.count(wanted), eraser.count_beyond(wanted)
            if as_json:
                output.print_json({"events": number, "tasks": tasks, "erased": False})
            else:
                both = count(number, "payload") + (f" and what {count(tasks, 'task')} holds" if tasks else "")
                print(f"{both} would be erased; give --yes and --reason to do it")
            return
        with output.progress("payloads", None, as_json) as told:
            done = eraser.erase(
                wanted, selection=selection, reason=str(reason), say=say_erased(keeper, os_actor()), progress=told
            )
    finally:
        keeper.close()
    if as_json:
        output.print_json({"erased": True, "events": done.events, "tasks": done.tasks, "spooled": done.spooled, "files": done.files,
                           "rewritten": done.rewritten, "elsewhere": done.elsewhere})  # fmt: skip
        return
    print(f"{count(done.events, 'payload')} erased; nothing of them is left in {count(done.files, 'file')}")
    if done.tasks:
        print(f"{count(done.tasks, 'task')} erased, whose events were gone already")
    if done.elsewhere:
        print(f"{count(done.elsewhere, 'piece')} of them also stand in events that were not chosen")


def deliver(keeper: Keeper) -> None:
    """What waits in the spool comes first, so that nothing of what is erased comes after."""
    drain = keeper_drain(keeper)
    try:
        while drain.drain_once():
            continue
    finally:
        drain.stop()
