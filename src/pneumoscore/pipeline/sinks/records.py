"""Scores into the records, a transaction for each batch."""

from __future__ import annotations

from collections.abc import Callable

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.records.database import Records
from pneumoscore.records.reading import check_model, known_files
from pneumoscore.records.types import FilmRecord, ImportReport
from pneumoscore.records.writing import add_films

__all__ = ["RecordsSink", "known_content"]

_BATCH = 64

Intake = Callable[[FileResult], FilmRecord]
"""Makes the record of a scored film; raises PneumoScoreError if it cannot be one."""


def known_content(records: Records, sha256: str) -> Callable[[str], bool]:
    """Return what says whether a file's score by a model is recorded already.

    Parameters
    ----------
    records : Records
        Open.
    sha256 : str
        Of the model.
    """
    return lambda content: bool(known_files(records, [content], sha256))


class RecordsSink(Sink):
    """Writes scored films to the records.

    Parameters
    ----------
    records : Records
        Open.
    intake : callable
        Makes a film's record, for example `pneumoscore.pipeline.intake.dicom_record`.
    source : str
        Where the films come from, for the audit.
    actor : str, optional
        Who imports; by default the user of this process.
    acknowledge : callable, optional
        Called with the report so far after each batch: all it says is on the disk.
    refuse : callable, optional
        Called with a result and the reason when a scored film cannot be recorded.

    Attributes
    ----------
    report : ImportReport
        Of all batches so far.
    known : int
        Files that were known by their content.
    refused : int
        Scored films that could not be recorded.
    """

    def __init__(
        self,
        records: Records,
        intake: Intake,
        *,
        source: str,
        actor: str | None = None,
        acknowledge: Callable[[ImportReport], None] | None = None,
        refuse: Callable[[FileResult, str], None] | None = None,
    ) -> None:
        self._records, self._intake = records, intake
        self._source, self._actor = source, actor
        self._acknowledge, self._refuse = acknowledge, refuse
        self._waiting: list[FilmRecord] = []
        self.report = ImportReport()
        self.known = 0
        self.refused = 0

    def open(self, run: Run) -> None:
        """Refuse a model whose name and version another one has."""
        check_model(self._records, run.model)

    def add(self, result: FileResult) -> None:
        """Take one result; a batch is written when it is full."""
        if result.known:
            self.known += 1
        if result.score is None:
            return
        try:
            self._waiting.append(self._intake(result))
        except PneumoScoreError as error:
            self.refused += 1
            if self._refuse is not None:
                self._refuse(result, str(error))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def finish(self, report: RunReport) -> None:
        """Write the last batch."""
        self.flush()

    def abandon(self) -> None:
        """Keep what was acknowledged; what waits is scored again by the next run."""
        self._waiting.clear()

    def flush(self) -> None:
        """Write what waits; when this returns, it is on the disk."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, []
        self.report += add_films(self._records, taken, source=self._source, actor=self._actor)
        if self._acknowledge is not None:
            self._acknowledge(self.report)
