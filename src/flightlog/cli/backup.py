"""`flightlog backup` and `flightlog restore`: a second copy, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.words import count, size
from flightlog.config import Settings
from flightlog.errors import ServerExtraMissing
from flightlog.wiring import has_server_extra, record_by_spool

CREATE = "create"
SHOWN_MAX = 20

Target = Annotated[Path, typer.Argument(metavar="TARGET", help="The folder that backups are in, or one backup.")]


class _Backup(TyperGroup):
    """`backup TARGET` is `backup create TARGET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = [CREATE, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(cls=_Backup, no_args_is_help=True, rich_markup_mode=None)
    group.command(CREATE)(create)
    group.command("verify")(verify)
    group.command("drill")(drill)
    app.add_typer(group, name="backup", help="Make a second copy of a folder in use, and check it.")
    app.command("restore")(restore)


def create(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder that backups go into.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Also the private keys of the seal: who has them can sign as this log.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=1, help="Remove all but the newest N backups afterwards.")
    ] = None,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Back up a folder into TARGET, also while `flightlog up` serves it.

    What has not changed since the last backup there is linked, not copied. `backup TARGET` is the same.
    """
    _needs_server("Backing up a folder")
    from flightlog.ops.backup import make_backup

    place = options.chosen_folder(folder)
    with output.progress("database", None, as_json) as told:
        made = make_backup(place, target, Settings.load(place), with_keys=with_keys, keep=keep, progress=told)
    facts = made.facts
    said = {
        "backup": str(made.path),
        "last_id": facts.last_id,
        "bytes": facts.bytes,
        "with_keys": with_keys,
        "pruned": made.pruned,
    }
    record_by_spool(place, "backup.create", subject_type="store", details=said)
    if as_json:
        document = {"backup": str(made.path), "pruned": made.pruned, "replaced": made.replaced}
        output.print_json(document | {"facts": msgspec.to_builtins(facts)})
        return
    linked = f", {size(facts.linked_bytes)} of it linked to the backup before" if facts.linked else ""
    print(f"{made.path}: {count(facts.last_id, 'event')}, {size(facts.bytes)} in {count(facts.files, 'file')}{linked}")
    if made.replaced:
        output.hint(f"a backup that was never finished is gone: {', '.join(made.replaced)}")
    if made.pruned:
        output.hint(f"older backups are gone: {', '.join(made.pruned)}")
    if facts.seal is not None:
        keys = (
            "has the private keys of the seal: keep it as you keep them"
            if with_keys
            else "has no private keys of the seal"
        )
        output.hint(f"it {keys}" + ("" if with_keys else "; --with-keys takes them along"))


def verify(target: Target, as_json: options.AsJson = False) -> None:
    """Read a whole backup, the newest of TARGET, and hold each file against its digest.

    The exit code is 1 when one differs.
    """
    from flightlog.ops.backup_files import check, chosen_backup

    backup = chosen_backup(target)
    with output.progress("reading", None, as_json) as told:
        checked = check(backup, told)
    if as_json:
        output.print_json({"backup": str(backup), "ok": not checked.broken, **msgspec.to_builtins(checked)})
    else:
        verdict = (
            "sound" if not checked.broken else count(len(checked.broken), "file is not", "files are not") + " sound"
        )
        print(f"{backup}: {verdict}; {count(checked.files, 'file')}, {size(checked.bytes)} read")
        for text in checked.broken[:SHOWN_MAX]:
            print(f"  {text}")
    if checked.broken:
        raise typer.Exit(FAILED)


def restore(target: Target, folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Restore a backup into a new folder, and check it.

    It is the newest of TARGET; the folder is empty or not there. The exit code is 1 when the folder is not what the backup says.
    """
    _needs_server("Restoring a backup")
    from flightlog.ops.backup_restore import restore as restore_backup

    place = options.chosen_folder(folder)
    with output.progress("reading", None, as_json) as told:
        restored = restore_backup(target, place, progress=told)
    if as_json:
        output.print_json({"ok": restored.ok, **msgspec.to_builtins(restored)})
    else:
        print(f"{restored.folder}: {count(restored.facts.last_id, 'event')} from {restored.backup}")
        print(f"{count(restored.verified, 'sealed event')} held against the seal")
        if restored.migrations:
            print(f"brought up to date: {', '.join(restored.migrations)}")
        _print_differences(restored.differences)
        for found in restored.findings:
            output.hint(f"{found.text} {found.advice or ''}")
        if restored.facts.seal is not None and not restored.facts.with_keys:
            output.hint(
                "the private keys of the seal were not in the backup: put seal/keys/*.key back, or nothing can be signed"
            )
    if not restored.ok:
        raise typer.Exit(FAILED)


def drill(
    place: Annotated[
        Path | None,
        typer.Option("--place", metavar="FOLDER", help="Where there is room for it. Default: the system's."),
    ] = None,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Back up, restore, compare and verify in a temporary place, and clean up.

    The exit code is 1 on any difference.
    """
    _needs_server("A drill")
    from flightlog.ops.backup_restore import drill as run_drill

    data = options.chosen_folder(folder)
    with output.progress("drill", None, as_json) as told:
        found = run_drill(data, Settings.load(data), place, told)
    if as_json:
        output.print_json(msgspec.to_builtins(found))
    else:
        verdict = "the backup restores to the same" if found.ok else "the backup does not restore to the same"
        print(
            f"{data}: {verdict}: {count(found.facts.last_id, 'event')}, {count(found.verified, 'sealed event')} verified"
        )
        rows: list[list[output.Cell]] = [[name, f"{spent:.3f}"] for name, spent in found.seconds.items()]
        output.print_table(("step", "seconds"), rows, right=("seconds",))
        _print_differences(found.differences)
    if not found.ok:
        raise typer.Exit(FAILED)


def _print_differences(differences: list[str]) -> None:
    for text in differences[:SHOWN_MAX]:
        print(f"  {text}")
    if len(differences) > SHOWN_MAX:
        print(f"  and {len(differences) - SHOWN_MAX} more")


def _needs_server(what: str) -> None:
    if not has_server_extra():
        raise ServerExtraMissing(what=what)
