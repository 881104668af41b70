"""The table of scores in a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from pneumoscore.present.score_table import TableRow, score_table
from pneumoscore.present.text import printable

__all__ = ["TableRow", "output_width", "print_table", "table_lines"]

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of a table that goes to a file or a pipe."""


def print_table(rows: Sequence[TableRow]) -> None:
    """Print the table of `rows` on the standard output, as wide as the terminal at most.

    Parameters
    ----------
    rows : sequence of TableRow
        What to show.
    """
    print("\n".join(table_lines(rows, output_width())))


def output_width() -> int:
    """Return the columns of the standard output: the terminal's, or those that COLUMNS names."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    columns = os.environ.get("COLUMNS", "")
    known = columns.isdigit() and int(columns) > 0
    return int(columns) if known else WIDTH_WITHOUT_TERMINAL


def table_lines(rows: Sequence[TableRow], width: int) -> list[str]:
    """Return the table of `rows` and what a reader must know of it, as lines."""
    table = score_table(rows)
    return ["", *table.lines(width), "", *map(printable, table.note.splitlines())]
