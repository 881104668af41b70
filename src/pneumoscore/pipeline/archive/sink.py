"""Results as an archive's parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pneumoscore.pipeline.archive.index import RowIndex
from pneumoscore.pipeline.archive.parts import CONTENT, PartFormat, Row, pack, part_name
from pneumoscore.pipeline.archive.store import Store
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.pipeline.sinks.tables import csv_columns, csv_row

__all__ = ["ArchiveParts"]


class ArchiveParts(Sink):
    """Writes parts of some hundred rows, each as soon as it is full.

    A part that was written stays whatever happens. What was gathered for the next one is
    written when the run is stopped, and made again by the next run when it was killed.

    Parameters
    ----------
    store : Store
        Where the parts lie.
    index : RowIndex
        What they hold already; grows with each row.
    form : {"parquet", "csv", "jsonl"}
        Of the parts.
    identifiers : bool
        Whether rows name patient, study, film and date.
    rows : int
        Rows of a part.
    before : callable, optional
        Called before a part is written: what must be kept first, as records of its films.
    """

    def __init__(
        self,
        store: Store,
        index: RowIndex,
        form: PartFormat,
        identifiers: bool,
        rows: int,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._before = before
        self._store = store
        self._index = index
        self._form = form
        self._identifiers = identifiers
        self._most = rows
        self._rows: list[Row] = []
        self._columns: list[str] = []
        self._number = index.last
        self._run: Run | None = None
        self._known_failed = 0

    def open(self, run: Run) -> None:
        """Fix the columns."""
        self._run = run
        columns = csv_columns(run.scales, identifiers=self._identifiers)
        self._columns = [*columns, CONTENT]
        pack([], self._columns, self._form)  # a missing package is told before the first film

    def add(self, result: FileResult) -> None:
        """Take one result; a film known under another name gets a row of its own."""
        assert self._run is not None
        if result.known:
            assert result.content is not None
            file = csv_row(result, self._run)[0]
            own = self._index.by_file(file)
            there = own is not None and own[CONTENT] == result.content
            same = own if there else self._index.by_content(result.content)
            if same is None:
                return
            self._known_failed += bool(same["reason"])
            if there:
                return
            # An older version's part may lack a column, and never brings one of its own.
            row = {name: same.get(name, "") for name in self._columns} | {"file": file}
        else:
            cells = csv_row(result, self._run, identifiers=self._identifiers)
            row = dict(zip(self._columns, [*cells, result.content or ""], strict=True))
        self._rows.append(row)
        self._index.add([row])
        if len(self._rows) >= self._most:
            self._write()

    def finish(self, report: RunReport) -> None:
        """Write what is left, and count what has no score from before."""
        report.known_failed = self._known_failed
        self._write()

    def abandon(self) -> None:
        """Keep what is gathered, where that can be written and nothing must be kept first."""
        if self._before is None:
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        if self._rows:
            if self._before is not None:
                self._before()
            self._number += 1
            name = part_name(self._number, self._rows, self._form)
            with self._store.writing(name) as stream:
                stream.write(pack(self._rows, self._columns, self._form))
            self._rows = []
