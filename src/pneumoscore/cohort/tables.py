"""Tables of cohorts: CSV and Parquet, as rows of text."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from pneumoscore.errors import UnreadableFileError

__all__ = ["Row", "read_table", "require_columns"]

Row = dict[str, str]


def _unique(header: list[str]) -> list[str]:
    """Return column names with repeats numbered: ``Total``, ``Total.1``."""
    seen: dict[str, int] = {}
    names = []
    for cell in header:
        name = cell.strip()
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count else name)
    return names


def _read_csv(path: Path, skip_rows: int) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in file if not line.startswith("## ")][skip_rows:]
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{path.name} is not UTF-8 text ({error.reason} at byte {error.start})",
            "a CSV table in UTF-8",
            "save it as CSV UTF-8",
        ) from error
    header_line = lines[0] if lines else ""
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    rows = csv.reader(lines, delimiter=delimiter)
    header = _unique(next(rows, []))
    if not header:
        raise UnreadableFileError(f"{path.name} is empty", "a header line and rows")
    found = []
    for number, cells in enumerate(rows, start=2 + skip_rows):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise UnreadableFileError(
                f"{path.name} line {number} has {len(cells)} cells",
                f"at most {len(header)}, as in its header",
                "quote cells that contain the delimiter",
            )
        found.append(dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True)))
    return found


def _read_parquet(path: Path) -> list[Row]:
    try:
        import pandas
    except ImportError as error:
        raise UnreadableFileError(
            f"{path.name} is a Parquet table and pandas is not installed",
            remedy="install pneumoscore[study] and pyarrow, or save the table as CSV",
        ) from error
    try:
        frame = pandas.read_parquet(path)
    except (ImportError, ValueError) as error:
        raise UnreadableFileError(
            f"{path.name} cannot be read as Parquet ({error})",
            remedy="install pyarrow, or save the table as CSV",
        ) from error
    frame = frame.astype(object).where(frame.notna(), "")
    return [
        {str(name): str(value) for name, value in record.items()}
        for record in frame.to_dict(orient="records")
    ]


def read_table(path: Path, skip_rows: int = 0) -> list[Row]:
    """Read a CSV or Parquet table as rows of text.

    Lines that start with ``##`` and a space are comments, as in the annotations of the
    covid-chestxray-dataset. Repeated columns are numbered (``Total``, ``Total.1``).

    Parameters
    ----------
    path : Path
        ``.parquet`` is Parquet; anything else is CSV with comma or semicolon.
    skip_rows : int, optional
        Lines before the header.

    Raises
    ------
    UnreadableFileError
        If the file is missing, empty, or no such table.
    """
    if not path.is_file():
        raise UnreadableFileError(f"no table at {path}", "a CSV or Parquet file")
    if path.suffix.lower() in {".parquet", ".pq"}:
        return _read_parquet(path)
    return _read_csv(path, skip_rows)


def require_columns(rows: list[Row], columns: Iterable[str], table: str) -> None:
    """Raise unless the table has all `columns`.

    Raises
    ------
    UnreadableFileError
        Naming the missing columns and those found.
    """
    present = rows[0].keys() if rows else {}
    missing = [column for column in columns if column not in present]
    if missing:
        raise UnreadableFileError(
            f"{table} lacks the columns {', '.join(missing)}"
            + (f" (it has {', '.join(present)})" if rows else " (it has no rows)"),
            "a table with these columns",
            "name the columns in a mapping file",
        )
