"""What the quality gate refuses: images that are no frontal film, and films it should score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

__all__ = ["Rejection", "blank_images", "measure_rejection", "noise_images", "photographs"]

_PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True, slots=True)
class Rejection:
    """What happened to the images of one kind.

    Attributes
    ----------
    kind : str
        For example ``"lateral films"``.
    images, refused : int
        How many; a file that the reader does not take counts as refused.
    reasons : dict of str to int
        Images by flag, or by ``"not readable"``.
    let_through : tuple of str
        Names of images that got a score.
    refused_names : tuple of str
        Names of images that did not.
    """

    kind: str
    images: int
    refused: int
    reasons: dict[str, int]
    let_through: tuple[str, ...]
    refused_names: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of the images that was refused."""
        return self.refused / self.images if self.images else float("nan")


def photographs() -> list[Path]:
    """Return the photographs that come with scikit-learn and, if installed, scikit-image."""
    import sklearn.datasets

    folders = [Path(sklearn.datasets.__file__).parent / "images"]
    try:
        import skimage.data
    except ImportError:
        pass
    else:
        folders.append(Path(skimage.data.__file__).parent)
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _PHOTO_SUFFIXES
    ]


def blank_images(size: int = 512) -> Iterator[tuple[str, Radiograph]]:
    """Yield constant images and smooth ramps."""
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield f"constant {value:g}", Radiograph(np.full((size, size), value, dtype=np.float32))
    ramp = np.broadcast_to(np.linspace(0, 1, size, dtype=np.float32), (size, size))
    for name, pixels in (("ramp across", ramp), ("ramp down", ramp.T)):
        yield name, Radiograph(np.ascontiguousarray(pixels))


def noise_images(count: int = 30, size: int = 512) -> Iterator[tuple[str, Radiograph]]:
    """Yield images of white and of coarse noise, equal each time."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for index in range(count):
        grain = (1, 8, 32)[index % 3]
        noise = generator.random((size // grain, size // grain), dtype=np.float32)
        pixels = np.asarray(Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC))
        yield f"noise {index}, grain {grain}", Radiograph(np.clip(pixels, 0.0, 1.0))


def _read(paths: Iterable[Path]) -> Iterator[tuple[str, Radiograph | None]]:
    for path in paths:
        try:
            yield path.name, read_radiograph(path)
        except PneumoScoreError:
            yield path.name, None


def measure_rejection(
    model: SeverityModel,
    kind: str,
    images: Sequence[Path] | Iterable[tuple[str, Radiograph]],
    progress: Callable[[int], None] | None = None,
) -> Rejection:
    """Offer images to a model and count what it refuses.

    Parameters
    ----------
    model : SeverityModel
        With its quality gate.
    kind : str
        Name of the images.
    images : sequence of Path, or iterable of (str, Radiograph)
        Files, or images made in memory with their names.
    progress : callable, optional
        Called with the number of images done.
    """
    reasons: Counter[str] = Counter()
    let_through: list[str] = []
    refused: list[str] = []
    named: Iterable[tuple[str, Radiograph | None]]
    if isinstance(images, Sequence):
        named = _read(path for path in images if isinstance(path, Path))
    else:
        named = images
    for done, (name, radiograph) in enumerate(named, start=1):
        flags: tuple[str, ...] = ("not readable",)
        if radiograph is not None:
            try:
                model.score(radiograph)
                flags = ()
            except NotScorableError as error:
                flags = error.flags
        reasons.update(flags)
        (refused if flags else let_through).append(name)
        if progress is not None:
            progress(done)
    return Rejection(
        kind,
        len(let_through) + len(refused),
        len(refused),
        dict(sorted(reasons.items())),
        tuple(let_through),
        tuple(refused),
    )
