"""What a reader study is, and where it is looked up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from pneumoscore.records.database import Records
from pneumoscore.records.site_schema import (
    accounts,
    reader_studies,
    reader_study_films,
    reader_study_readers,
)
from pneumoscore.server.accounts import Account, Role
from pneumoscore.server.reading.plan import StudyOptions

__all__ = [
    "ReaderStudy",
    "StudyFilm",
    "StudyReader",
    "StudyState",
    "films_of",
    "find_study",
    "list_studies",
    "readers_of",
    "study_films",
    "study_of",
    "study_readers",
]


class StudyState(StrEnum):
    """How far a study is."""

    DRAFT = "draft"
    OPEN = "open"
    LOCKED = "locked"
    UNBLINDED = "unblinded"


@dataclass(frozen=True, slots=True)
class ReaderStudy:
    """One study.

    Attributes
    ----------
    id, name : str
        Random identifier, and its name.
    owner_id : str
        Account that made it.
    state : StudyState
        How far it is.
    options : StudyOptions
        How it is read.
    """

    id: str
    name: str
    owner_id: str
    state: StudyState
    options: StudyOptions


@dataclass(frozen=True, slots=True)
class StudyFilm:
    """One film of a study.

    Attributes
    ----------
    id : str
        Random identifier, which is also its name in the film store.
    code : str
        What tables call it: ``F001``, in the order in which films were added.
    name : str
        File name that it came under.
    patient : str
        Patient identifier of its header; the file name where it states none.
    taken_at : datetime or None
        When it was acquired.
    sha256, pixels_sha256 : str
        Of the file, and of what was decoded from it.
    sop_instance_uid : str or None
        Of its header.
    example : bool
        Whether it is shown with the instructions and not read.
    model_scores : dict or None
        The sealed result of the model (``Score.as_dict`` or an error).
    film_digest : str or None
        Of the decoded pixels, as the records have it (``FilmRecord.pixel_sha256``).
    likeness : str or None
        What `pneumoscore.server.films.likeness.likeness` gives.
    """

    id: str
    code: str
    name: str
    patient: str
    taken_at: datetime | None
    sha256: str
    pixels_sha256: str
    sop_instance_uid: str | None
    example: bool
    model_scores: dict[str, Any] | None
    film_digest: str | None = None
    likeness: str | None = None


@dataclass(frozen=True, slots=True)
class StudyReader:
    """One reader of a study.

    Attributes
    ----------
    account_id, name : str
        Whose account.
    label : str
        What tables call him: ``reader-1``.
    done_at : datetime or None
        When he finished.
    """

    account_id: str
    name: str
    label: str
    done_at: datetime | None


def study_of(row: Any) -> ReaderStudy:
    """Return the study of a row."""
    options = StudyOptions.from_json(row.options)
    return ReaderStudy(row.id, row.name, row.owner_id, StudyState(row.state), options)


def find_study(records: Records, number: str) -> ReaderStudy | None:
    """Return a study by its identifier."""
    with records.reading() as connection:
        row = connection.execute(
            select(reader_studies).where(reader_studies.c.id == number)
        ).first()
    return None if row is None else study_of(row)


def list_studies(records: Records, account: Account) -> tuple[ReaderStudy, ...]:
    """Return the studies that an account owns or reads in; all for an administrator."""
    statement = select(reader_studies).order_by(reader_studies.c.created_at)
    if account.role is not Role.ADMINISTRATOR:
        mine = select(reader_study_readers.c.study_id).where(
            reader_study_readers.c.account_id == account.id
        )
        statement = statement.where(
            (reader_studies.c.owner_id == account.id) | reader_studies.c.id.in_(mine)
        )
    with records.reading() as connection:
        return tuple(study_of(row) for row in connection.execute(statement))


def study_films(records: Records, number: str) -> tuple[StudyFilm, ...]:
    """Return a study's films in the order in which they were added."""
    with records.reading() as connection:
        return films_of(connection, number)


def films_of(connection: Connection, number: str) -> tuple[StudyFilm, ...]:
    """Return a study's films within a transaction."""
    rows = connection.execute(
        select(reader_study_films)
        .where(reader_study_films.c.study_id == number)
        .order_by(reader_study_films.c.position)
    )
    return tuple(
        StudyFilm(
            row.id,
            f"F{row.position:03d}",
            row.name,
            row.patient,
            row.taken_at,
            row.sha256,
            row.pixels_sha256,
            row.sop_instance_uid,
            row.example,
            None if row.model_scores is None else json.loads(row.model_scores),
            row.film_digest,
            row.likeness,
        )
        for row in rows
    )


def study_readers(records: Records, number: str) -> tuple[StudyReader, ...]:
    """Return who reads a study."""
    with records.reading() as connection:
        return readers_of(connection, number)


def readers_of(connection: Connection, number: str) -> tuple[StudyReader, ...]:
    """Return a study's readers within a transaction."""
    rows = connection.execute(
        select(reader_study_readers, accounts.c.name)
        .join(accounts, accounts.c.id == reader_study_readers.c.account_id)
        .where(reader_study_readers.c.study_id == number)
        .order_by(reader_study_readers.c.label)
    )
    return tuple(StudyReader(row.account_id, row.name, row.label, row.done_at) for row in rows)
