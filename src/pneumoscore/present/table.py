"""Files of a study: tables as CSV and Markdown, numbers as JSON, the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoscore.files import write_atomically
from pneumoscore.statistics.bootstrap import Estimate

__all__ = ["Table", "format_estimate", "format_number", "plain", "write_json", "write_table"]

Cell = str | float | int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is shown.

    Attributes
    ----------
    title : str
        One line.
    header : tuple of str
        Column names.
    rows : tuple of tuple of str
        Cells, formatted.
    note : str
        What a reader must know of it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Return the table as Markdown, columns padded."""
        cells = [self.header, *self.rows]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.header))]

        def line(row: Sequence[str]) -> str:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            return "| " + " | ".join(padded) + " |"

        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        body = "\n".join([line(self.header), rule, *(line(row) for row in self.rows)])
        note = f"\n\n{self.note}" if self.note else ""
        return f"### {self.title}\n\n{body}{note}\n"

    def csv(self) -> str:
        """Return the table as CSV."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return stream.getvalue()


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
    """Write numbers as JSON, keys in the given order."""
    text = json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text.encode("utf-8"))


def write_table(folder: Path, name: str, table: Table) -> None:
    """Write a table as ``name.csv`` and ``name.md``."""
    write_atomically(folder / f"{name}.csv", table.csv().encode("utf-8"))
    write_atomically(folder / f"{name}.md", table.markdown().encode("utf-8"))
