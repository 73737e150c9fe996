"""`flightlog retention`: how long what is kept, what would go, removing it, legal holds, receipts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.remote import ServerSource
from flightlog.cli.words import count, short_time, size
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.errors import BadInput, NotFound
from flightlog.ids import SystemIds
from flightlog.wiring import Keeper, keeper_seal

if TYPE_CHECKING:
    from flightlog.retention.holds import Say
    from flightlog.retention.keep import Retention
    from flightlog.store.contract import Tx

SEAL_SECONDS = 600.0
ANSWER_SECONDS = 3600.0
RECEIPTS_DEFAULT = 20
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit trail.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for verb in (rules, plan, run, receipts):
        group.command(verb.__name__)(verb)
    held = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    held.command("add")(add_hold)
    held.command("list")(list_holds)
    held.command("release")(release_hold)
    group.add_typer(held, name="hold", help="Legal holds: what nobody may remove or erase until they are released.")
    app.add_typer(group, name="retention", help="How long what is kept, and removing what is due.")


def rules(folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Show the rules in their order: the first that matches an event says how long it is kept."""
    from flightlog.retention.rules import load_rules
    from flightlog.retention.told import rules_shape

    place = options.chosen_folder(folder, server)
    told = ask(server) if server else msgspec.to_builtins(rules_shape(load_rules(place, Settings.load(place))))
    if as_json:
        output.print_json(told)
        return
    rows: list[list[output.Cell]] = [
        [str(number), rule["label"], rule["keep"], _asks(rule["asks"])] for number, rule in enumerate(told["rules"], 1)
    ]
    output.print_table(("no", "rule", "keeps", "what"), rows, shrinks="what")
    print(f"summaries of runs, generations and feedback: {told['summaries']} beyond their events")


def plan(folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Say what would go now: how many events, of which rules, projects and types, and the files they are in."""
    from flightlog.retention.told import plan_shape

    if server:
        told = ask(server, "/plan")
    else:
        with retention_of(options.chosen_folder(folder, server), writable=False) as (_, kept):
            told = msgspec.to_builtins(plan_shape(kept.plan()))
    if as_json:
        output.print_json(told)
    else:
        _print_plan(told)


def run(
    folder: options.Folder = None,
    server: options.Server = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove what is due, and seal the events that say so.

    Shows the plan and asks first. A folder that a server keeps is cleaned by the server: give --server.
    """
    from flightlog.retention.told import done_shape, plan_shape

    if not yes and (as_json or not sys.stdin.isatty()):
        raise BadInput(reason="nobody can be asked here; give --yes, or look first: flightlog retention plan")
    if server:
        if not yes:
            confirm(ask(server, "/plan"))
        told = ask(server, "/run", {})
    else:
        place = options.chosen_folder(folder, server)
        with retention_of(place, writable=True) as (keeper, kept):
            if not yes:
                confirm(msgspec.to_builtins(plan_shape(kept.plan())))
            told = msgspec.to_builtins(done_shape(kept.run()))
            if keeper.settings.seal and told["receipts"]:
                seal = keeper_seal(keeper)
                seal.start()
                seal.stop(timeout=SEAL_SECONDS)
    if as_json:
        output.print_json(told)
        return
    told_by = count(len(told["receipts"]), "receipt")
    print(f"{count(told['events'], 'event')} removed, {size(told['bytes'])} of payloads, in {told_by}")
    if told["files_dropped"] or told["files_rewritten"]:
        print(f"{count(told['files_dropped'], 'archive file')} dropped, {told['files_rewritten']:,} written anew")
    if told["runs"]:
        print(f"{count(told['runs'], 'run summary', 'run summaries')} removed")


def receipts(
    folder: options.Folder = None,
    server: options.Server = None,
    limit: options.Limit = None,
    before_id: options.BeforeId = None,
    as_json: options.AsJson = False,
) -> None:
    """List what was removed: each receipt is an audit event, under the seal."""
    from flightlog.retention.receipts import receipts as read
    from flightlog.retention.told import receipts_shape

    number = limit or RECEIPTS_DEFAULT
    if server:
        before = f"&beforeId={before_id}" if before_id else ""
        told = ask(server, f"/receipts?limit={number}{before}")
    else:
        with (
            keeper_of(options.chosen_folder(folder, server), writable=False) as keeper,
            keeper.store.read() as snapshot,
        ):
            told = msgspec.to_builtins(receipts_shape(read(snapshot, number, before_id), number))
    if as_json:
        output.print_json(told)
        return
    rows: list[list[output.Cell]] = [
        [str(one["id"]), short_time(one["at"]), one["actor"] or "", *_receipt(one["details"])]
        for one in told["receipts"]
    ]
    output.print_table(("id", "when", "by", "events", "ids", "rules"), rows, right=("id", "events"), shrinks="rules")


# ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_hold(
    reason: Reason,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="All events of this run.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="All events of this task.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="ACTOR", help="All events of this actor.")] = None,
    project: options.Project = None,
    where: options.Where = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Hold events, also those that come later: they are neither removed nor erased before the hold is released."""
    from flightlog.filters.holds import HoldGiven, hold_filter
    from flightlog.retention.holds import place
    from flightlog.retention.told import hold_shape

    given = HoldGiven(reason=reason, run_id=run, task_id=task, actor=actor, project=project, query=where)
    if server:
        told = ask(server, "/holds", msgspec.to_builtins(given))
    else:
        now = SystemClock().now_ns()
        wanted, selection = hold_filter(given, now)
        hold_id = SystemIds().event_id(now)

        def work(tx: Tx, say: Say, who: str) -> Any:
            return place(tx, hold_id, wanted, selection, reason=reason, actor=who, now_ns=now, say=say)

        told = msgspec.to_builtins(hold_shape(_write(options.chosen_folder(folder, server), work)))
    _say_hold(told, as_json, "held")


def list_holds(
    released: Annotated[bool, typer.Option("--released", help="Those that were released as well.")] = False,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List the holds, the oldest first."""
    from flightlog.retention.holds import holds
    from flightlog.retention.told import HoldsShape, hold_shape

    if server:
        told = ask(server, f"/holds?released={'true' if released else 'false'}")
    else:
        with (
            keeper_of(options.chosen_folder(folder, server), writable=False) as keeper,
            keeper.store.read() as snapshot,
        ):
            found = [hold_shape(hold) for hold in holds(snapshot, released=released)]
        told = msgspec.to_builtins(HoldsShape(holds=found))
    if as_json:
        output.print_json(told)
        return
    rows: list[list[output.Cell]] = [
        [one["hold_id"], short_time(one["placed_at"]), one["actor"], _asks(one["selection"]), one["reason"],
         f"released {short_time(one['released_at'])}" if one["released_at"] else "stands"]
        for one in told["holds"]
    ]  # fmt: skip
    output.print_table(("hold", "since", "by", "what", "reason", "state"), rows, shrinks="reason")


