"""Results as one page to look at: scores and films, in one file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pneumoscore.files import written_atomically
from pneumoscore.pipeline.job import FileResult
from pneumoscore.pipeline.sinks import ResultSink
from pneumoscore.present.score_page import ScorePage

__all__ = ["page_file"]


@contextlib.contextmanager
def page_file(path: Path, title: str = "Pneumonia severity") -> Iterator[ResultSink]:
    """Open a web page that appears, complete, when the block ends.

    The page needs no other file, no network and no script. Results that bring their
    radiograph (``score_files(..., keep_radiographs=True)``) are shown beside the contribution
    map of their first scale.

    Parameters
    ----------
    path : Path
        The file; an old one is replaced as a whole.
    title : str
        Heading of the page.

    Yields
    ------
    ResultSink
        Writes each result as it comes, so that memory does not grow with their number.
    """
    with written_atomically(path) as stream:
        page = _Page(stream, title)
        yield page
        page.finish()


class _Page:
    def __init__(self, stream: Any, title: str) -> None:
        self._stream = stream
        self._page = ScorePage(title)
        self._write(self._page.head())

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8"))

    def add(self, result: FileResult) -> None:
        film = None if result.radiograph is None else result.radiograph.pixels
        self._write(
            self._page.film(
                result.file,
                result.score,
                film=film,
                error=result.error or "",
                flags=result.flags,
            )
        )

    def finish(self) -> None:
        self._write(self._page.foot())
