"""A patient's earlier films, fetched from an archive when a new one has come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from pneumoscore.pacs.dicomweb import Archive, FilmQuery
from pneumoscore.pacs.listener.intake import film_key, prior_key
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pipeline.inbox import Inbox

__all__ = ["Priors"]

_MOST_WAITING = 1000
_WILD = set("*?\\")


class Priors:
    """Fetches earlier films into the inbox; what is known there is not fetched.

    Parameters
    ----------
    archive : Archive
        Where they are looked for.
    days : int
        How far back from the new film's study.
    inbox : Inbox
        Where they go, marked as priors.
    model : str
        SHA-256 of the model.
    journal : Journal
        What happens is said there.
    wake : callable
        Called after a film came in.
    """

    def __init__(
        self,
        archive: Archive,
        days: int,
        inbox: Inbox,
        model: str,
        journal: Journal,
        wake: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._days = days
        self._inbox = inbox
        self._model = model
        self._journal = journal
        self._wake = wake
        self._waiting: queue.Queue[tuple[str, str, str]] = queue.Queue(_MOST_WAITING)

    def look_for(self, header: FilmHeader) -> None:
        """Note that a film's patient may have earlier ones; returns at once."""
        patient, day = header.text("PatientID").strip(), header.text("StudyDate")
        # Wild cards would fetch other people's films.
        if patient and day and not set(patient) & _WILD:
            try:
                self._waiting.put_nowait((patient, day, header.sop_instance_uid))
            except queue.Full:
                self._journal.say("priors not looked for", reason="too many wait")

    def run(self, stop: threading.Event) -> None:
        """Fetch until `stop`."""
        while not stop.is_set():
            try:
                patient, day, film = self._waiting.get(timeout=0.5)
            except queue.Empty:
                continue
            try:
                fetched = self._fetch(patient, day, film)
            except Exception as error:
                # Whatever a header or an archive says must not end what fetches for the others.
                self._journal.say("priors not fetched", reason=type(error).__name__)
                continue
            if fetched:
                self._journal.say("priors fetched", films=fetched)
                self._wake()

    def _fetch(self, patient: str, day: str, film: str) -> int:
        until = datetime.strptime(day, "%Y%m%d")
        since = until - timedelta(days=self._days)
        query = FilmQuery(since=since.strftime("%Y%m%d"), until=day, patient=patient)
        fetched = 0
        for found in self._archive.films(query):
            if found.instance == film or self._is_known(found.instance):
                continue
            key = prior_key(found.instance, self._model)
            details = {"uid": found.instance, "prior": True}
            fetched += self._inbox.put(self._archive.fetch(found), key, details)
        return fetched

    def _is_known(self, instance: str) -> bool:
        keys = film_key(instance, self._model), prior_key(instance, self._model)
        return any(self._inbox.find(key) is not None for key in keys)
