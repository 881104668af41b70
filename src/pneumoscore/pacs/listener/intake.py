"""What the network side does with a film: durable first, then success. Nothing is decoded."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.marks import mark_in
from pneumoscore.pacs.identity import is_uid
from pneumoscore.pacs.listener.journal import Journal, film_name
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pipeline.inbox import Inbox, State

__all__ = ["FilmIntake", "film_key", "prior_key"]

SUCCESS, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC210
_LOOKED_AT = 8192


def film_key(sop_instance_uid: str, model: str) -> str:
    """Return what makes a film and a model's score of it one entry of the inbox."""
    return f"{sop_instance_uid}@{model[:16]}"


def prior_key(sop_instance_uid: str, model: str) -> str:
    """Return the key of a film that is fetched for the records alone.

    Another than that of the film itself, which may be sent later and is owed its objects then.
    """
    return f"{film_key(sop_instance_uid, model)}#prior"


class FilmIntake:
    """Takes films in.

    Parameters
    ----------
    inbox : Inbox
        Where they go.
    outbox : Outbox
        Knows our own objects.
    model : str
        SHA-256 of the model that will score them.
    journal : Journal
        What happens is said there.
    most_waiting : int
        Films that may wait.
    min_free_bytes : int
        Free space that is left on the disk.
    wake : callable
        Called after a film came in.
    """

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        model: str,
        journal: Journal,
        *,
        most_waiting: int,
        min_free_bytes: int,
        wake: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._model = model
        self._journal = journal
        self._most = most_waiting
        self._free = min_free_bytes
        self._wake = wake

    def take(self, data: bytes, sop_instance_uid: str, peer: str) -> int:
        """Take in one file and return the status of C-STORE (PS3.4 B.2.3).

        Parameters
        ----------
        data : bytes
            With file meta information.
        sop_instance_uid : str
            As the request names it.
        peer : str
            An allowed title.
        """
        film = film_name(sop_instance_uid)
        if not is_uid(sop_instance_uid):
            self._journal.say("film refused", film=film, peer=peer, reason="malformed UID")
            return NOT_UNDERSTOOD
        mark = mark_in(data[:_LOOKED_AT])
        try:
            if (mark is not None and mark != "phantom") or self._outbox.is_own(sop_instance_uid):
                self._journal.say("own object ignored", film=film, peer=peer)
                return SUCCESS
            if not self._has_room(len(data)):
                self._journal.say("film refused", film=film, peer=peer, reason="no room")
                return NO_ROOM
            new = self._put(data, sop_instance_uid)
        except (OSError, sqlite3.Error) as error:
            reason = f"cannot be stored ({type(error).__name__})"
            self._journal.say("film refused", film=film, peer=peer, reason=reason)
            return NO_ROOM
        event = "film received" if new else "film known"
        self._journal.say(event, film=film, peer=peer, bytes=len(data))
        if new:
            self._wake()
        return SUCCESS

    def _put(self, data: bytes, sop_instance_uid: str) -> bool:
        key = film_key(sop_instance_uid, self._model)
        details: dict[str, Any] = {"uid": sop_instance_uid}
        try:
            return self._inbox.put(data, key, details)
        except PneumoScoreError:
            # Other bytes under the same UID: another header, another encoding, or another film.
            # Which of them, a worker finds out; it looks at the pixels.
            other = hashlib.sha256(data).hexdigest()
            return self._inbox.put(data, f"{key}#{other[:16]}", details | {"again": True})

    def _has_room(self, size: int) -> bool:
        counts = self._inbox.counts()
        if counts[State.WAITING] + counts[State.CLAIMED] >= self._most:
            return False
        return _free_bytes(self._inbox.folder) - size >= self._free


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
