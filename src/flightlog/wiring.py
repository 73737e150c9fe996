"""Where the rooms are introduced to each other. Nothing below knows that this module exists."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import FlightlogError, ServerExtraMissing
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.recorder.client import Recorder
from flightlog.recorder.confirm import Watch, Witness
from flightlog.recorder.drain import Drain
from flightlog.recorder.handover import is_wanted, take_over
from flightlog.recorder.redact import Redactor
from flightlog.recorder.sinks import Sink
from flightlog.store.address import check_place, elsewhere, mark_elsewhere, store_folder

if TYPE_CHECKING:
    from flightlog.ingest.batch import Intake
    from flightlog.journal.append import Journal
    from flightlog.journal.projector import Projector
    from flightlog.journal.tail import TailHub
    from flightlog.runs.pricing import PriceBook
    from flightlog.seal.keeper import SealKeeper
    from flightlog.seal.keys import Keys
    from flightlog.store.contract import Store
    from flightlog.store.lock import WriterLock

SPOOL_FOLDER = "spool"
SEAL_FOLDER = "seal"


def open(  # noqa: A001 - flightlog.open is the way in
    target: str | Path,
    *,
    project: str | None = None,
    actor: str | None = None,
    source: str | None = None,
    strict: bool = False,
    settings: Settings | None = None,
    drain: bool = True,
    clock: Clock | None = None,
    ids: Ids | None = None,
    spool_dir: str | Path | None = None,
) -> Recorder:
    """A recorder that writes to a data folder, or to a server when `target` starts with http:// or https://.

    With a folder, events are in the spool when `emit` returns. If this process has the `server` extra and nobody else is the
    writer of the folder, a thread of it carries them into the store; else whoever runs `flightlog up` on the folder does, as with
    a folder whose events go to a database elsewhere. With
    `drain=False` this process only spools. With a URL, the spool is in `spool_dir` (by default a folder of this user's state
    directory), and a thread delivers it.

    Raises SettingInvalid for a setting or target that can't be; never for the state of the disk or the network.

    >>> import flightlog, tempfile
    >>> with flightlog.open(tempfile.mkdtemp()) as rec:
    ...     with rec.run("say hello") as run:
    ...         _ = run.emit("note", {"text": "hello"})
    ...     rec.flush(timeout=30)
    True
    """
    is_url = isinstance(target, str) and target.startswith(("http://", "https://"))
    folder = (Path(spool_dir) if spool_dir else state_folder(str(target))) if is_url else Path(target)
    # A given Settings is the whole truth; the environment and flightlog.toml fill in only when there is none.
    chosen = Settings.load(folder) if settings is None else settings
    if project is not None:
        chosen = msgspec.structs.replace(chosen, project=project)
    carrier: Drain | None = None
    witness: Witness
    if is_url:
        from flightlog.recorder.http_sink import HttpSink  # with it come sockets and TLS
        from flightlog.recorder.http_watch import ServerWatch

        url = str(target)
        witness = lambda event_id: ServerWatch(url, event_id, chosen.audit_timeout_seconds)  # noqa: E731
        carrier = Drain(
            folder / SPOOL_FOLDER, lambda: HttpSink(url, folder / SPOOL_FOLDER, chosen), chosen, chosen.drain_share_max
        )
    else:
        witness = lambda event_id: _folder_watch(folder, event_id)  # noqa: E731
    if not is_url and has_server_extra() and elsewhere(folder) is None:
        carrier = Drain(
            folder / SPOOL_FOLDER,
            lambda: StoreSink(folder, chosen),
            chosen,
            chosen.drain_share_max,
            gives_way=lambda: is_wanted(folder),
        )
    return Recorder(
        folder,
        settings=chosen,
        digest_key=digest_key(folder),
        clock=clock,
        ids=ids,
        drain=carrier if drain else None,
        actor=actor,
        source=source,
        strict=strict,
        witness=witness,
    )


def _folder_watch(folder: Path, event_id: str) -> Watch:
    from flightlog.audit.witness import FolderWatch  # whoever waits for nothing does not need it

    return FolderWatch(folder, event_id)


def state_folder(url: str) -> Path:
    """Where this user keeps what waits for the server at `url`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "flightlog" / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]


