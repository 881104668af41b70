"""Who a patient is and which film a film is: exact, and contradictions are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pneumoscore.records.backup import backup, restore
from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, change_event, remove_event
from pneumoscore.records.everyone import read_all_series
from pneumoscore.records.identity import number_problem
from pneumoscore.records.lock import locked
from pneumoscore.records.lookup import list_patients
from pneumoscore.records.reading import (
    check_model,
    files_to_rescore,
    known_files,
    read_models,
    read_timeline,
)
from pneumoscore.records.types import EventRecord, FilmRecord
from pneumoscore.records.writing import add_films
from pneumoscore.severity.score import ModelIdentity

MakeRecord = Callable[..., FilmRecord]


def test_one_number_of_two_issuers_is_two_patients(records: Records, record: MakeRecord) -> None:
    first = record("12345", 0, issuer="ST-MARY", film_uid="a", study_uid="sa")
    second = record("12345", 1, issuer="CITY", film_uid="b", study_uid="sb")
    assert add_films(records, [first], source="test").notices == ()
    report = add_films(records, [second], source="test")
    assert (report.patients, report.conflicts) == (1, ())
    assert "several issuers (CITY, ST-MARY)" in report.notices[0]
    with pytest.raises(RecordsError, match=r"12345\^\^\^ST-MARY, 12345\^\^\^CITY"):
        read_timeline(records, "12345")
    assert [film.uid for film in read_timeline(records, "12345^^^CITY").films] == ["b"]
    # A number without issuer is a third name, and the whole of it.
    add_films(records, [record("12345", 2, film_uid="c", study_uid="sc")], source="test")
    assert [film.uid for film in read_timeline(records, "12345").films] == ["c"]


def test_who_is_written_like_another_is_found_by_the_row(
    records: Records, record: MakeRecord
) -> None:
    whole = "12345^^^ST-MARY"
    films = [
        record("12345", 0, issuer="ST-MARY", film_uid="a"),
        record(whole, 1, film_uid="b"),
    ]
    add_films(records, films, source="test")
    rows = {entry.issuer: entry.id for entry in list_patients(records)}
    assert [film.uid for film in read_timeline(records, rows["ST-MARY"]).films] == ["a"]
    assert [film.uid for film in read_timeline(records, rows[""]).films] == ["b"]
    at = films[0].taken_at
    add_events(records, [EventRecord(rows["ST-MARY"], "admission", at)])
    assert read_timeline(records, rows[""]).events == ()
    change_event(records, "admission", at, EventRecord(rows["ST-MARY"], "intubation", at))
    (event,) = read_timeline(records, rows["ST-MARY"]).events
    assert (event.patient, event.kind) == (whole, "intubation")
    with pytest.raises(RecordsError, match="no event"):
        remove_event(records, rows[""], "intubation", at)
    remove_event(records, rows["ST-MARY"], "intubation", at)
    assert read_timeline(records, rows["ST-MARY"]).events == ()
    with pytest.raises(RecordsError, match="two patients are written so"):
        read_timeline(records, whole)
    with pytest.raises(RecordsError, match="no patient"):
        read_timeline(records, 99)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ({"sex": "F"}, {"sex": "M"}, "sex M, the recorded one F"),
        ({"birth_date": date(1950, 1, 1)}, {"birth_date": date(1988, 7, 7)}, "another birth date"),
        ({"sex": "F"}, {"sex": "O"}, None),
        ({"sex": "F"}, {"sex": None}, None),
        ({"birth_date": None}, {"birth_date": date(1988, 7, 7)}, None),
    ],
)
def test_contradictions_are_refused_and_told(
    records: Records, record: MakeRecord, old: dict, new: dict, word: str | None
) -> None:
    add_films(records, [record(day=0, **old)], source="test")
    report = add_films(records, [record(day=1, file="/a/2.dcm", **new)], source="test")
    if word is None:
        assert (report.films, report.conflicts) == (1, ())
    else:
        assert report.films == 0
        assert word in report.conflicts[0]
        assert report.conflicts[0].startswith("/a/2.dcm: ")
        assert len(read_timeline(records, "p").films) == 1


@pytest.mark.parametrize(
    "number", ["0", "0000", "UNKNOWN", "unk", "N/A", "Anonymous", "XXX", "9999"]
)
def test_stand_ins_name_no_patient(number: str) -> None:
    assert "any patient" in str(number_problem(number))


@pytest.mark.parametrize("number", ["10", "$$", "患者7", "0001", "p", "Unknownson", " 7"])
def test_real_numbers_pass(number: str) -> None:
    assert number_problem(number) is None


def test_stand_ins_are_not_recorded(records: Records, record: MakeRecord) -> None:
    report = add_films(records, [record("0"), record("ok")], source="test")
    assert report.films == 1
    assert "stands for any patient" in report.conflicts[0]


def test_another_film_under_a_known_uid_is_refused(records: Records, record: MakeRecord) -> None:
    first = record(day=0, file="/a/1.dcm", file_sha256="f1", pixel_sha256="p1")
    other = record(
        day=4, extent=7.0, film_uid=first.film_uid, study_uid="other", file="/a/2.dcm",
        file_sha256="f2", pixel_sha256="p2",
    )  # fmt: skip
    add_films(records, [first], source="test")
    for batch in ([other], [replace(other, taken_at=first.taken_at)]):
        report = add_films(records, batch, source="test")
        assert (report.films, report.redated) == (0, 0)
        assert "/a/2.dcm" in report.conflicts[0]
        assert "/a/1.dcm" in report.conflicts[0]
    (film,) = read_timeline(records, "p").films
    assert film.taken_at == first.taken_at
    # The same pixels under another header are the same film.
    again = replace(first, file_sha256="f3", taken_at=first.taken_at + timedelta(hours=1))
    assert add_films(records, [again], source="test").redated == 1


def test_pixels_are_compared_only_where_films_were_read_alike(
    records: Records, record: MakeRecord
) -> None:
    first = replace(record(day=0), file_sha256="f1", pixel_sha256="p1")
    assert add_films(records, [first], source="test").conflicts == ()
    newer = replace(first.model, sha256="e" * 64, reading=first.model.reading + 1)
    # Another way of reading gives the same film, sent again under another header, other pixels.
    again = replace(first, file_sha256="f2", pixel_sha256="p2", model=newer)
    for _ in range(2):
        assert add_films(records, [again], source="test").conflicts == ()
    other = replace(first, file_sha256="f3", pixel_sha256="p3", film_uid="q", study_uid="s.q")
    assert add_films(records, [other], source="test").conflicts == ()
    another = replace(other, file_sha256="f4", pixel_sha256="p4")
    assert "another film" in add_films(records, [another], source="test").conflicts[0]


def test_films_of_before_the_hashes_are_told_by_their_scores(
    records: Records, record: MakeRecord
) -> None:
    add_films(records, [record(day=0)], source="test")
    other = record(day=3, extent=7.0, film_uid="p.0", study_uid="s.p.0")
    assert "another film" in add_films(records, [other], source="test").conflicts[0]
    same = replace(record(day=0), file_sha256="f1", pixel_sha256="p1")
    assert add_films(records, [same], source="test").conflicts == ()
    assert known_files(records, ["f1", "f2"], same.model.sha256) == {"f1"}


def test_one_exposure_under_two_uids_counts_once(records: Records, record: MakeRecord) -> None:
    shot = record(day=0, pixel_sha256="same", acquired_by="acquisition")
    copy = replace(shot, film_uid="copy", study_uid="elsewhere")
    raw = replace(shot, film_uid="raw", pixel_sha256="raw")
    lateral = replace(shot, film_uid="other view", view="LL", pixel_sha256="lateral")
    later = replace(shot, film_uid="later", taken_at=shot.taken_at + timedelta(minutes=2))
    unclear = replace(raw, film_uid="by study", acquired_by="study", pixel_sha256="third")
    report = add_films(records, [shot, copy, raw, lateral, later, unclear], source="test")
    assert (report.films, report.twins) == (6, 2)
    films = read_timeline(records, "p").films
    assert [film.uid for film in films] == ["p.0", "other view", "by study", "later"]
    assert films[0].twins == ("copy", "raw")
    # Known again in a later import, too.
    fourth = replace(shot, film_uid="fourth")
    assert add_films(records, [fourth], source="test").twins == 1


def test_impossible_dates_are_refused(records: Records, record: MakeRecord) -> None:
    late = datetime.now() + timedelta(days=3)
    bad = [record(day=1, taken_at=at) for at in (datetime(1, 1, 1), datetime(9999, 1, 1), late)]
    report = add_films(records, [*bad, record(day=2, taken_at=datetime.now())], source="test")
    assert report.films == 1
    assert ["expected a day from 1900" in words for words in report.conflicts] == [True] * 3


def test_films_are_ordered_by_the_instant(records: Records, record: MakeRecord) -> None:
    at = datetime(2026, 3, 1, 12)
    east = record(day=0, taken_at=at, utc_offset_minutes=540)
    west = record(day=1, taken_at=at - timedelta(hours=2), utc_offset_minutes=-300)
    add_films(records, [west, east], source="test")
    found = read_timeline(records, "p")
    assert [film.utc_offset_minutes for film in found.films] == [540, -300]
    assert [time.hour for time in found.clock] == [3, 15]
    with records.reading() as connection:
        (series,) = read_all_series(connection, 1, ("opacity",))["opacity"]
    assert [point.clock for point in series.points] == list(found.clock)
    assert [point.at for point in series.points] == [film.taken_at for film in found.films]


@pytest.mark.parametrize("scored", [True, False])
def test_films_of_which_some_state_no_offset_keep_local_order(
    records: Records, record: MakeRecord, newer_model: ModelIdentity, scored: bool
) -> None:
    at = datetime(2026, 3, 1)
    hours = {"8": (8.0, -300), "11": (11.0, None), "12": (12.5, -480)}
    films = [
        record(day=0, taken_at=at + timedelta(hours=hour), utc_offset_minutes=offset,
               film_uid=uid, study_uid=uid)
        for uid, (hour, offset) in hours.items()
    ]  # fmt: skip
    if not scored:
        # Another model's film decides too: the ward orders as the patient's page does.
        films[1] = replace(films[1], model=newer_model)
    add_films(records, films, source="test")
    found = read_timeline(records, "p", model_id=1)
    assert [film.uid for film in found.films] == ["8", "11", "12"]
    assert list(found.clock) == [film.taken_at for film in found.films]
    with records.reading() as connection:
        (series,) = read_all_series(connection, 1, ("opacity",))["opacity"]
    assert [point.clock for point in series.points] == [
        film.taken_at for film in found.films if film.values
    ]


def test_two_models_never_share_name_and_version(records: Records, record: MakeRecord) -> None:
    add_films(records, [record(day=0)], source="test")
    twin = ModelIdentity("tiny", "1", "backbone 1", "c" * 64)
    with pytest.raises(RecordsError, match="another model tiny 1"):
        check_model(records, twin)
    report = add_films(records, [record(day=1, model=twin)], source="test")
    assert report.scores == 0
    assert "another model has the name tiny and version 1" in report.conflicts[0]


def test_a_model_that_reads_films_in_another_way_is_scored_apart(
    records: Records, record: MakeRecord
) -> None:
    old = record(day=0, file="/a/0.dcm")
    add_films(records, [old], source="test")
    same = replace(old.model, sha256="c" * 64, reading=old.model.reading + 1)
    check_model(records, same)
    assert files_to_rescore(records, same.sha256) == ["/a/0.dcm"]
    again = record(day=0, file="/a/0.dcm", extent=5.0, model=same)
    report = add_films(records, [again], source="test")
    assert report.conflicts == ()
    assert report.scores == len(again.values)
    assert files_to_rescore(records, same.sha256) == []
    assert [item.identity for item in read_models(records)] == [old.model, same]
    # Never two readings in one series.
    assert len(read_timeline(records, "p").other_models) == 1


def test_films_of_an_older_model_are_named_not_lost(
    records: Records, record: MakeRecord, newer_model: ModelIdentity
) -> None:
    add_films(records, [record(day=day, file=f"/a/{day}.dcm") for day in (0, 1)], source="old")
    add_films(records, [record(day=1, extent=5.0, model=newer_model)], source="new")
    timeline = read_timeline(records, "p")
    assert [film.uid for film in timeline.not_comparable] == ["p.0"]
    assert files_to_rescore(records, newer_model.sha256) == ["/a/0.dcm"]
    assert files_to_rescore(records, newer_model.sha256, "p") == ["/a/0.dcm"]


def test_restore_waits_for_writers_and_writers_follow(tmp_path: Path, record: MakeRecord) -> None:
    place, copy = tmp_path / "records.db", tmp_path / "b.db"
    with Records.open(place) as records:
        add_films(records, [record(day=0)], source="test")
        backup(records, copy)
        add_films(records, [record(day=1)], source="test")
        began = threading.Event()

        def replace_them() -> None:
            began.set()
            restore(copy, place, replace=True)

        with records.writing():
            thread = threading.Thread(target=replace_them)
            thread.start()
            began.wait()
            time.sleep(0.5)
            assert len(list(tmp_path.glob("*.replaced"))) == 0  # it waits
        thread.join(timeout=60)
        # The object was opened on the old file, and writes into the new one.
        add_films(records, [record(day=2)], source="test")
        assert [film.uid for film in read_timeline(records, "p").films] == ["p.0", "p.2"]
    with Records.open(place) as records:
        assert [film.uid for film in read_timeline(records, "p").films] == ["p.0", "p.2"]


def test_a_lock_that_is_held_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r.db"
    with (
        locked(file, shared=False),
        pytest.raises(RecordsError, match="locked by another"),
        locked(file, shared=True, patience=0.1),
    ):
        pass
