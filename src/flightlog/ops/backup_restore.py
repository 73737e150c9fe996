"""From a backup to a data folder again, and the drill that shows that it works."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from flightlog.config import Settings
from flightlog.errors import ArchiveFileMissing, BackupBroken, BadInput, FlightlogError
from flightlog.ops.backup import ARCHIVE, DATABASE, TABLES, checkpoint_in, make_backup
from flightlog.ops.backup_files import FACTS as FACTS_FILE
from flightlog.ops.backup_files import SUMS, Checked, Facts, Progress, check, chosen_backup, read_sums
from flightlog.ops.doctor import examine
from flightlog.ops.findings import Finding
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys

# What the doctor may find in a restored folder that speaks against the backup; the rest was so before, or is as it should be.
_GRAVE = frozenset({"store", "integrity", "seal", "archive", "settings"})


class Restored(msgspec.Struct, kw_only=True):
    """What became of a restore. `differences` is empty when the folder is what the backup's facts say."""

    backup: str
    folder: str
    facts: Facts
    migrations: list[str] = []
    verified: int = 0  # sealed events that were held against their leaves
    differences: list[str] = []
    findings: list[Finding] = []
    seconds: dict[str, float] = {}

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.differences


def restore(target: Path, folder: Path, *, progress: Progress | None = None, tell: bool = True) -> Restored:
    """Restore a backup (or the newest of a target) into a folder that is empty or not there.

    Every file is held against its digest first. The folder appears whole or not at all; then its store is opened, brought up
    to date where it is of an older Flightlog, verified against its seal, and looked at by the doctor. With `tell` the restored
    journal gets an audit event that says so. Raises BadInput for a folder with something in it, BackupBroken with the file that is
    damaged, and nothing is restored then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(reason=f"{folder} is not empty; a backup is restored into a folder of its own")
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    backup = chosen_backup(target)
    checked = check(backup, progress)
    refuse_broken(backup, checked)
    began = _took(seconds, "check", began)
    _copy_all(backup, folder)
    began = _took(seconds, "copy", began)
    restored = Restored(backup=str(backup), folder=str(folder), facts=checked.facts, seconds=seconds)
    _settle(folder, restored, tell)
    _took(seconds, "open_and_verify", began)
    return restored


def refuse_broken(backup: Path, checked: Checked) -> None:
    """Raise BackupBroken with the first of the files that are not what they were."""
    if checked.broken:
        name, _, what = checked.broken[0].partition(": ")
        more = f" (and {len(checked.broken) - 1} more files)" if len(checked.broken) > 1 else ""
        raise BackupBroken(path=str(backup / name), reason=what + more)


def _copy_all(backup: Path, folder: Path) -> None:
    """All files of the backup into a folder beside, and that into its place."""
    unborn = folder.with_name(f".{folder.name}.unborn")
    if unborn.exists():
        shutil.rmtree(unborn)
    unborn.mkdir(mode=0o700, parents=True)
    try:
        for name, digest in read_sums(backup).items():
            if name in (FACTS_FILE, SUMS):
                continue
            path = unborn / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(backup / name, path, digest)
        settings = Settings.load(unborn)
        if settings.archive_url:
            _give_back(unborn / ARCHIVE, settings)
        os.sync()
        if folder.exists():
            folder.rmdir()
        unborn.rename(folder)
    except BaseException:
        shutil.rmtree(unborn, ignore_errors=True)
        raise


def _copy(source: Path, target: Path, digest: str) -> None:
    whole = sha256()
    with source.open("rb") as old, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        while piece := old.read(1024 * 1024):
            whole.update(piece)
            new.write(piece)
    if whole.hexdigest() != digest:
        raise BackupBroken(path=str(source), reason="it changed while it was being restored")


def _give_back(archive: Path, settings: Settings) -> None:
    """See to it that the archive's own place, which the settings name, has every file; the copies here are not needed then.

    Raises BackupBroken where another file has the name of one of them.
    """
    from flightlog.archive.objects import open_objects

    objects = open_objects(archive, settings.archive_url, settings.archive_s3_endpoint)
    for path in sorted(path for path in archive.rglob("*") if path.is_file()):
        name, data = path.relative_to(archive).as_posix(), path.read_bytes()
        try:
            there = objects.read(name)
        except ArchiveFileMissing:
            objects.put_new(name, data)
            continue
        if there != data:
            raise BackupBroken(path=f"{objects.place}/{name}", reason="another file is in its place there")
    shutil.rmtree(archive, ignore_errors=True)


def _settle(folder: Path, restored: Restored, tell: bool) -> None:
    """Open what was restored, bring it up to date, and note all that is not as it should be."""
    settings, facts = Settings.load(folder), restored.facts
    held = count(folder)
    for name, before in {"last_id": facts.last_id, **facts.tables}.items():
        if held.get(name) != before:
            restored.differences.append(f"{name}: {held.get(name)} where the backup has {before}")
    keeper = Keeper(folder, settings, writable=True, migrate=False)
    try:
        restored.migrations = keeper.store.migrate()
    finally:
        keeper.close()
    keeper = Keeper(folder, settings, writable=True)
    try:
        if facts.seal is not None:
            _verify(keeper, restored)
        if tell:
            _tell(keeper, restored)
    finally:
        keeper.close()
    restored.findings = [found for found in examine(folder, None).findings if found.state == "problem"]
    restored.differences += [found.text for found in restored.findings if found.name in _GRAVE]


def _verify(keeper: Keeper, restored: Restored) -> None:
    from flightlog.seal.verify import verify_store

    folder, seal = keeper.folder / SEAL_FOLDER, restored.facts.seal
    report = verify_store(keeper.store, folder, seal_keys(keeper.folder, keeper.settings))
    restored.verified = report.checked
    restored.differences += [f"{found.kind}: {found.detail}" for found in report.findings]
    root = checkpoint_in((folder / "checkpoint").read_bytes()).root.hex()
    if seal is not None and (report.origin, report.sealed, root) != (seal.origin, seal.signed_id, seal.root):
        restored.differences.append(
            f"the seal of {report.sealed} events of {report.origin} is not the one of the backup"
        )


def _tell(keeper: Keeper, restored: Restored) -> None:
    from flightlog.audit.record import os_actor, record_admin

    facts = restored.facts
    details: dict[str, Any] = {
        "backup": restored.backup,
        "made_at": facts.created_at,
        "last_id": facts.last_id,
        "migrations": restored.migrations,
        "differences": restored.differences[:20],
    }
    record_admin(
        keeper.journal,
        "backup.restore",
        actor=os_actor(),
        subject_type="store",
        outcome="succeeded" if restored.ok else "failed",
        details=details,
        project=keeper.settings.project,
    )


def count(folder: Path) -> dict[str, int]:
    """The head of the journal and the rows of each table, as a backup counts them."""
    import sqlite3

    with closing(sqlite3.connect(f"{(folder / DATABASE).absolute().as_uri()}?mode=ro", uri=True)) as store:
        names = {row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found = {"last_id": int(store.execute("SELECT last_id FROM journal_head").fetchone()[0])}
        for name in TABLES:
            if name in names:
                found[name] = int(store.execute(f"SELECT count(*) FROM {name}").fetchone()[0])  # noqa: S608 - ours
    return found


def _took(seconds: dict[str, float], name: str, began: float) -> float:
    now = time.perf_counter()
    seconds[name] = round(now - began, 3)
    return now


# ── the drill ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Drill(msgspec.Struct, kw_only=True):
    """A backup that was made, restored and compared, and is gone again. `seconds` are of each step."""

    ok: bool
    facts: Facts
    verified: int
    differences: list[str]
    seconds: dict[str, float]


def drill(folder: Path, settings: Settings, place: Path | None = None, progress: Progress | None = None) -> Drill:
    """Back up, restore, compare and verify in a new folder below `place` (the system's temporary one), and remove it again.

    What can't be done is a difference as well, so that whoever runs this at night has one answer. Raises what making one does.
    """
    with tempfile.TemporaryDirectory(prefix="flightlog-drill-", dir=place) as temp:
        made = make_backup(folder, Path(temp) / "backup", settings, with_keys=True, progress=progress)
        seconds = {f"backup_{name}": spent for name, spent in made.facts.seconds.items()}
        try:
            restored = restore(made.path, Path(temp) / "restored", progress=progress, tell=False)
        except FlightlogError as error:
            return Drill(ok=False, facts=made.facts, verified=0, differences=[error.message], seconds=seconds)
        seconds |= {f"restore_{name}": spent for name, spent in restored.seconds.items()}
        return Drill(
            ok=restored.ok,
            facts=made.facts,
            verified=restored.verified,
            differences=restored.differences,
            seconds=seconds,
        )
