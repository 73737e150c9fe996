"""What a value says about itself, as text that every reader takes. Nothing here raises an Exception."""

from __future__ import annotations

import re
from collections.abc import Callable

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

# Read from `type` itself, so that a metaclass with its own idea of `__name__` or `__mro__` is not asked.
_NAME = type.__dict__["__name__"]
_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]


def type_name(value: object) -> str:
    """The bare name of the value's class.

    >>> type_name(ValueError("no"))
    'ValueError'
    """
    return str(_NAME.__get__(type(value)))


def owns(kind: type, name: str) -> bool:
    """Whether a class of this family defines `name`. Instances are not asked: a mock or a proxy says yes to everything.

    >>> owns(dict, "items"), owns(dict, "model_dump")
    (True, False)
    """
    return any(name in _DICT.__get__(base) for base in _MRO.__get__(kind))


def said(value: object, how: Callable[[object], str] = repr) -> str:
    """`repr(value)` (or `str`), or a note in brackets where that fails.

    >>> class Broken:
    ...     def __repr__(self):
    ...         raise OSError
    >>> said(Broken())
    '[unprintable Broken: OSError]'
    """
    try:
        return str.__str__(how(value))
    except Exception as error:
        return f"[unprintable {type_name(value)}: {type_name(error)}]"


def well_formed(text: str) -> str:
    r"""The text with halves of surrogate pairs joined where they belong together, and written as `\udXXX` where not.

    >>> well_formed("\ud83d\ude00 and \udce9")
    '😀 and \\udce9'
    """
    joined = _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return joined.encode("utf-8", "backslashreplace").decode("utf-8")
