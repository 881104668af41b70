"""Films read by threads of this process, or by the calling thread alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pneumoscore.pipeline.engines import default_workers
from pneumoscore.pipeline.engines.batches import read_one, score_batch, scored_in_batches
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader, KnownContent
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

__all__ = ["InProcess", "Threads"]


@dataclass(frozen=True, slots=True)
class InProcess:
    """Reads and scores one film after the other; for a film or two, without any start-up."""

    def results(
        self,
        files: Iterable[Found],
        model: SeverityModel,
        options: ScoringOptions,
        report: RunReport,
        known: KnownContent | None = None,
    ) -> Iterator[FileResult]:
        """Yield what becomes of each file (see `Engine`)."""
        read = FilmReader.of(model, options)
        for found in files:
            waiting = read_one(found, read, options, known)
            results, seconds = score_batch([waiting], model, options)
            report.add_time("network", seconds)
            yield from results


@dataclass(frozen=True, slots=True)
class Threads:
    """Reads ahead in threads, so that the network need not wait for a disk or a decoder.

    Attributes
    ----------
    workers : int
        Threads; by default one for each core, at most 4.
    lanes : int
        Batches that go through the network side by side.
    """

    workers: int = 0
    lanes: int = 1

    def results(
        self,
        files: Iterable[Found],
        model: SeverityModel,
        options: ScoringOptions,
        report: RunReport,
        known: KnownContent | None = None,
    ) -> Iterator[FileResult]:
        """Yield what becomes of each file (see `Engine`)."""
        read = FilmReader.of(model, options)
        threads = self.workers or default_workers()
        return scored_in_batches(files, read, model, options, report, known, threads, self.lanes)
