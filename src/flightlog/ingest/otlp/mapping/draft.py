"""What the attributes of a record say, whatever their dialect: one loop with one look-up for each.

A field is set, never added to. Where two attributes say the same, one is enough; where they differ the one of the dialect that
comes first counts, and the other stays in the event under its own name. So does whatever nobody reads.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import MANY, Family
from flightlog.ingest.otlp.mapping.dialects import DIALECTS
from flightlog.ingest.otlp.mapping.indexed import Pairs, Path
from flightlog.ingest.otlp.mapping.values import Reader

RAW_RANK = 10**6  # what is read out of a raw request counts for less than any attribute

Source = tuple[int, str]  # the rank of what said a field, and its attribute or prefix

_keys: dict[str, tuple[str, Reader, Source, int]] = {}
_families: dict[str, tuple[Family, Source, int]] = {}
for _number, _dialect in enumerate(DIALECTS):
    _bit = 1 << _number if _dialect.name else 0
    for _place, (_key, _take) in enumerate(_dialect.keys.items()):
        _keys[_key] = (_take.field, _take.read, (_number * 1000 + _place, _key), _bit)
    for _place, (_prefix, _family) in enumerate(_dialect.prefixes.items()):
        _families[_prefix] = (_family, (_number * 1000 + 500 + _place, _prefix), _bit)
_prefixes = tuple(_families)
_labels: dict[int, str] = {}

# Attributes of families whose steps are remembered, because the same ones come again and again.
SPELT_MAX, SPELT_CHARS_MAX = 20_000, 200
_spelt: dict[str, tuple[str, Path]] = {}


class Draft:
    """The fields that are known of a record, what said each of them, and the attributes that say none.

    A field that is taken out of `values` has its own place in the event; the others go back to their attributes.
    """

    __slots__ = ("_gathered", "attributes", "rest", "sources", "used", "values")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.values: dict[str, Any] = {}
        self.sources: dict[str, Source] = {}
        self.rest: dict[str, Any] = {}
        self.used = 0
        self._gathered: dict[str, Pairs] = {}
        values, sources, rest, look_up, used = self.values, self.sources, self.rest, _keys.get, 0
        for key, value in attributes.items():
            entry = look_up(key)
            if entry is None:
                if key in _spelt or key.startswith(_prefixes):
                    self._gather(key, value)
                else:
                    rest[key] = value
                continue
            field, reader, source, bit = entry
            got = reader(value)
            if got is None:
                rest[key] = value
                continue
            used |= bit
            if field == MANY:
                for part, inner in got.items():
                    self.put(part, inner, source)
            elif field in values:
                self.put(field, got, source)
            else:
                values[field] = got
                sources[field] = source
        self.used = used
        if self._gathered:
            self._read_families()

    @property
    def dialect(self) -> str:
        """The names of the dialects that said something, joined by `+`."""
        label = _labels.get(self.used)
        if label is None:
            names = [dialect.name for number, dialect in enumerate(DIALECTS) if self.used & 1 << number]
            label = _labels[self.used] = "+".join(names)
        return label

    def put(self, field: str, value: Any, source: Source) -> None:
        """Set a field, unless one that comes first has set it to something else."""
        if field not in self.values:
            self.values[field] = value
            self.sources[field] = source
            return
        held = self.sources[field]
        if self.values[field] == value:
            if source < held:
                self.sources[field] = source
        elif source < held:
            self.values[field] = value
            self.sources[field] = source
            self.keep(held[1])
        else:
            self.keep(source[1])

    def take(self, field: str) -> Any:
        """The field's value, else None; the event now has it in its own place."""
        return self.values.pop(field, None)

    def keep(self, key: str) -> None:
        """Leave an attribute, or all under a prefix, in the event under its own name."""
        pairs = self._gathered.get(key)
        if pairs is not None:
            self.rest |= {key + ".".join(path): value for path, value in pairs}
        elif key in self.attributes:
            self.rest[key] = self.attributes[key]

    def leave(self) -> dict[str, Any]:
        """The attributes that have no place of their own in the event."""
        for field, value in self.values.items():
            known = field[11:] if field.startswith("attributes.") else None
            if known is None or self.rest.get(known, value) != value:
                self.keep(self.sources[field][1])
            else:
                self.rest[known] = value
        self.values = {}
        return self.rest

    def _gather(self, key: str, value: Any) -> None:
        prefix, path = _spelt.get(key) or _spell(key)
        pairs = self._gathered.get(prefix)
        if pairs is None:
            self._gathered[prefix] = [(path, value)]
        else:
            pairs.append((path, value))

    def _read_families(self) -> None:
        for prefix, pairs in self._gathered.items():
            family, source, bit = _families[prefix]
            got = family.read(pairs)
            if got is None:
                self.keep(prefix)
                continue
            self.used |= bit
            if family.field == MANY:
                for field, value in got.items():
                    self.put(field, value, source)
            else:
                self.put(family.field, got, source)


def reader_of(key: str) -> Reader | None:
    """The reader of an attribute that a dialect knows by its whole name."""
    entry = _keys.get(key)
    return None if entry is None else entry[1]


def _spell(key: str) -> tuple[str, Path]:
    """The prefix that an attribute has, and the steps after it."""
    prefix = next(prefix for prefix in _prefixes if key.startswith(prefix))
    spelt = (prefix, tuple(key[len(prefix) :].split(".")))
    if len(key) <= SPELT_CHARS_MAX:
        if len(_spelt) >= SPELT_MAX:
            _spelt.clear()
        _spelt[key] = spelt
    return spelt
