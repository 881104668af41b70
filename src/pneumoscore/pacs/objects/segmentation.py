"""The segmentation: places that weigh most in a score (PS3.3 A.51), by option."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from pneumoscore.marks import program_mark
from pneumoscore.pacs.identity import MANUFACTURER, PRODUCT
from pneumoscore.pacs.objects import codes as ours
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport, Refusal, unusual
from pneumoscore.present.film_view import relative_map
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.stored import on_stored_image
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

__all__ = ["segmentation_dataset", "weighty_places"]

_SERIES_NUMBER = 9003
_MORPHOLOGY = Code("49755003", "SCT", "Morphologically Altered Structure")


def weighty_places(
    part: ScaleScore,
    score: Score,
    share: float,
    shape: tuple[int, int],
    origin: Origin | None = None,
) -> NDArray[np.bool_]:
    """Return the pixels whose place contributes more than `share` of the end of the colours.

    Parameters
    ----------
    part : ScaleScore
        Whose contribution map is looked at.
    score : Score
        It belongs to.
    share : float
        Over 0; of `pneumoscore.present.film_view.map_end`, which depends on the scale and never
        on the film.
    shape : tuple of int
        Rows and columns of the stored image.
    origin : Origin, optional
        Where the film lies in it: the reader may have turned, shrunk and trimmed it.

    Returns
    -------
    ndarray of bool, shape `shape`
        All false where the scale has no map.
    """
    from PIL import Image

    if part.contributions is None:
        return np.zeros(shape, dtype=bool)
    mask = relative_map(part, score.placement, score.placement.film_shape) > share
    if origin is not None and origin.shape == shape:
        return on_stored_image(mask, origin)
    if mask.shape != shape:
        image = Image.fromarray(mask.astype(np.uint8)).resize(
            (shape[1], shape[0]), Image.Resampling.NEAREST
        )
        mask = np.asarray(image) > 0
    return mask


def segmentation_dataset(
    header: FilmHeader, report: FilmReport, scale_name: str, share: float
) -> Dataset | None:
    """Return the segmentation of `weighty_places`, or None where there are none.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        With a score.
    scale_name : str
        Whose map is thresholded.
    share : float
        As for `weighty_places`.

    Returns
    -------
    pydicom.Dataset or None
        Binary, of the film's rows and columns; without patient data until `FilmHeader.put_on`
        has copied them.

    Raises
    ------
    ValueError
        If the film was refused.
    """
    score = report.outcome
    if isinstance(score, Refusal):
        raise ValueError("a refused film has no map")
    part = score[scale_name]
    mask = weighty_places(part, score, share, (header.rows, header.columns), report.origin)
    if not mask.any():
        return None
    source, model = header.sop_instance_uid, report.model
    terms = unusual(scale=scale_name, share=share)
    segment = SegmentDescription(
        1,
        f"Weighs in {part.scale.title.lower()}",
        segmented_property_category=_MORPHOLOGY,
        segmented_property_type=ours.ABNORMAL_OPACITY,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=f"{PRODUCT} {model.name}",
            family=ours.ARTIFICIAL_INTELLIGENCE,
            version=model.version,
        ),
        tracking_uid=report.uid(source, "tracking segment", *terms),
        tracking_id=f"contribution to {scale_name} over {share:g} of the colours' end",
        anatomic_regions=[ours.LUNG],
    )
    image: Dataset = Segmentation(
        [header.reference()],
        mask,
        "BINARY",
        [segment],
        series_instance_uid=report.uid(source, "segmentation series", *terms),
        series_number=_SERIES_NUMBER,
        series_description=f"{PRODUCT}: {RESEARCH_NOTICE.lower()}",
        sop_instance_uid=report.uid(source, "segmentation", *terms),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=PRODUCT,
        software_versions=program_mark("segmentation"),
        device_serial_number=model.sha256[:12],
        content_description=RESEARCH_NOTICE,
        content_label="PNEUMOSCORE",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    image.PatientOrientation = list(header.orientation or ())
    return image
