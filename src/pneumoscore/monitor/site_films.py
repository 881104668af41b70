"""A site's DICOM films that an error is measured on: one of each exposure, of known patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.monitor.error_films import MeasuredFilm
from pneumoscore.pipeline.walk import expand
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.records.days import day_of
from pneumoscore.records.exposure import Exposure
from pneumoscore.records.identity import number_problem, patient_name

__all__ = ["site_films"]


@dataclass(slots=True)
class _Taken:
    """What was taken: films, and by what they are known again."""

    films: list[MeasuredFilm] = field(default_factory=list)
    pixels: dict[str, Path] = field(default_factory=dict)
    uids: dict[str, Path] = field(default_factory=dict)
    exposures: dict[str, list[tuple[Exposure, Path]]] = field(default_factory=dict)

    def take(self, path: Path, film: Radiograph) -> str | None:
        """Take a film, or say why it is not taken."""
        said = film.metadata
        if not said.patient_id or said.acquired_at is None:
            return "names no patient or no time"
        problem = number_problem(said.patient_id)
        if problem is not None:
            return problem
        uid, pixels = said.sop_instance_uid, film.digest()
        study = said.study_instance_uid or f"film:{uid or path}"
        exposure = Exposure(said.acquired_at, study, said.view, said.acquired_by, pixels)
        patient = patient_name(said.patient_id, said.patient_id_issuer or "")
        of_patient = self.exposures.setdefault(patient, [])
        first = self.pixels.get(pixels) or next(
            (other for known, other in of_patient if exposure.is_that_of(known)), None
        )
        if first is not None:
            return f"is a further file of one exposure, which {first} shows; that one counts"
        if uid is not None and uid in self.uids:
            return (
                f"its UID {uid} is that of another film, {self.uids[uid]}; expected one UID for "
                "each film"
            )
        self.pixels[pixels] = path
        if uid is not None:
            self.uids[uid] = path
        of_patient.append((exposure, path))
        self.films.append(MeasuredFilm(path, patient, day_of(said.acquired_at), said.view))
        return None


def site_films(paths: Iterable[str], not_taken: Callable[[Path, str], None]) -> list[MeasuredFilm]:
    """Return the DICOM films that name their patient and time, each exposure once.

    A number that stands for any patient names none; copies, and processed and raw files of one
    exposure, would be pairs without a difference (`Exposure`, as in the records).

    Parameters
    ----------
    paths : iterable of str
        Files, folders, or ``-`` for a list of them.
    not_taken : callable
        Called with every other file, and why it is not taken.
    """
    taken = _Taken()
    for item in expand(paths):
        problem = item.problem
        if problem is None:
            try:
                problem = taken.take(item.path, read_radiograph(item.path))
            except (PneumoScoreError, OSError) as error:
                problem = str(error)
        if problem is not None:
            not_taken(item.path, problem)
    return taken.films
