"""The columns of a list: which there are, which are shown, and how it is sorted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from flightlog.console.page import href


class ColumnKind(NamedTuple):
    """A column that a list can have. `sort` is what it sorts by, if it does; a column that is `usual` is there unless
    somebody chose otherwise."""

    key: str
    word: str
    sort: str = ""
    is_number: bool = False
    usual: bool = True


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the list as it is shown."""

    key: Annotated[str, "Its name in the URL and in the style sheet."]
    word: Annotated[str, "What stands over it."]
    is_number: Annotated[bool, "Whether it is set to the right."]
    sort_href: Annotated[
        str | None, "The list sorted by it, the other way round if it is already; None if it can't be."
    ]
    sorted: Annotated[str, "ascending or descending; empty when the list is sorted by another."]


@dataclass(frozen=True, kw_only=True)
class ColumnChoice:
    """A column that can be shown or not."""

    key: Annotated[str, "Its name in the URL."]
    word: Annotated[str, "What it is called."]
    is_set: Annotated[bool, "Whether it is shown."]
    is_fixed: Annotated[bool, "Whether it is always there."]


class Table(NamedTuple):
    """The columns of the list at `path`; those of `always` can't be left out, and `newest` is the order without any other."""

    path: str
    kinds: tuple[ColumnKind, ...]
    always: tuple[str, ...]
    newest: str

    def chosen(self, params: Mapping[str, str]) -> tuple[str, ...]:
        """The columns that the URL asks for, in the order of the table; those that nobody knows are passed over."""
        asked = params.get("columns", "")
        wanted = set(asked.split(",")) if asked else {kind.key for kind in self.kinds if kind.usual}
        return tuple(kind.key for kind in self.kinds if kind.key in wanted or kind.key in self.always)

    def choices(self, params: Mapping[str, str]) -> list[ColumnChoice]:
        """The columns that there are."""
        chosen = self.chosen(params)
        return [
            ColumnChoice(key=kind.key, word=kind.word, is_set=kind.key in chosen, is_fixed=kind.key in self.always)
            for kind in self.kinds
        ]

    def columns(self, params: Mapping[str, str]) -> list[Column]:
        """The columns as they are shown, with the links that sort."""
        sort = params.get("sort") or self.newest
        kept = {name: value for name, value in params.items() if name not in ("cursor", "sort")}
        chosen = self.chosen(params)
        return [self._column(kind, sort, kept) for kind in self.kinds if kind.key in chosen]

    def _column(self, kind: ColumnKind, sort: str, kept: Mapping[str, str]) -> Column:
        is_sorted = bool(kind.sort) and sort.removeprefix("-") == kind.sort
        falling = sort.startswith("-")
        # The largest first, when asked for the first time: that is what one looks for.
        turned = kind.sort if is_sorted and falling else f"-{kind.sort}"
        asked = {**kept, "sort": "" if turned == self.newest else turned}
        return Column(
            key=kind.key,
            word=kind.word,
            is_number=kind.is_number,
            sort_href=href(self.path, asked) if kind.sort else None,
            sorted=("descending" if falling else "ascending") if is_sorted else "",
        )
