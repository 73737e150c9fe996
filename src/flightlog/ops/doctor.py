"""Looks at a data folder and says what is wrong with it, each with what to do. It changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from flightlog.archive.disk import data_bytes, size_of
from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.ops.findings import Finding, ok, problem, warn
from flightlog.ops.origins import Setting, trace_settings
from flightlog.ops.spools import QUARANTINE_FOLDER, Spool, look_at_spool, quarantined
from flightlog.ops.storecheck import look_at_store, open_for_reading
from flightlog.recorder.health import RUNGS, SHED_DEBUG, rung_for
from flightlog.store.lock import holder
from flightlog.version import __version__
from flightlog.wiring import SPOOL_FOLDER, has_server_extra

INTEGRITY_SECONDS_MAX = 10.0
PACKAGES = ("msgspec", "google-re2", "sqlalchemy", "alembic", "fastapi", "uvicorn", "typer", "rich")


class Report(msgspec.Struct, kw_only=True):
    """What the doctor found. `ok` is False as soon as one finding is a problem."""

    folder: str
    ok: bool
    findings: list[Finding]
    spools: list[Spool]
    settings: list[Setting]


def examine(
    folder: Path, integrity_seconds_max: float | None = INTEGRITY_SECONDS_MAX, address: str | None = None
) -> Report:
    """Look at everything. None lets the look at the database's pages take as long as it takes. `address` is the URL of the
    database where the store is not in the folder."""
    origins = trace_settings(folder)
    findings = [_versions(), *_settings_findings(origins.error, origins.strangers)]
    spools: list[Spool] = []
    if address is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.is_dir():
        advice = "Name another with --dir, or record into it: `flightlog exec --dir FOLDER -- COMMAND` makes it."
        findings.append(problem("folder", f"There is no folder {folder}.", advice))
    else:
        findings.extend(_look_at_folder(folder))
        keeper, trouble = open_for_reading(folder, origins.settings, address)
        try:
            position = _position_of(keeper.journal.position) if keeper else None
            spools = look_at_spool(folder / SPOOL_FOLDER, position)
            findings.append(_writer(folder, spools))
            findings.extend(_spool_findings(folder, spools, origins.settings))
            findings.append(_disk(folder, origins.settings))
            findings.extend([trouble] if trouble else look_at_store(keeper, integrity_seconds_max))
        finally:
            if keeper:
                keeper.close()
    good = all(finding.state != "problem" for finding in findings)
    return Report(folder=str(folder), ok=good, findings=findings, spools=spools, settings=origins.rows)


def _position_of(position: Callable[[str], int]) -> Callable[[str], int]:
    """Positions from a store that may be damaged: what can't be read counts as not delivered."""

    def ask(segment: str) -> int:
        try:
            return position(segment)
        except FlightlogError:
            return 0

    return ask


