"""Uploads: counted as they stream, on the disk before they are acknowledged, dropped in time."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from pneumoscore.errors import PneumoScoreError
from pneumoscore.records.database import Records
from pneumoscore.records.site_schema import uploads
from pneumoscore.server.accounts import Account
from pneumoscore.server.clock import now
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.options import ServerOptions

__all__ = [
    "TooLargeError",
    "Upload",
    "UploadState",
    "derived",
    "drop_upload",
    "expire_uploads",
    "find_upload",
    "finish_upload",
    "list_uploads",
    "receive_film",
    "record_upload",
    "waiting_uploads",
]

_ROOM = 256 * 2**20
"""Bytes of the disk that uploads leave free."""


class TooLargeError(PneumoScoreError):
    """An upload over its bound, or a disk without room for it."""


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


async def receive_film(
    store: FilmStore, stream: AsyncIterator[bytes], options: ServerOptions, declared: int | None
) -> tuple[str, str]:
    """Write a film as it streams in, and return its identifier and SHA-256.

    When this returns, the film is whole and on the disk; when it raises, nothing of it is.

    Parameters
    ----------
    store : FilmStore
        Where to.
    stream : async iterator of bytes
        The body.
    options : ServerOptions
        With the bounds.
    declared : int or None
        Content-Length, if the sender gave one.

    Raises
    ------
    TooLargeError
        If it is larger than allowed or the disk has no room.
    """
    if declared is not None and declared > options.upload_bytes:
        raise TooLargeError(f"a film of {declared} bytes", f"at most {options.upload_bytes}")
    number, digest, count = secrets.token_hex(16), hashlib.sha256(), 0
    part = store.writing(number)
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            async for chunk in stream:
                count += len(chunk)
                if count > options.upload_bytes:
                    raise TooLargeError("a larger film", f"at most {options.upload_bytes} bytes")
                if store.free_bytes() < _ROOM:
                    raise TooLargeError("the disk is full", remedy="try again later")
                digest.update(chunk)
                file.write(chunk)
        if count == 0:
            raise PneumoScoreError("an empty film", "the bytes of a file")
        store.keep(number)
    except BaseException:
        store.drop(number)
        raise
    return number, digest.hexdigest()


def record_upload(
    records: Records,
    options: ServerOptions,
    account: Account,
    film: tuple[str, str],
    name: str,
) -> Upload:
    """Record a film that lies in the store, for the queue to find."""
    at = now()
    row = {
        "id": film[0],
        "account_id": account.id,
        "name": name[-200:],
        "sha256": film[1],
        "state": UploadState.WAITING.value,
        "result": None,
        "created_at": at,
        "expires_at": at + options.keep,
    }
    with records.writing() as connection:
        connection.execute(insert(uploads), row)
    return Upload(
        film[0], account.id, name[-200:], film[1], UploadState.WAITING, None, at, at + options.keep
    )


def waiting_uploads(records: Records, limit: int = 100) -> tuple[str, ...]:
    """Return the identifiers of films that wait, the oldest first."""
    with records.reading() as connection:
        rows = connection.execute(
            select(uploads.c.id)
            .where(uploads.c.state == UploadState.WAITING.value)
            .order_by(uploads.c.created_at, uploads.c.id)
            .limit(limit)
        )
        return tuple(rows.scalars())


def finish_upload(records: Records, number: str, result: dict[str, Any]) -> None:
    """Record what became of a film."""
    state = UploadState.DONE if "score" in result else UploadState.FAILED
    with records.writing() as connection:
        connection.execute(
            update(uploads)
            .where(uploads.c.id == number)
            .values(state=state.value, result=json.dumps(result, allow_nan=False))
        )


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
    """Delete an upload, its film and what was made of it."""
    with records.writing() as connection:
        connection.execute(delete(uploads).where(uploads.c.id == number))
    _drop_files(store, number)


def _drop_files(store: FilmStore, number: str) -> None:
    store.drop(number)
    shutil.rmtree(derived(store, number), ignore_errors=True)


def derived(store: FilmStore, number: str) -> Path:
    """Return the folder of what was made of a film."""
    return store.path(number).with_suffix(".d")


def expire_uploads(records: Records, store: FilmStore) -> int:
    """Delete the uploads whose time is over; returns how many."""
    with records.writing() as connection:
        over = select(uploads.c.id).where(uploads.c.expires_at < now())
        numbers: list[str] = list(map(str, connection.execute(over).scalars()))
        connection.execute(delete(uploads).where(uploads.c.id.in_(numbers)))
    for number in numbers:
        _drop_files(store, number)
    return len(numbers)
