"""Objects that misbehave: what a host may hand to a recorder that must not fail."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Any


class ReprRaises:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class ReprIsNoText:
    def __repr__(self) -> Any:
        return 5


class ReprRecurses:
    def __repr__(self) -> str:
        return repr(self)


class ReprHalfSurrogate:
    def __repr__(self) -> str:
        return "half \ud83d"


class ClassRaises:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no")


class EveryAttributeRaises:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class EveryAttributeIsThere:
    """As mocks and proxies do."""

    def __getattr__(self, name: str) -> Any:
        return EveryAttributeIsThere()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return EveryAttributeIsThere()


def hostile_class() -> Any:
    """A class that answers no question. Made on demand: tools that look through this module would stumble over it."""

    class HostileMeta(type):
        @property
        def __name__(cls) -> Any:  # type: ignore[override]
            raise ValueError

        @property
        def __mro__(cls) -> Any:  # type: ignore[override]
            raise ValueError

        def __repr__(cls) -> str:
            raise ValueError

        def __hash__(cls) -> int:
            raise ValueError

        def __eq__(cls, other: object) -> bool:
            raise ValueError

        def __getattr__(cls, name: str) -> Any:
            raise ValueError

    class OfHostileMeta(metaclass=HostileMeta):
        pass

    return OfHostileMeta


class LyingDict(dict[Any, Any]):
    def items(self) -> Any:
        raise ValueError

    keys = values = items

    def __iter__(self) -> Any:
        raise ValueError

    def __len__(self) -> int:
        return -1

    def __getitem__(self, key: Any) -> Any:
        raise ValueError


class LyingList(list[Any]):
    def __iter__(self) -> Any:
        raise ValueError

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, key: Any) -> Any:
        raise ValueError


class LyingText(str):
    __slots__ = ()

    def __str__(self) -> Any:
        return 5

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = str.__hash__


class LyingInteger(int):
    def __int__(self) -> Any:
        raise ValueError

    __index__ = __repr__ = __str__ = __int__


class EndlessMapping(Mapping[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        return key

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    def __len__(self) -> int:
        return 3


class BrokenMapping(Mapping[Any, Any]):
    """Gives two entries, then breaks off."""

    def __getitem__(self, key: Any) -> Any:
        return key * 10

    def __iter__(self) -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    def __len__(self) -> int:
        return 5


class NoPairsMapping(BrokenMapping):
    def items(self) -> Any:
        return [1, (2, 3, 4), "ab"]


class NoItemsMapping(BrokenMapping):
    def items(self) -> Any:
        return 5


class EndlessSequence(collections.UserList[Any]):
    def __getitem__(self, index: Any) -> Any:
        return index

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1

    def __len__(self) -> int:
        return 2


class DumpsItself:
    """A model whose dump holds the model."""

    def model_dump(self, **kwargs: Any) -> Any:
        return {"self": self}


class DumpsAnotherForEver:
    def model_dump(self, **kwargs: Any) -> Any:
        return DumpsAnotherForEver()


class DumpRaises:
    def __init__(self) -> None:
        self.kept = 1

    def model_dump(self, **kwargs: Any) -> Any:
        raise ValueError


class NoTensor:
    shape = (3,)
    dtype = "float"

    def tolist(self) -> Any:
        raise ValueError


class ErrorUnprintable(Exception):
    def __str__(self) -> str:
        raise ValueError

    def __repr__(self) -> Any:
        return None


class ErrorLying(Exception):
    __cause__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    __context__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    __traceback__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    __notes__ = property(lambda self: 1 / 0)  # type: ignore[assignment]


MAKERS = (
    ReprRaises, ReprIsNoText, ReprRecurses, ReprHalfSurrogate, ClassRaises, EveryAttributeRaises, EveryAttributeIsThere,
    BrokenMapping, NoPairsMapping, NoItemsMapping, DumpsItself, DumpsAnotherForEver,
    DumpRaises, NoTensor, ErrorUnprintable, ErrorLying,
    lambda: LyingDict(a=1), lambda: LyingList([1]), lambda: LyingText("x"), lambda: LyingInteger(7),
)  # fmt: skip
# Kept apart: what has no end is cut, and the tools of the tests themselves stumble over a hostile class.
MAKERS_APART = (
    EndlessSequence,
    EndlessMapping,
    lambda: hostile_class()(),
    hostile_class,
    lambda: type(hostile_class()),
)
