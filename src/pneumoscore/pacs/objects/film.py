"""One film from bytes to finished objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pneumoscore.errors import NotScorableError
from pneumoscore.pacs.objects.build import FilmObject, ObjectOptions, film_objects
from pneumoscore.pacs.objects.result import FORCED, NO_VOI, FilmReport, Refusal
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import InputSpec, Radiograph

if TYPE_CHECKING:
    from pneumoscore.pacs.objects.header import FilmHeader
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import Score

__all__ = ["FilmOutcome", "ScoringTerms", "describe_input", "score_film"]


@dataclass(frozen=True, slots=True)
class ScoringTerms:
    """How films are scored.

    Attributes
    ----------
    level : float
        Nominal coverage of the intervals.
    force : bool
        Score what the quality gate refuses.
    read : ReadOptions
        How films are read.
    """

    level: float = 0.9
    force: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True, eq=False)
class FilmOutcome:
    """What became of one film.

    Attributes
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        Score or refusal.
    objects : tuple of FilmObject
        Finished.
    pixels_sha256 : str
        Of the pixels as they were read (`Radiograph.digest`).
    radiograph : Radiograph
        The film.
    """

    header: FilmHeader
    report: FilmReport
    objects: tuple[FilmObject, ...]
    pixels_sha256: str
    radiograph: Radiograph


def describe_input(spec: InputSpec) -> str:
    """Return how films are made a network's input, in words.

    Examples
    --------
    >>> describe_input(InputSpec(320, "pad", "standardised"))
    'pad to 320 x 320, standardised'
    """
    return f"{spec.squaring} to {spec.size} x {spec.size}, {spec.pixel_range}"


def score_film(
    data: bytes,
    model: SeverityModel,
    terms: ScoringTerms | None = None,
    options: ObjectOptions | None = None,
) -> FilmOutcome:
    """Score a DICOM film and make its objects.

    Parameters
    ----------
    data : bytes
        The file.
    model : SeverityModel
        Opened.
    terms : ScoringTerms, optional
        How it is scored.
    options : ObjectOptions, optional
        Which objects it gets.

    Raises
    ------
    HeaderError
        If no result can refer to it.
    PneumoScoreError
        If it cannot be read; a refusal by the quality gate is an outcome, not an error.
    """
    from pneumoscore.pacs.objects.header import film_header, read_header

    terms = terms or ScoringTerms()
    radiograph = read_radiograph(data, options=terms.read)
    header = film_header(read_header(data))
    outcome: Score | Refusal
    try:
        outcome = model.score(radiograph, level=terms.level, force=terms.force)
    except NotScorableError as error:
        outcome = Refusal(error.flags, str(error), model.identity)
    preparation = describe_input(model.backbone.record.input)
    report = FilmReport(outcome, preparation, radiograph.origin, _unusual(outcome, model, terms))
    objects = film_objects(header, report, radiograph.pixels, options)
    return FilmOutcome(header, report, objects, radiograph.digest(), radiograph)


def _unusual(
    outcome: Score | Refusal, model: SeverityModel, terms: ScoringTerms
) -> tuple[str, ...]:
    """Return the terms that changed what is said of a film: it may have passed unforced."""
    forced = not isinstance(outcome, Refusal) and model.gate.refused_by(outcome.flags)
    return (() if terms.read.voi else (NO_VOI,)) + ((FORCED,) if forced else ())
