"""The stages of a reader study: opened, locked, unblinded.

``draft`` → ``open`` → ``locked`` → ``unblinded``. Films, readers and options change in the draft
only; nobody sees a reader's scores before the lock, nor the model's before the unblinding, which is
an act of its own in the audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection, insert, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import reader_items, reader_studies
from pneumoscore.server.clock import now
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.blinding import blinded_elsewhere
from pneumoscore.server.reading.plan import reading_order
from pneumoscore.server.reading.steps import require_state
from pneumoscore.server.reading.study import (
    StudyFilm,
    StudyState,
    films_of,
    find_study,
    readers_of,
)

__all__ = ["lock_study", "open_study", "unblind_study"]


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
        study = require_state(connection, number, StudyState.DRAFT)
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
        require_state(connection, number, StudyState.OPEN)
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
        If the study is not locked, or some of its films are still to be read in another study
        that its owner made or reads: what is shown here would be seen there.
    """
    with records.writing() as connection:
        require_state(connection, number, StudyState.LOCKED)
        # Within the transaction: nobody adds a film to another study meanwhile.
        study = find_study(records, number)
        if study is not None and (count := blinded_elsewhere(records, study)):
            raise ReadingError(
                f"{count} films of the study are still to be read in another one that its owner "
                "made or reads",
                "films that nobody reads any more",
                "lock the other study first, or take the films out of it while it is a draft",
            )
        _move_to(connection, number, StudyState.UNBLINDED, "unblinded_at")
        add_audit(connection, actor, "study_unblinded", {"study": number})
