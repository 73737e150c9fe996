"""A careful look into objects of other people's SDKs: dicts, pydantic models, dataclasses, test doubles.

Each function gives None where the field is missing, of another type, or raises when asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


def field(source: object, name: str) -> Any:
    """The entry or attribute of that name.

    >>> field({"id": 1}, "id"), field(object(), "id")
    (1, None)
    """
    try:
        return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    except Exception:
        return None


def text(source: object, name: str) -> str | None:
    """The field, when it is a text."""
    value = field(source, name)
    return value if isinstance(value, str) else None


def items(source: object, name: str) -> list[Any] | None:
    """The field, when it is a list."""
    value = field(source, name)
    return list(value) if isinstance(value, list | tuple) else None


def count(source: object, name: str) -> int | None:
    """The field, when it is a whole number and not negative.

    >>> count({"n": 3}, "n"), count({"n": True}, "n"), count({"n": -1}, "n")
    (3, None, None)
    """
    value = field(source, name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def joined(source: object, name: str, part: str) -> str | None:
    """The texts under `part` of the field's entries, as one; None when there is none.

    >>> joined({"summary": [{"text": "a"}, {"text": "b"}]}, "summary", "text")
    'ab'
    """
    found = [value for entry in items(source, name) or [] if (value := text(entry, part)) is not None]
    return "".join(found) if found else None


def parsed(arguments: object) -> Any:
    """A tool call's arguments as an object where they are the JSON text of one, else as they came.

    >>> parsed('{"q": "x"}'), parsed('{"q": "x')
    ({'q': 'x'}, '{"q": "x')
    """
    if not isinstance(arguments, str):
        return arguments
    try:
        value = msgspec.json.decode(arguments)
    except Exception:
        return arguments
    return value if isinstance(value, dict) else arguments
