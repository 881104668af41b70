"""Parts of an archive's table: rows under the columns of ``score --csv``, and one more.

A row maps column names to text, as the CSV table holds it; Parquet parts hold numbers as
numbers. The further column, `CONTENT`, is the SHA-256 of the film's bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from pneumoscore.errors import PneumoScoreError
from pneumoscore.settings import require_extra

__all__ = ["CONTENT", "FORMATS", "PartFormat", "Row", "pack", "part_name", "part_number", "unpack"]

PartFormat = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[PartFormat, ...] = get_args(PartFormat)
CONTENT = "content_sha256"
Row = dict[str, str]

_NUMBERS = ("low", "high", "level", "right", "left", "raw")


def part_name(number: int, rows: Iterable[Row], form: PartFormat) -> str:
    """Return the name of a part: a number, that orders it, and a hash of what it holds."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row["file"], row[CONTENT], row["sha256"]]).encode())
    return f"parts/{number:08d}-{digest.hexdigest()[:16]}.{form}"


def part_number(name: str) -> int | None:
    """Return the number in a part's name; None for a file that is no part."""
    found = re.fullmatch(r"parts/(\d{8})-[0-9a-f]{16}\.(?:parquet|csv|jsonl)", name)
    return int(found[1]) if found else None


def pack(rows: Sequence[Row], columns: Sequence[str], form: PartFormat) -> bytes:
    """Return rows as the bytes of a part.

    Parameters
    ----------
    rows : sequence of Row
        With a value for each column.
    columns : sequence of str
        In order.
    form : {"parquet", "csv", "jsonl"}
        Parquet needs the extra ``archive``.
    """
    if form == "parquet":
        return _parquet(rows, columns)
    text = io.StringIO()
    if form == "csv":
        # The usual line end, \r\n: cells are quoted for the letters of the line end alone.
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(rows)
    else:
        for row in rows:
            text.write(json.dumps({name: row[name] for name in columns}) + "\n")
    return text.getvalue().encode("utf-8")


def unpack(data: bytes, name: str) -> list[Row]:
    """Return the rows of a part.

    Raises
    ------
    PneumoScoreError
        If it is damaged.
    """
    form = name.rpartition(".")[2]
    try:
        if form == "parquet":
            return _of_parquet(data)
        text = data.decode("utf-8")
        if form == "csv":
            return list(csv.DictReader(io.StringIO(text, newline="")))
        return [json.loads(line) for line in text.splitlines()]
    except PneumoScoreError:
        raise
    except Exception as error:  # a damaged table may raise anything
        raise PneumoScoreError(
            f"the part {name} is damaged ({type(error).__name__})",
            "parts as they were written",
            "remove it and run the archive again",
        ) from error


def _is_number(column: str, columns: Sequence[str]) -> bool:
    head, _, tail = column.rpartition("_")
    return (tail in _NUMBERS and head in columns) or f"{column}_scale" in columns


def _parquet(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    require_extra("archive", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    from pneumoscore.marks import program_mark

    # Arrow's usual pool keeps what parts once took.
    pool = pyarrow.system_memory_pool()
    arrays: list[Any] = []
    for column in columns:
        values: list[Any] = [row[column] or None for row in rows]
        kind = pyarrow.string()
        if _is_number(column, columns):
            values, kind = [value and float(value) for value in values], pyarrow.float64()
        arrays.append(pyarrow.array(values, kind, memory_pool=pool))
    table = pyarrow.Table.from_arrays(arrays, names=list(columns))
    table = table.replace_schema_metadata({"program": program_mark("archive part")})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, memory_pool=pool)
    return stream.getvalue()


def _of_parquet(data: bytes) -> list[Row]:
    require_extra("archive", "pyarrow")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(data))
    return [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
