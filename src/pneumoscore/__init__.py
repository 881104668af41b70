"""Pneumonia severity of frontal chest radiographs: geographic extent and opacity.

Research use only, not for medical use.

Examples
--------
A synthetic film, scored by the built-in model:

>>> import pneumoscore
>>> from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
>>> spec = PhantomSpec(right=LungDisease(0.6, 0.5), left=LungDisease(0.2, 0.5), seed=1)
>>> film = pneumoscore.Radiograph(render_phantom(spec).pixels)
>>> score = pneumoscore.score(film, force=True)
>>> extent = score["geographic_extent"]
>>> 0.0 <= extent.low <= extent.value <= extent.high <= 8.0
True
>>> abs(extent.right + extent.left - extent.value) < 1e-6
True

Many films share one opened model:

>>> model = pneumoscore.SeverityModel.open()
>>> [type(score).__name__ for score in model.score_many([film, film], force=True)]
['Score', 'Score']
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

    from pneumoscore.errors import (
        ImageTooLargeError,
        ModelError,
        NotScorableError,
        PneumoScoreError,
        UnreadableFileError,
        UnsupportedImageError,
    )
    from pneumoscore.radiograph.read import read_radiograph
    from pneumoscore.radiograph.types import Radiograph, RadiographMetadata
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

    __version__: str

__all__ = [
    "RESEARCH_NOTICE",
    "ImageTooLargeError",
    "ModelError",
    "NotScorableError",
    "PneumoScoreError",
    "Radiograph",
    "RadiographMetadata",
    "ScaleScore",
    "Score",
    "SeverityModel",
    "UnreadableFileError",
    "UnsupportedImageError",
    "__version__",
    "read_radiograph",
    "score",
]

# numpy and the rest are loaded when a name is first used (PEP 562), so that an import is cheap.
_HOMES = {
    "ImageTooLargeError": "pneumoscore.errors",
    "ModelError": "pneumoscore.errors",
    "NotScorableError": "pneumoscore.errors",
    "PneumoScoreError": "pneumoscore.errors",
    "RESEARCH_NOTICE": "pneumoscore.severity.score",
    "Radiograph": "pneumoscore.radiograph.types",
    "RadiographMetadata": "pneumoscore.radiograph.types",
    "ScaleScore": "pneumoscore.severity.score",
    "Score": "pneumoscore.severity.score",
    "SeverityModel": "pneumoscore.severity.model",
    "UnreadableFileError": "pneumoscore.errors",
    "UnsupportedImageError": "pneumoscore.errors",
    "read_radiograph": "pneumoscore.radiograph.read",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pneumoscore")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def score(
    radiograph: str | PathLike[str] | bytes | BinaryIO | Radiograph,
    model: str | Path | SeverityModel | None = None,
    level: float = 0.9,
    force: bool = False,
) -> Score:
    """Score one frontal chest radiograph. Research use only, not for medical use.

    Opens the model for this one film; for several films open a `SeverityModel` once.

    Parameters
    ----------
    radiograph : str, path, bytes, file object or Radiograph
        A DICOM, PNG, JPEG, TIFF, WebP or BMP file, or a radiograph already read.
    model : str, Path or SeverityModel, optional
        Name of a built-in model, folder of a bundle, or an opened model; by default the
        built-in one.
    level : float
        Nominal coverage of the intervals, between 0 and 1.
    force : bool
        Score a film that the quality gate refuses; its flags stay.

    Returns
    -------
    Score

    Raises
    ------
    PneumoScoreError
        If the file cannot be read, the model cannot be opened, or (`NotScorableError`)
        the quality gate refuses the film.

    Examples
    --------
    >>> from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
    >>> import pneumoscore
    >>> healthy = PhantomSpec(right=LungDisease(0.0, 0.0), left=LungDisease(0.0, 0.0), seed=1)
    >>> film = pneumoscore.Radiograph(render_phantom(healthy).pixels)
    >>> result = pneumoscore.score(film, force=True)
    >>> sorted(result.as_dict())
    ['flags', 'model', 'notice', 'scores']
    """
    from pneumoscore.radiograph.types import Radiograph
    from pneumoscore.severity.model import SeverityModel

    opened = model if isinstance(model, SeverityModel) else SeverityModel.open(model)
    if not isinstance(radiograph, Radiograph):
        from pneumoscore.radiograph.read import read_radiograph

        radiograph = read_radiograph(radiograph)
    return opened.score(radiograph, level=level, force=force)
