"""What a batch of films adds to the records, decided before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pneumoscore.records.errors import ConflictError
from pneumoscore.records.known import Known, KnownFilm, KnownStudy
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
        self.conflicts: list[str] = []
        self.touched: set[int] = set()
        self._unchanged = 0

    def take(self, record: FilmRecord) -> None:
        """Decide what one record adds."""
        try:
            film_id = self._film(record)
        except ConflictError as conflict:
            self.conflicts.append(f"{record.film_uid}: {conflict}")
            return
        model_id = self._model(record)
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
        self._check_patient(record, study, "the film is")
        if film.taken_at != record.taken_at and not study.redated:
            self._check_calendar(record, study.patient_id)
            self.redates.append(Redate(film.id, study.patient_id, film.taken_at, record))
            self.touched.add(study.patient_id)
            self._known.films[record.film_uid] = KnownFilm(film.id, film.study_id, record.taken_at)
        return film.id

    def _new_film(self, record: FilmRecord) -> int:
        study = self._known.studies.get(record.study_uid)
        if study is None:
            study = self._new_study(record)
        else:
            self._check_patient(record, study, "its study is")
            self._check_calendar(record, study.patient_id)
        film = KnownFilm(self._new_id("films"), study.id, record.taken_at)
        self._known.films[record.film_uid] = film
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
        )
        return film.id

    def _new_study(self, record: FilmRecord) -> KnownStudy:
        patient_id = self._known.patients.get(record.patient)
        if patient_id is None:
            patient_id = self._new_id("patients")
            self._known.patients[record.patient] = patient_id
            self._known.calendars[patient_id] = record.calendar
            self._add(
                "patients",
                id=patient_id,
                key=record.patient,
                sex=record.sex,
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
        if not study.moved and self._known.patients.get(record.patient) != study.patient_id:
            raise ConflictError(
                f"{what} recorded under another patient than it names",
                "one patient for each study",
                "merge or split the patients",
            )

    def _check_calendar(self, record: FilmRecord, patient_id: int) -> None:
        calendar = self._known.calendars[patient_id]
        if calendar != record.calendar:
            words = ("date, this one by day", "day, this one by date")
            raise ConflictError(
                f"the patient's other films are known by {words[0] if calendar else words[1]}",
                "one way of counting time for each patient",
            )

    def _model(self, record: FilmRecord) -> int:
        identity = record.model
        number = self._known.models.get(identity.sha256)
        if number is None:
            number = self._known.models[identity.sha256] = self._new_id("models")
            self._add("models", asdict(identity), id=number)
        return number
