"""Results as one page to look at: scores and films, in one file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from pneumoscore.pipeline.outputs import Outputs, break_off
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.present.score_page import ScorePage

__all__ = ["Page"]


class Page(Sink):
    """A web page that appears, complete, when the run ends.

    It needs no other file, no network and no script. Films whose view was asked for
    (`ScoringOptions.view`) are shown beside the contribution map of their first scale.

    Parameters
    ----------
    path : Path
        The file.
    outputs : Outputs, optional
        What holds for it.
    title : str, optional
        Heading of the page.
    """

    def __init__(
        self, path: Path, outputs: Outputs | None = None, title: str = "Pneumonia severity"
    ) -> None:
        self._path = path
        self._outputs = outputs or Outputs()
        self._page = ScorePage(title)
        self._files = ExitStack()
        self._stream: BinaryIO

    def open(self, run: Run) -> None:
        """Open the file and write the top."""
        del run
        self._stream = self._files.enter_context(self._outputs.written(self._path, private=False))
        self._write(self._page.head())

    def add(self, result: FileResult) -> None:
        """Write one film, so that memory does not grow with their number."""
        self._write(
            self._page.film(
                result.file,
                result.score,
                film=result.view,
                error=result.error or "",
                flags=result.flags,
            )
        )

    def finish(self, report: RunReport) -> None:
        """Write the counts and let the page appear."""
        del report
        self._write(self._page.foot())
        self._files.close()

    def abandon(self) -> None:
        """Leave no page."""
        break_off(self._files)

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8"))
