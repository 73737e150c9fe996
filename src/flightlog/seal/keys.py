"""The keys that a folder's checkpoints are signed with: made at the first start, handed over by the old key's signature.

In the folder `seal/`: `origin` (the log's name), and in `keys/` for each key, counted from 001: `NNN.pub` (the key to hand
around), `NNN.key` (the private part, 0600, gone once the key is retired) and, but for the first, `NNN.note` (the new key,
signed by the one before it). Whoever trusts the first key can follow these notes to the newest.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flightlog.clock import NS_PER_SECOND, format_ns, parse_ns
from flightlog.errors import NoteInvalid
from flightlog.seal.note import Signer, Verifier, open_note, sign
from flightlog.seal.tiles import write_whole

SUCCESSION = "flightlog-key/1"
Chance = Callable[[int], bytes]


class Key(NamedTuple):
    """One key of the log. `signer` is None where the private part is not here (any more)."""

    number: int
    verifier: Verifier
    made_at: int
    signer: Signer | None


class Keys:
    """The keys of one log."""

    def __init__(self, folder: Path, *, overlap_seconds: float, chance: Chance = os.urandom) -> None:
        self.folder = folder
        self._overlap_ns = int(overlap_seconds * NS_PER_SECOND)
        self._chance = chance

    def begin(self, now_ns: int) -> None:
        """Make the log's name and its first key where there is none."""
        if not (self.folder / "origin").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.folder / "origin", f"flightlog.local/{self._chance(8).hex()}\n".encode())
        if not self.all():
            self._make(1, now_ns)

    @property
    def origin(self) -> str:
        """The log's name, which every checkpoint begins with. Raises NoteInvalid where there is no log yet."""
        try:
            return (self.folder / "origin").read_text("utf-8").strip()
        except FileNotFoundError:
            raise NoteInvalid(reason=f"there is no log in {self.folder} yet") from None

    def all(self) -> list[Key]:
        """Every key, the oldest first."""
        return [self._read(path) for path in sorted((self.folder / "keys").glob("*.pub"))]

    def signing(self, now_ns: int) -> list[Signer]:
        """Who signs now: the newest key, and during the overlap the one before it. A key that is retired loses its private part."""
        keys = self.all()
        newest = keys[-1:]
        for key in keys[:-1]:
            if key.number == keys[-1].number - 1 and now_ns - keys[-1].made_at < self._overlap_ns:
                newest.insert(0, key)
            else:
                (self.folder / "keys" / f"{key.number:03d}.key").unlink(missing_ok=True)
        return [key.signer for key in newest if key.signer is not None]

    def rotate(self, now_ns: int) -> Key:
        """Make the next key and let the newest sign for it. Raises NoteInvalid where the newest can't."""
        old = self.all()[-1]
        if old.signer is None:
            raise NoteInvalid(reason=f"the private part of key {old.number} is not in {self.folder / 'keys'}")
        return self._make(old.number + 1, now_ns, old.signer)

    def trusted(self, first: Verifier | None = None) -> list[Verifier]:
        """The keys that can be believed by who believes the first one (of the folder, unless another is given).

        Raises NoteInvalid where a hand-over is missing, was not signed by the key before, or names another key.
        """
        keys = self.all()
        if not keys:
            raise NoteInvalid(reason=f"there are no keys in {self.folder / 'keys'}")
        believed = [first or keys[0].verifier]
        if believed[0] not in [key.verifier for key in keys]:
            raise NoteInvalid(reason=f"{believed[0].text} is no key of this log")
        known = False
        for key in keys:
            if known:
                believed.append(self._handed_over(key, believed[-1]))
            known = known or key.verifier == believed[0]
        return believed

    def _handed_over(self, key: Key, before: Verifier) -> Verifier:
        try:
            note = self._path(key.number, "note").read_text("utf-8")
        except FileNotFoundError:
            raise NoteInvalid(reason=f"key {key.number} was not signed by the key before it") from None
        text, _ = open_note(note, [before])
        version, origin, new = text.split("\n")[:3]
        if version != SUCCESSION or origin != self.origin or new != key.verifier.text:
            raise NoteInvalid(reason=f"the hand-over to key {key.number} names another key")
        return key.verifier

    def _make(self, number: int, now_ns: int, old: Signer | None = None) -> Key:
        private = self._chance(32)
        signer = Signer(self.origin, private)
        (self.folder / "keys").mkdir(mode=0o700, exist_ok=True)
        write_whole(self._path(number, "key"), base64.b64encode(private) + b"\n", mode=0o600)
        if old is not None:
            note = sign(f"{SUCCESSION}\n{self.origin}\n{signer.verifier.text}\n", [old])
            write_whole(self._path(number, "note"), note.encode())
        # Last: a key is there once its public part is.
        write_whole(self._path(number, "pub"), f"{signer.verifier.text}\n{format_ns(now_ns)}\n".encode())
        return Key(number, signer.verifier, now_ns, signer)

    def _read(self, path: Path) -> Key:
        try:
            return self._parsed(path)
        except ValueError as error:
            raise NoteInvalid(reason=f"the key {path.stem} can't be read: {error}") from None

    def _parsed(self, path: Path) -> Key:
        number = int(path.stem)
        text, made_at = path.read_text("utf-8").split("\n")[:2]
        verifier = Verifier.parse(text)
        try:
            private = base64.b64decode(self._path(number, "key").read_bytes())
        except FileNotFoundError:
            return Key(number, verifier, parse_ns(made_at), None)
        signer = Signer(verifier.name, private)
        if signer.verifier != verifier:
            raise NoteInvalid(reason=f"the private and the public part of key {number} do not belong together")
        return Key(number, verifier, parse_ns(made_at), signer)

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / "keys" / f"{number:03d}.{kind}"
