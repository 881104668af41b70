"""Results as JSON lines, and as a CSV table."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pneumoscore.marks import program_mark
from pneumoscore.pipeline.outputs import Outputs, break_off
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.pipeline.sinks.published import FILM_FIELDS, SCHEMA, published, said_of_film
from pneumoscore.present.table import harmless
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["TABLE_HEAD", "CsvTable", "JsonLines", "csv_columns", "csv_row", "json_line"]

TABLE_HEAD = re.compile(rb"file,[a-z0-9_,]*,schema,program,notice\r\n")
"""First line of a table of any model, with or without identifiers."""
_PARTS = ("low", "high", "level", "right", "left", "raw")


def json_line(result: FileResult, run: Run, *, identifiers: bool = True) -> str:
    """Return one result as one line of JSON, in ASCII, without the line end.

    The form is that of ``docs/score.schema.json``.
    """
    return json.dumps(published(result, run, identifiers=identifiers), allow_nan=False)


class JsonLines(Sink):
    """JSON lines: to a file that appears complete, or to a function, line by line.

    Parameters
    ----------
    target : Path or callable
        A file, or what takes each line, as ``print``.
    outputs : Outputs, optional
        What holds for the file.
    """

    def __init__(
        self, target: Path | Callable[[str], None], outputs: Outputs | None = None
    ) -> None:
        self._target = target
        self._outputs = outputs or Outputs()
        self._files = ExitStack()
        self._run: Run | None = None
        self._write: Callable[[str], None]

    def open(self, run: Run) -> None:
        """Open the file."""
        self._run = run
        if isinstance(self._target, Path):
            stream = self._files.enter_context(self._outputs.written(self._target))
            self._write = lambda line: _discard(stream.write(line.encode("ascii") + b"\n"))
        else:
            self._write = self._target

    def add(self, result: FileResult) -> None:
        """Write one line."""
        assert self._run is not None
        self._write(json_line(result, self._run, identifiers=self._outputs.identifiers))

    def finish(self, report: RunReport) -> None:
        """Let the file appear."""
        del report
        self._files.close()

    def abandon(self) -> None:
        """Leave no file."""
        break_off(self._files)


class CsvTable(Sink):
    """A CSV table (RFC 4180, UTF-8) that appears complete, one row a file.

    Parameters
    ----------
    path : Path
        The file.
    outputs : Outputs, optional
        What holds for it.
    """

    def __init__(self, path: Path, outputs: Outputs | None = None) -> None:
        self._path = path
        self._outputs = outputs or Outputs()
        self._files = ExitStack()
        self._run: Run | None = None

    def open(self, run: Run) -> None:
        """Open the file and write the header."""
        self._run = run
        columns = csv_columns(run.scales, identifiers=self._outputs.identifiers)
        header = (",".join(columns) + "\r\n").encode("ascii")
        stream = self._files.enter_context(self._outputs.written(self._path, header))
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._writer.writerow(columns)

    def add(self, result: FileResult) -> None:
        """Write one row."""
        assert self._run is not None
        self._writer.writerow(csv_row(result, self._run, identifiers=self._outputs.identifiers))

    def finish(self, report: RunReport) -> None:
        """Let the table appear."""
        del report
        self._text.detach()
        self._files.close()

    def abandon(self) -> None:
        """Leave no table."""
        break_off(self._files)


def _discard(_written: object) -> None:
    return


def csv_columns(scales: Sequence[Scale], *, identifiers: bool = True) -> list[str]:
    """Return the header of the table.

    Each scale has its value, its range (``"0 to 8"``) and one column for each of interval
    ends, level, sides and raw value.
    """
    columns = ["file"]
    for scale in scales:
        columns += [scale.name, f"{scale.name}_scale"]
        columns += [f"{scale.name}_{part}" for part in _PARTS]
    columns += ["flags", "reason", "error"]
    columns += FILM_FIELDS if identifiers else ["view"]
    columns += ["overlay", "voi", "force", "model", "model_version", "backbone", "sha256"]
    columns += ["reading"]
    return [*columns, "schema", "program", "notice"]


def csv_row(result: FileResult, run: Run, *, identifiers: bool = True) -> list[str]:
    """Return the cells of one result under `csv_columns`; unknown cells are empty."""
    row = [harmless(result.file)]
    by_scale = {item.scale: item for item in result.score.scales} if result.score else {}
    for scale in run.scales:
        row += _cells(by_scale.get(scale), scale)
    reason = "" if result.score is not None else str(result.reason or "internal")
    row += [" ".join(result.flags), reason, harmless(result.error or "")]
    said = said_of_film(result, identifiers=identifiers) or {}
    row += [harmless(said.get(name) or "") for name in (FILM_FIELDS if identifiers else ["view"])]
    options = run.options.published()
    row += [harmless(result.outputs.get("overlay", ""))]
    row += [str(options["voi"]).lower(), str(options["force"]).lower()]
    model = run.model
    row += [harmless(model.name), harmless(model.version), harmless(model.backbone), model.sha256]
    return [*row, str(model.reading), str(SCHEMA), program_mark("scores"), RESEARCH_NOTICE]


def _cells(item: ScaleScore | None, scale: Scale) -> list[str]:
    if item is None:
        return [""] * (2 + len(_PARTS))
    data = item.as_dict()
    known = ["" if data[part] is None else str(data[part]) for part in _PARTS]
    return [str(data["value"]), f"{scale.low:g} to {scale.high:g}", *known]
