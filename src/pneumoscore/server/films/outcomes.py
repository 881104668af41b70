"""What became of scored films, kept without a name to see the model drift."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import insert, select

from pneumoscore.records.database import Records
from pneumoscore.records.schema import audit, films, models, scores
from pneumoscore.records.site_schema import outcomes
from pneumoscore.server.clock import now
from pneumoscore.server.reading.blinding import WithheldFilms
from pneumoscore.statistics.drift import FilmSample

__all__ = ["OutcomeLog", "recent_films"]

REFUSED = "refused"
"""The mark of a film that the quality gate refused."""


class OutcomeLog:
    """Writes what became of films; nothing leads from a row to its film or patient.

    Parameters
    ----------
    records : Records
        Open.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        # Films of one patient are alike and must be known as such; this key ends with the run.
        self._key = secrets.token_bytes(32)

    def add(self, result: dict[str, Any], sha256: str, blinded: WithheldFilms) -> None:
        """Write one film's row, unless its score must not be seen in any sum either.

        Parameters
        ----------
        result : dict
            Of `pneumoscore.server.films.work.film_work`; films that could not be read are
            not the model's matter.
        sha256 : str
            Of the film's file.
        blinded : WithheldFilms
            Films of every study that is not unblinded.
        """
        model = result.get("model_sha256")
        # What is in the records counts from there.
        if model is None or result.get("recorded") or blinded.holds_result(result, sha256):
            return
        score = result.get("score") or {}
        row = {
            "id": secrets.token_hex(16),
            "at": now(),
            "model_sha256": model,
            "patient": self._patient(result, sha256),
            "scores": json.dumps(
                {name: part["value"] for name, part in score.get("scores", {}).items()}
            ),
            "flags": json.dumps(list((score or result).get("flags", ()))),
            "refused": not score,
        }
        with self._records.writing() as connection:
            connection.execute(insert(outcomes), row)

    def _patient(self, result: dict[str, Any], sha256: str) -> str:
        name = (result.get("metadata") or {}).get("patient_id") or sha256
        return hashlib.blake2b(name.encode("utf-8"), key=self._key, digest_size=8).hexdigest()


def recent_films(
    records: Records, model: str, begin: datetime, end: datetime, blinded: WithheldFilms
) -> FilmSample:
    """Return the films that a model scored in a time: those sent here and those recorded.

    Parameters
    ----------
    records : Records
        Open.
    model : str
        Its hash.
    begin, end : datetime
        In UTC, the end not included.
    blinded : WithheldFilms
        Films that do not count.

    Returns
    -------
    FilmSample
        Scores by scale, flags, and ``refused``; a film that was refused has no number.
    """
    rows: list[tuple[str, dict[str, float], set[str]]] = []
    with records.reading() as connection:
        for row in connection.execute(
            select(outcomes).where(
                outcomes.c.model_sha256 == model, outcomes.c.at >= begin, outcomes.c.at < end
            )
        ):
            marks = {*json.loads(row.flags), *((REFUSED,) if row.refused else ())}
            rows.append((f"sent {row.patient}", json.loads(row.scores), marks))
        rows += _recorded(connection, model, begin, end, blinded)
    scales = sorted({scale for _, values, _ in rows for scale in values})
    flags = sorted({flag for _, _, marks in rows for flag in marks} | {REFUSED})
    numbers: dict[str, int] = {}
    return FilmSample(
        np.array([numbers.setdefault(who, len(numbers)) for who, _, _ in rows], dtype=np.int64),
        {
            scale: np.array([values.get(scale, np.nan) for _, values, _ in rows], dtype=np.float64)
            for scale in scales
        },
        {flag: np.array([flag in marks for _, _, marks in rows], dtype=np.bool_) for flag in flags},
    )


def _recorded(
    connection: Any, model: str, begin: datetime, end: datetime, blinded: WithheldFilms
) -> list[tuple[str, dict[str, float], set[str]]]:
    """Return the films whose scores the records got in a time, by whatever command."""
    found: dict[int, tuple[str, dict[str, float], set[str]]] = {}
    for row in connection.execute(
        select(
            films.c.id,
            films.c.patient_id,
            films.c.uid,
            films.c.file_sha256,
            films.c.pixel_sha256,
            scores,
        )
        .join(scores, scores.c.film_id == films.c.id)
        .join(models, models.c.id == scores.c.model_id)
        .join(audit, audit.c.id == scores.c.audit_id)
        .where(models.c.sha256 == model, audit.c.at >= begin, audit.c.at < end)
    ):
        same = row.pixel_sha256 is not None and row.pixel_sha256 in blinded.film_digests
        if same or blinded.holds(sha256=row.file_sha256, sop_instance_uid=row.uid):
            continue
        film = found.setdefault(row.id, (f"recorded {row.patient_id}", {}, set()))
        film[1][row.scale] = row.value
        film[2].update(row.flags.split())
    return list(found.values())
