"""Finding the pipelines that a server or a worker is told of: in modules, in classes of them, and in files."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from flightlog.errors import FlightlogError, PipelinesNotLoaded
from flightlog.tasks.declare import declared
from flightlog.tasks.pipeline import Pipeline


def load_pipelines(places: Iterable[str], given: Mapping[str, Pipeline] | None = None) -> dict[str, Pipeline]:
    """The pipelines at these places, by name, beside those `given`. A place is `pkg.module`, `pkg.module:Class` or `path/file.py`,
    the last with `:Class` too; a folder of files it is not.

    Modules are found as Python finds them, and from where one stands. A file is imported once in a process, with its folder among
    the places where its own imports are looked for. Raises PipelinesNotLoaded and PipelineInvalid.

    >>> load_pipelines([])
    {}
    """
    found = dict(given or {})
    told = dict.fromkeys(found, "Flightlog itself")
    for place in places:
        for made in _pipelines_at(place):
            if found.get(made.name) is made:
                continue
            if made.name in found:
                raise PipelinesNotLoaded(
                    place=place, reason=f"there is a pipeline {made.name!r} already, from {told[made.name]}"
                )
            found[made.name], told[made.name] = made, place
    return found


def _pipelines_at(place: str) -> list[Pipeline]:
    where, colon, attribute = place.strip().partition(":")
    if not where or (colon and not attribute):
        raise PipelinesNotLoaded(place=place, reason="it is pkg.module, pkg.module:Class or path/file.py")
    module = _import(place, where)
    if colon:
        return [_one(place, module, attribute)]
    every = {id(made): made for thing in vars(module).values() if (made := declared(thing)) is not None}
    if not every:
        raise PipelinesNotLoaded(
            place=place, reason="no pipeline is declared there: no class has @pipeline(…) in front"
        )
    return list(every.values())


def _one(place: str, module: ModuleType, attribute: str) -> Pipeline:
    thing: Any = module
    for part in attribute.split("."):
        if not hasattr(thing, part):
            raise PipelinesNotLoaded(place=place, reason=f"there is no {attribute} in it")
        thing = getattr(thing, part)
    made = declared(thing)
    if made is None:
        raise PipelinesNotLoaded(place=place, reason=f"{attribute} is no pipeline: it has no @pipeline(…) in front")
    return made


def _import(place: str, where: str) -> ModuleType:
    try:
        return _import_file(place, Path(where)) if _is_file(where) else _import_module(place, where)
    except FlightlogError:
        raise  # what is wrong with a declaration is said by it
    except Exception as error:
        raise PipelinesNotLoaded(place=place, reason=_why(error)) from error
    except SystemExit as error:
        raise PipelinesNotLoaded(place=place, reason="importing it ends the process (SystemExit)") from error


def _is_file(where: str) -> bool:
    return where.endswith(".py") or "/" in where


def _import_module(place: str, where: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a program that was installed does not look where one stands
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not (where == error.name or where.startswith(f"{error.name}.")):
            raise
        near = f"; is it the file {where}.py?" if Path(f"{where}.py").is_file() else ""
        raise PipelinesNotLoaded(place=place, reason=f"there is no module {error.name!r}{near}") from None


def _import_file(place: str, file: Path) -> ModuleType:
    if not file.is_file():
        raise PipelinesNotLoaded(place=place, reason="it is a folder" if file.is_dir() else "there is no such file")
    real = file.resolve()
    # By its whole path: two files of one name are two modules, and one that is named twice is imported once.
    name = f"flightlog_pipelines_{real.stem}_{sha256(str(real).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, real)
    if spec is None or spec.loader is None:
        raise PipelinesNotLoaded(place=place, reason="it is no Python file")
    module = importlib.util.module_from_spec(spec)
    if str(real.parent) not in sys.path:
        sys.path.append(str(real.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _why(error: Exception) -> str:
    """What went wrong, and the line of their code in which it did."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if len(frames) > 2 else ""
    if isinstance(error, SyntaxError):
        at = ""  # says where by itself
    return f"importing it fails with {type(error).__name__}: {error}{at}"
