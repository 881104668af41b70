"""The quality gate: named flags for films that a score would mislead on.

| flag | raised when | by default |
|---|---|---|
| ``too_few_pixels`` | the shorter side is under `QualityGate.smallest_side` | refuses |
| ``almost_constant`` | the pixels hardly differ | refuses |
| ``not_a_chest_radiograph`` | the classifier says so | refuses |
| ``lateral`` | the classifier or the file's View Position says so | refuses |
| ``inverted`` | the classifier says so; without one, the reader | refuses |
| ``rotated_90``, ``rotated_180`` | the classifier says so | refuses |
| ``lungs_cut_off`` | lung reaches too far into an edge of the film | warns |
| ``outside_training`` | the features lie far from those the model was fitted on | warns |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneOutput
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import Placement, Radiograph

__all__ = [
    "FLAGS",
    "FRONTAL",
    "REFUSING",
    "VIEW_CLASSES",
    "Familiarity",
    "QualityGate",
    "ViewClassifier",
    "lung_at_edge",
]

FRONTAL = "frontal"
FLAGS = (
    "too_few_pixels",
    "almost_constant",
    "not_a_chest_radiograph",
    "lateral",
    "inverted",
    "rotated_90",
    "rotated_180",
    "lungs_cut_off",
    "outside_training",
)
VIEW_CLASSES = (
    FRONTAL,
    "not_a_chest_radiograph",
    "lateral",
    "inverted",
    "rotated_90",
    "rotated_180",
)
REFUSING = FLAGS[:7]
_LATERAL_VIEWS = ("LL", "RL")  # DICOM PS3.3 C.8.11.5, View Position (0018,5101)
_PIXEL_NOTICES = ("too_few_pixels", "almost_constant")


@dataclass(frozen=True, slots=True, eq=False)
class ViewClassifier:
    """Multinomial logistic regression on the pooled features.

    Attributes
    ----------
    classes : tuple of str
        `FRONTAL` and flags.
    coefficients : ndarray of float32, shape (classes, feature_width)
        Logit of each class for one unit of each feature.
    intercepts : ndarray of float32, shape (classes,)
        Logits at features of zero.
    least_frontal : float
        A film whose probability of being frontal is under this gets the flag of its most
        likely other class.
    """

    classes: tuple[str, ...]
    coefficients: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    least_frontal: float

    def __post_init__(self) -> None:
        _freeze(self, "coefficients", "intercepts")
        unknown = sorted(set(self.classes) - set(VIEW_CLASSES))
        if unknown or FRONTAL not in self.classes or len(self.classes) < 2:
            raise ModelError(
                f"a view classifier of the classes {', '.join(self.classes)}",
                f"{FRONTAL} and some of {', '.join(VIEW_CLASSES[1:])}",
            )
        if (
            self.coefficients.ndim != 2
            or self.coefficients.shape[0] != len(self.classes)
            or self.intercepts.shape != (len(self.classes),)
        ):
            raise ModelError(
                f"a view classifier with coefficients {self.coefficients.shape} and intercepts "
                f"{self.intercepts.shape}",
                f"one row for each of {len(self.classes)} classes",
            )

    def probabilities(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, classes)."""
        logits = features.astype(np.float64) @ self.coefficients.T + self.intercepts
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def flags(self, features: NDArray[np.floating[Any]]) -> list[str | None]:
        """Return for each film the flag of its class, None for a frontal film."""
        probabilities = self.probabilities(features)
        frontal = self.classes.index(FRONTAL)
        others = probabilities.copy()
        others[:, frontal] = -1.0
        return [
            None if row[frontal] >= self.least_frontal else self.classes[int(other.argmax())]
            for row, other in zip(probabilities, others, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """How far a film's features lie from those of the films a model was fitted on.

    The squared distance is Mahalanobis's within the space of the leading principal
    components, plus what lies outside it divided by its usual size (the distance of
    probabilistic principal component analysis, Tipping and Bishop 1999).

    Attributes
    ----------
    centre : ndarray of float32, shape (feature_width,)
        Mean of the features.
    components : ndarray of float32, shape (j, feature_width)
        Principal directions, each divided by the standard deviation along it.
    directions : ndarray of float32, shape (j,)
        Those standard deviations.
    remainder : float
        Standard deviation along a direction outside the components, above 0.
    farthest : float
        Distance beyond which a film is flagged.
    """

    centre: NDArray[np.float32]
    components: NDArray[np.float32]
    directions: NDArray[np.float32]
    remainder: float
    farthest: float

    def __post_init__(self) -> None:
        _freeze(self, "centre", "components", "directions")
        if (
            self.centre.ndim != 1
            or self.components.shape != (self.directions.size, self.centre.size)
            or not self.remainder > 0
        ):
            raise ModelError(
                f"components {self.components.shape} around a centre {self.centre.shape}",
                "one row of the centre's length for each direction",
            )

    def distances(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the distance of each film, shape (n,); about 1 for a usual film."""
        offset = features.astype(np.float64) - self.centre
        within = offset @ self.components.T.astype(np.float64)
        explained = ((within * self.directions) ** 2).sum(axis=1)
        outside = np.maximum((offset**2).sum(axis=1) - explained, 0.0) / self.remainder**2
        return np.asarray(
            np.sqrt(((within**2).sum(axis=1) + outside) / self.centre.size), dtype=np.float64
        )


@dataclass(frozen=True, slots=True, eq=False)
class QualityGate:
    """The rules that flag a film, and which of them refuse it a score.

    Without a classifier, a familiarity or a lung rule only the pixels, the reader's
    notices and the file's View Position are looked at.

    Attributes
    ----------
    view : ViewClassifier or None
        Tells frontal films from all else.
    familiarity : Familiarity or None
        Tells films unlike those the model was fitted on.
    most_lung_at_edge : float or None
        Largest usual mean share of lung in the places along one edge (`lung_at_edge`).
    refusing : tuple of str
        Flags that refuse a score unless it is forced; the others only warn.
    smallest_side : int
        Pixels of the shorter side.
    smallest_contrast : float
        Difference of the 99th and the 1st percentile of the pixels.
    """

    view: ViewClassifier | None = None
    familiarity: Familiarity | None = None
    most_lung_at_edge: float | None = None
    refusing: tuple[str, ...] = REFUSING
    smallest_side: int = 96
    smallest_contrast: float = 0.02

    def __post_init__(self) -> None:
        unknown = sorted(set(self.refusing) - set(FLAGS))
        if unknown:
            raise ModelError(
                f"a quality gate with the flag {', '.join(unknown)}", "flags of " + ", ".join(FLAGS)
            )

    def check(self, feature_width: int) -> None:
        """Raise `ModelError` if the gate was fitted on another width of features."""
        widths = []
        if self.view is not None:
            widths.append(self.view.coefficients.shape[1])
        if self.familiarity is not None:
            widths.append(self.familiarity.centre.size)
        if any(width != feature_width for width in widths):
            raise ModelError(
                f"a quality gate for {widths[0]} features",
                f"one for the backbone's {feature_width}",
                "fit the gate again on this backbone",
            )

    def film_flags(self, radiograph: Radiograph) -> tuple[str, ...]:
        """Return the flags that follow from the pixels, the reader and the file.

        Parameters
        ----------
        radiograph : Radiograph
            As read.

        Returns
        -------
        tuple of str
            In the order of `FLAGS`.
        """
        found = {notice for notice in radiograph.notices if notice in _PIXEL_NOTICES}
        if "inverted" in radiograph.notices and not self._judges("inverted"):
            found.add("inverted")
        if min(radiograph.rows, radiograph.columns) < self.smallest_side:
            found.add("too_few_pixels")
        if _contrast(radiograph.pixels) < self.smallest_contrast:
            found.add("almost_constant")
        if (radiograph.metadata.view or "").strip().upper() in _LATERAL_VIEWS:
            found.add("lateral")
        return _ordered(found)

    def output_flags(
        self, output: BackboneOutput, placements: Sequence[Placement], input_size: int
    ) -> list[tuple[str, ...]]:
        """Return the flags that follow from what the backbone sees.

        Parameters
        ----------
        output : BackboneOutput
            Of n films.
        placements : sequence of Placement, length n
            Where each film lies in the input.
        input_size : int
            Rows and columns of the input.

        Returns
        -------
        list of tuple of str
            For each film, in the order of `FLAGS`.
        """
        found: list[set[str]] = [set() for _ in placements]
        if self.view is not None:
            for flags, flag in zip(found, self.view.flags(output.features), strict=True):
                if flag is not None:
                    flags.add(flag)
        if self.familiarity is not None:
            distances = self.familiarity.distances(output.features)
            for flags, distance in zip(found, distances, strict=True):
                if distance > self.familiarity.farthest:
                    flags.add("outside_training")
        if self.most_lung_at_edge is not None and output.lungs is not None:
            for flags, lungs, placement in zip(found, output.lungs, placements, strict=True):
                if lung_at_edge(lungs, placement, input_size) > self.most_lung_at_edge:
                    flags.add("lungs_cut_off")
        return [_ordered(flags) for flags in found]

    def refused_by(self, flags: Sequence[str]) -> tuple[str, ...]:
        """Return those of `flags` that refuse a score."""
        return tuple(flag for flag in flags if flag in self.refusing)

    def _judges(self, flag: str) -> bool:
        return self.view is not None and flag in self.view.classes


def lung_at_edge(lungs: NDArray[np.floating[Any]], placement: Placement, input_size: int) -> float:
    """Return the largest mean share of lung in the places along one edge of the film.

    Parameters
    ----------
    lungs : ndarray, shape (2, rows, columns)
        Share of each place that is right and left lung.
    placement : Placement
        Where the film lies in the input; where the film is cropped, the input's edge counts.
    input_size : int
        Rows and columns of the input.

    Returns
    -------
    float
        In [0, 1] for an output whose shares are; 0 for a film narrower than a place.
    """
    share = lungs.astype(np.float64).sum(axis=0)
    film_rows, film_columns = placement.film_shape
    rows = _covered(placement.top, film_rows * placement.scale, share.shape[0], input_size)
    columns = _covered(placement.left, film_columns * placement.scale, share.shape[1], input_size)
    film = share[rows, columns]
    if film.size == 0:
        return 0.0
    edges = (film[0], film[-1], film[:, 0], film[:, -1])
    return float(max(edge.mean() for edge in edges))


def _covered(start: float, length: float, places: int, input_size: int) -> slice:
    """Return the places whose centre lies on the film."""
    pitch = input_size / places
    first = int(np.ceil(start / pitch - 0.5))
    last = int(np.floor((start + length) / pitch - 0.5))
    return slice(max(first, 0), min(last, places - 1) + 1)


def _contrast(pixels: NDArray[np.float32]) -> float:
    step = max(1, min(pixels.shape) // 256)
    low, high = np.percentile(pixels[::step, ::step], [1, 99])
    return float(high - low)


def _ordered(flags: set[str]) -> tuple[str, ...]:
    return tuple(flag for flag in FLAGS if flag in flags)


def _freeze(owner: object, *names: str) -> None:
    for name in names:
        array = np.array(getattr(owner, name), dtype=np.float32)
        if not np.isfinite(array).all():
            raise ModelError(f"{name} of a quality gate", "finite numbers")
        array.setflags(write=False)
        object.__setattr__(owner, name, array)