def has_server_extra() -> bool:
    """Whether this process can keep a store."""
    return all(importlib.util.find_spec(name) is not None for name in ("sqlalchemy", "alembic"))


def make_intake(folder: Path, settings: Settings) -> Intake:
    """The care that events get which did not come from our recorder, with the folder's own key for redaction marks."""
    from flightlog.ingest.batch import Intake

    return Intake(Redactor.from_settings(settings, digest_key(folder)), settings)


def digest_key(folder: Path) -> bytes | None:
    """The folder's key for the digests in redaction marks, so that equal secrets look equal whoever recorded them.

    Made at the first call. None where the folder can't be written; then each process uses a key of its own.
    """
    path = folder / "redaction.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unborn = folder / f".redaction.{os.getpid()}.{threading.get_ident()}"
        if not path.exists():
            fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.urandom(32))
            try:
                os.link(unborn, path)  # only one of many that start at once makes the key
            except FileExistsError:
                pass
            finally:
                unborn.unlink()
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) == 32 else None


class Keeper:
    """The store of a data folder with everything that stands on it: the journal with its projections, and its followers.

    A writable keeper is the folder's one writer; a read-only one works beside it. With `take_lock`, a recorder that drains
    inside its host hands the lock over; WriterLocked is raised when the holder keeps it, as another `flightlog up` does.

    With `address`, the URL of a database on a server, the store is there, and the folder has what this machine keeps beside
    it: the spool and the files that people write. Then there may be many keepers, also of one folder, and what lies in files
    beside a SQLite store (archive, seal) is not there.
    """

    store: Store
    journal: Journal
    hub: TailHub
    prices: PriceBook

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        writable: bool,
        migrate: bool = True,
        take_lock: bool = False,
        clock: Clock | None = None,
        address: str | None = None,
    ) -> None:
        if not has_server_extra():
            raise ServerExtraMissing(what=f"Reading or keeping the store in {folder}")
        if writable:
            check_place(folder, address)
        from flightlog.archive.reader import attach
        from flightlog.audit.project import AuditProjector
        from flightlog.ingest.otlp.unmapped import UnmappedProjector
        from flightlog.journal.append import Journal
        from flightlog.journal.index import IndexProjector
        from flightlog.journal.tail import TailHub
        from flightlog.runs.feedback_project import FeedbackProjector
        from flightlog.runs.pricing import PriceBook
        from flightlog.runs.project import RunProjector, catch_up_generations
        from flightlog.store.engine import open_store

        self.folder = folder
        self.is_shared = address is not None
        self.settings = settings if address is None else msgspec.structs.replace(settings, seal=False, archive=False)

        def opened() -> Store:
            return open_store(address or folder, settings=settings, writable=writable, migrate=False)

        self.store = take_over(folder, opened) if take_lock and address is None else opened()
        try:
            before, ran = None, []
            if writable and migrate:
                before = self.store.revision()
                ran = self.store.migrate()
            if address is None:
                attach(self.store, folder, settings)
            elif writable:
                mark_elsewhere(folder, address)
            self.prices = PriceBook(folder)
            projector = RunProjector(self.prices)
            if writable:
                self.prices.reload()  # a mistake in it is better known now than at the first call
            if writable and migrate:
                made = catch_up_generations(self.store, projector)
                FeedbackProjector().catch_up(self.store, made)
                AuditProjector().catch_up(self.store)
        except BaseException:
            self.store.close()
            raise
        projectors: list[Projector] = [
            projector, FeedbackProjector(), AuditProjector(), UnmappedProjector(settings), IndexProjector()
        ]  # fmt: skip
        timed = {} if clock is None else {"clock": clock}
        self.journal = Journal(self.store, projectors, settings=settings, **timed)
        self.hub = TailHub(self.store, settings=settings)
        if ran:
            say_migrated(self, before, ran)

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""
        self.hub.close()
        self.store.close()


def open_platform_store(url: str, settings: Settings, folder: Path | None = None) -> Keeper:
    """The store on the PostgreSQL server that `url` names, ready for the task platform: migrated, with journal and hub.

    `folder` is what this process keeps on this machine; without one it is `store_folder(url)`. Any number of processes may
    have the store open. The caller closes the keeper. Raises StoreUnavailable and StoreBroken, neither with the password.
    """
    return Keeper(folder or store_folder(url), settings, writable=True, address=url)


