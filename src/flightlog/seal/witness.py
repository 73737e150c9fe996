"""Witnesses: places outside of the store's reach that keep a copy of checkpoints, so that nobody can make history anew unseen.

    file:/mnt/other/checkpoints        appended to a file, perhaps on a disk that only takes
    git:/srv/witness.git-worktree      committed as `checkpoint` in a repository (and pushed, where it has an upstream)
    https://example.com/hook           posted as text/plain
    ots:https://a.calendar.example     the SHA-256 of the checkpoint posted to /digest; the timestamp that comes back is kept

Over a network only https is spoken, but for loopback; redirects are not followed and answers beyond a limit not read.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from flightlog.errors import NoteInvalid, SettingInvalid, TileBroken, TileMissing, WitnessFailed
from flightlog.seal.keys import Keys
from flightlog.seal.merkle import consistency_proof, roots_from_consistency
from flightlog.seal.note import Checkpoint, open_note
from flightlog.seal.tiles import Tiles

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES_MAX = 64 * 1024

# Takes the checkpoint's note; gives what came back and is worth keeping.
Send = Callable[[str], bytes]


class Witness(NamedTuple):
    """One place, as it was configured, and how to reach it."""

    place: str
    send: Send


def witness_of(place: str) -> Witness:
    """The witness that a setting names. Raises SettingInvalid.

    >>> witness_of("file:/tmp/checkpoints").place
    'file:/tmp/checkpoints'
    """
    kind, _, rest = place.partition(":")
    if kind == "file" and rest:
        return Witness(place, lambda note: _append(Path(rest), note))
    if kind == "git" and rest:
        return Witness(place, lambda note: _commit(Path(rest), note))
    if kind == "ots":
        _check_url(place, rest)
        return Witness(place, lambda note: _timestamp(rest, note))
    if kind in ("http", "https"):
        _check_url(place, place)
        return Witness(place, lambda note: _post(place, note.encode(), "text/plain; charset=utf-8"))
    reason = "a witness is file:PATH, git:FOLDER, https://… or ots:https://…"
    raise SettingInvalid(name="seal_witnesses", value=place, reason=reason)


def _append(path: Path, note: str) -> bytes:
    """Notes one after the other, a blank line between them."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, f"{note}\n".encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    return b""


def _commit(folder: Path, note: str) -> bytes:
    (folder / "checkpoint").write_text(note, "utf-8")
    size = note.split("\n", 2)[1]
    identity = ("-c", "user.name=flightlog", "-c", "user.email=flightlog@localhost")
    _git(folder, "add", "checkpoint")
    if _git(folder, "status", "--porcelain", "checkpoint"):
        _git(folder, *identity, "commit", "--quiet", "--message", f"Checkpoint of {size} events", "checkpoint")
    if _git(folder, "remote"):
        _git(folder, "push", "--quiet")
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *args: str) -> bytes:
    command = ["git", "-C", str(folder), *args]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(command, capture_output=True, timeout=6 * TIMEOUT_SECONDS, env=environment, check=False)  # noqa: S603
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise OSError(f"git {args[0]}: {words[:200]}")
    return done.stdout.strip()


def _timestamp(url: str, note: str) -> bytes:
    digest = hashlib.sha256(note.encode()).digest()
    return _post(f"{url.rstrip('/')}/digest", digest, "application/octet-stream")


def _post(url: str, body: bytes, media_type: str) -> bytes:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Content-Type": media_type, "User-Agent": "flightlog"})
        answer = connection.getresponse()
        data = answer.read(ANSWER_BYTES_MAX)
        if not 200 <= answer.status < 300:
            raise OSError(f"it answered {answer.status}")
        return data
    except http.client.HTTPException as error:
        raise OSError(f"it does not speak HTTP ({type(error).__name__})") from error
    finally:
        connection.close()


def _check_url(place: str, url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not host or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        reason = "it is an https:// address without a password in it; http:// is for loopback only"
        raise SettingInvalid(name="seal_witnesses", value=place, reason=reason)


class Witnessed(NamedTuple):
    """What a round brought: the places that have the checkpoint, and those that don't, with the reason."""

    size: int
    kept: list[str]
    failed: dict[str, str]


def tell(witnesses: list[Witness], folder: Path, note: str) -> Witnessed:
    """Hand a checkpoint to every witness; what one sends back is kept under `witness/` beside the seal's files."""
    size = int(note.split("\n", 2)[1])
    kept, failed = [], {}
    for number, witness in enumerate(witnesses):
        try:
            answer = witness.send(note)
            if witness.place.startswith("ots:"):
                place = folder / "witness"
                place.mkdir(mode=0o700, exist_ok=True)
                (place / f"{size}.{number}.ots").write_bytes(answer)
            kept.append(witness.place)
        except (OSError, subprocess.SubprocessError) as error:
            failed[witness.place] = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Witnessed(size, kept, failed)


def raise_failed(told: Witnessed) -> None:
    """Raise WitnessFailed where a witness has no copy."""
    if told.failed:
        raise WitnessFailed(places="; ".join(f"{place}: {reason}" for place, reason in told.failed.items()))


class Kept(NamedTuple):
    """One checkpoint that was kept elsewhere, and why the log does not bear it out, if it does not."""

    size: int
    trouble: str | None


def check_kept(text: str, folder: Path, keys: Keys) -> list[Kept]:
    """Whether the log in this folder still begins with what these checkpoints signed, each of them. Raises NoteInvalid for none.

    By a consistency proof (RFC 6962, 2.1.2) from each to the newest, made from the tiles and checked as a stranger would.
    """
    trusted = keys.trusted()
    newest = Checkpoint.parse(open_note((folder / "checkpoint").read_text("utf-8"), trusted)[0])
    found = []
    for note in notes_in(text):
        old = Checkpoint.parse(open_note(note, trusted)[0])
        found.append(Kept(old.size, _contradiction(old, newest, folder)))
    if not found:
        raise NoteInvalid(reason="there is no checkpoint in it")
    return found


def _contradiction(old: Checkpoint, newest: Checkpoint, folder: Path) -> str | None:
    if old.origin != newest.origin:
        return f"it is of another log, {old.origin}"
    if old.size > newest.size:
        return f"the log has only {newest.size:,} events now"
    if old.size == 0:
        return None
    try:
        proof = consistency_proof(Tiles(folder).subtree(newest.size), old.size, newest.size)
    except (TileMissing, TileBroken) as error:
        return error.message
    roots = roots_from_consistency(old.size, newest.size, old.root, proof)
    return None if roots == (old.root, newest.root) else "the log begins with other events now"


def notes_in(text: str) -> list[str]:
    """The notes of a file that a witness keeps: one after the other, apart by a blank line."""
    found: list[str] = []
    for part in text.split("\n\n"):
        if part.startswith("\u2014 ") and found:
            found[-1] += f"\n\n{part.rstrip()}\n"
        elif part.strip():
            found.append(part.lstrip("\n"))
    return [note for note in found if "\n\n" in note]
