"""What a run shows in a terminal: the table of scores, failures as they come, the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say, say_error
from pneumoscore.cli.table import TableRow, print_table
from pneumoscore.pipeline.sinks import Sink

if TYPE_CHECKING:
    from pneumoscore.pipeline.outputs import Outputs
    from pneumoscore.pipeline.result import FileResult
    from pneumoscore.pipeline.run import RunReport
    from pneumoscore.records.types import ImportReport

__all__ = ["TerminalTable", "conclude", "file_sinks", "tell", "tell_recorded", "tell_skipped"]

_ROWS = 200


class TerminalTable(Sink):
    """The table of scores on the standard output.

    A table of many films comes in parts of 200 rows, so that memory does not grow.
    """

    def __init__(self) -> None:
        self._rows: list[TableRow] = []

    def add(self, result: FileResult) -> None:
        """Take one row."""
        score = result.score
        if score is not None:
            # A row needs no maps.
            bare = tuple(replace(item, contributions=None) for item in score.scales)
            score = replace(score, scales=bare, findings={})
        self._rows.append(TableRow(result.file, score, result.flags))
        if len(self._rows) >= _ROWS:
            self._print()

    def finish(self, report: RunReport) -> None:
        """Print what is left."""
        del report
        self._print()

    def _print(self) -> None:
        if self._rows:
            print_table(self._rows)
            self._rows = []


def file_sinks(
    outputs: Outputs,
    *,
    overlay: Path | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    report: Path | None = None,
    title: str = "Pneumonia severity",
) -> list[Sink]:
    """Return the sinks of the files that were asked for, pictures first."""
    sinks: list[Sink] = []
    if overlay is not None:
        from pneumoscore.pipeline.sinks.overlays import Overlays

        sinks.append(Overlays(overlay, outputs))
    if csv is not None:
        from pneumoscore.pipeline.sinks.tables import CsvTable

        sinks.append(CsvTable(csv, outputs))
    if html is not None:
        from pneumoscore.pipeline.sinks.page import Page

        sinks.append(Page(html, outputs, title))
    if report is not None:
        from pneumoscore.pipeline.sinks.report import ReportFile

        sinks.append(ReportFile(report, outputs))
    return sinks


def tell(
    result: FileResult,
    report: RunReport,
    bar: LateProgress,
    total: int | None,
    passed_over: int = 0,
) -> None:
    """Name a film without a score on the standard error stream, and move the bar.

    Films that are `passed_over` because of their header count as done.
    """
    if result.error is not None:
        bar.say(f"error: {result.file}: {result.error}")
    known = [f"{report.known} done before"] if report.known else []
    failures = [f"{count} {name}" for name, count in report.reasons.most_common()]
    bar.update(report.files + passed_over, total, ", ".join(known + failures))


def conclude(report: RunReport) -> None:
    """Say how many films have no score, by reason, and what was passed over, by why."""
    if report.failed:
        reasons = _listed(report.reasons)
        say(f"{report.failed} of {report.files} files have no score: {reasons}")
    tell_skipped(report)


def tell_skipped(report: RunReport) -> None:
    """Say what folders held and was passed over."""
    if report.skipped:
        say(f"passed over in folders: {_listed(report.skipped)}")


def tell_recorded(report: ImportReport) -> None:
    """Say what a person should look at, and which films the records did not take."""
    for notice in report.notices:
        say(notice)
    for conflict in report.conflicts:
        say_error(conflict)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(counts).most_common())
