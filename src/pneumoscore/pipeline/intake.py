"""From a scored film to a record."""

from __future__ import annotations

from pathlib import Path

from pneumoscore.cohort.types import CohortFilm
from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.result import FileResult
from pneumoscore.present.film_view import Film
from pneumoscore.radiograph.types import RadiographMetadata
from pneumoscore.records.days import time_of_day
from pneumoscore.records.types import FilmRecord, ScaleValue
from pneumoscore.severity.score import ScaleScore, Score

__all__ = ["THUMBNAIL_SIDE", "cohort_record", "dicom_record", "film_thumbnail"]

THUMBNAIL_SIDE = 192


def dicom_record(result: FileResult) -> FilmRecord:
    """Return the record of a DICOM film.

    Parameters
    ----------
    result : FileResult
        Scored; with its view it gets a small picture.

    Raises
    ------
    PneumoScoreError
        If the file names no patient (0010,0020), no instance (0008,0018) or no time.
    """
    score, said = result.score, result.metadata or RadiographMetadata()
    needed = {
        "Patient ID (0010,0020)": said.patient_id,
        "SOP Instance UID (0008,0018)": said.sop_instance_uid,
        "acquisition or study date and time": said.acquired_at,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing or said.acquired_at is None or score is None:
        raise PneumoScoreError(
            f"the film has no {', no '.join(missing or ['score'])}",
            "a DICOM file that names its patient and time",
            "import other films as a cohort: pneumoscore patient import-cohort",
        )
    instance = str(said.sop_instance_uid)
    return FilmRecord(
        patient=str(said.patient_id),
        film_uid=instance,
        # A film without a study is a study of its own.
        study_uid=said.study_instance_uid or f"film:{instance}",
        taken_at=said.acquired_at,
        model=score.model,
        values=tuple(_value(item) for item in score.scales),
        flags=score.flags,
        view=said.view,
        sex=said.patient_sex,
        file=str(Path(result.file).absolute()) if result.member is None else result.file,
        thumbnail=None if result.view is None else film_thumbnail(result.view, score),
        issuer=said.patient_id_issuer or "",
        birth_date=said.patient_birth_date,
        utc_offset_minutes=said.utc_offset_minutes,
        acquired_by=said.acquired_by,
        file_sha256=result.content,
        pixel_sha256=result.pixels,
    )


def cohort_record(
    cohort: str, film: CohortFilm, result: FileResult, *, issuer: str = ""
) -> FilmRecord:
    """Return the record of a film of a cohort, known by day.

    Films of a patient on one day are one study.

    Parameters
    ----------
    cohort : str
        Name of the cohort: part of the films' identity.
    film : CohortFilm
        With its offset in days.
    result : FileResult
        Scored; with its view it gets a small picture.
    issuer : str, optional
        Whose numbers the cohort's patients have: two tables may number theirs alike, and name
        their films alike.

    Raises
    ------
    PneumoScoreError
        If the cohort does not know the film's day, or there is no score.
    """
    if film.offset_days is None:
        raise PneumoScoreError("the film's day is unknown", "an offset in days")
    score = result.score
    if score is None:
        raise PneumoScoreError("the film has no score", "a scored film")
    named = f"{cohort} ({issuer})" if issuer else cohort
    return FilmRecord(
        patient=film.patient,
        film_uid=f"cohort:{named}/{film.name}",
        study_uid=f"cohort:{named}/{film.patient}/day {film.offset_days:g}",
        taken_at=time_of_day(film.offset_days),
        model=score.model,
        values=tuple(_value(item) for item in score.scales),
        flags=score.flags,
        view=film.view,
        sex=film.sex,
        calendar=False,
        file=str(film.path.absolute()),
        thumbnail=None if result.view is None else film_thumbnail(result.view, score),
        issuer=issuer,
        file_sha256=result.content,
        pixel_sha256=result.pixels,
    )


def _value(item: ScaleScore) -> ScaleValue:
    return ScaleValue(
        scale=item.scale.name,
        value=float(item.value),
        raw=float(item.raw),
        low=None if item.low is None else float(item.low),
        high=None if item.high is None else float(item.high),
        level=item.level,
        right=None if item.right is None else float(item.right),
        left=None if item.left is None else float(item.left),
    )


def film_thumbnail(film: Film, score: Score) -> bytes:
    """Return a JPEG of the film with the contribution map of its first scale over it.

    Parameters
    ----------
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        The film that was scored, or a smaller copy of it.
    score : Score
        Its score.

    Returns
    -------
    bytes
        RGB, longer side at most `THUMBNAIL_SIDE` pixels. It shows nothing else that the file
        says.
    """
    from pneumoscore.present.film_picture import map_jpeg

    return map_jpeg(film, score, score.scales[0].scale.name, THUMBNAIL_SIDE)