def release_hold(
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id, as `hold list` shows it.")],
    reason: Reason,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Let go of what a hold covers: from now on the rules apply to it."""
    from flightlog.retention.holds import release
    from flightlog.retention.told import hold_shape

    if server:
        told = ask(server, f"/holds/{quote(hold, safe='')}/release", {"reason": reason})
    else:
        now = SystemClock().now_ns()

        def work(tx: Tx, say: Say, who: str) -> Any:
            return release(tx, hold, reason=reason, actor=who, now_ns=now, say=say)

        told = msgspec.to_builtins(hold_shape(_write(options.chosen_folder(folder, server), work)))
    _say_hold(told, as_json, "released")


# ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────────────


def ask(server: str, path: str = "", body: Any = None) -> Any:
    """What a running server answers."""
    # What it is asked for takes as long as it takes.
    source = ServerSource(server, msgspec.structs.replace(Settings.load(), http_timeout_seconds=ANSWER_SECONDS))
    return source.get(f"/api/retention{path}") if body is None else source.send(f"/api/retention{path}", body)


@contextmanager
def keeper_of(place: Path, *, writable: bool) -> Iterator[Keeper]:
    """The store of this folder, as its writer or as a reader."""
    if not (place / "flightlog.db").exists():
        raise NotFound(what="Flightlog store in", id=str(place))
    keeper = Keeper(place, Settings.load(place), writable=writable, take_lock=writable)
    try:
        yield keeper
    finally:
        keeper.close()


@contextmanager
def retention_of(place: Path, *, writable: bool) -> Iterator[tuple[Keeper, Retention]]:
    """Retention of this folder."""
    from flightlog.audit.record import os_actor
    from flightlog.keeping import keeper_retention

    with keeper_of(place, writable=writable) as keeper:
        yield keeper, keeper_retention(keeper, os_actor())


def _write(place: Path, work: Callable[[Tx, Say, str], Any]) -> Any:
    from flightlog.audit.record import os_actor
    from flightlog.keeping import say_retained

    who = os_actor()
    with keeper_of(place, writable=True) as keeper:
        say = say_retained(keeper, who)
        return keeper.store.write(lambda tx: work(tx, say, who))


def confirm(told: Any) -> None:
    """Show the plan and ask; ends the command where the answer is no."""
    _print_plan(told)
    if not told["events"] and not told["runs"]:
        return
    typer.confirm("Remove this for good?", abort=True)


def _print_plan(told: Any) -> None:
    if not told["events"]:
        print("no event is due")
    else:
        span = f"from {short_time(told['oldest_at'])} to {short_time(told['newest_at'])}"
        print(f"{count(told['events'], 'event')} would go, {size(told['bytes'])} of payloads, {span}")
        rows: list[list[output.Cell]] = [
            [by, name, f"{amount['events']:,}", size(amount["bytes"])]
            for by in ("rule", "project", "type")
            for name, amount in told[f"by_{by}"].items()
        ]
        output.print_table(("by", "name", "events", "bytes"), rows, right=("events", "bytes"), shrinks="name")
        whole = sum(file["whole"] for file in told["files"])
        print(
            f"{told['in_tables']:,} of them in the database; {count(whole, 'archive file')} would go as a whole, "
            f"{len(told['files']) - whole:,} would be written anew"
        )
    if told["runs"]:
        print(f"{count(told['runs'], 'run summary', 'run summaries')} would go")
    if told["held"]:
        print(f"{count(told['held'], 'event')} would be due and are held")
    if told["unsealed"]:
        print(f"{count(told['unsealed'], 'event')} not sealed yet and left alone")
    for run_id in told["capped"]:
        print(f"run {run_id} has more events than run_events_max; its oldest debug and info events go first")


def _receipt(details: Any) -> list[output.Cell]:
    if "events" not in details:
        return ["", "", f"summaries of {count(details.get('runs', 0), 'run')}"]
    ids = f"{details.get('first_id'):,}–{details.get('last_id'):,}"
    told = ", ".join(f"{label} {number:,}" for label, number in details.get("rules", {}).items())
    return [f"{details['events']:,}", ids, told]


def _say_hold(told: Any, as_json: bool, word: str) -> None:
    if as_json:
        output.print_json(told)
    else:
        print(f"{word}: {_asks(told['selection'])} ({told['hold_id']})")


def _asks(said: Any) -> str:
    return "  ".join(
        f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in said.items()
    )
