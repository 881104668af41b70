"""Films taken in: counted as they stream, on the disk and recorded before they are acknowledged."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from starlette.concurrency import run_in_threadpool

from pneumoscore.errors import FailureReason, PneumoScoreError
from pneumoscore.server.accounts import Account
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.expand import Bounds, Expanded, is_archive
from pneumoscore.server.films.uploads import NewFilm, Upload, record_uploads
from pneumoscore.server.options import ServerOptions
from pneumoscore.server.site import Site

__all__ = ["Received", "TakenIn", "TooLargeError", "receive_film", "shown_name", "take_in"]

_ROOM = 256 * 2**20
"""Bytes of the disk that uploads leave free."""


class TooLargeError(PneumoScoreError):
    """An upload over a bound, or a disk without room for it."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that came in whole and lies beside its place in the store, not yet recorded.

    Attributes
    ----------
    id, sha256 : str
        Its identifier in the store, and the hash of its bytes.
    """

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of one file that was sent.

    Attributes
    ----------
    uploads : tuple of Upload
        Its films: one, or those of an archive.
    skipped : dict of str to int
        What in it is no film, counted by why.
    """

    uploads: tuple[Upload, ...]
    skipped: dict[str, int] = field(default_factory=dict)


def shown_name(name: str) -> str:
    """Return a name from outside as it is shown: printable, and never empty."""
    return "".join(sign for sign in name if sign.isprintable()).strip() or "film"


async def receive_film(
    store: FilmStore, stream: AsyncIterator[bytes], options: ServerOptions, declared: int | None
) -> Received:
    """Write a file as it streams in.

    When this returns, it is whole and on the disk; when it raises, nothing of it is.

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
        If it is larger than allowed or there is no room.
    PneumoScoreError
        If it is empty.
    """
    if declared is not None and declared > options.upload_bytes:
        raise TooLargeError(f"a file of {declared} bytes", f"at most {options.upload_bytes}")
    used = await run_in_threadpool(store.used_bytes)
    number, digest, count = secrets.token_hex(16), hashlib.sha256(), 0
    part = store.writing(number)
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            async for chunk in stream:
                count += len(chunk)
                if count > options.upload_bytes:
                    raise TooLargeError("a larger file", f"at most {options.upload_bytes} bytes")
                if store.free_bytes() < _ROOM or used + count > options.stored_bytes:
                    raise TooLargeError("no room for it on the server", remedy="try again later")
                digest.update(chunk)
                file.write(chunk)
        if count == 0:
            raise PneumoScoreError("an empty file", "the bytes of a film")
        await run_in_threadpool(store.sync, number)
    except BaseException:
        store.drop(number)
        raise
    return Received(number, digest.hexdigest())


def take_in(site: Site, account: Account, received: Received, name: str) -> TakenIn:
    """Record a file that came in: a film, or the films of a ZIP file.

    When this returns, all its films are recorded and in their places; when it raises, nothing
    of it is left.

    Parameters
    ----------
    site : Site
        Where.
    account : Account
        Whose they become.
    received : Received
        By `receive_film`.
    name : str
        What it is called.

    Raises
    ------
    TooLargeError
        If an archive breaks its bounds.
    """
    store = site.films
    made: list[str] = [received.id]
    skipped: dict[str, int] = {}
    try:
        if PurePosixPath(name).name.upper() == "DICOMDIR":
            # It lists films and holds none, as in a folder that the command line scores.
            store.drop(received.id)
            return TakenIn((), {"DICOMDIR": 1})
        if is_archive(store.writing(received.id)):
            expanded = _expanded(site, received)
            films = _moved(store, received, name, expanded, made)
            skipped = expanded.skipped
            store.drop(received.id)
        else:
            films = [NewFilm(received.id, name, received.sha256)]
        taken = record_uploads(site.records, site.options.keep, account, films)
    except BaseException:
        for number in made:
            store.drop(number)
        raise
    for film in films:
        if film.result is None:
            store.keep(film.id)
    site.queue.wake()
    return TakenIn(taken, skipped)


def _expanded(site: Site, received: Received) -> Expanded:
    options, store = site.options, site.films
    bounds = Bounds(options.archive_films, options.upload_bytes, options.archive_bytes)
    archive, out = store.writing(received.id), store.derived(received.id)
    expanded = site.queue.take_out(archive, out, bounds)
    if expanded.refused is not None:
        raise TooLargeError(expanded.refused)
    return expanded


def _moved(
    store: FilmStore, received: Received, name: str, expanded: Expanded, made: list[str]
) -> list[NewFilm]:
    """Move what was taken out beside its places in the store; `made` gets what it is called."""
    films = []
    for member in expanded.members:
        number = secrets.token_hex(16)
        shown = shown_name(f"{name}/{member.name}" if member.name else name)
        result: dict[str, Any] | None = None
        if member.file is None:
            reason = member.reason or FailureReason.UNREADABLE
            result = {"error": member.error or "no film", "reason": reason.value}
        else:
            made.append(number)
            (store.derived(received.id) / member.file).replace(store.writing(number))
            store.sync(number)
        films.append(NewFilm(number, shown, member.sha256, result))
    return films
