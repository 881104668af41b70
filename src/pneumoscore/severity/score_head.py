"""From a backbone's output to the score on one scale."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneOutput, BackboneRecord
from pneumoscore.errors import ModelError
from pneumoscore.severity.head import Head, LinearForm, contribution_map
from pneumoscore.severity.score import ScaleScore
from pneumoscore.severity.sides import split_sides

__all__ = ["BackboneLike", "film_output", "score_head"]

_LARGEST_POOLING_ERROR = 1e-3


class BackboneLike(Protocol):
    """What a severity model needs of a backbone (`pneumoscore.backbone.session.Backbone`)."""

    @property
    def record(self) -> BackboneRecord:
        """What the backbone is and how it wants to be fed."""

    def wait(self) -> None:
        """Return once the network is loaded."""

    def run(self, batch: NDArray[np.float32]) -> BackboneOutput:
        """Run films of shape (n, 1, size, size)."""

    def input_gradient(
        self, batch: NDArray[np.float32], coefficients: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the gradient of ``coefficients . features``, shape (n, size, size)."""


def film_output(output: BackboneOutput, index: int) -> BackboneOutput:
    """Return the output of one film as a batch of one."""
    one = slice(index, index + 1)
    return BackboneOutput(
        output.findings[one],
        output.features[one],
        output.feature_map[one],
        None if output.lungs is None else output.lungs[one],
    )


def score_head(
    head: Head,
    form: LinearForm | None,
    record: BackboneRecord,
    output: BackboneOutput,
    level: float,
) -> ScaleScore:
    """Score one film on one scale.

    Parameters
    ----------
    head : Head
        Of the scale.
    form : LinearForm or None
        The head as a function of the pooled features, if it is linear in them.
    record : BackboneRecord
        Of the backbone.
    output : BackboneOutput
        A batch of one film.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    ScaleScore

    Raises
    ------
    ModelError
        If the features are not the mean of the feature map, so that the map would not sum
        to the score.
    """
    raw = float(head.predict(head.inputs(output, record.findings))[0])
    value = head.scale.clip(raw)
    low = high = right = left = contributions = None
    intercept = head.intercept
    if head.interval is not None:
        low, high = head.interval.bounds(value, level, head.scale)
    if form is not None:
        intercept = form.intercept
        places = contribution_map(output.feature_map[0], form.coefficients)
        _check_pooling(record.name, raw, intercept + float(places.sum()))
        if head.places is not None:
            intercept, places = head.places.shared(raw, output.feature_map[0])
        lungs = None if output.lungs is None else output.lungs[0]
        right, left = split_sides(value, intercept, places, head.scale, lungs)
        contributions = places.astype(np.float32)
    return ScaleScore(
        scale=head.scale,
        value=value,
        raw=raw,
        low=low,
        high=high,
        level=level,
        right=right,
        left=left,
        intercept=intercept,
        contributions=contributions,
    )


def _check_pooling(backbone: str, raw: float, from_places: float) -> None:
    if abs(raw - from_places) > _LARGEST_POOLING_ERROR * max(1.0, abs(raw)):
        raise ModelError(
            f"the backbone {backbone!r} gives a raw score of {raw:.4f} and a map that sums to "
            f"{from_places:.4f}",
            "features that are the mean of the feature map",
            "export the backbone as docs/architecture.md says",
        )
