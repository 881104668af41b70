"""What the records already hold of the films of one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from pneumoscore.records.exposure import Exposure
from pneumoscore.records.rows import batched
from pneumoscore.records.schema import films, models, patients, scores, studies, thumbnails
from pneumoscore.records.types import FilmRecord
from pneumoscore.severity.score import ModelIdentity

__all__ = ["Known", "KnownFilm", "KnownPatient", "KnownStudy", "look_up", "version_of"]

_GROUP = 500


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """A study: its patient, and whether a person moved or dated it."""

    id: int
    patient_id: int
    moved: bool = False
    redated: bool = False


@dataclass(frozen=True, slots=True)
class KnownFilm:
    """A film: its study, its time, and what makes it this film."""

    id: int
    study_id: int
    taken_at: datetime
    uid: str = ""
    file: str | None = None
    view: str | None = None
    acquired_by: str | None = None
    file_sha256: str | None = None
    pixel_sha256: str | None = None
    duplicate_of: int | None = None

    @property
    def exposure(self) -> Exposure:
        """What tells it from other exposures of its patient."""
        return Exposure(
            self.taken_at, self.study_id, self.view, self.acquired_by, self.pixel_sha256
        )


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient: what a film may contradict."""

    id: int
    sex: str | None
    birth_date: date | None


@dataclass(slots=True)
class Known:
    """What is there, by the names that records use.

    Attributes
    ----------
    patients : dict of tuple of str to int
        Patient's id by number and issuer; of a merged patient, the id it was merged into.
    people : dict of tuple of str to KnownPatient
        What is recorded under number and issuer itself.
    issuers : dict of str to set of str
        Issuers by number.
    calendars : dict of int to bool
        By patient's id, whether its times are dates.
    studies : dict of str to KnownStudy
        By UID.
    studies_by_id : dict of int to KnownStudy
        Those and the studies of `films`.
    films : dict of str to KnownFilm
        By UID.
    films_by_time : dict of tuple to list of KnownFilm
        By patient's id and time.
    models : dict of str to int
        By hash.
    versions : dict of tuple of str to str
        Hash by name, version and reading.
    readings : dict of int to set of int
        By film's id, the ways in which it was read to be scored.
    scores : dict of tuple to float
        Value by film's id, model's id and scale.
    thumbnails : set of tuple
        Film's and model's ids.
    """

    patients: dict[tuple[str, str], int] = field(default_factory=dict)
    people: dict[tuple[str, str], KnownPatient] = field(default_factory=dict)
    issuers: dict[str, set[str]] = field(default_factory=dict)
    calendars: dict[int, bool] = field(default_factory=dict)
    studies: dict[str, KnownStudy] = field(default_factory=dict)
    studies_by_id: dict[int, KnownStudy] = field(default_factory=dict)
    films: dict[str, KnownFilm] = field(default_factory=dict)
    films_by_time: dict[tuple[int, datetime], list[KnownFilm]] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    versions: dict[tuple[str, str, int], str] = field(default_factory=dict)
    readings: dict[int, set[int]] = field(default_factory=dict)
    scores: dict[tuple[int, int, str], float] = field(default_factory=dict)
    thumbnails: set[tuple[int, int]] = field(default_factory=set)


def version_of(identity: ModelIdentity) -> tuple[str, str, int]:
    """Return what no two models may share: name, version, and how files are read."""
    return identity.name, identity.version, identity.reading


def look_up(connection: Connection, records: Sequence[FilmRecord]) -> Known:
    """Return what is there of the patients, studies, films and models that records name."""
    known = Known()
    for row in _rows(connection, patients.c.key, {item.patient for item in records}):
        who = (row.key, row.issuer)
        known.patients[who] = row.id if row.merged_into is None else row.merged_into
        known.people[who] = KnownPatient(row.id, row.sex, row.birth_date)
        known.issuers.setdefault(row.key, set()).add(row.issuer)
    for row in _rows(connection, films.c.uid, {item.film_uid for item in records}):
        known.films[row.uid] = _film(row)
    for row in _rows(connection, studies.c.uid, {item.study_uid for item in records}):
        known.studies[row.uid] = KnownStudy(row.id, row.patient_id, row.moved, row.redated)
    elsewhere = {film.study_id for film in known.films.values()}
    for row in _rows(connection, studies.c.id, elsewhere):
        known.studies_by_id[row.id] = KnownStudy(row.id, row.patient_id, row.moved, row.redated)
    known.studies_by_id.update((study.id, study) for study in known.studies.values())
    named = {study.patient_id for study in known.studies_by_id.values()}
    for row in _rows(connection, patients.c.id, named | set(known.patients.values())):
        known.calendars[row.id] = row.calendar
    readings = {}
    for row in connection.execute(select(models)):
        known.models[row.sha256] = row.id
        known.versions[row.name, row.version, row.reading] = row.sha256
        readings[row.id] = row.reading
    _look_up_times(connection, known, records)
    ids = {film.id for film in known.films.values()}
    for row in _rows(connection, scores.c.film_id, ids):
        known.scores[row.film_id, row.model_id, row.scale] = row.value
        known.readings.setdefault(row.film_id, set()).add(readings[row.model_id])
    for group in batched(sorted(ids), _GROUP):
        chosen = select(thumbnails.c.film_id, thumbnails.c.model_id)
        for row in connection.execute(chosen.where(thumbnails.c.film_id.in_(group))):
            known.thumbnails.add((row.film_id, row.model_id))
    return known


def _film(row: Any) -> KnownFilm:
    return KnownFilm(
        row.id,
        row.study_id,
        row.taken_at,
        row.uid,
        row.file,
        row.view,
        row.acquired_by,
        row.file_sha256,
        row.pixel_sha256,
        row.duplicate_of,
    )


def _look_up_times(connection: Connection, known: Known, records: Sequence[FilmRecord]) -> None:
    """Find the films that patients of these records have at the same times."""
    times = {item.taken_at for item in records}
    for group in batched(sorted(set(known.patients.values())), _GROUP):
        statement = select(films).where(films.c.patient_id.in_(group))
        if len(times) <= _GROUP:
            statement = statement.where(films.c.taken_at.in_(sorted(times)))
        for row in connection.execute(statement.order_by(films.c.id)):
            if row.taken_at in times:
                known.films_by_time.setdefault((row.patient_id, row.taken_at), []).append(
                    _film(row)
                )


def _rows(connection: Connection, column: Any, values: Iterable[Any]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for group in batched(sorted(values), _GROUP):
        found += connection.execute(select(column.table).where(column.in_(group)))
    return found
