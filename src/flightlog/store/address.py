"""Where a store is, when it is a database on a server: a URL that may hold a password, and how to speak of it without."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path

from flightlog.errors import SettingInvalid

SCHEMES = ("postgresql://", "postgres://")
FILE_MARK = "@"  # before the name of a file that holds the URL
VARIABLE = "FLIGHTLOG_STORE"
HIDDEN = "***"
ELSEWHERE_FILE = "store.url"  # names the database that the events of a folder go to, without its password

# Up to the last @, so that nothing of a password is left that has one in it.
_USER_INFO = re.compile(r"^(?P<before>[a-z]+://[^:/@?#]*):(?P<password>.*)@", re.DOTALL)
_IN_QUERY = re.compile(r"(?P<name>[?&](?:password|sslpassword)=)(?P<password>[^&]*)", re.IGNORECASE)


def read_address(given: str) -> str:
    """The URL that is meant by a URL, or by `@` and the name of a file that holds one.

    Raises SettingInvalid, which repeats nothing of the URL.
    """
    url = given.strip()
    if url.startswith(FILE_MARK):
        name = url[len(FILE_MARK) :]
        try:
            url = Path(name).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingInvalid(name="store", value=given, reason=f"the file can't be read: {reason}") from None
    if not url.startswith(SCHEMES):
        raise SettingInvalid(
            name="store", value=url.split("://")[0][:20], reason="it is postgresql://user@host/database"
        )
    return "postgresql://" + url.split("://", 1)[1]


def has_password(url: str) -> bool:
    """Whether the URL has a password in it.

    >>> has_password("postgresql://ann@db/flight"), has_password("postgresql://ann:secret@db/flight")
    (False, True)
    """
    found = (_USER_INFO.match(url), _IN_QUERY.search(url))
    return any(match is not None and match["password"] for match in found)


def without_password(url: str) -> str:
    """The URL as it may be shown.

    >>> without_password("postgresql://ann:s3@cr:et@db:5433/flight?sslmode=require&password=x")
    'postgresql://ann:***@db:5433/flight?sslmode=require&password=***'
    """
    shown = _USER_INFO.sub(
        lambda match: f"{match['before']}:{HIDDEN}@" if match["password"] else f"{match['before']}@", url
    )
    return _IN_QUERY.sub(lambda match: f"{match['name']}{HIDDEN}", shown)


def name_of(url: str) -> str:
    """A short name for the store at this URL, the same whatever the password is."""
    return hashlib.sha256(without_password(url).replace(f":{HIDDEN}@", "@").encode()).hexdigest()[:16]


def store_folder(url: str) -> Path:
    """Where this user keeps what waits for the database at `url`, and what servers on it keep on this machine."""
    from flightlog.store.address import name_of

    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "flightlog" / f"store-{name_of(url)}"


def elsewhere(folder: Path) -> str | None:
    """The database that the events of this folder go to, without its password; None where the folder has a store of its own."""
    try:
        return (folder / ELSEWHERE_FILE).read_text("utf-8").strip() or None
    except OSError:
        return None


def check_place(folder: Path, address: str | None) -> None:
    """Raise SettingInvalid for a folder whose events go somewhere else than to this store."""
    there = elsewhere(folder)
    if address is None:
        if there is not None:
            reason = f"the events of {folder} go to {there}; name it with --store, or take another folder"
            raise SettingInvalid(name="dir", value=str(folder), reason=reason)
        return
    shown = without_password(address)
    if there is not None and there != shown:
        raise SettingInvalid(name="dir", value=str(folder), reason=f"its events go to {there}; take another folder")
    if (folder / "flightlog.db").exists():
        reason = f"it has a store of its own, and can't be where {shown} keeps its spool; take another folder"
        raise SettingInvalid(name="dir", value=str(folder), reason=reason)


def mark_elsewhere(folder: Path, address: str) -> None:
    """Have recorders leave what they record in this folder to whoever keeps the store at `address`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if elsewhere(folder) is None:
        unborn = folder / f".{ELSEWHERE_FILE}.{os.getpid()}.{threading.get_ident()}"
        unborn.write_text(without_password(address) + "\n", "utf-8")
        unborn.chmod(0o600)
        unborn.replace(folder / ELSEWHERE_FILE)
