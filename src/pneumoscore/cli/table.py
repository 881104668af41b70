"""The table of scores in a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from pneumoscore.present.score_table import TableRow, score_table
from pneumoscore.present.text import printable

__all__ = ["TableRow", "print_table", "table_lines"]

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of a table that goes to a file or a pipe."""


def print_table(rows: Sequence[TableRow]) -> None:
    """Print the table of `rows` on the standard output, as wide as the terminal at most.

    Parameters
    ----------
    rows : sequence of TableRow
        What to show.
    """
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    else:
        columns = os.environ.get("COLUMNS", "")
        known = columns.isdigit() and int(columns) > 0
        width = int(columns) if known else WIDTH_WITHOUT_TERMINAL
    print("\n".join(table_lines(rows, width)))


def table_lines(rows: Sequence[TableRow], width: int) -> list[str]:
    """Return the table of `rows` and what a reader must know of it, as lines."""
    table = score_table(rows)
    return ["", *table.lines(width), "", *map(printable, table.note.splitlines())]
