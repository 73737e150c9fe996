"""What a backup is on the disk: a plain folder, a list of digests that any machine can check, and facts in `backup.json`.

    TARGET/2026-11-21T130501Z/         one backup, whole: `sha256sum -c SHA256SUMS` checks it, `cp -r` would restore it
        flightlog.db  seal/  spool/  archive/  *.toml  redaction.key
        backup.json                    what it holds, and what the journal's head and root were
        SHA256SUMS                     the digest of every other file
    TARGET/.unfinished-…/              one under way, or one that was killed: never restored from, and replaced by the next

A file that the backup before has with the same content is a hard link to it, so a backup costs what has changed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from flightlog.config import MIB
from flightlog.errors import BackupBroken, NotFound, Unavailable

FORMAT = 1
FACTS, SUMS, LOCK = "backup.json", "SHA256SUMS", ".lock"
UNFINISHED = ".unfinished-"

Progress = Callable[[int, int], object]


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's seal at that moment: leaves up to `sealed_id`, the signed checkpoint and what it says."""

    origin: str
    sealed_id: int
    signed_id: int
    root: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `tables` are rows, `seconds` how long each step took, `linked` the files that were there before."""

    format: int = FORMAT
    name: str
    created_at: str
    flightlog: str
    folder: str
    revision: str
    last_id: int
    tables: dict[str, int]
    archived_until: int = 0
    archive_files: int = 0
    archive_bytes: int = 0
    seal: Seal | None = None
    with_keys: bool = False
    files: int = 0
    bytes: int = 0
    linked: int = 0
    linked_bytes: int = 0
    seconds: dict[str, float] = {}


class Checked(msgspec.Struct, kw_only=True):
    """What reading a whole backup found. `broken` names each file that is not what it was, and how."""

    facts: Facts
    files: int = 0
    bytes: int = 0
    broken: list[str] = []


def backups_in(target: Path) -> list[Path]:
    """The finished backups of a target, the oldest first."""
    if not target.is_dir():
        return []
    return sorted(path for path in target.iterdir() if not path.name.startswith(".") and (path / FACTS).is_file())


def chosen_backup(target: Path) -> Path:
    """The backup that is meant: this folder, or the newest in it. Raises NotFound, BackupBroken for one that was never finished."""
    if target.name.startswith(UNFINISHED):
        raise BackupBroken(path=str(target), reason="it was never finished")
    if (target / FACTS).is_file() or (target / SUMS).is_file():
        return target
    if found := backups_in(target):
        return found[-1]
    if target.is_dir() and any(path.name.startswith(UNFINISHED) for path in target.iterdir()):
        raise BackupBroken(path=str(target), reason="the only backup in it was never finished")
    raise NotFound(what="backup in", id=str(target))


def read_facts(backup: Path) -> Facts:
    """Raises BackupBroken where they can't be read, or are of a later Flightlog."""
    try:
        facts = msgspec.json.decode((backup / FACTS).read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupBroken(path=str(backup / FACTS), reason=str(error)) from error
    if facts.format > FORMAT:
        raise BackupBroken(path=str(backup), reason=f"its format {facts.format} is of a later Flightlog; upgrade")
    return facts


def read_sums(backup: Path) -> dict[str, str]:
    """The digest of each file, by its path in the backup. Raises BackupBroken."""
    path = backup / SUMS
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackupBroken(path=str(path), reason=str(error)) from error
    if not text.endswith("\n"):
        raise BackupBroken(path=str(path), reason="it is cut off")
    found = {}
    for line in text.splitlines():
        digest, space, name = line.partition("  ")
        if not space or len(digest) != 64 or name.startswith("/") or ".." in Path(name).parts:
            raise BackupBroken(path=str(path), reason=f"its line {line[:80]!r} is no digest and path")
        found[name] = digest
    return found


def check(backup: Path, progress: Progress | None = None) -> Checked:
    """Read every file of a backup and hold it against its digest. Raises BackupBroken where its lists can't be read at all."""
    sums, checked = read_sums(backup), Checked(facts=read_facts(backup), broken=[])
    there = set(files_below(backup)) - {SUMS}
    checked.broken += [f"{name}: it is not there" for name in sums.keys() - there]
    checked.broken += [f"{name}: nobody put it there" for name in there - sums.keys()]
    for name in sorted(there & sums.keys()):
        digest, size = digest_of(backup / name)
        if digest != sums[name]:
            checked.broken.append(f"{name}: its digest is not the one of {SUMS}")
        checked.files += 1
        checked.bytes += size
        if progress is not None:
            progress(checked.bytes, checked.facts.bytes)
    if checked.files != checked.facts.files and not checked.broken:
        checked.broken.append(f"{SUMS}: it names {checked.files} files of {checked.facts.files}")
    checked.broken.sort()
    return checked


def files_below(folder: Path) -> Iterator[str]:
    """The files of a folder and its folders, by their paths in it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 in hex of a file, and its size."""
    whole, size = sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(MIB):
            whole.update(piece)
            size += len(piece)
    return whole.hexdigest(), size


class Writer:
    """A backup under way: puts files into it, links what the one before has, and knows the digest of each."""

    def __init__(self, folder: Path, before: Path | None) -> None:
        self.folder = folder
        self.sums: dict[str, str] = {}
        self.bytes = self.linked = self.linked_bytes = 0
        self._before = before
        self._known = _sums_or_none(before)

    def put(self, name: str, data: bytes) -> None:
        """A file with this content."""
        digest = sha256(data).hexdigest()
        if not self.link(name, digest):
            self._write(name, lambda file: file.write(data))
            self._settle(name, digest)

    def copy(self, name: str, source: Path) -> None:
        """The content of a file that may be growing: as much as is there now. Raises FileNotFoundError."""
        with source.open("rb") as file:
            data = file.read()
        self.put(name, data)

    def link(self, name: str, digest: str | None = None) -> bool:
        """Take a file over from the backup before if it has one of this name, with this digest where one is given."""
        known = self._known.get(name)
        if self._before is None or known is None or (digest is not None and known != digest):
            return False
        target = self.folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(self._before / name, target)
        except OSError:  # no links here, or it is gone: it is written anew
            return False
        size = target.stat().st_size
        self.sums[name] = known
        self.linked += 1
        self.linked_bytes += size
        self.bytes += size
        return True

    def take(self, name: str) -> None:
        """A file that somebody else has written here."""
        path = self.folder / name
        os.chmod(path, 0o600)
        digest, size = digest_of(path)
        self.sums[name] = digest
        self.bytes += size

    def finish(self, facts: Facts) -> Facts:
        """Write the facts and the digests, and make all of it survive a power cut; the facts with the sizes in them."""
        facts = msgspec.structs.replace(
            facts,
            files=len(self.sums) + 1,
            bytes=self.bytes,
            linked=self.linked,
            linked_bytes=self.linked_bytes,
        )
        encoded = msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"
        self.put(FACTS, encoded)
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.sums.items()))
        self._write(SUMS, lambda file: file.write(lines.encode()))
        os.sync()  # once for thousands of small files
        return facts

    def _write(self, name: str, fill: Callable[[Any], object]) -> None:
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            fill(file)

    def _settle(self, name: str, digest: str) -> None:
        """Read back what was written. Raises BackupBroken where it is something else."""
        found, size = digest_of(self.folder / name)
        if found != digest:
            raise BackupBroken(path=str(self.folder / name), reason="what was written reads back otherwise")
        self.sums[name] = digest
        self.bytes += size


def _sums_or_none(backup: Path | None) -> dict[str, str]:
    if backup is None:
        return {}
    try:
        return read_sums(backup)
    except BackupBroken:
        return {}


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """The target for this process alone. Raises Unavailable while another backs up to it."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(target / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(reason=f"another backup to {target} is under way") from None
        yield
    finally:
        os.close(fd)


def clear_unfinished(target: Path) -> list[str]:
    """Remove what backups that were killed have left; their names."""
    left = [path for path in target.iterdir() if path.name.startswith(UNFINISHED)]
    for path in left:
        shutil.rmtree(path)
    return [path.name for path in left]


def prune(target: Path, keep: int) -> list[str]:
    """Remove all but the newest `keep` backups; the names of those that went. Files that others link to stay theirs."""
    gone = backups_in(target)[: -max(keep, 1)]
    for path in gone:
        dying = path.with_name(UNFINISHED + path.name)  # so that half of one is never taken for one
        path.rename(dying)
        shutil.rmtree(dying)
    return [path.name for path in gone]
