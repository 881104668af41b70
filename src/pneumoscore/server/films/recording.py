"""Scored films of the page into the records, under their patients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select

from pneumoscore.records.database import Records
from pneumoscore.records.site_schema import accounts, uploads
from pneumoscore.records.types import FilmRecord
from pneumoscore.records.writing import add_films
from pneumoscore.server.accounts import account_named
from pneumoscore.server.reading.blinding import withheld_films

__all__ = ["record_scored"]


def record_scored(
    records: Records, number: str, record: FilmRecord, pixels_sha256: str, likeness: str
) -> dict[str, Any]:
    """Write the score of an upload to the records; what is there already is not written again.

    A film that is withheld from who sent it is not recorded: nobody makes a patient of a film
    that he reads blinded.

    Parameters
    ----------
    records : Records
        Open.
    number : str
        The upload.
    record : FilmRecord
        Of the film.
    pixels_sha256, likeness : str
        As `pneumoscore.server.films.work.film_work` gives them.

    Returns
    -------
    dict
        ``recorded``, and ``not_recorded`` with the reason where it is False.
    """
    with records.reading() as connection:
        row = connection.execute(
            select(accounts.c.name, uploads.c.sha256)
            .join(accounts, accounts.c.id == uploads.c.account_id)
            .where(uploads.c.id == number)
        ).first()
    account = None if row is None else account_named(records, row.name)
    if row is None or account is None:
        return {"recorded": False, "not_recorded": "it was deleted before it was scored"}
    hidden = withheld_films(records, account)
    if hidden.holds(
        sha256=row.sha256,
        pixels_sha256=pixels_sha256,
        sop_instance_uid=record.film_uid,
        likeness=likeness,
    ):
        return {"recorded": False, "not_recorded": "it is read blinded"}
    # The file goes when its time is over, so the records do not say that it is here.
    kept = replace(record, file=None, file_sha256=row.sha256)
    report = add_films(records, [kept], source="page", actor=account.name)
    if report.conflicts:
        return {"recorded": False, "not_recorded": "; ".join(report.conflicts)}
    return {"recorded": True}