class TurnSink:
    """The sink of a folder whose events go to a store elsewhere: of those who deliver the folder's spool, one does at a time."""

    def __init__(self, keeper: Keeper) -> None:
        from flightlog.journal.sink import JournalSink
        from flightlog.store.lock import WriterLock

        self._lock: WriterLock = WriterLock(keeper.folder)
        self._lock.acquire()
        self._sink = JournalSink(keeper.journal)

    def write(self, events: Sequence[Event], segment: str, offset: int) -> Sequence[tuple[int, FlightlogError]]:
        return self._sink.write(events, segment, offset)

    def position(self, segment: str) -> int:
        return self._sink.position(segment)

    def forget(self, segment: str) -> None:
        self._sink.forget(segment)

    def close(self) -> None:
        self._lock.release()


class StoreSink:
    """The sink of a data folder: it is the folder's writer from the first batch until it is closed."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        from flightlog.journal.sink import JournalSink

        self._keeper = Keeper(folder, settings, writable=True)
        self._sink = JournalSink(self._keeper.journal)

    def write(self, events: Sequence[Event], segment: str, offset: int) -> Sequence[tuple[int, FlightlogError]]:
        return self._sink.write(events, segment, offset)

    def position(self, segment: str) -> int:
        return self._sink.position(segment)

    def forget(self, segment: str) -> None:
        self._sink.forget(segment)

    def close(self) -> None:
        self._keeper.close()


def say_migrated(keeper: Keeper, before: str | None, ran: Sequence[str]) -> None:
    """Record that a store from before was brought up to date. One that was just made has no history to account for."""
    if before is None or not ran:
        return
    from flightlog.audit.record import os_actor, record_admin

    record_admin(
        keeper.journal,
        "store.migrate",
        actor=os_actor(),
        subject_type="store",
        details={"before": before, "migrations": list(ran)},
        project=keeper.settings.project,
    )


def record_by_spool(folder: Path, operation: str, **said: Any) -> None:
    """Record what is done to a folder by whoever is not its writer. It waits in the spool where nobody delivers."""
    from flightlog.audit.actors import os_actor

    with open(folder, source="flightlog", drain=(folder / "flightlog.db").exists()) as recorder:
        recorder.audit(operation, outcome="succeeded", actor=os_actor(), **said)


def keeper_drain(keeper: Keeper) -> Drain:
    """The drain of a process whose job is to keep the store: it takes what it needs, and begins anew after StoreGone.

    Of several processes with one folder and a store elsewhere, one drains, and the next when that one is gone.
    """
    from flightlog.journal.sink import JournalSink

    opened = False

    def sink() -> Sink:
        nonlocal opened
        if keeper.is_shared:
            return TurnSink(keeper)
        if opened:
            keeper.store.reopen()
        opened = True
        return JournalSink(keeper.journal)

    return Drain(keeper.folder / SPOOL_FOLDER, sink, keeper.settings, share_max=1.0)


def seal_keys(folder: Path, settings: Settings) -> Keys:
    """The keys that the checkpoints of a data folder are signed with."""
    from flightlog.seal.keys import Keys

    return Keys(folder / SEAL_FOLDER, overlap_seconds=settings.seal_key_overlap_seconds)


def keeper_seal(keeper: Keeper, clock: Clock | None = None) -> SealKeeper:
    """The seal of a process whose job is to keep the store; not started yet."""
    from flightlog.clock import SystemClock
    from flightlog.seal.keeper import SealKeeper
    from flightlog.seal.sealer import Sealer
    from flightlog.seal.witness import witness_of

    settings = keeper.settings

    def make() -> Sealer:
        return Sealer(
            keeper.store,
            keeper.folder / SEAL_FOLDER,
            seal_keys(keeper.folder, settings),
            clock=clock or SystemClock(),
            batch_events_max=max(settings.seal_batch_events_max, 1),
            sync=keeper.store.sync,
        )

    return SealKeeper(
        make,
        seconds=settings.seal_seconds,
        share_max=settings.seal_share_max,
        witnesses=[witness_of(place) for place in settings.seal_witnesses],
        witness_seconds=settings.seal_witness_seconds,
    )
