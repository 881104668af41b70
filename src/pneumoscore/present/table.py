"""One table, shown as Markdown, CSV, HTML or in a terminal; and numbers as they stand in it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscore.files import first_line, write
from pneumoscore.marks import program_mark
from pneumoscore.present.text import printable, shortened
from pneumoscore.statistics.bootstrap import Estimate

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = [
    "Table",
    "csv_line",
    "format_estimate",
    "format_number",
    "harmless",
    "is_number",
    "plain",
    "write_json",
    "write_table",
]

_NUMBER = re.compile(r"[-+±≥≤<> ]*\d.{0,24}")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_SIGNED = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?( \[[-+\d., ]+\])?|-")
_GAP = 2
_LEAST_TEXT = 12


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is shown.

    Attributes
    ----------
    title : str
        One line; empty for none.
    header : tuple of str
        Column names.
    rows : tuple of tuple of str
        Cells, formatted. A cell that is `markupsafe.Markup` (a drawing) stays as it is in
        HTML; every other cell is shown as text.
    note : str
        What a reader must know of it.
    whole_names : bool
        Whether names (the first column) are broken over lines where there is no room, and
        never cut: those of patients.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    whole_names: bool = False

    def markdown(self) -> str:
        """Return the table as Markdown, columns padded."""
        cells = [self.header, *self.rows]
        cells = [tuple(" ".join(cell.replace("|", "\\|").split()) for cell in row) for row in cells]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.header))]

        def line(row: Sequence[str]) -> str:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            return "| " + " | ".join(padded) + " |"

        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        body = "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])
        note = f"\n\n{self.note}" if self.note else ""
        title = f"### {self.title}\n\n" if self.title else ""
        return f"{title}{body}{note}\n"

    def csv(self) -> str:
        """Return the table as CSV (`csv_line`)."""
        head = [" ".join(name.split()) for name in self.header]
        return "".join(csv_line(row) for row in (head, *self.rows))

    def html(self) -> Markup:
        """Return the table as HTML, its title as the caption, the note under it."""
        from pneumoscore.present.pages import page_environment

        macros = page_environment().get_template("macros.html").module
        html: Markup = macros.table(self)  # type: ignore[attr-defined]
        return html

    def lines(self, width: int) -> list[str]:
        """Return the table as lines of plain text, no longer than `width`.

        Where there is not room for all, text is wrapped, then names (the first column) are
        cut in the middle (unless `whole_names`), and numbers give way last. A line
        end in a column name starts a further line of the head.

        Parameters
        ----------
        width : int
            Letters of a line.
        """
        head = [name.split("\n") for name in self.header]
        rows = [tuple(printable(cell) for cell in row) for row in self.rows]
        widths = _widths(head, rows, width - _GAP * (len(head) - 1))
        deepest = max(map(len, head))
        top = [[""] * (deepest - len(name)) + name for name in head]
        lines = [self.title, ""] if self.title else []
        lines += [_line(parts, widths) for parts in zip(*top, strict=True)]
        lines.append("-" * min(width, sum(widths) + _GAP * (len(widths) - 1)))
        for row in rows:
            cells = [
                _wrapped(cell, place) if column or self.whole_names else [shortened(cell, place)]
                for column, (cell, place) in enumerate(zip(row, widths, strict=True))
            ]
            lines += [_line(parts, widths) for parts in zip_longest(*cells, fillvalue="")]
        return lines


def _widths(head: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the letters of each column, together at most `room` where that can be."""
    widths = [
        max(map(len, [*name, *(row[column] for row in rows)])) for column, name in enumerate(head)
    ]
    texts = [
        column
        for column in range(len(head))
        if column == 0 or not any(is_number(row[column]) for row in rows)
    ]
    wrapped = [column for column in texts if column > 0]
    for columns, least in ((wrapped, _LEAST_TEXT), (texts, _LEAST_TEXT), (range(len(head)), 1)):
        while sum(widths) > room:
            widest = max(columns, key=lambda column: widths[column], default=None)
            if widest is None or widths[widest] <= least:
                break
            widths[widest] -= 1
    return widths


def _line(parts: Iterable[str], widths: Sequence[int]) -> str:
    cells = (shortened(part, place).ljust(place) for part, place in zip(parts, widths, strict=True))
    return (" " * _GAP).join(cells).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, a date, or a value with its interval.

    Such a cell stays on one line.

    Examples
    --------
    >>> [is_number(cell) for cell in ("0.91 [0.80, 1.02]", "-1.5", "2026-03-01", "film.png", "")]
    [True, True, True, False, False]
    """
    return _NUMBER.fullmatch(cell) is not None


def csv_line(cells: Sequence[str]) -> str:
    r"""Return one line of CSV (RFC 4180), with its line end.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers
    with a sign stay as they are.

    Examples
    --------
    >>> csv_line(["=1+1", "-0.5", "a,b"])
    '\'=1+1,-0.5,"a,b"\n'
    """
    stream = io.StringIO()
    # The usual line end, \r\n: cells are quoted for the letters of the line end alone.
    csv.writer(stream).writerow([harmless(cell) for cell in cells])
    return stream.getvalue().removesuffix("\r\n") + "\n"


def harmless(cell: str) -> str:
    """Return a cell of text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> [harmless(cell) for cell in ("=1+1", "-0.5", "film.dcm")]
    ["'=1+1", '-0.5', 'film.dcm']
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _SIGNED.fullmatch(cell) else cell


def format_number(value: float | None, digits: int = 2) -> str:
    """Return a number for a table; a dash where there is none.

    Examples
    --------
    >>> format_number(0.8051), format_number(float("nan"))
    ('0.81', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    # A rounded zero has no sign.
    return text.lstrip("-") if float(text) == 0 else text


def format_estimate(estimate: Estimate | None, digits: int = 2) -> str:
    """Return a value with its interval.

    Examples
    --------
    >>> format_estimate(Estimate(0.913, 0.8, 1.02))
    '0.91 [0.80, 1.02]'
    """
    if estimate is None or not math.isfinite(estimate.value):
        return "-"
    value = format_number(estimate.value, digits)
    if not math.isfinite(estimate.low):
        return value
    low, high = format_number(estimate.low, digits), format_number(estimate.high, digits)
    return f"{value} [{low}, {high}]"


def plain(value: Any) -> Any:
    """Return nested values as JSON takes them; numbers to ten digits, NaN as None."""
    if isinstance(value, Estimate):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, int):
        return value
    number = float(value)
    return round(number, 10) if math.isfinite(number) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write numbers as JSON, this program's mark first, then the keys in the given order."""
    marked = {"program": program_mark("numbers"), **plain(content)}
    text = json.dumps(marked, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write(path, text.encode("utf-8"), make_folder=True)


def write_table(folder: Path, name: str, table: Table) -> None:
    """Write a table as ``name.csv`` and ``name.md``."""
    for suffix, text in (("csv", table.csv()), ("md", table.markdown())):
        data = text.encode("utf-8")
        write(folder / f"{name}.{suffix}", data, header=first_line(data), make_folder=True)
