"""Two writers, a killed import, a full disk: nothing acknowledged is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from pneumoscore.records.backup import check_records
from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.reading import read_timeline
from pneumoscore.records.types import FilmRecord
from pneumoscore.records.writing import add_films

MakeRecord = Callable[..., FilmRecord]
WRITER = Path(__file__).with_name("writer.py")


def start(
    place: str, patient: str, films: int, batch: int, limit: int = 0
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), place, patient, *map(str, (films, batch, limit))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_write_at_once(place: str) -> None:
    # Both make the records, both write; each film is a patient's of its own or of both.
    writers = [start(place, patient, 120, 5) for patient in ("a", "b", "a")]
    for writer in writers:
        out, error = writer.communicate(timeout=200)
        assert writer.returncode == 0, error
        assert error == ""
        assert out
    with Records.open(place) as records:
        counts = check_records(records)
        assert (counts["films"], counts["scores"], counts["patients"]) == (240, 480, 2)
        for patient in "ab":
            uids = [film.uid for film in read_timeline(records, patient).films]
            assert uids == [f"{patient}.{number}" for number in range(120)]


def test_a_killed_import_keeps_what_it_acknowledged(place: str) -> None:
    Records.open(place).close()
    acknowledged = 0
    for wanted in (3, 7):  # kill after so many acknowledgements, run it again each time
        writer = start(place, "p", 2000, 10)
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(wanted)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=60)
        assert writer.returncode == -signal.SIGKILL
        # New films of this run, on top of what earlier runs acknowledged.
        acknowledged += int((told + rest.splitlines())[-1])
        with Records.open(place) as records:
            counts = check_records(records)
            films = len(read_timeline(records, "p").films)
        assert films >= acknowledged
        assert films % 10 == 0  # batches are whole or absent
        assert counts["scores"] == 2 * films
    finish = start(place, "p", 300, 50)
    assert finish.wait(timeout=100) == 0
    with Records.open(place) as records:
        uids = {film.uid for film in read_timeline(records, "p").films}
        assert {f"p.{number}" for number in range(300)} <= uids


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "records.db")
    Records.open(place).close()
    writer = start(place, "p", 5000, 20, limit=700_000)
    out, error = writer.communicate(timeout=200)
    assert writer.returncode == 3
    assert "disk" in error
    assert "run the command again" in error
    assert "Traceback" not in error
    acknowledged = int(out.split()[-1])
    assert 0 < acknowledged < 5000
    with Records.open(place) as records:
        assert check_records(records)["scores"] == 2 * acknowledged
        assert len(read_timeline(records, "p").films) == acknowledged
    again = start(place, "p", acknowledged + 100, 50)
    assert again.wait(timeout=200) == 0


def test_a_database_that_may_not_grow(tmp_path: Path, record: MakeRecord) -> None:
    with Records.open(tmp_path / "records.db") as records:
        add_films(records, [record(day=0)], source="test")
        with records.engine.connect() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
        with pytest.raises(RecordsError, match="disk is full; everything acknowledged"):
            add_films(records, [record(day=day) for day in range(1, 400)], source="test")
        assert [film.uid for film in read_timeline(records, "p").films] == ["p.0"]


def test_a_read_only_file_is_named(tmp_path: Path, record: MakeRecord) -> None:
    place = tmp_path / "records.db"
    with Records.open(place) as records:
        add_films(records, [record()], source="test")
        with records.engine.connect() as connection:
            connection.execute(text("PRAGMA query_only = 1"))
        with pytest.raises(RecordsError, match="may not be written"):
            add_films(records, [record(day=1)], source="test")
