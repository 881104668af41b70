"""What an archive's parts hold, by file and by content: on the disk, so that memory is flat."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.archive.parts import CONTENT, Row, part_number, unpack
from pneumoscore.pipeline.archive.store import Store
from pneumoscore.pipeline.run import Run
from pneumoscore.pipeline.sinks.published import FILM_FIELDS

__all__ = ["RowIndex"]

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE rows (file TEXT PRIMARY KEY, content TEXT, failed INTEGER, row TEXT) WITHOUT ROWID;
CREATE INDEX by_content ON rows (content);
"""


class RowIndex:
    """The newest row of each file, in a scratch file that goes when this is closed.

    It is made anew from the parts by each run: they alone are the truth. It may be asked by
    several threads.

    Parameters
    ----------
    store : Store
        Where the parts lie.
    run : Run, optional
        Rows of another model, or made under other options, are left out.
    identifiers : bool, optional
        With a run: whether its rows name patients; those that do and those that do not are
        never taken for each other.

    Attributes
    ----------
    parts, last : int
        How many parts there are, and the newest one's number.
    columns : list of str
        Of the newest part.
    kinds : Counter of str
        Scored rows of all parts by what made them, for people: model and options.

    Raises
    ------
    PneumoScoreError
        From any method, if the scratch file cannot be kept; if a part is damaged.
    """

    def __init__(self, store: Store, run: Run | None = None, *, identifiers: bool = True) -> None:
        handle, path = tempfile.mkstemp(prefix="pneumoscore-", suffix=".index")
        os.close(handle)
        self._path = Path(path)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(self._path, check_same_thread=False)
        self.parts = 0
        self.last = 0
        self.columns: list[str] = []
        self.kinds: Counter[str] = Counter()
        try:
            with self._using() as database:
                database.executescript(_SCHEMA)
            self._take_in(store, run, identifiers)
        except BaseException:
            self.close()
            raise

    def _take_in(self, store: Store, run: Run | None, identifiers: bool) -> None:
        for name in store.names("parts"):
            number = part_number(name)
            if number is None:
                continue
            self.parts += 1
            self.last = max(self.last, number)
            rows = unpack(store.read(name), name)
            self.columns = list(rows[0]) if rows else self.columns
            self.kinds.update(_kind_of(row) for row in rows if not row["reason"])
            self.add([row for row in rows if _fits(row, run, identifiers)])

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Have the database for oneself; what fails there says what to do."""
        try:
            with self._lock:
                yield self._database
        except sqlite3.Error as error:
            raise PneumoScoreError(
                f"the index of the parts cannot be kept in {self._path.parent} ({error})",
                "room for about 1.5 kB a row",
                "make room there, or name a larger folder in TMPDIR",
            ) from error

    def add(self, rows: list[Row]) -> None:
        """Take in rows; the last of a file counts."""
        values = [
            (row["file"], row[CONTENT], int(bool(row["reason"])), json.dumps(row)) for row in rows
        ]
        with self._using() as database:
            database.executemany("REPLACE INTO rows VALUES (?, ?, ?, ?)", values)

    def by_content(self, content: str) -> Row | None:
        """Return a row of a film with these bytes; None if there is none."""
        return self._one("SELECT row FROM rows WHERE content = ? LIMIT 1", content)

    def by_file(self, file: str) -> Row | None:
        """Return a file's row; None if there is none."""
        return self._one("SELECT row FROM rows WHERE file = ?", file)

    def rows(self, *, failed: bool | None = None) -> Iterator[Row]:
        """Yield all rows by file name, or those that failed, or those that did not."""
        where = "" if failed is None else f"WHERE failed = {int(failed)}"
        with self._using() as database:
            cursor = database.execute(f"SELECT row FROM rows {where} ORDER BY file")
            for (text,) in cursor:
                yield json.loads(text)

    def counts(self) -> tuple[int, int]:
        """Return how many files have a score, and how many failed."""
        with self._using() as database:
            every, failed = database.execute(
                "SELECT count(*), coalesce(sum(failed), 0) FROM rows"
            ).fetchone()
        return every - failed, failed

    def _one(self, query: str, value: str) -> Row | None:
        with self._using() as database:
            found = database.execute(query, (value,)).fetchone()
        if found is None:
            return None
        row: Row = json.loads(found[0])
        return row

    def close(self) -> None:
        """Remove the scratch file."""
        with self._lock:
            self._database.close()
        with suppress(OSError):
            self._path.unlink()

    def __enter__(self) -> RowIndex:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def _kind_of(row: Row) -> str:
    words = [f"{row['model']} {row['model_version']} ({row['sha256'][:8]})"]
    levels = sorted({value for name, value in row.items() if name.endswith("_level") and value})
    words += [f"level {level}" for level in levels]
    words += [] if row["voi"] == "true" else ["without VOI"]
    words += ["forced"] if row["force"] == "true" else []
    return ", ".join(words + ([] if _has_identifiers(row) else ["without identifiers"]))


def _has_identifiers(row: Row) -> bool:
    return FILM_FIELDS[0] in row


def _fits(row: Row, run: Run | None, identifiers: bool) -> bool:
    if run is None:
        return True
    if _has_identifiers(row) != identifiers:
        return False
    options = run.options.published()
    made = (row["sha256"], row["voi"], row["force"])
    if made != (run.model.sha256, str(options["voi"]).lower(), str(options["force"]).lower()):
        return False
    # A film without a score has no interval either.
    levels = {row[f"{scale.name}_level"] for scale in run.scales if f"{scale.name}_level" in row}
    return bool(row["reason"]) or levels == {str(options["level"])}
