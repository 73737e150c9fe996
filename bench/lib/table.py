"""How every bench prints: one table, plain text, and the machine it ran on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()
) -> None:
    """Print a table with the first column left and the others right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(column), *(len(row[place]) for row in cells)) for place, column in enumerate(columns)]
    print(title)
    print(
        "  ".join(
            column.ljust(width) if not place else column.rjust(width)
            for place, (column, width) in enumerate(zip(columns, widths, strict=True))
        )
    )
    print("  ".join("-" * width for width in widths))
    for row in cells:
        print(
            "  ".join(
                cell.ljust(width) if not place else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
    for note in notes:
        print(f"  {note}")
    print(f"  Python {platform.python_version()}, {os.cpu_count()} cores, {sys.platform}")


def quantile(sorted_values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the sorted values do not exceed."""
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)]
