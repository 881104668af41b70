"""The steps of a reader study: made, filled, opened, locked, unblinded.

``draft`` → ``open`` → ``locked`` → ``unblinded``. Films, readers and options change in the draft
only; nobody sees a reader's scores before the lock, nor the model's before the unblinding, which is
an act of its own in the audit.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection, delete, func, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import (
    reader_items,
    reader_studies,
    reader_study_films,
    reader_study_readers,
)
from pneumoscore.server.accounts import Account, Role
from pneumoscore.server.clock import now
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.plan import StudyOptions, reading_order
from pneumoscore.server.reading.study import (
    ReaderStudy,
    StudyFilm,
    StudyState,
    films_of,
    readers_of,
    study_of,
)

__all__ = [
    "add_film",
    "create_study",
    "drop_film",
    "lock_study",
    "open_study",
    "set_options",
    "set_readers",
    "unblind_study",
]


def _require(connection: Connection, number: str, *states: StudyState) -> ReaderStudy:
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
        _require(connection, number, StudyState.DRAFT)
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
        _require(connection, number, StudyState.DRAFT)
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


def drop_film(records: Records, number: str, film: str, *, actor: str) -> None:
    """Take a film out of a draft.

    Raises
    ------
    ReadingError
        If the study is no draft.
    """
    with records.writing() as connection:
        _require(connection, number, StudyState.DRAFT)
        connection.execute(
            delete(reader_study_films).where(
                reader_study_films.c.study_id == number, reader_study_films.c.id == film
            )
        )
        add_audit(connection, actor, "study_film_dropped", {"study": number, "film": film})


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
        _require(connection, number, StudyState.DRAFT)
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


def _pairs(films: Sequence[StudyFilm]) -> list[tuple[str, str]]:
    """Return consecutive dated films of each patient, earlier first."""
    dated = [film for film in films if film.taken_at is not None]
    dated.sort(key=lambda film: (film.patient, film.taken_at or datetime.min))
    return [
        (first.id, second.id)
        for first, second in pairwise(dated)
        if first.patient == second.patient
    ]


def open_study(records: Records, number: str, *, actor: str) -> None:
    """Draw each reader's order and let reading begin; nothing can be changed after it.

    Raises
    ------
    ReadingError
        If there are no films or no readers, or the repeats do not fit.
    """
    with records.writing() as connection:
        study = _require(connection, number, StudyState.DRAFT)
        films = [film for film in films_of(connection, number) if not film.example]
        readers = readers_of(connection, number)
        if not films or not readers:
            raise ReadingError(
                f"the study has {len(films)} films and {len(readers)} readers", "one of each"
            )
        pairs = _pairs(films)
        for reader in readers:
            order = reading_order([film.id for film in films], pairs, study.options, reader.label)
            rows = [
                {
                    "id": secrets.token_hex(8),
                    "study_id": number,
                    "account_id": reader.account_id,
                    "position": position,
                    "film_id": item.film,
                    "other_film_id": item.other,
                    "repeat": item.repeat,
                }
                for position, item in enumerate(order)
            ]
            connection.execute(insert(reader_items), rows)
        _move_to(connection, number, StudyState.OPEN, "opened_at")
        add_audit(
            connection,
            actor,
            "study_opened",
            {"study": number, "films": len(films), "readers": len(readers), "pairs": len(pairs)},
        )


def _move_to(connection: Connection, number: str, state: StudyState, column: str) -> None:
    connection.execute(
        update(reader_studies)
        .where(reader_studies.c.id == number)
        .values({"state": state.value, column: now()})
    )


def lock_study(records: Records, number: str, *, actor: str, reason: str = "") -> None:
    """End the reading for good; the readers' scores can then be seen.

    Parameters
    ----------
    records : Records
        Open.
    number : str
        The study.
    actor : str
        Who, for the audit.
    reason : str, optional
        Why it is locked although a reader has not finished; needed only then.

    Raises
    ------
    ReadingError
        If it is not open, or a reader has not finished and no reason is given.
    """
    with records.writing() as connection:
        _require(connection, number, StudyState.OPEN)
        waiting = [item.name for item in readers_of(connection, number) if item.done_at is None]
        if waiting and not reason.strip():
            raise ReadingError(
                f"{', '.join(waiting)} has not finished",
                "all readers done",
                "wait, or give a reason to lock the study all the same",
            )
        _move_to(connection, number, StudyState.LOCKED, "locked_at")
        details = {"study": number, "unfinished": waiting, "reason": reason.strip()}
        add_audit(connection, actor, "study_locked", details)


def unblind_study(records: Records, number: str, *, actor: str) -> None:
    """Let the model's scores of a locked study be seen; written into the audit.

    Raises
    ------
    ReadingError
        If the study is not locked.
    """
    with records.writing() as connection:
        _require(connection, number, StudyState.LOCKED)
        _move_to(connection, number, StudyState.UNBLINDED, "unblinded_at")
        add_audit(connection, actor, "study_unblinded", {"study": number})
