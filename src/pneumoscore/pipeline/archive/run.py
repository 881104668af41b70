"""An archive's run, status and merge."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.archive.index import RowIndex
from pneumoscore.pipeline.archive.parts import CONTENT, PartFormat, Row
from pneumoscore.pipeline.archive.sink import ArchiveParts
from pneumoscore.pipeline.archive.store import Store, open_store
from pneumoscore.pipeline.engines import Engine
from pneumoscore.pipeline.job import run_job
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.outputs import Outputs
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks.tables import TABLE_HEAD, csv_columns
from pneumoscore.pipeline.walk import Found, expand
from pneumoscore.severity.model import SeverityModel

if TYPE_CHECKING:
    # Its packages come with an extra.
    from pneumoscore.pipeline.sinks.records import RecordsSink

__all__ = [
    "ArchiveOptions",
    "ArchiveState",
    "Merged",
    "Part",
    "archive_state",
    "merge",
    "merge_to",
    "run_archive",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One of several runs that share an archive's films, as a scheduler's array job.

    Attributes
    ----------
    number, count : int
        From 1; how many there are. Every film belongs to one part, by its name.

    Raises
    ------
    PneumoScoreError
        If the number is none of the count.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise PneumoScoreError(
                f"part {self.number} of {self.count}", "a number from 1 to the count, as 3/8"
            )

    @classmethod
    def of(cls, text: str) -> Part:
        """Read ``"3/8"``."""
        first, slash, second = text.partition("/")
        if not (slash and first.isdecimal() and second.isdecimal()):
            raise PneumoScoreError(f"the part {text!r}", "a number and a count, as 3/8")
        return cls(int(first), int(second))

    def own(self, found: Iterable[Found]) -> Iterator[Found]:
        """Yield the films of this part."""
        from zlib import crc32

        for item in found:
            name = f"{item.path}!{item.member}".encode("utf-8", "surrogateescape")
            if crc32(name) % self.count == self.number - 1:
                yield item

    @property
    def suffix(self) -> str:
        """What the names of a part's own reports end with."""
        return "" if self.count == 1 else f"-{self.number}-of-{self.count}"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """What an archive's run is told beside how films are scored.

    Attributes
    ----------
    form : {"parquet", "csv", "jsonl"}
        Of the parts.
    rows : int
        Rows of a part, at least 1: most films that an interruption costs.
    part : Part
        Which share of the films.
    identifiers : bool
        Whether rows name patient, study, film and date.
    retry : bool
        Whether films that failed before are tried again.
    """

    form: PartFormat = "parquet"
    rows: int = 256
    part: Part = Part()
    identifiers: bool = True
    retry: bool = False


def run_archive(
    sources: Iterable[str],
    out: str,
    model: SeverityModel,
    scoring: ScoringOptions,
    options: ArchiveOptions,
    *,
    records: RecordsSink | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
    watch: Callable[[FileResult, RunReport], None] | None = None,
) -> RunReport:
    """Score an archive, or go on with it.

    A film whose bytes the model scored before is not scored again, under whatever name it is
    found; one whose bytes changed is, and its row takes the place of the old one.

    Parameters
    ----------
    sources : iterable of str
        Files, folders, ZIP and TAR files, DICOMDIRs, or ``-`` for a list.
    out : str
        Folder or URL of the results.
    model : SeverityModel
        Opened.
    scoring : ScoringOptions
        How films are scored.
    options : ArchiveOptions
        How the archive is run.
    records : RecordsSink, optional
        Records that take the films too; a part is written when its films are recorded.
    engine, workers, watch
        As in `pneumoscore.pipeline.job.run_job`.

    Returns
    -------
    RunReport
        It and the table of failures are written beside the parts.

    Raises
    ------
    OutputError
        If a file of their names is there that this program did not write.
    """
    store = open_store(out)
    failures = f"failures{options.part.suffix}.csv"
    told = f"run_report{options.part.suffix}.json"
    store.check(failures, TABLE_HEAD)
    store.check(told)
    skipped: Counter[str] = Counter()
    with ExitStack() as stack:
        index = RowIndex(store, Run.of(model, scoring), identifiers=options.identifiers)
        stack.callback(index.close)
        before = None if records is None else records.flush
        parts = ArchiveParts(store, index, options.form, options.identifiers, options.rows, before)
        found = expand(sources, skipped=skipped, containers=True)
        report = run_job(
            options.part.own(found),
            model,
            replace(scoring, content=True, pixels=records is not None),
            [parts] if records is None else [records, parts],
            engine=engine,
            workers=workers,
            known=_known(index, retry=options.retry),
            skipped=skipped,
            watch=watch,
        )
        columns = csv_columns(report.run.scales, identifiers=options.identifiers)
        with store.writing(failures) as stream:
            _write_csv(index.rows(failed=True), stream.write, columns)
        form = json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n"
        with store.writing(told) as stream:
            stream.write(form.encode("utf-8"))
    return report


def _known(index: RowIndex, *, retry: bool) -> Callable[[str], bool]:
    def known(content: str) -> bool:
        row = index.by_content(content)
        return row is not None and not (retry and row["reason"])

    return known


def _write_csv(
    rows: Iterable[Row], write: Callable[[bytes], object], columns: Sequence[str]
) -> int:
    """Write a table of some columns, row by row; return how many rows.

    What a row lacks is empty, and what no column holds is left out.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        write(text.getvalue().encode("utf-8"))
        text.seek(0)
        text.truncate()
        count += 1
    write(text.getvalue().encode("utf-8"))
    return count


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """What an archive's parts hold.

    Attributes
    ----------
    parts, scored, failed : int
        Parts, files with a score, files without one.
    reasons : dict of str to int
        Failures by reason.
    models : tuple of str
        Names and versions of the models that made the rows.
    """

    parts: int
    scored: int
    failed: int
    reasons: dict[str, int]
    models: tuple[str, ...]


def archive_state(out: str) -> ArchiveState:
    """Return what an archive's parts hold.

    Raises
    ------
    PneumoScoreError
        If there are none.
    """
    with _opened(open_store(out), out) as index:
        scored, failed = index.counts()
        reasons = Counter(row["reason"] for row in index.rows(failed=True))
        models = {f"{row['model']} {row['model_version']}" for row in index.rows()}
        return ArchiveState(index.parts, scored, failed, dict(reasons), tuple(sorted(models)))


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merged table holds.

    Attributes
    ----------
    rows : int
        One for each file: the newest.
    kinds : dict of str to int
        Scored rows of all parts by what made them: model and options.
    """

    rows: int
    kinds: dict[str, int]


def merge(out: str, write: Callable[[bytes], object]) -> Merged:
    """Write the newest row of each file as one CSV table, by file name.

    The columns are those of ``score --csv``, as the newest part has them.

    Parameters
    ----------
    out : str
        Folder or URL of the results.
    write : callable
        Takes the table's bytes, bit by bit.
    """
    with _opened(open_store(out), out) as index:
        columns = [name for name in index.columns if name != CONTENT]
        return Merged(_write_csv(index.rows(), write, columns), dict(index.kinds))


def merge_to(out: str, outputs: Outputs, path: Any) -> Merged:
    """Write the merged table to a file, by the rule for outputs."""
    with outputs.written(path, TABLE_HEAD) as stream:
        return merge(out, stream.write)


def _opened(store: Store, out: str) -> RowIndex:
    index = RowIndex(store)
    if index.parts == 0:
        index.close()
        raise PneumoScoreError(
            f"there are no parts at {out}", "the folder of an archive run", "run the archive first"
        )
    return index
