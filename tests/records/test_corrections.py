"""Patients merged and split, studies re-dated; later imports respect it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from pneumoscore.records.corrections import (
    merge_patients,
    redate_study,
    split_patient,
)
from pneumoscore.records.database import Records
from pneumoscore.records.days import time_of_day
from pneumoscore.records.errors import ConflictError, RecordsError
from pneumoscore.records.events import add_events, add_note
from pneumoscore.records.reading import read_audit, read_timeline
from pneumoscore.records.types import EventRecord, FilmRecord
from pneumoscore.records.writing import add_films

MakeRecord = Callable[..., FilmRecord]


def uids(records: Records, patient: str) -> list[str]:
    return [film.uid for film in read_timeline(records, patient).films]


@pytest.fixture
def two(records: Records, record: MakeRecord) -> Records:
    """Two patients with an event each, and one in common."""
    add_films(records, [record(patient, day) for patient in "ab" for day in (0, 1)], source="test")
    both = datetime(2026, 1, 1)
    add_events(records, [EventRecord(patient, "admission", both) for patient in "ab"])
    add_events(records, [EventRecord("b", "intubation", datetime(2026, 1, 2))])
    add_note(records, "b", "of b")
    return records


def test_merge_joins_films_events_notes_and_later_films(two: Records, record: MakeRecord) -> None:
    merge_patients(two, "b", "a", actor="registrar")
    found = read_timeline(two, "b")
    assert found.patient == "a"
    assert uids(two, "a") == ["a.0", "b.0", "a.1", "b.1"]
    assert [event.kind for event in found.events] == ["admission", "intubation"]
    assert [note.text for note in found.notes] == ["of b"]
    report = add_films(two, [record("b", 2), record("b", 0)], source="later")
    assert (report.films, report.patients, report.conflicts) == (1, 0, ())
    assert "b.2" in uids(two, "a")
    entries = [entry for entry in read_audit(two, "a") if entry.action == "merge"]
    assert [entry.actor for entry in entries] == ["registrar"] * 2
    assert entries[0].details["studies"] == ["s.b.0", "s.b.1"]
    with pytest.raises(RecordsError, match="one patient already"):
        merge_patients(two, "a", "b")


def test_a_merge_is_undone_by_a_split(two: Records, record: MakeRecord) -> None:
    before = read_timeline(two, "b")
    merge_patients(two, "b", "a")
    split_patient(two, "a", ["s.b.0", "s.b.1"], "b")
    assert read_timeline(two, "b") == before
    assert uids(two, "a") == ["a.0", "a.1"]
    report = add_films(two, [record("b", 0), record("a", 1), record("b", 3)], source="later")
    assert report.conflicts == ()
    assert uids(two, "b") == ["b.0", "b.1", "b.3"]


def test_merging_twice_follows_the_chain(two: Records, record: MakeRecord) -> None:
    add_films(two, [record("c", 0)], source="test")
    merge_patients(two, "b", "a")
    merge_patients(two, "a", "c")
    assert uids(two, "b") == uids(two, "c")
    assert len(uids(two, "c")) == 5
    add_films(two, [record("b", 7)], source="later")
    assert "b.7" in uids(two, "c")


def test_split_makes_a_patient_and_imports_leave_it(two: Records, record: MakeRecord) -> None:
    split_patient(two, "a", ["s.a.1"], "new")
    assert uids(two, "new") == ["a.1"]
    same_study = record("a", 1, film_uid="another", study_uid="s.a.1")
    report = add_films(two, [record("a", 1), same_study], source="again")
    assert (report.films, report.conflicts) == (1, ())
    assert sorted(uids(two, "new")) == ["a.1", "another"]
    assert uids(two, "a") == ["a.0"]
    for wrong in ([], ["s.b.0"], ["nothing"]):
        with pytest.raises(RecordsError, match="studies are the patient's"):
            split_patient(two, "a", wrong, "new")
    with pytest.raises(RecordsError, match="already"):
        split_patient(two, "a", ["s.a.0"], "a")


def test_redate_moves_all_films_and_is_kept(records: Records, record: MakeRecord) -> None:
    pair = [record(day=day, study_uid="s") for day in (0, 0.5)]
    add_films(records, [*pair, record(day=3)], source="test")
    redate_study(records, "s", datetime(2026, 1, 10, 8), actor="registrar")
    films = read_timeline(records, "p").films
    assert [film.uid for film in films] == ["p.3", "p.0", "p.0.5"]
    assert films[2].taken_at == datetime(2026, 1, 10, 20)
    assert add_films(records, pair, source="again").redated == 0
    assert read_timeline(records, "p").films == films
    entry = read_audit(records, "p")[-1]
    assert (entry.actor, entry.action, entry.details["by"]) == ("registrar", "redate", "person")
    with pytest.raises(ConflictError):
        redate_study(records, "s", time_of_day(1), calendar=False)
    with pytest.raises(RecordsError, match="no study"):
        redate_study(records, "x", datetime(2026, 1, 1))


def test_patients_by_day_and_by_date_do_not_mix(two: Records, record: MakeRecord) -> None:
    days = record("d", 0, taken_at=time_of_day(0), calendar=False)
    add_films(two, [days], source="test")
    with pytest.raises(ConflictError):
        merge_patients(two, "d", "a")
    with pytest.raises(ConflictError):
        split_patient(two, "a", ["s.a.0"], "d")
    assert uids(two, "a") == ["a.0", "a.1"]
    with pytest.raises(RecordsError, match="no patient"):
        merge_patients(two, "unknown", "a")
