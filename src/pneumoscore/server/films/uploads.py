"""Uploads as the records hold them: whose, how far, what became of them, dropped in time."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.site_schema import reader_study_films, uploads
from pneumoscore.server.accounts import Account
from pneumoscore.server.clock import now
from pneumoscore.server.film_store import FilmStore

__all__ = [
    "NewFilm",
    "Upload",
    "UploadState",
    "count_waiting",
    "drop_upload",
    "expire_uploads",
    "find_upload",
    "finish_upload",
    "list_uploads",
    "record_uploads",
    "recover_store",
    "waiting_uploads",
]

_LOG = logging.getLogger(__name__)
_LONGEST_NAME = 200


class UploadState(StrEnum):
    """How far an upload is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded film.

    Attributes
    ----------
    id : str
        Random identifier; its name in the film store.
    account_id : str
        Whose it is.
    name : str
        File name that it came under.
    sha256 : str
        Of the file.
    state : UploadState
        How far it is.
    result : dict or None
        What `pneumoscore.server.films.work.film_work` gave.
    created_at, expires_at : datetime
        In UTC.
    """

    id: str
    account_id: str
    name: str
    sha256: str
    state: UploadState
    result: dict[str, Any] | None
    created_at: datetime
    expires_at: datetime


def _upload(row: Any) -> Upload:
    return Upload(
        row.id,
        row.account_id,
        row.name,
        row.sha256,
        UploadState(row.state),
        None if row.result is None else json.loads(row.result),
        row.created_at,
        row.expires_at,
    )


@dataclass(frozen=True, slots=True)
class NewFilm:
    """A film that lies whole in the store and is not recorded yet, or one that could not be had.

    Attributes
    ----------
    id, name, sha256 : str
        Its identifier in the store, what it is called, and the hash of its file.
    result : dict or None
        What is known already: why it could not be taken out of its archive.
    """

    id: str
    name: str
    sha256: str
    result: dict[str, Any] | None = None


def record_uploads(
    records: Records, keep: timedelta, account: Account, films: Sequence[NewFilm]
) -> tuple[Upload, ...]:
    """Record films, all or none, for the queue to find.

    Parameters
    ----------
    records : Records
        Open.
    keep : timedelta
        How long.
    account : Account
        Whose they are.
    films : sequence of NewFilm
        In the order in which they are shown.
    """
    at = now()
    rows = [
        {
            "id": film.id,
            "account_id": account.id,
            "name": film.name[-_LONGEST_NAME:],
            "sha256": film.sha256,
            "state": (UploadState.FAILED if film.result else UploadState.WAITING).value,
            "result": None if film.result is None else json.dumps(film.result),
            # Lists show the newest first.
            "created_at": at - timedelta(microseconds=place),
            "expires_at": at + keep,
        }
        for place, film in enumerate(films)
    ]
    with records.writing() as connection:
        if rows:
            connection.execute(insert(uploads), rows)
    return tuple(_upload(SimpleNamespace(**row)) for row in rows)


def recover_store(records: Records, store: FilmStore) -> None:
    """Put right what a killed server left: recorded films take their place, others are deleted."""
    begun = list(store.begun())
    with records.reading() as connection:
        known: set[str] = set()
        for table in (uploads, reader_study_films):
            theirs = select(table.c.id).where(table.c.id.in_(begun))
            known.update(map(str, connection.execute(theirs).scalars()))
    for number in begun:
        if number in known:
            store.keep(number)
        else:
            store.drop(number)
    store.drop_strays()


def waiting_uploads(
    records: Records,
    limit: int = 100,
    *,
    but: Collection[str] = (),
    but_of: Collection[str] = (),
) -> tuple[tuple[str, str], ...]:
    """Return films that wait, the oldest first: identifier and account of each.

    Parameters
    ----------
    records : Records
        Open.
    limit : int, optional
        Most films.
    but : collection of str, optional
        Films that do not count.
    but_of : collection of str, optional
        Accounts whose films do not count.
    """
    with records.reading() as connection:
        rows = connection.execute(
            select(uploads.c.id, uploads.c.account_id)
            .where(
                uploads.c.state == UploadState.WAITING.value,
                uploads.c.id.not_in(list(but)),
                uploads.c.account_id.not_in(list(but_of)),
            )
            .order_by(uploads.c.created_at, uploads.c.id)
            .limit(limit)
        )
        return tuple((row.id, row.account_id) for row in rows)


def count_waiting(records: Records) -> int:
    """Return how many films wait."""
    counted = select(func.count()).where(uploads.c.state == UploadState.WAITING.value)
    with records.reading() as connection:
        return int(connection.execute(counted).scalar_one())


def finish_upload(records: Records, number: str, result: dict[str, Any]) -> str:
    """Record what became of a film that waits, and return the hash of its file."""
    state = UploadState.DONE if "score" in result else UploadState.FAILED
    with records.writing() as connection:
        connection.execute(
            update(uploads)
            .where(uploads.c.id == number, uploads.c.state == UploadState.WAITING.value)
            .values(state=state.value, result=json.dumps(result, allow_nan=False))
        )
        mine = select(uploads.c.sha256).where(uploads.c.id == number)
        return str(connection.execute(mine).scalar() or "")


def find_upload(records: Records, number: str, account: Account) -> Upload | None:
    """Return an upload of this account; nobody sees another's."""
    with records.reading() as connection:
        row = connection.execute(
            select(uploads).where(uploads.c.id == number, uploads.c.account_id == account.id)
        ).first()
    return None if row is None else _upload(row)


def list_uploads(records: Records, account: Account, limit: int = 200) -> tuple[Upload, ...]:
    """Return an account's uploads, the newest first."""
    with records.reading() as connection:
        rows = connection.execute(
            select(uploads)
            .where(uploads.c.account_id == account.id)
            .order_by(uploads.c.created_at.desc(), uploads.c.id)
            .limit(limit)
        )
        return tuple(_upload(row) for row in rows)


def drop_upload(records: Records, store: FilmStore, number: str) -> None:
    """Delete an upload, its film and what was made of it.

    Raises
    ------
    OSError
        If the film cannot be deleted; it stays recorded.
    """
    store.drop(number)
    with records.writing() as connection:
        connection.execute(delete(uploads).where(uploads.c.id == number))


def expire_uploads(records: Records, store: FilmStore) -> int:
    """Delete the uploads whose time is over; returns how many.

    One whose film cannot be deleted is logged, and stays recorded for the next time.
    """
    with records.reading() as connection:
        over = select(uploads.c.id).where(uploads.c.expires_at < now())
        numbers = list(map(str, connection.execute(over).scalars()))
    gone: list[str] = []
    for number in numbers:
        try:
            store.drop(number)
        except OSError:
            _LOG.exception("an upload whose time is over could not be deleted")
        else:
            gone.append(number)
    if gone:
        with records.writing() as connection:
            connection.execute(delete(uploads).where(uploads.c.id.in_(gone)))
    return len(gone)
