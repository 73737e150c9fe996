"""What a verb prints: data on standard output, words about it on standard error.

On a terminal tables and colours come from Rich; into a pipe or file goes plain text, and with `--json` only JSON. Rich is
imported when it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from flightlog.cli.words import clean

# A cell or part of a line: the text and its style on a terminal.
Part = tuple[str, str]
Cell = str | Part

SHRUNK_CHARS = 16  # a column that gives way keeps at least so many
GAP = 2


def is_terminal(stream: Any) -> bool:
    """Whether a person looks at this stream through something that can be drawn on."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def print_json(value: Any, *, lines: bool = False) -> None:
    """One JSON document; with `lines` on one line, for streams."""
    data = msgspec.json.encode(value, enc_hook=str)
    if not lines:
        data = msgspec.json.format(data, indent=2)
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(data.decode() + "\n")
        return
    sys.stdout.flush()  # JSON is UTF-8 whatever the locale says, so it goes past the text layer
    buffer.write(data + b"\n")


def hint(text: str) -> None:
    """A word to the person, never part of the data."""
    print(f"flightlog: {clean(text)}", file=sys.stderr)


def print_line(parts: Iterable[Part]) -> None:
    """One line: cut at the terminal's edge, whole into a pipe. Parts are told apart by two spaces."""
    shown = [(clean(text), style) for text, style in parts if text]
    if not is_terminal(sys.stdout):
        print("  ".join(text for text, _ in shown).rstrip())
        return
    from rich.text import Text

    line = Text("  ").join(Text(text, style=style) for text, style in shown)
    _console().print(line, no_wrap=True, overflow="ellipsis", crop=True)


def print_text(text: str, style: str = "") -> None:
    """Text of several lines, cleaned."""
    text = clean(text, newlines=True)
    if style and is_terminal(sys.stdout):
        from rich.text import Text

        _console().print(Text(text, style=style), soft_wrap=True)
    else:
        print(text)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    right: Sequence[str] = (),
    shrinks: str | None = None,
    optional: Sequence[str] = (),
) -> None:
    """A table; columns named in `right` are aligned to the right.

    Nothing is cut in a pipe. On a terminal that is too narrow the column `shrinks` gives way, then the `optional` ones
    are left out in the order in which they are named.
    """
    cells = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
    cells = [[(clean(text), style) for text, style in row] for row in cells]
    widths = [max([len(head), *(len(row[at][0]) for row in cells)]) for at, head in enumerate(columns)]
    if is_terminal(sys.stdout):
        shown, room = _fitting(columns, widths, shrinks, optional)
        kept = {columns[at]: room if columns[at] == shrinks else None for at in shown}
        _rich_table(kept, [[row[at] for at in shown] for row in cells], right)
        return
    heads = [column.upper() for column in columns]
    for row_texts in [heads, *([text for text, _ in row] for row in cells)]:
        placed = [
            text.rjust(width) if column in right else text.ljust(width)
            for text, width, column in zip(row_texts, widths, columns, strict=True)
        ]
        print("  ".join(placed).rstrip())


def _fitting(
    columns: Sequence[str], widths: Sequence[int], shrinks: str | None, optional: Sequence[str]
) -> tuple[list[int], int]:
    """Which columns there is room for, and how wide the one that shrinks may be."""
    shown = list(range(len(columns)))
    room: int = _console().width
    least = {at: min(width, SHRUNK_CHARS) if columns[at] == shrinks else width for at, width in enumerate(widths)}
    for name in optional:
        if sum(least[at] + GAP for at in shown) - GAP <= room:
            break
        shown = [at for at in shown if columns[at] != name]
    others = sum(least[at] + GAP for at in shown if columns[at] != shrinks)
    return shown, max(room - others, SHRUNK_CHARS)


def print_facts(facts: Iterable[tuple[str, Cell]]) -> None:
    """Names and values, one a line."""
    shown = [(name, (value, "") if isinstance(value, str) else value) for name, value in facts]
    width = max((len(name) for name, _ in shown), default=0)
    fancy = is_terminal(sys.stdout)
    for name, (value, style) in shown:
        if not fancy:
            print(f"{name.ljust(width)}  {clean(value)}".rstrip())
            continue
        from rich.text import Text

        _console().print(
            Text.assemble((name.ljust(width), "dim"), "  ", (clean(value), style)), soft_wrap=True, highlight=False
        )


@contextmanager
def progress(label: str, total: int | None, as_json: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error while a person watches; call what it gives with (done, total)."""
    if as_json or not is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=total)

        def update(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=of)

        yield update


def _console() -> Any:
    from rich.console import Console

    # Made anew each time, so that it writes to the standard output of the moment; it obeys NO_COLOR and COLUMNS itself.
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def _rich_table(columns: dict[str, int | None], cells: list[list[Part]], right: Sequence[str]) -> None:
    """The columns with the most characters that each may have, or None. What has no such bound is folded, never cut."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False)
    for name, most in columns.items():
        table.add_column(
            Text(name),
            justify="right" if name in right else "left",
            max_width=most,
            no_wrap=most is not None,
            overflow="fold" if most is None else "ellipsis",
        )
    for row in cells:
        table.add_row(*(Text(text, style=style) for text, style in row))
    _console().print(table)


def print_wrapped(parts: Sequence[Part], words: str) -> None:
    """A line that begins with parts and goes on with a sentence, which a terminal wraps beneath itself."""
    if not is_terminal(sys.stdout):
        print("  ".join([*(clean(text) for text, _ in parts), clean(words)]).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for _ in parts:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*(Text(clean(text), style=style) for text, style in parts), Text(clean(words)))
    _console().print(grid)


def flush() -> None:
    """Let whoever reads see what was printed so far."""
    sys.stdout.flush()
