"""The quality gate: named flags for films that a score would mislead on.

| flag | raised when | by default |
|---|---|---|
| ``too_few_pixels`` | the shorter side is under `QualityGate.smallest_side` | refuses |
| ``almost_constant`` | the pixels hardly differ | refuses |
| ``two_films`` | each half of the picture looks like a whole chest | refuses, always |
| ``not_a_chest_radiograph`` | the classifier says so | refuses |
| ``lateral`` | the classifier, or View Position or Patient Orientation says so | refuses |
| ``inverted`` | the classifier says so; without one, the reader | refuses |
| ``rotated_90``, ``rotated_180`` | the classifier says so | refuses |
| ``no_lungs_found`` | the frame around the lungs was wanted and not found | warns |
| ``lungs_cut_off`` | lung reaches too far into an edge of the film | warns |
| ``outside_training`` | the features lie far from those the model was fitted on | warns |
| ``child`` | the classifier sees a child, or the file says under 18 | warns |
| ``other_body_part`` | the file names another part of the body than the chest | warns |
| ``side_not_stated`` | a DICOM file does not say where the patient's left is | warns |
| ``view_not_checked`` | no classifier: nothing told frontal films from others | warns |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneOutput
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.notices import spread_of
from pneumoscore.radiograph.subject import is_child, is_other_body_part, is_side_silent
from pneumoscore.radiograph.types import Placement, Radiograph, RadiographMetadata
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.view import ViewClassifier

__all__ = ["FLAGS", "REFUSING", "QualityGate", "lung_at_edge"]

FLAGS = (
    "too_few_pixels",
    "almost_constant",
    "two_films",
    "not_a_chest_radiograph",
    "lateral",
    "inverted",
    "rotated_90",
    "rotated_180",
    "no_lungs_found",
    "lungs_cut_off",
    "outside_training",
    "child",
    "other_body_part",
    "side_not_stated",
    "view_not_checked",
)
REFUSING = FLAGS[:8]
_LATERAL_VIEWS = ("LL", "RL")  # DICOM PS3.3 C.8.1.1, View Position (0018,5101)
_PIXEL_NOTICES = ("too_few_pixels", "almost_constant", "two_films")
# Whatever a model's gate says: no number is right for two films.
_ALWAYS_REFUSING = ("two_films",)


@dataclass(frozen=True, slots=True, eq=False)
class QualityGate:
    """The rules that flag a film, and which of them refuse it a score.

    Without a classifier, a familiarity or a lung rule only the pixels, the reader's
    notices and the file's View Position are looked at, and every film is flagged
    ``view_not_checked``.

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
        wrong = []
        if self.view is not None:
            seen = self.view.coefficients.shape[1]
            wrong += [seen] if seen not in (feature_width, 2 * feature_width) else []
        if self.familiarity is not None:
            usual = self.familiarity.centre.size
            wrong += [usual] if usual != feature_width else []
        if wrong:
            raise ModelError(
                f"a quality gate for {wrong[0]} features",
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
        if spread_of(radiograph.pixels) < self.smallest_contrast:
            found.add("almost_constant")
        if (radiograph.metadata.view or "").strip().upper() in _LATERAL_VIEWS:
            found.add("lateral")
        return _ordered(found | _said(radiograph.metadata))

    def output_flags(
        self, output: BackboneOutput, placements: Sequence[Placement]
    ) -> list[tuple[str, ...]]:
        """Return the flags that follow from what the backbone sees.

        Parameters
        ----------
        output : BackboneOutput
            Of n films.
        placements : sequence of Placement, length n
            Where each film lies in the input.

        Returns
        -------
        list of tuple of str
            For each film, in the order of `FLAGS`.
        """
        found: list[set[str]] = [set() for _ in placements]
        if self.view is None:
            for flags in found:
                flags.add("view_not_checked")
        else:
            for flags, flag in zip(found, self.view.flags(self.view.inputs(output)), strict=True):
                if flag is not None:
                    flags.add(flag)
        if self.familiarity is not None:
            distances = self.familiarity.distances(output.features)
            for flags, distance in zip(found, distances, strict=True):
                if distance > self.familiarity.farthest:
                    flags.add("outside_training")
        if self.most_lung_at_edge is not None and output.lungs is not None:
            for flags, lungs, placement in zip(found, output.lungs, placements, strict=True):
                if lung_at_edge(lungs, placement) > self.most_lung_at_edge:
                    flags.add("lungs_cut_off")
        return [_ordered(flags) for flags in found]

    def refused_by(self, flags: Sequence[str]) -> tuple[str, ...]:
        """Return those of `flags` that refuse a score."""
        return tuple(flag for flag in flags if flag in (*self.refusing, *_ALWAYS_REFUSING))

    def _judges(self, flag: str) -> bool:
        return self.view is not None and flag in self.view.classes


def lung_at_edge(lungs: NDArray[np.floating[Any]], placement: Placement) -> float:
    """Return the largest mean share of lung in the places along one edge of the film.

    Parameters
    ----------
    lungs : ndarray, shape (2, rows, columns)
        Share of each place that is right and left lung.
    placement : Placement
        Where the film lies in the input; an edge that the input does not show counts for
        nothing.

    Returns
    -------
    float
        In [0, 1] for an output whose shares are; 0 for a film narrower than a place.
    """
    share = lungs.astype(np.float64).sum(axis=0)
    film_rows, film_columns = placement.film_shape
    size = placement.input_size
    rows, top, bottom = _covered(placement.top, film_rows * placement.scale, share.shape[0], size)
    columns, left, right = _covered(
        placement.left, film_columns * placement.scale, share.shape[1], size
    )
    film = share[rows, columns]
    if film.size == 0:
        return 0.0
    edges = ((film[0], top), (film[-1], bottom), (film[:, 0], left), (film[:, -1], right))
    return max((float(edge.mean()) for edge, shown in edges if shown), default=0.0)


def _covered(start: float, length: float, places: int, input_size: int) -> tuple[slice, bool, bool]:
    """Return the places whose centre lies on the film, and whether its ends are in the input."""
    pitch = input_size / places
    first = int(np.ceil(start / pitch - 0.5))
    last = int(np.floor((start + length) / pitch - 0.5))
    covered = slice(max(first, 0), min(last, places - 1) + 1)
    return covered, start > -pitch / 2, start + length < input_size + pitch / 2


def _said(said: RadiographMetadata) -> set[str]:
    """Return the flags that follow from what the file says."""
    orientation = said.patient_orientation or ("", "")
    flags = {
        "lateral": any(direction[:1] in ("A", "P") for direction in orientation),
        "child": is_child(said),
        "other_body_part": is_other_body_part(said),
        "side_not_stated": is_side_silent(said),
    }
    return {flag for flag, raised in flags.items() if raised}


def _ordered(flags: set[str]) -> tuple[str, ...]:
    return tuple(flag for flag in FLAGS if flag in flags)
