"""Films in any order and any number of times, on both databases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, add_note
from pneumoscore.records.reading import (
    read_audit,
    read_models,
    read_timeline,
    scored_films,
)
from pneumoscore.records.types import EventRecord, FilmRecord, ScaleValue
from pneumoscore.records.writing import add_films, import_films
from pneumoscore.severity.score import ModelIdentity

MakeRecord = Callable[..., FilmRecord]


def test_what_goes_in_comes_out(records: Records, record: MakeRecord) -> None:
    given_film = record(flags=("lungs_cut_off", "rotated_90"), sex="F", file="/a/ö.dcm",
                        thumbnail=b"\xff\xd8picture")  # fmt: skip
    report = add_films(records, [given_film], source="test", actor="nurse")
    assert (report.films, report.scores, report.patients, report.conflicts) == (1, 2, 1, ())
    timeline = read_timeline(records, "p", pictures=True)
    (film,) = timeline.films
    assert (film.uid, film.study_uid, film.taken_at) == ("p.0", "s.p.0", given_film.taken_at)
    assert (film.view, film.file, film.flags) == ("AP", "/a/ö.dcm", given_film.flags)
    assert tuple(film.values.values()) == given_film.values
    assert film.thumbnail == b"\xff\xd8picture"
    assert (timeline.sex, timeline.calendar) == ("F", True)
    assert timeline.model is not None
    assert timeline.model.identity == given_film.model


def test_a_second_import_changes_nothing_and_is_told(records: Records, record: MakeRecord) -> None:
    films = [record(day=day) for day in range(3)]
    add_films(records, films, source="first", actor="a")
    before = read_timeline(records, "p")
    report = add_films(records, films, source="second", actor="b")
    assert (report.films, report.scores, report.known) == (0, 0, 6)
    assert read_timeline(records, "p") == before
    first, second = read_audit(records)
    assert (first.actor, first.action, first.details["films"]) == ("a", "import", 3)
    assert (second.actor, second.details["known"], second.details["films"]) == ("b", 6, 0)
    assert abs(second.at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


@given(order=st.permutations(range(6)), sizes=st.integers(1, 6))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_order_and_batches_do_not_matter(
    order: list[int], sizes: int, tmp_path: Path, record: MakeRecord
) -> None:
    films = [record(patient, day, extent=day) for patient in "ab" for day in range(3)]
    file = tmp_path / "order.db"
    with Records.open(file) as opened:
        import_films(opened, (films[place] for place in order), source="test", batch=sizes)
        for patient in "ab":
            found = read_timeline(opened, patient)
            assert [film.uid for film in found.films] == [f"{patient}.{day}" for day in range(3)]
            assert [film.values["opacity"].value for film in found.films] == [0.0, 0.5, 1.0]
    file.unlink()


def test_scores_of_a_newer_model_stand_beside_the_old(
    records: Records, record: MakeRecord, newer_model: ModelIdentity
) -> None:
    films = [record(day=day, extent=2.0) for day in range(2)]
    add_films(records, films, source="old")
    report = add_films(
        records, [replace(record(day=0, extent=5.0), model=newer_model)], source="new"
    )
    assert (report.films, report.scores, report.known) == (0, 2, 0)
    old, new = read_models(records)
    newest = read_timeline(records, "p")
    assert newest.model == new
    assert newest.other_models == (old,)
    assert [len(film.values) for film in newest.films] == [2, 0]  # never mixed
    before = read_timeline(records, "p", model_id=old.id)
    assert [film.values["geographic_extent"].value for film in before.films] == [2.0, 2.0]
    assert scored_films(records, ["p.0", "p.1", "p.2"], newer_model.sha256) == {"p.0"}
    with pytest.raises(RecordsError, match="no model 9"):
        read_timeline(records, "p", model_id=9)


def test_a_score_is_never_overwritten(records: Records, record: MakeRecord) -> None:
    add_films(records, [record(extent=2.0)], source="test")
    report = add_films(records, [record(extent=4.0)], source="test")
    assert len(report.conflicts) == 2
    assert "the first is kept" in report.conflicts[0]
    assert read_timeline(records, "p").films[0].values["geographic_extent"].value == 2.0
    assert "the first is kept" in str(read_audit(records)[-1].details["conflicts"])


@pytest.mark.parametrize("statement", [
    "UPDATE scores SET value = 0", "DELETE FROM scores", "DELETE FROM audit",
    "UPDATE audit SET actor = 'x'", "DELETE FROM notes",
])  # fmt: skip
def test_the_database_refuses_to_forget(
    records: Records, record: MakeRecord, statement: str
) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    add_films(records, [record()], source="test")
    add_note(records, "p", "a note")
    with pytest.raises(DBAPIError, match="append-only"), records.writing() as connection:
        connection.execute(text(statement))
    assert len(read_timeline(records, "p").notes) == 1


def test_a_film_that_comes_with_another_time_is_redated(
    records: Records, record: MakeRecord
) -> None:
    add_films(records, [record(day=0), record(day=1)], source="test")
    moved = replace(record(day=0), taken_at=record(day=5).taken_at)
    assert add_films(records, [moved], source="test").redated == 1
    assert [film.uid for film in read_timeline(records, "p").films] == ["p.1", "p.0"]
    entry = read_audit(records, "p")[-1]
    assert (entry.action, entry.details["from"]) == ("redate", record().taken_at.isoformat())


def test_what_contradicts_is_not_taken(records: Records, record: MakeRecord) -> None:
    add_films(records, [record("a", 0), record("b", 0)], source="test")
    bad = [
        replace(record("a", 0), patient="b"),  # a film under another patient
        record("b", 1, study_uid="s.a.0"),  # a study under two patients
        record("a", 2, calendar=False),  # days among dates
        record("a", 3, values=()),
        replace(record("a", 4), patient=" "),
        record("a", 5, values=(ScaleValue("opacity", math.nan, math.nan),)),
        record("a", 6, values=(ScaleValue("opacity", 6.5, 6.5),)),
        record("a", 7, taken_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    report = add_films(records, [*bad, record("a", 8)], source="test")
    assert len(report.conflicts) == len(bad)
    assert report.films == 1
    assert [film.uid for film in read_timeline(records, "a").films] == ["a.0", "a.8"]
    assert len(read_timeline(records, "b").films) == 1


def test_events_and_notes(records: Records, record: MakeRecord) -> None:
    add_films(records, [record()], source="test")
    event = EventRecord("p", "intubation", datetime(2026, 1, 2, 3), "tube 8.0")
    assert add_events(records, [event, event]) == 1
    assert add_events(records, [event]) == 0
    add_note(records, "p", "seen", film_uid="p.0", actor="dr")
    found = read_timeline(records, "p")
    assert found.events == (event,)
    assert [(note.author, note.text, note.film_uid) for note in found.notes] == [
        ("dr", "seen", "p.0")
    ]
    with pytest.raises(RecordsError, match="unknown"):
        add_events(records, [EventRecord("p", "lunch", datetime(2026, 1, 2))])
    with pytest.raises(RecordsError, match="no patient"):
        add_events(records, [replace(event, at=datetime(2026, 2, 1)), replace(event, patient="x")])
    assert len(read_timeline(records, "p").events) == 1  # all or none
    for arguments in ({"text": " "}, {"text": "t", "film_uid": "x"}):
        with pytest.raises(RecordsError):
            add_note(records, "p", **arguments)
