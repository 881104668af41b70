"""Backups are whole, restored into either database, and never destroy anything."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscore.errors import OutputError
from pneumoscore.records.backup import backup, check_file, check_records, restore
from pneumoscore.records.corrections import merge_patients
from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, add_note
from pneumoscore.records.reading import read_audit, read_timeline
from pneumoscore.records.types import EventRecord, FilmRecord
from pneumoscore.records.writing import add_films

MakeRecord = Callable[..., FilmRecord]


@pytest.fixture
def filled(records: Records, record: MakeRecord) -> Records:
    films = [
        record(patient, day, thumbnail=bytes([day] * 9)) for patient in "abc" for day in (0, 1)
    ]
    add_films(records, films, source="test")
    add_events(records, [EventRecord("a", "admission", films[0].taken_at)])
    add_note(records, "b", "a note")
    merge_patients(records, "a", "b")  # a lower number refers to a higher one
    return records


def test_backup_and_restore(filled: Records, tmp_path: Path, record: MakeRecord) -> None:
    file = tmp_path / "backups" / "b.db"
    counts = backup(filled, file)
    assert (counts["films"], counts["scores"], counts["thumbnails"]) == (6, 12, 6)
    assert [path.name for path in file.parent.iterdir()] == ["b.db"]
    add_films(filled, [record("a", 9)], source="after the backup")
    target = tmp_path / "restored.db"
    assert restore(file, target, actor="admin") == counts
    with Records.open(target) as restored:
        for patient in "abc":
            before = read_timeline(filled, patient, pictures=True).films
            after = read_timeline(restored, patient, pictures=True).films
            assert after == tuple(film for film in before if film.uid != "a.9")
        assert read_timeline(restored, "a").events == read_timeline(filled, "a").events
        assert read_timeline(restored, "b").notes == read_timeline(filled, "b").notes
        assert read_audit(restored)[-1].action == "restore"
        assert add_films(restored, [record("a", 9)], source="goes on").films == 1


def test_a_backup_replaces_an_earlier_backup_and_nothing_else(
    filled: Records, tmp_path: Path, record: MakeRecord
) -> None:
    thesis, other, records = (tmp_path / name for name in ("thesis.txt", "other.db", "r.db"))
    thesis.write_text("Chapter 1")
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE patients (id)")
        connection.commit()
    with Records.open(records) as opened:
        add_films(opened, [record(day=0)], source="test")
    for file in (thesis, other, records):
        before = file.read_bytes()
        with pytest.raises(OutputError, match="--overwrite"):
            backup(filled, file)
        assert file.read_bytes() == before
    for file in (thesis, tmp_path / "new.db"):
        assert backup(filled, file, overwrite=file == thesis)["films"] == 6
    add_films(filled, [record("a", 9)], source="a day later")
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "new.db")
    assert backup(filled, tmp_path / "new.db")["films"] == 7
    assert backup(filled, link)["films"] == 7
    assert link.is_symlink()
    with pytest.raises(OutputError, match="no regular file"):
        backup(filled, tmp_path)


def test_a_backup_is_no_pipe_and_no_records_in_use(
    filled: Records, tmp_path: Path, record: MakeRecord
) -> None:
    with Records.open(tmp_path / "r.db") as opened:
        add_films(opened, [record(day=0)], source="test")
        with pytest.raises(OutputError, match="in use"):
            backup(filled, tmp_path / "r.db", overwrite=True)
    if hasattr(os, "mkfifo"):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(OutputError, match="no regular file"):
            backup(filled, pipe, overwrite=True)
        with pytest.raises(OutputError, match="no regular file"):
            restore(tmp_path / "r.db", pipe, replace=True)
        assert pipe.is_fifo()


@pytest.mark.postgresql
def test_from_a_file_to_a_server_and_back(
    filled: Records, tmp_path: Path, second_postgresql_url: str, record: MakeRecord
) -> None:
    file = tmp_path / "b.db"
    counts = backup(filled, file)
    assert restore(file, second_postgresql_url) == counts
    with Records.open(second_postgresql_url) as server:
        before = read_timeline(filled, "a", pictures=True)
        assert read_timeline(server, "a", pictures=True) == before
        assert add_films(server, [record("a", 9)], source="goes on").films == 1
        again = backup(server, tmp_path / "again.db")
    assert again["films"] == 7
    with pytest.raises(RecordsError, match="there are records"):
        restore(file, second_postgresql_url)


def test_records_are_replaced_only_when_asked_and_kept(tmp_path: Path, record: MakeRecord) -> None:
    place = tmp_path / "records.db"
    with Records.open(place) as records:
        add_films(records, [record(day=0)], source="test")
        backup(records, tmp_path / "b.db")
        add_films(records, [record(day=1)], source="test")
        with pytest.raises(RecordsError, match="records themselves"):
            backup(records, place)
    with pytest.raises(RecordsError, match="--replace"):
        restore(tmp_path / "b.db", place)
    restore(tmp_path / "b.db", place, replace=True)
    with Records.open(place) as records:
        assert len(read_timeline(records, "p").films) == 1
    with Records.open(tmp_path / "records.db.replaced") as records:
        assert len(read_timeline(records, "p").films) == 2


def test_damaged_and_newer_backups_are_refused(tmp_path: Path, record: MakeRecord) -> None:
    place, file = tmp_path / "records.db", tmp_path / "b.db"
    with Records.open(place) as records:
        add_films(records, [record(day=day) for day in range(300)], source="test")
        backup(records, file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:20000] + b"x" * 9000 + whole[29000:], b"no"):
        file.write_bytes(damaged)
        with pytest.raises(RecordsError):
            restore(file, place, replace=True)
    file.write_bytes(whole)
    check_file(file)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
        connection.commit()
    with pytest.raises(RecordsError, match="update PneumoScore"):
        restore(file, place, replace=True)
    with pytest.raises(RecordsError, match="no file"):
        restore(tmp_path / "absent.db", place)
    with Records.open(place) as records:  # untouched by all of it
        assert check_records(records)["films"] == 300


def test_a_backup_while_others_write_is_one_state(filled: Records, tmp_path: Path,
                                                  record: MakeRecord) -> None:  # fmt: skip
    stop = threading.Event()

    def write() -> None:
        day = 10
        while not stop.is_set():
            add_films(filled, [record("w", day)], source="writer")
            day += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            counts = backup(filled, tmp_path / f"{number}.db")
            assert counts["scores"] == 2 * counts["films"]
            check_file(tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