def _versions() -> Finding:
    versions = {"flightlog": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    extra = has_server_extra()
    text = f"Flightlog {__version__} on Python {versions['python']}, {'with' if extra else 'without'} the server extra."
    return ok("versions", text, server_extra=extra, **{name.replace("-", "_"): it for name, it in versions.items()})


def _settings_findings(error: str | None, strangers: dict[str, str | None]) -> Iterator[Finding]:
    if error is not None:
        yield problem("settings", error, "Mend it: nothing that uses this folder starts while it is wrong.")
    for name, near in strangers.items():
        advice = f"Perhaps {near} is meant; else remove it." if near else "Remove it, or correct its name."
        yield warn("settings", f"The environment has {name}, which is no setting.", advice, variable=name)
    if error is None and not strangers:
        yield ok("settings", "Every setting can be what it is set to.")


def _look_at_folder(folder: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    facts = {"path": str(folder.absolute()), "mode": f"{mode:04o}"}
    if not os.access(folder, os.W_OK | os.X_OK):
        yield problem(
            "folder", f"{folder} can't be written by this user.", "Run as its owner, or change its mode.", **facts
        )
    elif mode & 0o077:
        advice = f"chmod 700 {folder}, unless they are meant to."
        yield warn("folder", f"Other users of this machine can look into {folder}.", advice, **facts)
    else:
        yield ok("folder", f"{folder.absolute()} can be written, by this user alone.", **facts)


def _writer(folder: Path, spools: list[Spool]) -> Finding:
    pid = holder(folder)
    waiting = sum(spool.events for spool in spools)
    if pid is not None:
        command = _command_of(pid) if pid else None
        text = f"Process {pid or 'without a pid in the lock'} is the writer" + (f": {command}" if command else ".")
        if pid and command is None and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            text = f"Process {pid} is the writer; it is not to be seen from here (another container or machine)."
        return ok("writer", text, pid=pid, command=command, alive=True)
    if not waiting:
        return ok("writer", "Nobody is writing the store, and nothing waits to be written.", pid=None)
    advice = "Deliver them: `flightlog drain` once, or `flightlog up` to serve the folder."
    text = f"Nobody is writing the store, and {waiting:,} events wait in the spool."
    abandoned = any(spool.events and not spool.alive for spool in spools)
    return (problem if abandoned else warn)("writer", text, advice, pid=None, waiting=waiting)


def _command_of(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    return " ".join(words).strip()[:200] or None


def _spool_findings(folder: Path, spools: list[Spool], settings: Settings) -> Iterator[Finding]:
    held = sum(spool.bytes for spool in spools)
    alive = sum(spool.alive for spool in spools)
    facts = {
        "bytes": held,
        "events": sum(spool.events for spool in spools),
        "producers_alive": alive,
        "producers_dead": len(spools) - alive,
    }
    rung = rung_for(held / settings.spool_bytes_max if settings.spool_bytes_max else 1.0, True)
    text = f"{facts['events']:,} events in {held:,} bytes, of {alive} living and {len(spools) - alive} dead producers."
    if rung >= SHED_DEBUG:
        advice = "Deliver it (`flightlog drain`), or raise spool_bytes_max."
        yield problem("spool", f"{text} {RUNGS[rung].meaning}", advice, **facts)
    else:
        yield ok("spool", text, **facts)
    for spool in spools:
        if spool.damaged_bytes:
            text = f"{spool.damaged_bytes:,} bytes of producer {spool.producer_id} can't be read."
            advice = "Deliver the spool: what can be read is kept, and what is lost is counted. Then look at the disk."
            yield problem("spool-damage", text, advice, producer_id=spool.producer_id, bytes=spool.damaged_bytes)
        if spool.lost:
            text = f"Producer {spool.producer_id} had to drop {spool.lost:,} events and has not been able to report it."
            yield warn("spool-loss", text, "Deliver the spool: the loss is recorded then.", lost=spool.lost)
    refused = quarantined(folder / SPOOL_FOLDER)
    if refused:
        place = folder / SPOOL_FOLDER / QUARANTINE_FOLDER
        text = f"{sum(refused.values()):,} events were refused by the store and are kept in {place}."
        advice = "`flightlog events --types degraded` says why. Remove the files when they are dealt with."
        yield problem("quarantine", text, advice, files=refused)


def _disk(folder: Path, settings: Settings) -> Finding:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    taken = data_bytes(folder) + sum(size_of(folder / "archive"))
    facts = {"free_bytes": free, "total_bytes": disk.f_blocks * disk.f_frsize, "data_bytes": taken}
    if free <= settings.spool_reserve_bytes:
        text = (
            f"The disk is full: {free:,} bytes are free, and the spool leaves {settings.spool_reserve_bytes:,} alone."
        )
        return problem("disk", text, "Make room; events are dropped until there is some.", **facts)
    if free < settings.spool_bytes_max:
        text = f"{free:,} bytes are free, less than the spool may take (spool_bytes_max {settings.spool_bytes_max:,})."
        return warn("disk", text, "Make room, or lower spool_bytes_max.", **facts)
    if settings.data_bytes_max is not None and taken > settings.data_bytes_max:
        text = f"The folder takes {taken:,} bytes, more than it may (data_bytes_max {settings.data_bytes_max:,})."
        advice = "`flightlog up` archives whatever its age; raise the limit, or have retention remove more."
        return warn("disk", text, advice, **facts)
    return ok("disk", f"{free:,} bytes are free; the folder takes {taken:,}.", **facts)
