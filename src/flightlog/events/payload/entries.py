"""What an object can turn out to be, and how entries are taken from a container that may be lying or changing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple

from flightlog.events.payload.text import type_name


class Instead(NamedTuple):
    """Another value that stands for the object."""

    value: object


class Entries(NamedTuple):
    """What a container holds: pairs if `keyed`, else items. `total` is all there are, None when that is not known."""

    taken: list[Any]
    keyed: bool
    total: int | None


Shape = Instead | Entries | str  # text is the last resort
View = Callable[[Any, int], Shape]  # how to look at objects of one class: the object, and how many entries to take
Kinds = type | tuple[type, ...]


def snapshot(entries: Callable[[], Iterable[Any]], room: int) -> list[Any]:
    """Up to `room` entries of a built-in container that another thread may be changing."""
    for _ in range(3):
        try:
            return list(islice(entries(), room))
        except RuntimeError:
            continue
    return gather(entries(), room)


def gather(entries: Iterable[Any], room: int) -> list[Any]:
    """Up to `room` entries of something that may break off; what came before is kept."""
    taken: list[Any] = []
    try:
        for entry in islice(entries, room):
            taken.append(entry)  # noqa: PERF402  a comprehension would lose them
    except Exception as error:
        taken.append(f"[broke off: {type_name(error)}]")
    return taken


def total_of(taken: list[Any], room: int, length: int) -> int:
    """How many entries there were when they were taken; the length may be another one by now."""
    return len(taken) if len(taken) < room else max(len(taken), length)


def pairs_of(mapping: dict[Any, Any], room: int) -> Entries:
    """The pairs of a dict or of a class derived from it, as they are stored."""
    taken = snapshot(lambda: dict.items(mapping), room)
    return Entries(taken, True, total_of(taken, room, dict.__len__(mapping)))


def fields_of(value: object, names: Iterable[str], room: int) -> Entries:
    """These attributes of an object."""
    names = list(names)
    return Entries([(name, _read(value, name)) for name in names[:room]], True, len(names))


def _read(value: object, name: str) -> object:
    try:
        return getattr(value, name)
    except Exception as error:
        return f"[unreadable: {type_name(error)}]"
