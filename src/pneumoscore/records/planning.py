"""What a batch of films adds to the records, decided before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from pneumoscore.records.errors import ConflictError
from pneumoscore.records.exposure import Exposure
from pneumoscore.records.identity import contradiction
from pneumoscore.records.known import Known, KnownFilm, KnownPatient, KnownStudy, version_of
from pneumoscore.records.types import FilmRecord, ImportReport

__all__ = ["Plan", "Redate"]

_SAME_VALUE = 1e-3


class Redate:
    """A film whose time an import corrects."""

    __slots__ = ("film_id", "old", "patient_id", "record")

    def __init__(self, film_id: int, patient_id: int, old: datetime, record: FilmRecord) -> None:
        self.film_id = film_id
        self.patient_id = patient_id
        self.old = old
        self.record = record


class Plan:
    """Rows to add, films to re-date, and records that contradict what is known.

    Parameters
    ----------
    known : Known
        What is there; grows with the plan.
    next_ids : mapping of str to int
        Next free identifier by table. The caller holds the write lock, so that they stay free.
    """

    def __init__(self, known: Known, next_ids: Mapping[str, int]) -> None:
        self._known = known
        self._next = dict(next_ids)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.redates: list[Redate] = []
        self.hashes: list[tuple[int, FilmRecord]] = []
        self.conflicts: list[str] = []
        self.notices: list[str] = []
        self.touched: set[int] = set()
        self._unchanged = 0

    def take(self, record: FilmRecord) -> None:
        """Decide what one record adds."""
        try:
            self._check_model(record)
            film_id = self._film(record)
        except ConflictError as conflict:
            named = record.file or record.film_uid
            self.conflicts.append(f"{named}: {conflict}")
            return
        model_id = self._model(record)
        self._known.readings.setdefault(film_id, set()).add(record.model.reading)
        flags = " ".join(record.flags)
        for item in record.values:
            key = (film_id, model_id, item.scale)
            before = self._known.scores.get(key)
            if before is None:
                self._known.scores[key] = item.value
                self._add(
                    "scores", asdict(item) | {"film_id": film_id, "model_id": model_id},
                    flags=flags,
                )  # fmt: skip
                continue
            self._unchanged += 1
            if abs(before - item.value) > _SAME_VALUE:
                self.conflicts.append(
                    f"{record.film_uid}: {item.scale} {item.value:.3f} by the model that gave "
                    f"{before:.3f} before; the first is kept"
                )
        if record.thumbnail is not None and (film_id, model_id) not in self._known.thumbnails:
            self._known.thumbnails.add((film_id, model_id))
            self._add("thumbnails", film_id=film_id, model_id=model_id, jpeg=record.thumbnail)

    def report(self, problems: list[str]) -> ImportReport:
        """Return what the plan will have done, with `problems` among its conflicts."""
        return ImportReport(
            films=len(self.rows.get("films", ())),
            scores=len(self.rows.get("scores", ())),
            patients=len(self.rows.get("patients", ())),
            known=self._unchanged,
            redated=len(self.redates),
            conflicts=(*problems, *self.conflicts),
            twins=sum(row["duplicate_of"] is not None for row in self.rows.get("films", ())),
            notices=tuple(dict.fromkeys(self.notices)),
        )

    def _new_id(self, table: str) -> int:
        number = self._next[table]
        self._next[table] = number + 1
        return number

    def _add(self, table: str, given: dict[str, Any] | None = None, **cells: Any) -> None:
        self.rows.setdefault(table, []).append({**(given or {}), **cells})

    def _film(self, record: FilmRecord) -> int:
        film = self._known.films.get(record.film_uid)
        if film is None:
            return self._new_film(record)
        study = self._known.studies_by_id[film.study_id]
        self._check_same_film(record, film)
        self._check_patient(record, study, "the film is")
        self._check_person(record)
        if record.file_sha256 is not None and film.file_sha256 is None:
            self.hashes.append((film.id, record))
        if film.taken_at != record.taken_at and not study.redated:
            self._check_calendar(record, study.patient_id)
            self.redates.append(Redate(film.id, study.patient_id, film.taken_at, record))
            self.touched.add(study.patient_id)
            self._known.films[record.film_uid] = replace(film, taken_at=record.taken_at)
        return film.id

    def _new_film(self, record: FilmRecord) -> int:
        study = self._known.studies.get(record.study_uid)
        self._check_person(record)
        if study is None:
            study = self._new_study(record)
        else:
            self._check_patient(record, study, "its study is")
            self._check_calendar(record, study.patient_id)
        twin = self._twin(record, study)
        film = KnownFilm(
            self._new_id("films"),
            study.id,
            record.taken_at,
            record.film_uid,
            record.file,
            record.view,
            record.acquired_by,
            record.file_sha256,
            record.pixel_sha256,
            twin,
        )
        self._known.films[record.film_uid] = film
        place = (study.patient_id, record.taken_at)
        self._known.films_by_time.setdefault(place, []).append(film)
        self.touched.add(study.patient_id)
        self._add(
            "films",
            id=film.id,
            uid=record.film_uid,
            study_id=study.id,
            patient_id=study.patient_id,
            taken_at=record.taken_at,
            view=record.view,
            file=record.file,
            utc_offset=record.utc_offset_minutes,
            acquired_by=record.acquired_by,
            file_sha256=record.file_sha256,
            pixel_sha256=record.pixel_sha256,
            duplicate_of=twin,
        )
        return film.id

    def _twin(self, record: FilmRecord, study: KnownStudy) -> int | None:
        """Return the film that is the same exposure."""
        exposure = Exposure(
            record.taken_at, study.id, record.view, record.acquired_by, record.pixel_sha256
        )
        for film in self._known.films_by_time.get((study.patient_id, record.taken_at), ()):
            if exposure.is_that_of(film.exposure):
                return film.id if film.duplicate_of is None else film.duplicate_of
        return None

    def _new_study(self, record: FilmRecord) -> KnownStudy:
        who = (record.patient, record.issuer)
        patient_id = self._known.patients.get(who)
        if patient_id is None:
            patient_id = self._new_id("patients")
            self._known.patients[who] = patient_id
            self._known.people[who] = KnownPatient(patient_id, record.sex, record.birth_date)
            self._known.calendars[patient_id] = record.calendar
            self._note_other_issuers(record)
            self._add(
                "patients",
                id=patient_id,
                key=record.patient,
                issuer=record.issuer,
                sex=record.sex,
                birth_date=record.birth_date,
                calendar=record.calendar,
                merged_into=None,
            )
        self._check_calendar(record, patient_id)
        study = KnownStudy(self._new_id("studies"), patient_id)
        self._known.studies[record.study_uid] = study
        self._known.studies_by_id[study.id] = study
        self._add(
            "studies",
            id=study.id,
            uid=record.study_uid,
            patient_id=patient_id,
            moved=False,
            redated=False,
        )
        return study

    def _check_patient(self, record: FilmRecord, study: KnownStudy, what: str) -> None:
        who = (record.patient, record.issuer)
        if not study.moved and self._known.patients.get(who) != study.patient_id:
            raise ConflictError(
                f"{what} recorded under another patient than it names",
                "one patient for each study",
                "merge or split the patients",
            )

    def _check_person(self, record: FilmRecord) -> None:
        person = self._known.people.get((record.patient, record.issuer))
        problem = None
        if person is not None:
            problem = contradiction(person, record.sex, record.birth_date)
        if problem is not None:
            raise ConflictError(
                f"{problem}: two people under one number",
                "one person for each number and issuer",
                "correct the film's header, or give one of them another number",
            )

    def _note_other_issuers(self, record: FilmRecord) -> None:
        others = self._known.issuers.setdefault(record.patient, set())
        if others - {record.issuer}:
            names = ", ".join(sorted(item or "nobody named" for item in {*others, record.issuer}))
            self.notices.append(
                f"one number is given by several issuers ({names}): kept apart; "
                "`pneumoscore patient merge` joins them if they are one patient"
            )
        others.add(record.issuer)

    def _check_same_film(self, record: FilmRecord, film: KnownFilm) -> None:
        """Refuse another film under a known UID."""
        if record.file_sha256 is not None and record.file_sha256 == film.file_sha256:
            return
        hashed = record.pixel_sha256 is not None and film.pixel_sha256 is not None
        if hashed and self._read_alike(record, film.id):
            same = record.pixel_sha256 == film.pixel_sha256
        else:
            same = self._same_scores(record, film.id)
        if not same:
            raise ConflictError(
                f"its UID {record.film_uid} is that of another film, {film.file or 'not named'}",
                "one UID for each film",
                "find out which of the two files is wrong; the recorded film was left as it was",
            )

    def _read_alike(self, record: FilmRecord, film_id: int) -> bool:
        """Whether a film was only ever read as now: another way gives it other pixels."""
        return self._known.readings.get(film_id, set()) <= {record.model.reading}

    def _same_scores(self, record: FilmRecord, film_id: int) -> bool:
        """Say whether scores by the same model agree, where hashes are not known."""
        model_id = self._known.models.get(record.model.sha256)
        before = self._known.scores
        pairs = [(before.get((film_id, model_id or 0, item.scale)), item) for item in record.values]
        moved = record.taken_at != self._known.films[record.film_uid].taken_at
        return not moved or all(
            old is None or abs(old - item.value) <= _SAME_VALUE for old, item in pairs
        )

    def _check_calendar(self, record: FilmRecord, patient_id: int) -> None:
        calendar = self._known.calendars[patient_id]
        if calendar != record.calendar:
            words = ("date, this one by day", "day, this one by date")
            raise ConflictError(
                f"the patient's other films are known by {words[0] if calendar else words[1]}",
                "one way of counting time for each patient",
            )

    def _check_model(self, record: FilmRecord) -> None:
        identity = record.model
        other = self._known.versions.get(version_of(identity))
        if other is not None and other != identity.sha256:
            raise ConflictError(
                f"another model has the name {identity.name} and version {identity.version} "
                f"({other[:12]}, this one {identity.sha256[:12]})",
                "one name and version for each model",
                "give the newer model another version",
            )

    def _model(self, record: FilmRecord) -> int:
        identity = record.model
        number = self._known.models.get(identity.sha256)
        if number is None:
            number = self._known.models[identity.sha256] = self._new_id("models")
            self._known.versions[version_of(identity)] = identity.sha256
            self._add("models", asdict(identity), id=number)
        return number
