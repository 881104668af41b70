"""Files made of a scored film when somebody asks for them; done in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.files import write_atomically

if TYPE_CHECKING:
    from pneumoscore.severity.model import SeverityModel

__all__ = ["Download", "DownloadOrder", "has_dicom_objects", "make_download"]


class Download(StrEnum):
    """What can be made of a film.

    Attributes
    ----------
    PDF
        The printed page.
    REPORT
        The DICOM structured report (TID 1500).
    CAPTURE
        The DICOM secondary capture.
    """

    PDF = "report.pdf"
    REPORT = "report.dcm"
    CAPTURE = "capture.dcm"


@dataclass(frozen=True, slots=True)
class DownloadOrder:
    """One file to make.

    Attributes
    ----------
    kind : Download
        Which.
    film : Path
        The film.
    out : Path
        The file to write.
    name : str
        What the film is called.
    remarks : tuple of str
        Its quality flags in words.
    sha256 : str or None
        Of the model whose score was shown; None for a film without a score.
    """

    kind: Download
    film: Path
    out: Path
    name: str
    remarks: tuple[str, ...] = ()
    sha256: str | None = None


def has_dicom_objects() -> bool:
    """Return whether what makes DICOM objects is installed (extra ``pacs``)."""
    return find_spec("highdicom") is not None


def make_download(model: SeverityModel, order: DownloadOrder) -> None:
    """Write one file, whole or not at all.

    A file that is there stays: an object made again would hold other times under the same UID.

    Raises
    ------
    PneumoScoreError
        If the film cannot carry it, or the model in use is not the one whose score was shown.
    """
    if order.sha256 not in (None, model.identity.sha256):
        raise PneumoScoreError(
            "the film was scored by another model than the one in use", remedy="send it again"
        )
    make = _pdf if order.kind is Download.PDF else _dicom
    write_atomically(order.out, make(model, order))


def _pdf(model: SeverityModel, order: DownloadOrder) -> bytes:
    from pneumoscore.present.film_report import PrintedFilm, film_pdf
    from pneumoscore.radiograph.read import read_radiograph

    radiograph = read_radiograph(order.film)
    score, error = None, ""
    try:
        score = model.score(radiograph)
    except NotScorableError as refusal:
        error = str(refusal)
    return film_pdf(
        PrintedFilm(order.name, radiograph.pixels, score, error, order.remarks, model.identity)
    )


def _dicom(model: SeverityModel, order: DownloadOrder) -> bytes:
    from pneumoscore.pacs.objects.film import score_film

    wanted = "capture" if order.kind is Download.CAPTURE else "report"
    outcome = score_film(order.film.read_bytes(), model)
    for made in outcome.objects:
        if made.kind == wanted:
            return made.data
    raise PneumoScoreError("a film without a score", "a scored film for a capture")
