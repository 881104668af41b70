"""Results as JSON lines and as a table."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pneumoscore.files import written_atomically
from pneumoscore.pipeline.job import FileResult
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["ResultSink", "csv_columns", "csv_file", "json_line", "json_lines_file"]

_PARTS = ("low", "high", "level", "right", "left", "raw")


class ResultSink(Protocol):
    """Takes results one by one."""

    def add(self, result: FileResult) -> None:
        """Write one result."""


def json_line(result: FileResult) -> str:
    """Return one result as one line of JSON, in ASCII, without the line end.

    The form is that of ``docs/score.schema.json``.
    """
    return json.dumps(result.as_dict(), allow_nan=False)


@contextlib.contextmanager
def json_lines_file(path: Path) -> Iterator[ResultSink]:
    """Open a file of JSON lines that appears, complete, when the block ends.

    Parameters
    ----------
    path : Path
        The file; an old one is replaced as a whole.

    Yields
    ------
    ResultSink
        One line for each result.
    """
    with written_atomically(path) as stream:
        yield _Lines(stream)


@contextlib.contextmanager
def csv_file(path: Path, scales: Sequence[Scale]) -> Iterator[ResultSink]:
    """Open a CSV table (RFC 4180, UTF-8) that appears, complete, when the block ends.

    Parameters
    ----------
    path : Path
        The file; an old one is replaced as a whole.
    scales : sequence of Scale
        The scales to write, in the order of the columns.

    Yields
    ------
    ResultSink
        One row for each result, under `csv_columns`; unknown cells are empty.
    """
    with written_atomically(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        try:
            yield _Table(text, scales)
        finally:
            text.detach()


def csv_columns(scales: Sequence[Scale]) -> list[str]:
    """Return the header of the table.

    Each scale has its value, its range (``"0 to 8"``) and one column for each of interval
    ends, level, sides and raw value.
    """
    columns = ["file"]
    for scale in scales:
        columns += [scale.name, f"{scale.name}_scale"]
        columns += [f"{scale.name}_{part}" for part in _PARTS]
    return [*columns, "flags", "error", "model", "model_version", "backbone", "sha256", "notice"]


class _Lines:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def add(self, result: FileResult) -> None:
        self._stream.write(json_line(result).encode("ascii") + b"\n")


class _Table:
    def __init__(self, stream: io.TextIOWrapper, scales: Sequence[Scale]) -> None:
        self._writer = csv.writer(stream)
        self._scales = tuple(scales)
        self._writer.writerow(csv_columns(scales))

    def add(self, result: FileResult) -> None:
        row: list[str] = [result.file]
        by_scale = {item.scale: item for item in result.score.scales} if result.score else {}
        for scale in self._scales:
            row += _cells(by_scale.get(scale), scale)
        row += [" ".join(result.flags), result.error or ""]
        if result.score is None:
            row += [""] * 4
        else:
            model = result.score.model
            row += [model.name, model.version, model.backbone, model.sha256]
        self._writer.writerow([*row, RESEARCH_NOTICE])


def _cells(item: ScaleScore | None, scale: Scale) -> list[str]:
    if item is None:
        return [""] * (2 + len(_PARTS))
    data = item.as_dict()
    known = ["" if data[part] is None else str(data[part]) for part in _PARTS]
    return [str(data["value"]), f"{scale.low:g} to {scale.high:g}", *known]
