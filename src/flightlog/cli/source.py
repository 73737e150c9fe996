"""Where reading verbs read: a folder's store, or a running server."""

from __future__ import annotations

from pathlib import Path

from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Pricing, Source


def open_source(folder: Path | None, server: str | None) -> Source:
    """The server when one is named, else the folder; says so when events of the folder are not in its store yet."""
    if server is not None:
        chosen_folder(folder, server)
        from flightlog.cli.remote import ServerSource

        return ServerSource(server)
    from flightlog.cli.local import FolderSource

    return FolderSource(chosen_folder(folder))


def open_writer(folder: Path | None, server: str | None, *, writable: bool) -> Pricing:
    """The server when one is named, else the folder, of which this process becomes the writer if `writable`."""
    if server is not None:
        chosen_folder(folder, server)
        from flightlog.cli.remote import ServerSource

        return ServerSource(server)
    from flightlog.cli.local import FolderPricing

    return FolderPricing(chosen_folder(folder), writable=writable)
