"""The options that verbs share, each with one meaning everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from flightlog.config import Settings
from flightlog.errors import BadInput, SettingInvalid
from flightlog.store import address

DEFAULT_FOLDER = "flight"
FOLDER_VARIABLE = "FLIGHTLOG_DIR"

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir", metavar="FOLDER", help=f"The data folder. Default: ${FOLDER_VARIABLE}, else ./{DEFAULT_FOLDER}."
    ),
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Use a running server over HTTP instead of a folder."),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The store is a PostgreSQL database: postgresql://user@host/database, or @FILE of a file that holds the URL. "
        f"Default: ${address.VARIABLE}, where a password may be in it.",
    ),
]
Pipelines = Annotated[
    list[str] | None,
    typer.Option(
        "--pipelines",
        metavar="PLACES",
        help="Where pipelines are: pkg.module, pkg.module:Class or path/file.py; several with commas.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, problems as JSON on standard error.")]

Query = Annotated[str | None, typer.Argument(metavar="[QUERY]", help="A query, as in 'status:failed cost:>0.1 login'.")]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="QUERY", help="A query, also one that begins with a minus."),
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="Most rows to show.")]
AfterId = Annotated[
    int | None, typer.Option("--after-id", metavar="ID", help="Only what came after this event id, oldest first.")
]
BeforeId = Annotated[
    int | None, typer.Option("--before-id", metavar="ID", help="Only what came before this event id, newest of them.")
]
Types = Annotated[
    list[str] | None,
    typer.Option("--types", "--type", metavar="TYPES", help="Event types; several with commas."),
]
Project = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on: RFC 3339, or how long ago (90s, 15m, 6h, 7d)."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time; written like --since.")]


def chosen_folder(folder: Path | None, server: str | None = None) -> Path:
    """The data folder that is meant. Raises BadInput when a server was named as well."""
    if folder is not None and server is not None:
        raise BadInput(reason="--dir and --server name two places; give one of them")
    if folder is not None:
        return folder
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


def chosen_store(store: str | None) -> str | None:
    """The URL of the database that is meant; None where the store is in a folder.

    Raises SettingInvalid, which repeats nothing of it. A password among the arguments is refused: whoever can list the
    processes of this machine reads it there.
    """
    given = store or os.environ.get(address.VARIABLE)
    if not given:
        return None
    if store and address.has_password(store):
        reason = (
            f"everybody on this machine can read a password among the arguments; put the URL into ${address.VARIABLE} "
            "or a file (--store @FILE), or the password into ~/.pgpass"
        )
        raise SettingInvalid(name="store", value=address.without_password(store), reason=reason)
    return address.read_address(given)


def chosen_place(folder: Path | None, store: str | None) -> tuple[Path, str | None]:
    """The folder of this machine and the URL of the database that are meant; None where the store is in the folder."""
    url = chosen_store(store)
    named = folder is not None or os.environ.get(FOLDER_VARIABLE)
    return (chosen_folder(folder) if url is None or named else address.store_folder(url)), url


def with_pipelines(settings: Settings, places: list[str] | None) -> Settings:
    """The settings with pipelines from these places, and no others, where some are named."""
    return msgspec.structs.replace(settings, pipelines=words(places)) if places else settings


def chosen_query(query: str | None, where: str | None) -> str | None:
    """The query that is meant. Raises BadInput when there are two."""
    if query is not None and where is not None:
        raise BadInput(reason="QUERY and --where are two queries; put all terms into one")
    return query if query is not None else where


def words(values: list[str] | None) -> tuple[str, ...]:
    """The words of an option that takes several.

    >>> words(["note,error", " llm_request "]), words(None)
    (('note', 'error', 'llm_request'), ())
    """
    return tuple(word for value in values or () for part in value.split(",") if (word := part.strip()))
