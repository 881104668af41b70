"""All objects of one film, as bytes that are never made again."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pneumoscore.pacs.errors import need
from pneumoscore.pacs.objects.result import REPORT_CLASSES
from pneumoscore.present.film_view import Film
from pneumoscore.radiograph.guard import translated

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from pneumoscore.pacs.objects.header import FilmHeader
    from pneumoscore.pacs.objects.result import FilmReport

__all__ = ["FilmObject", "ObjectOptions", "film_objects"]


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """Which objects a film gets.

    Attributes
    ----------
    report_class : str
        ``"comprehensive-3d"``, ``"comprehensive"`` or ``"enhanced"``.
    capture : bool
        A secondary capture of each scored film.
    segmentation : bool
        A segmentation of the places that weigh most.
    scale : str
        Whose map capture and segmentation show.
    share : float
        Of the segmentation (see `pneumoscore.pacs.objects.segmentation.weighty_places`).

    Raises
    ------
    ValueError
        If `share` is not positive, or the class unknown.
    """

    report_class: str = REPORT_CLASSES[0]
    capture: bool = True
    segmentation: bool = False
    scale: str = "geographic_extent"
    share: float = 0.25

    def __post_init__(self) -> None:
        if not self.share > 0.0:
            raise ValueError(f"share is {self.share}; expected a positive number")
        if self.report_class not in REPORT_CLASSES:
            raise ValueError(f"report_class is {self.report_class!r}; see ObjectOptions")


@dataclass(frozen=True, slots=True, eq=False)
class FilmObject:
    """One finished object.

    Attributes
    ----------
    kind : str
        ``"report"``, ``"capture"`` or ``"segmentation"``.
    sop_class_uid, sop_instance_uid : str
        What it is.
    data : bytes
        The file (PS3.10). Keep it: made again it would hold other times under the same UID.
    """

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    data: bytes


def film_objects(
    header: FilmHeader,
    report: FilmReport,
    film: Film | None,
    options: ObjectOptions | None = None,
) -> tuple[FilmObject, ...]:
    """Return the objects of one film: in its study, each in a new series.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        What is said of it; a refused film gets a report alone.
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns), or None
        Pixels of the film that was scored, or of a smaller copy of it; None: no capture.
    options : ObjectOptions, optional
        Which objects.

    Raises
    ------
    MissingExtraError
        If the extra ``pacs`` is not installed.
    PneumoScoreError
        If an object cannot be made of this film's header.
    """
    need("highdicom")
    from pneumoscore.pacs.objects.capture import capture_dataset
    from pneumoscore.pacs.objects.report import ReportClass, report_dataset
    from pneumoscore.pacs.objects.result import Refusal
    from pneumoscore.pacs.objects.segmentation import segmentation_dataset

    options = options or ObjectOptions()
    made: dict[str, Dataset | None] = {}
    # highdicom warns with the values of attributes, which may name a patient.
    with translated("header that results are made from"):
        made["report"] = report_dataset(header, report, ReportClass(options.report_class))
        if not isinstance(report.outcome, Refusal):
            if options.capture and film is not None:
                made["capture"] = capture_dataset(header, report, film, options.scale)
            if options.segmentation:
                made["segmentation"] = segmentation_dataset(
                    header, report, options.scale, options.share
                )
        return tuple(
            _finished(kind, dataset, header)
            for kind, dataset in made.items()
            if dataset is not None
        )


def _finished(kind: str, dataset: Dataset, header: FilmHeader) -> FilmObject:
    from pydicom.uid import UID

    from pneumoscore.pacs.identity import IMPLEMENTATION_UID

    header.put_on(dataset)
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    dataset.file_meta.ImplementationVersionName = "PNEUMOSCORE"
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return FilmObject(
        kind, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), stream.getvalue()
    )
