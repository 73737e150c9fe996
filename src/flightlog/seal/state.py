"""How far a folder's seal is, as its files and its store say, without checking anything but the signature."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flightlog.errors import NoteInvalid
from flightlog.journal.read import head_id
from flightlog.seal.keys import Keys
from flightlog.seal.note import Checkpoint, open_note
from flightlog.seal.sealer import CHECKPOINT, read_state
from flightlog.store.contract import Store


class Log(NamedTuple):
    """The folder of a log and its keys."""

    folder: Path
    keys: Keys


class SealState(NamedTuple):
    """Ids up to `sealed_id` are leaves, up to `signed_id` signed, of `events` that the journal gave out. `sealed_at` is in
    nanoseconds, 0 before the first. `keys` are the public ones as they are handed around, the first at the top. `error` says
    why the checkpoint can't be believed.
    """

    origin: str = ""
    keys: tuple[str, ...] = ()
    events: int = 0
    sealed_id: int = 0
    signed_id: int = 0
    sealed_at: int = 0
    checkpoint: str = ""
    error: str | None = None


def read_seal(store: Store, folder: Path, keys: Keys) -> SealState:
    """What there is. A folder that nothing was sealed in has no keys and no checkpoint."""
    size, sealed_at = read_state(store)
    with store.read() as connection:
        state = SealState(events=head_id(connection), sealed_id=size, sealed_at=sealed_at)
    try:
        found = keys.all()
        if not found:
            return state
        state = state._replace(origin=keys.origin, keys=tuple(key.verifier.text for key in found))
        note = (folder / CHECKPOINT).read_text("utf-8")
        signed = Checkpoint.parse(open_note(note, keys.trusted())[0]).size
    except FileNotFoundError:
        return state._replace(error=f"{size} events are sealed and there is no checkpoint" if size else None)
    except (NoteInvalid, UnicodeDecodeError, OSError) as error:
        return state._replace(error=str(error))
    return state._replace(checkpoint=note, signed_id=signed)
