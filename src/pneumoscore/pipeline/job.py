"""Scoring many files: read ahead in threads, scored in batches, in order."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.pipeline.walk import Found
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import PreparedFilm, SeverityModel
from pneumoscore.severity.score import Score

__all__ = ["FileResult", "score_files"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """What became of one file.

    Attributes
    ----------
    path : Path
        As named, or as found in a folder.
    score : Score or None
        None if there is none.
    error : str or None
        Why there is none, in one line; None if there is a score.
    flags : tuple of str
        Quality flags, with or without a score.
    radiograph : Radiograph or None
        The film itself, where it was asked for and could be read.
    """

    path: Path
    score: Score | None
    error: str | None
    flags: tuple[str, ...] = ()
    radiograph: Radiograph | None = None

    @property
    def file(self) -> str:
        """The path as text that any output takes: bytes that are no UTF-8 are escaped."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")

    def as_dict(self) -> dict[str, Any]:
        """Return the published JSON form (``docs/score.schema.json``)."""
        if self.score is not None:
            return {"file": self.file, **self.score.as_dict()}
        return {"file": self.file, "error": self.error, "flags": list(self.flags)}


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A file that was read and waits for its batch, or why it cannot be scored."""

    path: Path
    film: PreparedFilm | None
    error: str | None
    radiograph: Radiograph | None = None


def score_files(
    files: Iterable[Found | str | os.PathLike[str]],
    model: SeverityModel,
    *,
    workers: int | None = None,
    batch: int = 4,
    level: float = 0.9,
    force: bool = False,
    scales: Sequence[str] | None = None,
    options: ReadOptions | None = None,
    keep_radiographs: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[FileResult]:
    """Score files in order; one that cannot be scored never stops the rest.

    Threads read and prepare ahead of the network, so that it need not wait for a disk or
    a decoder. At most ``2 * batch + workers`` films wait at any time, as small prepared
    arrays.

    Parameters
    ----------
    files : iterable of Found, str or path
        Files, for example from `pneumoscore.pipeline.walk.expand`; taken as needed.
    model : SeverityModel
        Opened.
    workers : int, optional
        Reading threads, at least 1; by default one for each processor, at most 4.
    batch : int
        Films that go through the network together, at least 1.
    level, force, scales
        As in `SeverityModel.score`.
    options : ReadOptions, optional
        How files are read.
    keep_radiographs : bool
        Hand out the films too, to draw on; full-size films then wait in memory.
    on_progress : callable, optional
        Called after each file with the number of files done.

    Yields
    ------
    FileResult
        One for each file, in order.

    Raises
    ------
    PneumoScoreError
        If the level, a scale or the model itself is at fault; never for a file.
    ValueError
        If `workers` or `batch` is under 1.
    """
    threads = min(4, os.cpu_count() or 1) if workers is None else workers
    if threads < 1 or batch < 1:
        raise ValueError(f"workers is {threads} and batch {batch}; expected at least 1")
    return _score_files(
        iter(files),
        lambda path: _read(path, model, options, keep_radiographs),
        lambda films: model.score_prepared(films, level=level, force=force, scales=scales),
        threads,
        batch,
        on_progress,
    )


def _score_files(
    files: Iterator[Found | str | os.PathLike[str]],
    read: Callable[[Path], _Waiting],
    score: Callable[[Sequence[PreparedFilm]], list[Score | NotScorableError]],
    threads: int,
    batch: int,
    on_progress: Callable[[int], None] | None,
) -> Iterator[FileResult]:
    done = 0
    ahead: deque[Future[_Waiting] | _Waiting] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pneumoscore-read")
    try:
        more = True
        while more or ahead:
            while more and len(ahead) < 2 * batch + threads:
                given = next(files, None)
                if given is None:
                    more = False
                elif isinstance(given, Found) and given.problem is not None:
                    ahead.append(_Waiting(given.path, None, given.problem))
                else:
                    path = given.path if isinstance(given, Found) else Path(given)
                    ahead.append(pool.submit(read, path))
            taken = [ahead.popleft() for _ in range(min(batch, len(ahead)))]
            waiting = [item.result() if isinstance(item, Future) else item for item in taken]
            for result in _score_batch(waiting, score):
                done += 1
                if on_progress is not None:
                    on_progress(done)
                yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(path: Path, model: SeverityModel, options: ReadOptions | None, keep: bool) -> _Waiting:
    from pneumoscore.radiograph.read import read_radiograph

    try:
        radiograph = read_radiograph(path, options=options)
        film = model.prepare(radiograph)
    except PneumoScoreError as error:
        return _Waiting(path, None, str(error))
    except OSError as error:
        return _Waiting(path, None, f"cannot be read: {error.strerror or type(error).__name__}")
    except Exception as error:
        # A fault of ours, logged in full and named as such; the archive must go on.
        _LOG.exception("internal error while reading a file")
        return _Waiting(
            path, None, f"internal error ({type(error).__name__}); please report it with the file"
        )
    return _Waiting(path, film, None, radiograph if keep else None)


def _score_batch(
    waiting: Sequence[_Waiting],
    score: Callable[[Sequence[PreparedFilm]], list[Score | NotScorableError]],
) -> Iterator[FileResult]:
    films = [item.film for item in waiting if item.film is not None]
    scores = iter(score(films))
    for item in waiting:
        if item.film is None:
            yield FileResult(item.path, None, item.error)
            continue
        result = next(scores)
        if isinstance(result, NotScorableError):
            yield FileResult(item.path, None, str(result), result.flags, item.radiograph)
        else:
            yield FileResult(item.path, result, None, result.flags, item.radiograph)
