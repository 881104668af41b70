"""Heads: linear maps from a feature set to one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneOutput, BackboneRecord
from pneumoscore.errors import ModelError
from pneumoscore.severity.features import FEATURE_SETS, select_features
from pneumoscore.severity.interval import ConformalInterval
from pneumoscore.severity.places import Places
from pneumoscore.severity.scale import Scale

__all__ = ["Head", "LinearForm", "contribution_map"]


@dataclass(frozen=True, slots=True, eq=False)
class LinearForm:
    """A head as a linear function of the pooled features.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (feature_width,)
        In points of the scale for one unit of each feature.
    intercept : float
        In points of the scale.
    """

    coefficients: NDArray[np.float64]
    intercept: float


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear map from a feature set to one scale.

    Attributes
    ----------
    scale : Scale
        What the number means.
    feature_set : str
        One of `pneumoscore.severity.features.FEATURE_SETS`.
    coefficients : ndarray of float64, shape (k,)
        In points of the scale for one unit of each input.
    intercept : float
        In points of the scale.
    interval : ConformalInterval or None
        None for a head that was published without residuals.
    finding_names : tuple of str
        For the sets of findings: the input of each coefficient. Otherwise empty.
    places : Places or None
        Where the score comes from; None where the coefficients themselves tell it.
    """

    scale: Scale
    feature_set: str
    coefficients: NDArray[np.float64]
    intercept: float
    interval: ConformalInterval | None = None
    finding_names: tuple[str, ...] = ()
    places: Places | None = None

    def __post_init__(self) -> None:
        coefficients = np.array(self.coefficients, dtype=np.float64)
        coefficients.setflags(write=False)
        object.__setattr__(self, "coefficients", coefficients)
        if self.feature_set not in FEATURE_SETS:
            raise ModelError(
                f"feature set {self.feature_set!r} is unknown", "one of " + ", ".join(FEATURE_SETS)
            )
        if coefficients.ndim != 1 or not np.isfinite([*coefficients, self.intercept]).all():
            raise ModelError(
                f"coefficients of the head {self.scale.name!r}", "a list of finite numbers"
            )
        if self.feature_set != "features" and coefficients.size != len(self.finding_names):
            raise ModelError(
                f"{coefficients.size} coefficients and {len(self.finding_names)} findings "
                f"in the head {self.scale.name!r}",
                "one coefficient for each finding",
            )

    def check(self, record: BackboneRecord) -> None:
        """Raise `ModelError` if the head does not fit a backbone."""
        if self.feature_set == "features" and self.coefficients.size != record.feature_width:
            raise ModelError(
                f"the head {self.scale.name!r} has {self.coefficients.size} coefficients",
                f"{record.feature_width}, the feature width of the backbone {record.name!r}",
                "use the backbone that the head was fitted on",
            )
        if self.places is not None and self.places.coefficients.size != record.feature_width:
            raise ModelError(
                f"the places of the head {self.scale.name!r} have "
                f"{self.places.coefficients.size} coefficients",
                f"{record.feature_width}, the feature width of the backbone {record.name!r}",
                "use the backbone that the head was fitted on",
            )
        missing = [name for name in self.finding_names if name not in record.findings]
        if missing:
            raise ModelError(
                f"the head {self.scale.name!r} needs the finding {', '.join(missing)}",
                f"a backbone that has it, other than {record.name!r}",
                "use the backbone that the head was fitted on",
            )

    def predict(self, inputs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the raw values of n films.

        Parameters
        ----------
        inputs : ndarray, shape (n, k)
            The head's feature set.

        Returns
        -------
        ndarray of float64, shape (n,)
            Not clipped to the scale.
        """
        return np.asarray(
            inputs.astype(np.float64) @ self.coefficients + self.intercept, dtype=np.float64
        )

    def inputs(self, output: BackboneOutput, findings: Sequence[str]) -> NDArray[np.float64]:
        """Return what the head sees of a backbone's output, shape (n, k)."""
        return select_features(output, self.feature_set, findings, self.finding_names)

    def linear_form(self, record: BackboneRecord) -> LinearForm | None:
        """Return the head as a linear function of the pooled features, where it is one.

        Heads on findings are linear in the features if the backbone's findings are; the
        record says so by ``details["findings_weight"]``, shape (findings, feature_width),
        and ``details["findings_bias"]``, shape (findings,).

        Returns
        -------
        LinearForm or None
            None if the record does not hold the weights.

        Raises
        ------
        ModelError
            If their shapes do not fit the record.
        """
        if self.feature_set == "features":
            return LinearForm(self.coefficients, self.intercept)
        if self.feature_set == "none":
            return LinearForm(np.zeros(record.feature_width), self.intercept)
        if "findings_weight" not in record.details:
            return None
        weight = np.asarray(record.details["findings_weight"], dtype=np.float64)
        bias = np.asarray(
            record.details.get("findings_bias", np.zeros(len(record.findings))), dtype=np.float64
        )
        shape = (len(record.findings), record.feature_width)
        if weight.shape != shape or bias.shape != shape[:1]:
            raise ModelError(
                f"findings_weight {weight.shape} and findings_bias {bias.shape} in the record of "
                f"the backbone {record.name!r}",
                f"shapes {shape} and {shape[:1]}",
            )
        rows = [record.findings.index(name) for name in self.finding_names]
        return LinearForm(
            self.coefficients @ weight[rows],
            self.intercept + float(self.coefficients @ bias[rows]),
        )


def contribution_map(
    feature_map: NDArray[np.floating[Any]], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much each place adds to a raw score.

    Pooling is a mean over places and the head is linear, so the score is a sum over
    places: the class activation map of Zhou et al. 2016 (CVPR, section 2), divided by
    the number of places.

    Parameters
    ----------
    feature_map : ndarray, shape (..., feature_width, rows, columns)
        Of the films.
    coefficients : ndarray of float64, shape (feature_width,)
        Of the head.

    Returns
    -------
    ndarray of float64, shape (..., rows, columns)
        In points of the scale; sums to the raw score minus the intercept.
    """
    places = feature_map.shape[-2] * feature_map.shape[-1]
    return np.asarray(
        np.einsum("...kij,k->...ij", feature_map.astype(np.float64), coefficients) / places,
        dtype=np.float64,
    )
