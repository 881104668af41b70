"""The run report as a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from pneumoscore.pipeline.outputs import Outputs
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink

__all__ = ["ReportFile"]


class ReportFile(Sink):
    """What was run, its counts and times; it names no film and no patient.

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

    def open(self, run: Run) -> None:
        """Check that it may be written."""
        del run
        self._outputs.check(self._path)

    def add(self, result: FileResult) -> None:
        """Take nothing: the report counts by itself."""

    def finish(self, report: RunReport) -> None:
        """Write the report."""
        text = json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n"
        with self._outputs.written(self._path, private=False) as stream:
            stream.write(text.encode("utf-8"))
