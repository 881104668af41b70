"""A first look: a site with phantoms in it, so that every page has something to show."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pneumoscore.files import sha256_of
from pneumoscore.phantom import (
    LungDisease,
    Phantom,
    PhantomSpec,
    SyntheticPatient,
    demo_series,
    render_phantom,
    write_phantom_dicom,
)
from pneumoscore.records.database import Records
from pneumoscore.records.events import add_events
from pneumoscore.records.types import EventRecord
from pneumoscore.server.accounts import Account, Role, create_account
from pneumoscore.server.films.intake import Received
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.sealing import take_study_film
from pneumoscore.server.reading.stages import open_study
from pneumoscore.server.reading.steps import create_study, set_readers
from pneumoscore.server.site import Site

__all__ = ["PEOPLE", "FilmPlan", "draw_films", "make_people", "make_study", "record_events"]

PEOPLE: Mapping[str, Role] = {role.value: role for role in Role}
"""Accounts of a first look: one for each role, named after it."""

_SIZE = 512
_COURSES = (
    ("PHANTOM-0002", 11, (0.05, 0.1, 0.85, 0.9)),
    ("PHANTOM-0003", 12, (1.0, 0.95, 0.1, 0.05)),
    ("PHANTOM-0004", 13, (0.3, 0.32, 0.3)),
)
"""Patients beside the one of `demo_series`: number, seed, and share of the way from clear lungs to
diseased ones on each day until today."""
_STUDY_FILMS = 6
_INSTRUCTIONS = (
    "These films are drawn from formulas and show no person. Score each lung: how much of it is "
    "involved (0 to 4), and how dense it is where it is densest (0 to 3). Do not hurry."
)


@dataclass(frozen=True, slots=True)
class FilmPlan:
    """One film of a first look.

    Attributes
    ----------
    path : Path
        The DICOM file.
    patient : str
        Number of the synthetic patient.
    at : datetime
        When it pretends to have been taken.
    study : bool
        Whether it belongs to the reader study, and not to the ward.
    """

    path: Path
    patient: str
    at: datetime
    study: bool = False


def draw_films(
    folder: Path, now: datetime, progress: Callable[[int], None] = lambda done: None
) -> list[FilmPlan]:
    """Draw the films of all synthetic patients as DICOM files.

    Parameters
    ----------
    folder : Path
        Must exist.
    now : datetime
        The last films were taken a little before.
    progress : callable, optional
        Called with the number of films drawn.
    """
    drawn: list[FilmPlan] = []
    for patient, film, at, study in _films(now):
        path = folder / f"film-{len(drawn) + 1:02d}.dcm"
        write_phantom_dicom(film, path, SyntheticPatient(patient_id=patient), at, len(drawn) + 1)
        drawn.append(FilmPlan(path, patient, at, study))
        progress(len(drawn))
    return drawn


def _films(now: datetime) -> Iterator[tuple[str, Phantom, datetime, bool]]:
    today = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    series = demo_series()
    for day, spec in series:
        at = today - timedelta(days=len(series) - day, hours=1)
        yield SyntheticPatient().patient_id, render_phantom(replace(spec, size=_SIZE)), at, False
    for patient, seed, shares in _COURSES:
        ends = _ends(seed)
        for place, share in enumerate(shares):
            at = today - timedelta(days=len(shares) - 1 - place, minutes=7 * seed)
            yield patient, _between(*ends, share), at, False
    ends = _ends(21)
    for place in range(_STUDY_FILMS):
        at = today - timedelta(days=30 - place // 2)
        share = ((place * 5) % _STUDY_FILMS) / (_STUDY_FILMS - 1)
        yield f"PHANTOM-01{place // 2:02d}", _between(*ends, share), at, True


def _ends(seed: int) -> tuple[Phantom, Phantom]:
    """Return one chest, clear and diseased."""
    clear = PhantomSpec(seed=seed, size=_SIZE)
    ill = replace(clear, right=LungDisease(0.95, 0.8), left=LungDisease(0.85, 0.75))
    return render_phantom(clear), render_phantom(ill)


def _between(clear: Phantom, ill: Phantom, share: float) -> Phantom:
    """Return a chest between clear and diseased: quicker than to draw one."""
    pixels = (1.0 - share) * clear.pixels + share * ill.pixels
    return replace(ill, pixels=np.asarray(pixels, dtype=np.float32))


def record_events(records: Records, films: list[FilmPlan]) -> None:
    """Record events of the first patient's stay: admission, oxygen, a treatment."""
    first = [film for film in films if film.patient == films[0].patient]
    kinds = (("admission", first[0]), ("oxygen", first[1]), ("treatment_start", first[2]))
    add_events(
        records,
        [
            EventRecord(film.patient, kind, film.at - timedelta(hours=1), "synthetic")
            for kind, film in kinds
        ],
        actor="first look",
    )


def make_people(records: Records) -> dict[str, str]:
    """Make one account for each role, and return their passwords, which are kept nowhere."""
    passwords = {}
    for name, role in PEOPLE.items():
        passwords[name] = secrets.token_urlsafe(12)
        create_account(records, name, role, passwords[name], actor="first look")
    return passwords


def make_study(site: Site, owner: Account, reader: Account, films: list[FilmPlan]) -> str:
    """Make a small study of some films, let it be read, and return its identifier.

    Parameters
    ----------
    site : Site
        Its queue's worker scores the films; it need not be started.
    owner, reader : Account
        Of those roles.
    films : list of FilmPlan
        From `draw_films`.
    """
    options = StudyOptions(
        instructions=_INSTRUCTIONS, repeats=0.2, distance=2, pairs=True, reversed_pairs=0.0
    )
    study = create_study(site.records, owner, "First look", options)
    for film in films:
        if film.study:
            number = secrets.token_hex(16)
            shutil.copyfile(film.path, site.films.writing(number))
            received = Received(number, sha256_of(film.path))
            take_study_film(site, study, received, film.path.name, actor=owner.name)
    set_readers(site.records, study, [reader], actor=owner.name)
    open_study(site.records, study, actor=owner.name)
    return study
