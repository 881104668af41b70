"""A reader study as a draft: made, its films, readers and options chosen."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import (
    reader_studies,
    reader_study_films,
    reader_study_readers,
)
from pneumoscore.server.accounts import Account, Role
from pneumoscore.server.clock import now
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.study import (
    ReaderStudy,
    StudyFilm,
    StudyState,
    study_of,
)

__all__ = [
    "add_film",
    "create_study",
    "drop_film",
    "require_state",
    "set_options",
    "set_readers",
]


def require_state(connection: Connection, number: str, *states: StudyState) -> ReaderStudy:
    """Return a study within a transaction.

    Raises
    ------
    ReadingError
        If there is none, or it is in another state than these.
    """
    row = connection.execute(select(reader_studies).where(reader_studies.c.id == number)).first()
    if row is None:
        raise ReadingError("there is no such study", "a study of this site")
    study = study_of(row)
    if study.state not in states:
        raise ReadingError(
            f"the study {study.name!r} is {study.state}", " or ".join(states) + " for this step"
        )
    return study


def create_study(records: Records, owner: Account, name: str, options: StudyOptions) -> str:
    """Make a draft and return its identifier.

    Raises
    ------
    ReadingError
        If the account may not, or the name is empty or taken.
    """
    if not owner.role.includes(Role.OWNER):
        raise ReadingError(f"{owner.name!r} is a {owner.role}", "an owner of studies")
    if not name.strip() or len(name) > 120 or not name.isprintable():
        raise ReadingError("the study's name is empty or unfit", "1 to 120 printable characters")
    row = {
        "id": secrets.token_hex(8),
        "name": name.strip(),
        "owner_id": owner.id,
        "state": StudyState.DRAFT.value,
        "options": options.as_json(),
        "created_at": now(),
        "opened_at": None,
        "locked_at": None,
        "unblinded_at": None,
    }
    with records.writing() as connection:
        same = select(reader_studies.c.id).where(reader_studies.c.name == row["name"])
        if connection.execute(same).first() is not None:
            raise ReadingError(f"there is a study {name!r} already", "another name")
        connection.execute(insert(reader_studies), row)
        add_audit(connection, owner.name, "study_created", {"study": row["id"]})
    return str(row["id"])


def set_options(records: Records, number: str, options: StudyOptions, *, actor: str) -> None:
    """Change how a draft will be read.

    Raises
    ------
    ReadingError
        If it is no draft any more.
    """
    with records.writing() as connection:
        require_state(connection, number, StudyState.DRAFT)
        connection.execute(
            update(reader_studies)
            .where(reader_studies.c.id == number)
            .values(options=options.as_json())
        )
        add_audit(connection, actor, "study_changed", {"study": number})


def add_film(records: Records, number: str, film: StudyFilm, *, actor: str) -> None:
    """Add a film to a draft; its code is given here.

    Raises
    ------
    ReadingError
        If the study is no draft, or holds these pixels already.
    """
    with records.writing() as connection:
        require_state(connection, number, StudyState.DRAFT)
        theirs = reader_study_films.c.study_id == number
        same = select(reader_study_films.c.name).where(
            theirs, reader_study_films.c.pixels_sha256 == film.pixels_sha256
        )
        if (twice := connection.execute(same).first()) is not None:
            raise ReadingError(
                f"{film.name} shows the same pixels as {twice.name}, which is in the study already"
            )
        counted = select(func.coalesce(func.max(reader_study_films.c.position), 0)).where(theirs)
        last = int(connection.execute(counted).scalar_one())
        connection.execute(
            insert(reader_study_films),
            {
                "id": film.id,
                "study_id": number,
                "position": last + 1,
                "name": film.name,
                "patient": film.patient,
                "taken_at": film.taken_at,
                "sha256": film.sha256,
                "pixels_sha256": film.pixels_sha256,
                "sop_instance_uid": film.sop_instance_uid,
                "example": film.example,
                "model_scores": None
                if film.model_scores is None
                else json.dumps(film.model_scores, allow_nan=False),
                "film_digest": film.film_digest,
                "likeness": film.likeness,
            },
        )
        add_audit(connection, actor, "study_film_added", {"study": number, "film": film.id})


def drop_film(records: Records, store: FilmStore, number: str, film: str, *, actor: str) -> None:
    """Take a film out of a draft, and delete it.

    Raises
    ------
    ReadingError
        If the study is no draft.
    OSError
        If the film cannot be deleted; it stays in the draft.
    """
    with records.writing() as connection:
        require_state(connection, number, StudyState.DRAFT)
        connection.execute(
            delete(reader_study_films).where(
                reader_study_films.c.study_id == number, reader_study_films.c.id == film
            )
        )
        add_audit(connection, actor, "study_film_dropped", {"study": number, "film": film})
        # Within the transaction, as nobody opens the study meanwhile.
        store.drop(film)


def set_readers(records: Records, number: str, readers: Sequence[Account], *, actor: str) -> None:
    """Say who reads a draft.

    Raises
    ------
    ReadingError
        If the study is no draft, or an account may not read.
    """
    for reader in readers:
        if not reader.role.includes(Role.READER) or reader.disabled:
            raise ReadingError(f"{reader.name!r} may not read", "an account of role reader")
    with records.writing() as connection:
        require_state(connection, number, StudyState.DRAFT)
        theirs = reader_study_readers.c.study_id == number
        connection.execute(delete(reader_study_readers).where(theirs))
        for index, reader in enumerate(readers, start=1):
            connection.execute(
                insert(reader_study_readers),
                {
                    "study_id": number,
                    "account_id": reader.id,
                    "label": f"reader-{index}",
                    "done_at": None,
                },
            )
        names = [reader.name for reader in readers]
        add_audit(connection, actor, "study_readers", {"study": number, "readers": names})
