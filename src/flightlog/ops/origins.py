"""The settings in force, and where each of them comes from."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flightlog.config import Settings
from flightlog.errors import SettingInvalid

PREFIX = "FLIGHTLOG_"
# Names in the environment that are ours and are no settings.
OTHER_VARIABLES = frozenset({"FLIGHTLOG_DIR", "FLIGHTLOG_STORE"})
FILE = "flightlog.toml"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting. `origin` is `default`, `flightlog.toml` or the name of an environment variable."""

    name: str
    value: Any
    origin: str


class Origins(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a folder. With `error`, one of them can't be, and `settings` are the defaults.

    `strangers` are environment variables with our prefix that name no setting, with the setting that may be meant.
    """

    settings: Settings
    rows: list[Setting]
    error: str | None
    strangers: dict[str, str | None]


def trace_settings(folder: Path, environ: Mapping[str, str] = os.environ) -> Origins:
    """The settings as a process that opens this folder now would load them."""
    error = None
    try:
        settings = Settings.load(folder, environ)
    except SettingInvalid as problem:
        settings, error = Settings(), problem.message
    in_file = _names_in_file(folder / FILE)
    rows = []
    for name in Settings.__struct_fields__:
        variable = PREFIX + name.upper()
        origin = variable if variable in environ else FILE if name in in_file else "default"
        rows.append(Setting(name=name, value=getattr(settings, name), origin=origin))
    return Origins(settings=settings, rows=rows, error=error, strangers=_strangers(environ))


def _names_in_file(path: Path) -> set[str]:
    try:
        return set(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return set()  # what is wrong with it is in the error


def _strangers(environ: Mapping[str, str]) -> dict[str, str | None]:
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__} | OTHER_VARIABLES
    found: dict[str, str | None] = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.8)
            found[name] = near[0] if near else None
    return found
