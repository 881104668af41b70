"""What must be withheld: the model's scores of films that somebody reads blinded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from pneumoscore.records.database import Records
from pneumoscore.records.lookup import patients_of_films
from pneumoscore.records.site_schema import (
    reader_studies,
    reader_study_films,
    reader_study_readers,
)
from pneumoscore.server.accounts import Account
from pneumoscore.server.films.likeness import alike
from pneumoscore.server.reading.study import ReaderStudy, StudyState, study_films

__all__ = [
    "WithheldFilms",
    "blinded_elsewhere",
    "blinded_films",
    "films_in",
    "withheld_films",
    "withheld_patients",
]

_BLINDED = (StudyState.DRAFT, StudyState.OPEN, StudyState.LOCKED)


@dataclass(frozen=True, slots=True)
class WithheldFilms:
    """Films whose scores an account may not see, by all that can name them.

    Attributes
    ----------
    sha256 : frozenset of str
        Of files.
    pixels_sha256 : frozenset of str
        Of decoded pixels: the same film in another file format or under another header.
    sop_instance_uids : frozenset of str
        Of headers, which is how the records name films.
    patients : frozenset of str
        Numbers of the films' patients.
    film_digests : frozenset of str
        Of decoded pixels, as the records have them.
    likenesses : tuple of str
        Of the films reduced: copies whose pixels differ a little.
    """

    sha256: frozenset[str] = frozenset()
    pixels_sha256: frozenset[str] = frozenset()
    sop_instance_uids: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()
    film_digests: frozenset[str] = frozenset()
    likenesses: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sha256 or self.sop_instance_uids)

    def holds(
        self,
        *,
        sha256: str | None = None,
        pixels_sha256: str | None = None,
        sop_instance_uid: str | None = None,
        film_digest: str | None = None,
        likeness: str | None = None,
    ) -> bool:
        """Return whether a film is one of them by any of its names."""
        return (
            sha256 in self.sha256
            or pixels_sha256 in self.pixels_sha256
            or sop_instance_uid in self.sop_instance_uids
            or film_digest in self.film_digests
            or alike(likeness or "", self.likenesses)
        )

    def holds_result(self, result: Mapping[str, Any], sha256: str) -> bool:
        """Return whether a film is one of them, by its hash and what was read of it."""
        return self.holds(
            sha256=sha256,
            pixels_sha256=result.get("pixels_sha256"),
            sop_instance_uid=(result.get("metadata") or {}).get("sop_instance_uid"),
            likeness=result.get("likeness"),
        )


def withheld_films(records: Records, account: Account, *, but: str = "") -> WithheldFilms:
    """Return the films of studies not yet unblinded that the account reads in or owns.

    A draft counts too, so that nobody looks a film up between its choice and the reading.

    Parameters
    ----------
    records : Records
        Open.
    account : Account
        Whose.
    but : str, optional
        A study that does not count.
    """
    return _films_of(records, _studies_with(account.id, but, *_BLINDED))


def _studies_with(account: str, but: str, *states: StudyState) -> Select[tuple[str]]:
    """Select studies in these states that an account owns or reads in."""
    mine = select(reader_study_readers.c.study_id).where(
        reader_study_readers.c.account_id == account
    )
    return select(reader_studies.c.id).where(
        reader_studies.c.state.in_([state.value for state in states]),
        reader_studies.c.id != but,
        (reader_studies.c.owner_id == account) | reader_studies.c.id.in_(mine),
    )


def films_in(records: Records, study: str) -> WithheldFilms:
    """Return the films of one study, by all that can name them."""
    return _films_of(records, select(reader_studies.c.id).where(reader_studies.c.id == study))


def blinded_elsewhere(records: Records, study: ReaderStudy) -> int:
    """Return how many films of a study are still to be read in another one of its owner's.

    Parameters
    ----------
    records : Records
        Open.
    study : ReaderStudy
        In which the owner could see the model's scores.
    """
    others = _studies_with(study.owner_id, study.id, StudyState.DRAFT, StudyState.OPEN)
    hidden = _films_of(records, others)
    if not hidden:
        return 0
    return sum(
        hidden.holds(
            sha256=film.sha256,
            pixels_sha256=film.pixels_sha256,
            sop_instance_uid=film.sop_instance_uid,
            film_digest=film.film_digest,
            likeness=film.likeness,
        )
        for film in study_films(records, study.id)
    )


def blinded_films(records: Records) -> WithheldFilms:
    """Return the films of every study that is not unblinded yet, whoever reads it."""
    states = [state.value for state in _BLINDED]
    return _films_of(records, select(reader_studies.c.id).where(reader_studies.c.state.in_(states)))


def _films_of(records: Records, studies: Select[tuple[str]]) -> WithheldFilms:
    with records.reading() as connection:
        rows = connection.execute(
            select(
                reader_study_films.c.sha256,
                reader_study_films.c.pixels_sha256,
                reader_study_films.c.sop_instance_uid,
                reader_study_films.c.patient,
                reader_study_films.c.film_digest,
                reader_study_films.c.likeness,
            ).where(reader_study_films.c.study_id.in_(studies))
        ).all()
    return WithheldFilms(
        frozenset(row.sha256 for row in rows),
        frozenset(row.pixels_sha256 for row in rows),
        frozenset(row.sop_instance_uid for row in rows if row.sop_instance_uid),
        frozenset(row.patient for row in rows),
        frozenset(row.film_digest for row in rows if row.film_digest),
        tuple(row.likeness for row in rows if row.likeness),
    )


def withheld_patients(records: Records, account: Account) -> frozenset[int]:
    """Return the patients of the records of whom the account may see no score now.

    Those with a film that is withheld, by its bytes, decoded pixels or UID (of the records'
    films no likeness is kept), and those whose other films are read: the film of the day before
    says much of the one that is read blinded.
    """
    hidden = withheld_films(records, account)
    if not hidden:
        return frozenset()
    return patients_of_films(
        records,
        uids=hidden.sop_instance_uids,
        file_hashes=hidden.sha256,
        pixel_hashes=hidden.film_digests,
        numbers=hidden.patients,
    )
