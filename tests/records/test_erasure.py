"""Patients given out and erased, from every place that the program made."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from pneumoscore.errors import OutputError
from pneumoscore.phantom import PhantomSpec, SyntheticPatient, render_phantom, write_phantom_dicom
from pneumoscore.records.backup import backup, check_records
from pneumoscore.records.database import Records
from pneumoscore.records.erasure import erase_patient
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, add_note, remove_event
from pneumoscore.records.export import export_patient
from pneumoscore.records.reading import read_audit, read_timeline
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import accounts, reader_studies, reader_study_films
from pneumoscore.records.stand_in import keyed_hash
from pneumoscore.records.types import EventRecord, FilmRecord
from pneumoscore.records.writing import add_films

MakeRecord = Callable[..., FilmRecord]
NAME = "PHANTOM-Zaubername"


@pytest.fixture
def filled(
    records: Records, record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Records:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    films = [
        record(patient, day, thumbnail=b"jpeg", issuer="A" if patient == NAME else "")
        for patient in (NAME, "other")
        for day in range(3)
    ]
    add_films(records, films, source="test")
    add_events(records, [EventRecord(NAME, "admission", films[0].taken_at, "ward 3")])
    add_note(records, NAME, "a note")
    add_films(records, [record(NAME, 0, issuer="A", extent=7.0)], source="a conflict, told")
    return records


def test_an_export_holds_all_and_is_for_its_owner(filled: Records, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    assert export_patient(filled, NAME, file) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = json.loads(file.read_text())
    assert (content["patient"], content["issuer"]) == (NAME, "A")
    (by_model,) = content["scores"]
    assert len(by_model["films"]) == len(by_model["thumbnails"]) == len(content["films"]) == 3
    assert [item["detail"] for item in content["events"]] == ["ward 3"]
    assert [item["text"] for item in content["notes"]] == ["a note"]
    assert content["audit"]
    with pytest.raises(RecordsError, match="no patient"):
        export_patient(filled, "nobody", file)


def test_nothing_of_an_erased_patient_stays(filled: Records, tmp_path: Path) -> None:
    copy, lost = tmp_path / "b.db", tmp_path / "lost.db"
    for file in (copy, lost):
        backup(filled, file)
    lost.unlink()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name, patient in (("a", NAME), ("b", "PHANTOM-2")):
        write_phantom_dicom(
            render_phantom(PhantomSpec(size=64)), inbox / f"{name}.dcm",
            SyntheticPatient(patient_id=patient), datetime(2026, 1, 1), study_number=1,
        )  # fmt: skip
    (inbox / "x.txt").write_text("no film")
    # The waiting film is another issuer's: the number alone is not the patient.
    done = erase_patient(filled, NAME, folders=(inbox,), actor="officer")
    assert (done.films, done.scores, done.events, done.notes, done.thumbnails) == (3, 6, 1, 1, 3)
    assert done.files == ()
    assert done.places == (str(copy),)
    told = " ".join(done.unreached)
    assert "lost.db" in told
    assert "x.txt" in told
    assert "exports" in told
    with pytest.raises(RecordsError, match="no patient"):
        read_timeline(filled, NAME)
    assert len(read_timeline(filled, "other", pictures=True).films) == 3
    entry = read_audit(filled)[-1]
    assert (entry.actor, entry.action) == ("officer", "erase")
    assert entry.details["patient"] == [keyed_hash(f"{NAME}^^^A")]
    assert keyed_hash(f"{NAME}^^^A") != keyed_hash(f"{NAME}^^^B")
    assert NAME not in str([item.details for item in read_audit(filled)])
    key = tmp_path / "home" / "erasure.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    if filled.file is not None:
        for file in (filled.file, copy, filled.file.with_name(f"{filled.file.name}-wal")):
            assert not file.exists() or NAME.encode() not in file.read_bytes()
    with Records.open(copy) as other:
        assert check_records(other)["films"] == 3
    # The path that erasure takes is closed again.
    with filled.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM erasing")).scalar_one() == 0


def test_an_erasure_blanks_only_what_names_the_patient(
    records: Records, record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    films = [
        record("3", 0, issuer="dr", film_uid="1.2.9"),
        record("SMITH-77", 1, film_uid="1.2.9.1"),
    ]
    add_films(records, films, source="test")
    file = tmp_path / "3.db"
    backup(records, file)
    kept = {
        "study_unblinded": {"study": "a3f0c1d2e4b59687"},
        "account_changed": {"account": "3", "role": "owner", "disabled": False},
        "account_created": {"account": "dr.house", "issuer": "dr"},
        "peek_refused": {"what": "a patient of a blinded study", "target": "3"},
        "split": {"patient": "3^^^CITY", "into": "13", "studies": ["1.2.9.1", "1.2.93"]},
    }
    told = {
        "source": "films/3 and others",
        "films": 3,
        "conflicts": ["1.2.9: no", "x: extent 3.512 by the model", "id 3^^^dr.", "1.2.9.1: no"],
    }
    with records.writing() as connection:
        for action, details in (*kept.items(), ("import", told)):
            add_audit(connection, "somebody", action, details)
    done = erase_patient(records, "3^^^dr")
    assert done.places == (str(file),)
    assert any(str(file) in line and "names the patient" in line for line in done.unreached)
    found = {entry.action: entry.details for entry in read_audit(records)}
    assert {action: found[action] for action in kept} == kept
    assert found["backup"] == {"file": str(file)}
    assert found["import"] == {
        "source": "(erased)",
        "films": 3,
        "conflicts": ["(erased)", "x: extent 3.512 by the model", "(erased)", "1.2.9.1: no"],
    }
    # The next erasure finds the backup still.
    assert erase_patient(records, "SMITH-77").places == (str(file),)
    assert b"SMITH-77" not in file.read_bytes()


def test_an_erasure_blanks_a_number_within_file_names(
    records: Records, record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    add_films(records, [record("12345", 0)], source="test")
    said = ["films/12345-2.dcm: no", "MRN12345.2026.dcm", "112345.dcm", "12345^^^CITY"]
    with records.writing() as connection:
        add_audit(connection, "somebody", "import", {"conflicts": said})
    erase_patient(records, "12345")
    (told,) = (
        entry.details["conflicts"]
        for entry in read_audit(records)
        if entry.details.get("conflicts")
    )
    assert not any("12345" in word for word in told[:2])
    assert told[2:] == said[2:]


def test_reader_studies_that_hold_the_patient_are_named(filled: Records) -> None:
    now = datetime(2026, 1, 1)
    with filled.writing() as connection:
        connection.execute(
            insert(accounts).values(id="a", name="o", role="owner", disabled=False, created_at=now)
        )
        connection.execute(
            insert(reader_studies).values(
                id="s", name="trial", owner_id="a", state="open", options="{}", created_at=now
            )
        )
        for place, patient in enumerate((NAME, NAME, "other")):
            connection.execute(
                insert(reader_study_films).values(
                    id=str(place), study_id="s", position=place, name="f", patient=patient,
                    sha256="x", pixels_sha256="x", example=False,
                )
            )  # fmt: skip
    told = erase_patient(filled, NAME).unreached
    assert (
        "the reader study 'trial' holds 2 films of the patient; only a draft's can be dropped"
        in told
    )


def test_films_that_wait_are_deleted(
    records: Records, record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    add_films(records, [record("PHANTOM-1")], source="test")
    film = tmp_path / "outbox" / "1.dcm"
    film.parent.mkdir()
    write_phantom_dicom(
        render_phantom(PhantomSpec(size=64)), film, SyntheticPatient(patient_id="PHANTOM-1"),
        datetime(2026, 1, 1), study_number=1,
    )  # fmt: skip
    assert erase_patient(records, "PHANTOM-1", folders=(film.parent,)).files == (str(film),)
    assert not film.exists()


def test_an_event_can_be_taken_back(filled: Records) -> None:
    (event,) = read_timeline(filled, NAME).events
    with pytest.raises(RecordsError, match="no event"):
        remove_event(filled, NAME, "death", event.at)
    remove_event(filled, NAME, event.kind, event.at, actor="clerk")
    assert read_timeline(filled, NAME).events == ()
    entry = read_audit(filled, NAME)[-1]
    assert (entry.actor, entry.action, entry.details["detail"]) == (
        "clerk",
        "event removed",
        "ward 3",
    )


def test_an_export_replaces_no_file_of_somebody_else(place, record, tmp_path):
    from pneumoscore.records.writing import import_films

    target = tmp_path / "export.json"
    with Records.open(place) as records:
        import_films(records, [record("p")], source="test", actor="test")
        assert export_patient(records, "p", target) == 1
        assert export_patient(records, "p", target) == 1
        target.write_text("my own notes")
        with pytest.raises(OutputError):
            export_patient(records, "p", target)
    assert target.read_text() == "my own notes"
