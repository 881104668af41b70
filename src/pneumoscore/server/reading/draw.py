"""Films of the records drawn for a draft: at random by a seed, and only while they are there."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date

from pneumoscore.records.choice import ChosenFilm, FilmChoice, choose_films
from pneumoscore.records.rows import add_audit
from pneumoscore.server.accounts import Account
from pneumoscore.server.follow.films import film_file
from pneumoscore.server.reading.blinding import WithheldFilms, films_in, withheld_films
from pneumoscore.server.site import Site

__all__ = ["DrawOptions", "DrawnFilms", "draw_films", "is_one_of"]

_MOST_CHANGED = 200
_MOST_GONE = 2000
"""Each film is read whole to know its bytes; an archive that was rewritten ends a draw."""


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How films are drawn.

    Attributes
    ----------
    per_patient : int
        Most films of one patient; 0 for no bound.
    per_day : int
        Most films of one patient acquired on one day; 0 for no bound.
    most : int
        Most films in all.
    seed : int
        The same seed draws in the same order, also when further films come to the records.
    """

    per_patient: int = 0
    per_day: int = 0
    most: int = 60
    seed: int = 1


@dataclass(frozen=True, slots=True)
class DrawnFilms:
    """What was found and drawn.

    Attributes
    ----------
    films : tuple of ChosenFilm
        Drawn, each with its bytes where they were read; in the order of the draw.
    matching, patients : int
        Films that could be drawn, and their patients.
    gone, changed : int
        Passed over in the draw: the file is not there, or has other bytes than were scored.
    in_study, elsewhere, undated : int
        Left out before: already in this study, read blinded in another one of the account's, or
        known by day alone where dates were asked for.
    ended : bool
        Whether the draw ended early because so many files had changed.
    """

    films: tuple[ChosenFilm, ...]
    matching: int
    patients: int
    gone: int
    changed: int
    in_study: int
    elsewhere: int
    undated: int
    ended: bool

    def counts(self) -> dict[str, int | bool]:
        """Return all of it but the films."""
        return {
            "matching": self.matching,
            "patients": self.patients,
            "drawn": len(self.films),
            "drawn_patients": len({film.patient_id for film in self.films}),
            "gone": self.gone,
            "changed": self.changed,
            "in_study": self.in_study,
            "elsewhere": self.elsewhere,
            "undated": self.undated,
            "ended": self.ended,
        }


def is_one_of(film: ChosenFilm, films: WithheldFilms) -> bool:
    """Return whether a film of the records is one of these."""
    return films.holds(
        sha256=film.file_sha256, sop_instance_uid=film.uid, film_digest=film.pixel_sha256
    )


def draw_films(
    site: Site, account: Account, study: str, choice: FilmChoice, options: DrawOptions
) -> DrawnFilms:
    """Draw films of the records for a study; what was asked for is written into the audit.

    Neither the choice nor the draw looks at a score, so what is drawn tells nothing of the
    scores that are sealed.

    Parameters
    ----------
    site : Site
        The running server's parts.
    account : Account
        Whose study it is.
    study : str
        A draft.
    choice : FilmChoice
        Which films; the part of a number is not written into the audit.
    options : DrawOptions
        How many, and by which seed.
    """
    fitting, undated = choose_films(site.records, choice)
    here, others = films_in(site.records, study), withheld_films(site.records, account, but=study)
    new = [film for film in fitting if not is_one_of(film, here)]
    free = [film for film in new if not is_one_of(film, others)]
    films, gone, changed = _drawn(site, free, options)
    found = DrawnFilms(
        films,
        matching=len(free),
        patients=len({film.patient_id for film in free}),
        gone=gone,
        changed=changed,
        in_study=len(fitting) - len(new),
        elsewhere=len(new) - len(free),
        undated=undated,
        ended=_too_many(gone, changed),
    )
    asked = {
        "since": None if choice.since is None else choice.since.isoformat(),
        "until": None if choice.until is None else choice.until.isoformat(),
        "views": sorted(choice.views),
        "by_number": bool(choice.number.strip()),
        "per_patient": options.per_patient,
        "per_day": options.per_day,
        "most": options.most,
        "seed": options.seed,
    }
    with site.records.writing() as connection:
        details = {"study": study, "asked": asked, "found": found.counts()}
        add_audit(connection, account.name, "study_films_drawn", details)
    return found


def _drawn(
    site: Site, films: list[ChosenFilm], options: DrawOptions
) -> tuple[tuple[ChosenFilm, ...], int, int]:
    """Return the films that are drawn, and how many were passed over as gone or changed."""
    taken: list[ChosenFilm] = []
    each: Counter[int] = Counter()
    days: Counter[tuple[int, date]] = Counter()
    gone = changed = 0
    for film in sorted(films, key=lambda film: _place(film, options.seed)):
        if len(taken) >= options.most or _too_many(gone, changed):
            break
        day = (film.patient_id, film.day)
        if _full(each[film.patient_id], options.per_patient) or _full(days[day], options.per_day):
            continue
        file = film_file(site, film.file, film.file_sha256)
        if file.path is not None:
            taken.append(film)
            each[film.patient_id] += 1
            days[day] += 1
        elif file.changed:
            changed += 1
        else:
            gone += 1
    return tuple(taken), gone, changed


def _full(count: int, bound: int) -> bool:
    return bound > 0 and count >= bound


def _too_many(gone: int, changed: int) -> bool:
    """Whether so many files are not where or what they were that looking on is in vain."""
    return gone >= _MOST_GONE or changed >= _MOST_CHANGED


def _place(film: ChosenFilm, seed: int) -> bytes:
    """Return a film's place in a random order that other films do not change."""
    return hashlib.sha256(f"{seed}\0{film.uid}".encode()).digest()
