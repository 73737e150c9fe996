"""Signed notes (c2sp.org/signed-note) with Ed25519, and the checkpoints of a log that are written as such
(c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from flightlog.errors import NoteInvalid

ED25519 = b"\x01"
SIGNATURES_MAX = 64
_DASH = "— "


class Verifier(NamedTuple):
    """A public key with its name: whose signatures are believed."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is handed around: `name+key id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """The key in such a text. Raises NoteInvalid.

        >>> Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").name
        'PeterNeumann'
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            data = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise NoteInvalid(reason=f"the key can't be read: {error}") from None
        found = cls(name, data[1:])
        if data[:1] != ED25519 or len(data) != 33 or not _is_name(name) or key_id != found.key_id.hex():
            raise NoteInvalid(reason="the key is no Ed25519 key in the form name+id+key")
        return found

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether this key signed this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key with its name."""

    def __init__(self, name: str, private_key: bytes) -> None:
        if not _is_name(name):
            raise NoteInvalid(reason=f"{name!r} is no name for a key: it has no spaces and no plus")
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    def line(self, text: bytes) -> str:
        """The line of this key's signature under a text."""
        signed = base64.b64encode(self.verifier.key_id + self._key.sign(text)).decode()
        return f"{_DASH}{self.verifier.name} {signed}\n"


def sign(text: str, signers: Sequence[Signer]) -> str:
    """The text as a note, signed by all of these. The text ends in a newline and has no other control characters."""
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise NoteInvalid(reason="a note's text ends in a newline and has no other control characters")
    return text + "\n" + "".join(signer.line(text.encode()) for signer in signers)


def open_note(note: str, verifiers: Sequence[Verifier]) -> tuple[str, list[Verifier]]:
    """The text of a note and which of these keys signed it, at least one.

    Raises NoteInvalid where it is no note, where none of the keys signed it, or where a signature under the name and id of
    one of them is wrong. Signatures of others are stepped over.
    """
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or any(char < " " and char != "\n" for char in note):
        raise NoteInvalid(reason="it has no signatures")
    text += "\n"
    known = {(one.name, one.key_id): one for one in verifiers}
    found: list[Verifier] = []
    signatures = lines[:-1].split("\n")
    if len(signatures) > SIGNATURES_MAX:
        raise NoteInvalid(reason=f"it has more than {SIGNATURES_MAX} signatures")
    for line in signatures:
        name, data = _signature(line)
        verifier = known.get((name, data[:4]))
        if verifier is None:
            continue
        if not verifier.verifies(text.encode(), data[4:]):
            raise NoteInvalid(reason=f"the signature of {name} is wrong")
        if verifier not in found:
            found.append(verifier)
    if not found:
        raise NoteInvalid(reason="none of the trusted keys signed it")
    return text, found


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        data = b""
    if not line.startswith(_DASH) or not space or not _is_name(name) or len(data) < 5:
        raise NoteInvalid(reason=f"a line of its signatures can't be read: {line[:80]!r}")
    return name, data


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() or char < " " for char in name)


class Checkpoint(NamedTuple):
    """What a log says of itself: so many leaves, this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in the text of a note. Raises NoteInvalid."""
        lines = text.split("\n")
        try:
            origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
        except (IndexError, ValueError):
            raise NoteInvalid(reason="it is no checkpoint: origin, size and root on a line each") from None
        if not origin or lines[1] != str(size) or size < 0 or len(root) != 32 or lines[-1] != "":
            raise NoteInvalid(reason="it is no checkpoint: origin, size and root on a line each")
        return cls(origin, size, root)
