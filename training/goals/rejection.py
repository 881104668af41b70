"""Figure 7: what the quality gate refuses, on images that nothing was fitted on."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscore.cohort.public import load_cohen94, load_other_views
from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from training.films import read_corpus_index
from training.finding_auc import kept_films
from training.gate_images import fits_gate, gate_corpus
from training.goals.figures import FigureResult, FigureRow, Progress
from training.leakage import bar_test_films

__all__ = [
    "Rejection",
    "blank_images",
    "measure_rejection",
    "noise_images",
    "photographs",
    "rejection_figure",
    "two_in_one",
    "unseen_frontal_films",
]

_PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff"}
_FRONTAL_CORPORA = {"nih": 1, "rsna_normal": 4}

Named = Iterable[tuple[str, Radiograph | None]]
"""Images with their names; None for a file that the reader does not take."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """What happened to the images of one kind.

    Attributes
    ----------
    images, refused : int
        How many; a file that the reader does not take counts as refused.
    reasons : dict of str to int
        Images by flag, or by ``"not readable"``.
    let_through, refused_names : tuple of str
        Names of images that got a score, and that did not.
    """

    images: int
    refused: int
    reasons: dict[str, int]
    let_through: tuple[str, ...]
    refused_names: tuple[str, ...]


def measure_rejection(
    model: SeverityModel, images: Named, progress: Progress | None = None
) -> Rejection:
    """Offer images to a model and count what it refuses.

    Parameters
    ----------
    model : SeverityModel
        With its quality gate.
    images : iterable of (str, Radiograph or None)
        Each with its name.
    progress : callable, optional
        Called with the number of images done.
    """
    reasons: Counter[str] = Counter()
    let_through: list[str] = []
    refused: list[str] = []
    for done, (name, radiograph) in enumerate(images, start=1):
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
        len(let_through) + len(refused),
        len(refused),
        dict(sorted(reasons.items())),
        tuple(let_through),
        tuple(refused),
    )


def read_named(paths: Iterable[Path]) -> Iterator[tuple[str, Radiograph | None]]:
    """Yield files as the reader takes them."""
    for path in paths:
        try:
            yield path.name, read_radiograph(path)
        except PneumoScoreError:
            yield path.name, None


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
    generator = np.random.default_rng(0)
    for index in range(count):
        grain = (1, 8, 32)[index % 3]
        noise = generator.random((size // grain, size // grain), dtype=np.float32)
        pixels = np.asarray(Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC))
        yield f"noise {index}, grain {grain}", Radiograph(np.clip(pixels, 0.0, 1.0))


def two_in_one(paths: list[Path], side: int = 512) -> Iterator[tuple[str, Radiograph]]:
    """Yield pictures of two films each, beside each other and one above the other in turn."""
    half = len(paths) // 2
    for index, (one, other) in enumerate(zip(paths[:half], paths[half:], strict=False)):
        squares = [
            np.asarray(Image.fromarray(read_radiograph(path).pixels).resize((side, side)))
            for path in (one, other)
        ]
        pixels = np.concatenate(squares, axis=1 - index % 2)
        yield f"{one.name} + {other.name}", Radiograph(np.clip(pixels, 0.0, 1.0))


def unseen_frontal_films(data: Path) -> Iterator[tuple[str, Radiograph]]:
    """Yield frontal films of adults that fitted neither networks nor gate.

    The 94, and corpus films of the patients that training keeps aside, without those of the
    gate.
    """
    for film in load_cohen94(data):
        yield film.name, read_radiograph(film.path)
    barred = bar_test_films(data)
    rows = [
        row
        for row in read_corpus_index(data / "corpus" / "index.csv")
        if f"{row.archive}/{row.file}" not in barred
    ]
    for archive, every in _FRONTAL_CORPORA.items():
        fitted = {row.patient for row in gate_corpus(rows, archive)}
        kept = [row for row in kept_films(rows, archive) if row.patient not in fitted]
        with zipfile.ZipFile(data / "corpus" / f"{archive}.zip") as files:
            for row in kept[::every]:
                yield f"{archive}/{row.file}", read_radiograph(files.read(row.file))


def rejection_figure(
    data: Path, model: SeverityModel, progress: Progress | None = None
) -> FigureResult:
    """Figure 7: what is refused and should be, and what should not be."""
    other = [film for film in load_other_views(data) if not fits_gate(film.patient)]
    kinds: dict[str, Named] = {
        "lateral films": read_named(film.path for film in other if film.source == "X-ray"),
        "CT slices": read_named(film.path for film in other if film.source == "CT"),
        "photographs": read_named(photographs()),
        "two films in one picture": two_in_one([film.path for film in load_cohen94(data)]),
        "blank images": blank_images(),
        "noise": noise_images(),
    }
    found = {kind: measure_rejection(model, images, progress) for kind, images in kinds.items()}
    rows = [
        FigureRow(
            f"{kind}: refused",
            f"{item.refused} of {item.images}",
            "at most one missed",
            item.images - item.refused <= 1,
        )
        for kind, item in found.items()
    ]
    frontal = measure_rejection(model, unseen_frontal_films(data), progress)
    rows.append(
        FigureRow(
            "frontal films of adults: wrongly refused",
            f"{frontal.refused} of {frontal.images}",
            "0 of >= 300",
            frontal.refused == 0 and frontal.images >= 300,
        )
    )
    found["frontal films"] = frontal
    return FigureResult(7, tuple(rows), {kind: asdict(item) for kind, item in found.items()})
