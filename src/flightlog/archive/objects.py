"""Where the archive's files lie: a folder on this machine, or a bucket of an S3 store.

An object is there whole or not at all, and is never changed. A folder is written with the system's own calls, because what is
put there has to survive a power cut before the journal lets go of it; obstore, which would not sync, talks to S3.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from flightlog.errors import ArchiveExtraMissing, ArchiveFileMissing, ArchiveUnavailable, SettingInvalid

S3_SECONDS_MAX = 60.0  # one request, and all its repetitions
S3_RETRIES_MAX = 4
UNBORN = ".unborn-"  # so the name of a file begins that is still being written


class Listed(NamedTuple):
    """An object: its path, its size in bytes, when it was written (ns)."""

    path: str
    bytes: int
    written_at: int


class Objects(Protocol):
    """One place. Paths are relative, with `/` between their parts.

    Every call raises ArchiveUnavailable where the disk or the network is at fault.
    """

    @property
    def place(self) -> str:
        """Where it is, as people say it."""

    @property
    def folder(self) -> Path | None:
        """The folder, where objects are files on this machine that others can open by `folder / path`."""

    def put_new(self, path: str, data: bytes) -> None:
        """Write an object that survives a power cut once this returns. Nothing has this path before."""

    def read(self, path: str) -> bytes:
        """All of it. Raises ArchiveFileMissing."""

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """A piece; shorter where the object ends. Raises ArchiveFileMissing."""

    def exists(self, path: str) -> bool: ...

    def list(self) -> Iterator[Listed]:
        """Everything there, what was begun and not finished too."""

    def delete(self, path: str) -> None:
        """Remove it; that it is gone already is fine."""


def open_objects(folder: Path, url: str | None = None, s3_endpoint: str | None = None) -> Objects:
    """The archive of a data folder: `folder` unless `url` names another place (a path, from the data folder on, or s3://bucket/prefix).

    Keys and region of S3 come from the usual AWS_… variables; `s3_endpoint` is where a store lies that is not Amazon's. Raises
    SettingInvalid and ArchiveExtraMissing.
    """
    if url is None or not url:
        return LocalObjects(folder)
    if "://" not in url:
        return LocalObjects(folder.parent / url)
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise SettingInvalid(name="archive_url", value=url, reason="it is a folder or s3://bucket/prefix")
    return S3Objects(parts.netloc, parts.path.strip("/"), s3_endpoint)


class LocalObjects:
    """Files in a folder, which is made when the first is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # other processes, which may work elsewhere, are told of its files
        self.folder: Path | None = self._folder

    @property
    def place(self) -> str:
        return str(self._folder)

    def put_new(self, path: str, data: bytes) -> None:
        target = self._folder / path
        unborn = target.with_name(f"{UNBORN}{secrets.token_hex(8)}")
        try:
            fd = self._make(unborn)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(unborn, target)  # refuses where there is one; a rename would not
            finally:
                unborn.unlink(missing_ok=True)
            for part in [target, *target.parents][: len(Path(path).parts) + 1]:
                _sync_folder(part.parent)
        except OSError as error:
            raise self._unavailable(error) from error

    def _make(self, unborn: Path) -> int:
        for _ in range(3):  # an empty folder may be removed between being made and being used
            unborn.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                return os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue
        return os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def read(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            raise ArchiveFileMissing(path=str(self._folder / path)) from None
        except OSError as error:
            raise self._unavailable(error) from error

    def read_range(self, path: str, start: int, length: int) -> bytes:
        try:
            with (self._folder / path).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise ArchiveFileMissing(path=str(self._folder / path)) from None
        except OSError as error:
            raise self._unavailable(error) from error

    def exists(self, path: str) -> bool:
        return (self._folder / path).is_file()

    def list(self) -> Iterator[Listed]:
        try:
            for parent, _, names in os.walk(self._folder, onerror=_raise):
                for name in sorted(names):
                    file = Path(parent) / name
                    try:
                        found = file.stat()
                    except FileNotFoundError:
                        continue
                    yield Listed(file.relative_to(self._folder).as_posix(), found.st_size, found.st_mtime_ns)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unavailable(error) from error

    def delete(self, path: str) -> None:
        target = self._folder / path
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error
        for parent in target.parents:
            if parent == self._folder:
                return
            try:
                parent.rmdir()
            except OSError:
                return  # something is in it

    def _unavailable(self, error: OSError) -> ArchiveUnavailable:
        return ArchiveUnavailable(place=self.place, reason=error.strerror or str(error))


def _raise(error: OSError) -> None:
    raise error


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class S3Objects:
    """Objects in a bucket, below a prefix. Each is one PUT, so that one that was cut off is not there at all."""

    folder: Path | None = None

    def __init__(self, bucket: str, prefix: str, endpoint: str | None) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError:
            raise ArchiveExtraMissing(what="An archive in S3") from None
        self._obstore: Any = obstore
        self._place = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        options: dict[str, Any] = {}
        if endpoint:
            options = {"endpoint": endpoint, "virtual_hosted_style_request": False}
            if not os.environ.get("AWS_REGION") and not os.environ.get("AWS_DEFAULT_REGION"):
                options["region"] = "us-east-1"  # it has to be one; such stores do not care which
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "timeout": timedelta(seconds=S3_SECONDS_MAX),
                "connect_timeout": timedelta(seconds=5),
            },
            retry_config={"max_retries": S3_RETRIES_MAX, "retry_timeout": timedelta(seconds=S3_SECONDS_MAX)},
            **options,
        )

    @property
    def place(self) -> str:
        return self._place

    def put_new(self, path: str, data: bytes) -> None:
        self._ask(path, lambda: self._obstore.put(self._store, path, data, use_multipart=False))

    def read(self, path: str) -> bytes:
        return self._ask(path, lambda: bytes(self._obstore.get(self._store, path).bytes()))  # type: ignore[no-any-return]

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self._ask(  # type: ignore[no-any-return]
            path, lambda: bytes(self._obstore.get_range(self._store, path, start=start, length=length))
        )

    def exists(self, path: str) -> bool:
        try:
            self._ask(path, lambda: self._obstore.head(self._store, path))
        except ArchiveFileMissing:
            return False
        return True

    def list(self) -> Iterator[Listed]:
        pages = self._obstore.list(self._store, chunk_size=1_000)
        while (page := self._ask("", lambda: next(pages, None))) is not None:
            for found in page:
                written = int(found["last_modified"].timestamp() * 1_000_000) * 1_000
                yield Listed(found["path"], found["size"], written)

    def delete(self, path: str) -> None:
        try:
            self._ask(path, lambda: self._obstore.delete(self._store, path))
        except ArchiveFileMissing:
            pass

    def _ask(self, path: str, call: Any) -> Any:
        from obstore.exceptions import BaseError

        try:
            return call()
        except FileNotFoundError:
            raise ArchiveFileMissing(path=f"{self._place}/{path}") from None
        except (BaseError, OSError, ValueError) as error:
            # What follows the first line is a dump of requests.
            raise ArchiveUnavailable(place=self._place, reason=str(error).split("\n")[0][:300]) from error
