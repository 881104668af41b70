"""Reading ahead in threads, scoring in batches, in order: what all local engines share."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pneumoscore.errors import FailureReason, NotScorableError, PneumoScoreError
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import KnownContent, ReadFilm, Reading, failed_reading
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import Score

__all__ = ["scored_in_batches"]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A file and what was read of it."""

    found: Found
    read: ReadFilm
    passed_over: str | None = None


def scored_in_batches(
    files: Iterable[Found],
    read: Reading,
    model: SeverityModel,
    options: ScoringOptions,
    report: RunReport,
    known: KnownContent | None,
    threads: int,
    lanes: int = 1,
) -> Iterator[FileResult]:
    """Yield the results of files that `threads` threads read by `read`.

    `lanes` batches go through the network side by side. At most
    ``(lanes + 1) * batch + threads`` films wait at any time, as small prepared arrays.
    """
    given = iter(files)
    ahead: deque[Future[_Waiting]] = deque()
    scoring: deque[Future[tuple[list[FileResult], float]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pneumoscore-read")
    network = ThreadPoolExecutor(lanes, thread_name_prefix="pneumoscore-network")
    try:
        more = True
        while more or ahead or scoring:
            while more and len(ahead) < options.batch + threads:
                found = next(given, None)
                if found is None:
                    more = False
                else:
                    ahead.append(pool.submit(read_one, found, read, options, known))
            if ahead and len(scoring) <= lanes:
                taken = [ahead.popleft() for _ in range(min(options.batch, len(ahead)))]
                scoring.append(network.submit(_scored, taken, model, options))
                continue
            if scoring:  # a run may have no file at all
                results, seconds = scoring.popleft().result()
                report.add_time("network", seconds)
                yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        network.shutdown(wait=True, cancel_futures=True)


def _scored(
    taken: Sequence[Future[_Waiting]], model: SeverityModel, options: ScoringOptions
) -> tuple[list[FileResult], float]:
    """Return the results of films once they are read, and the seconds of the network."""
    return score_batch([item.result() for item in taken], model, options)


def read_one(
    found: Found, read: Reading, options: ScoringOptions, known: KnownContent | None
) -> _Waiting:
    """Read one file, unless it cannot be or its content is known."""
    if found.problem is not None:
        return _Waiting(found, ReadFilm(error=found.problem, reason=found.reason))
    data: bytes | None = None
    try:
        data = found.data(options.read.max_file_bytes)
        if options.wanted is not None:
            source = found.path if data is None else data
            why = options.wanted.why_not(source, options.read)
            if why is not None:
                return _Waiting(found, ReadFilm(), passed_over=why)
        return _Waiting(found, read(found.path if data is None else data, known))
    except (PneumoScoreError, OSError) as error:
        return _Waiting(found, failed_reading(error))


def score_batch(
    waiting: Sequence[_Waiting],
    model: SeverityModel,
    options: ScoringOptions,
) -> tuple[list[FileResult], float]:
    """Return the results of some files that were read, in order, and the network's seconds."""
    model.wait()  # its loading is none of the network's time
    films = [item.read.film for item in waiting if item.read.film is not None]
    began = time.perf_counter()
    scores = list(
        model.score_prepared(films, level=options.level, force=options.force, scales=options.scales)
    )
    seconds = time.perf_counter() - began
    given = iter(scores)
    return [
        _result(item, None if item.read.film is None else next(given)) for item in waiting
    ], seconds


def _result(item: _Waiting, result: Score | NotScorableError | None) -> FileResult:
    refused = isinstance(result, NotScorableError)
    return FileResult(
        path=item.found.path,
        score=None if result is None or isinstance(result, NotScorableError) else result,
        error=str(result) if refused else item.read.error,
        reason=FailureReason.REFUSED if refused else item.read.reason,
        flags=() if result is None else result.flags,
        metadata=item.read.metadata,
        view=item.read.view,
        content=item.read.content,
        pixels=item.read.pixels,
        known=item.read.known,
        passed_over=item.passed_over,
        member=item.found.member,
        seconds=item.read.seconds,
    )
