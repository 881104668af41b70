"""Telling frontal chest radiographs from everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscore.backbone.record import BackboneOutput
from pneumoscore.errors import ModelError

__all__ = ["CHILD", "FRONTAL", "VIEW_CLASSES", "ViewClassifier", "frozen_floats", "view_inputs"]

FRONTAL = "frontal"
CHILD = "child"
VIEW_CLASSES = (
    FRONTAL,
    "not_a_chest_radiograph",
    "lateral",
    "inverted",
    "rotated_90",
    "rotated_180",
    CHILD,
)
_SURELY_CHILD = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class ViewClassifier:
    """Multinomial logistic regression on what a backbone sees (`view_inputs`).

    Attributes
    ----------
    classes : tuple of str
        `FRONTAL` and flags.
    coefficients : ndarray of float32, shape (classes, k)
        Logit of each class for one unit of each input; k is the backbone's feature width, or
        twice that.
    intercepts : ndarray of float32, shape (classes,)
        Logits at inputs of zero.
    least_frontal : float
        A film whose probability of being frontal, an adult's or a child's, is under this gets
        the flag of its most likely other class.
    """

    classes: tuple[str, ...]
    coefficients: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    least_frontal: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", frozen_floats(self.coefficients, "coefficients"))
        object.__setattr__(self, "intercepts", frozen_floats(self.intercepts, "intercepts"))
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

    def inputs(self, output: BackboneOutput) -> NDArray[np.float64]:
        """Return what the classifier sees of n films, shape (n, k)."""
        wide = self.coefficients.shape[1] > output.features.shape[1]
        return view_inputs(output, with_spread=wide)

    def probabilities(self, inputs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, classes)."""
        logits = inputs.astype(np.float64) @ self.coefficients.T + self.intercepts
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def flags(self, inputs: NDArray[np.floating[Any]]) -> list[str | None]:
        """Return for each film the flag of its class, None for a frontal film of an adult."""
        return self.named(self.probabilities(inputs))

    def frontal(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a frontal film, an adult's or a child's, shape (n,)."""
        return np.asarray(probabilities[:, self._usual()].sum(axis=1), dtype=np.float64)

    def named(self, probabilities: NDArray[np.float64]) -> list[str | None]:
        """Return what `flags` does, from probabilities of shape (n, classes)."""
        others = probabilities.copy()
        others[:, self._usual()] = -1.0
        child = self.classes.index(CHILD) if CHILD in self.classes else None
        found: list[str | None] = []
        for chance, row, other in zip(
            self.frontal(probabilities), probabilities, others, strict=True
        ):
            if chance < self.least_frontal:
                found.append(self.classes[int(other.argmax())])
            else:
                sure = child is not None and row[child] >= _SURELY_CHILD * chance
                found.append(CHILD if sure else None)
        return found

    def _usual(self) -> list[int]:
        return [self.classes.index(name) for name in (FRONTAL, CHILD) if name in self.classes]


def view_inputs(output: BackboneOutput, *, with_spread: bool) -> NDArray[np.float64]:
    """Return what a classifier of views sees of n films.

    Parameters
    ----------
    output : BackboneOutput
    with_spread : bool
        Whether the deviation of each feature over the places stands behind the features. A
        network that was taught to score frontal films tells others by it much better than by
        its means alone.

    Returns
    -------
    ndarray of float64, shape (n, feature_width) or (n, 2 * feature_width)
    """
    features = output.features.astype(np.float64)
    if not with_spread:
        return features
    spread = output.feature_map.std(axis=(2, 3), dtype=np.float64)
    return np.concatenate([features, spread], axis=1)


def frozen_floats(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return `values` as a read-only copy in single precision.

    Raises
    ------
    ModelError
        If a value is not finite.
    """
    array = np.array(values, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ModelError(f"{name} of a quality gate that are not finite", "finite numbers")
    array.setflags(write=False)
    return array
