"""What a phantom shows, and what a rendered phantom holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["LungDisease", "Phantom", "PhantomSpec", "demo_series"]

CONSOLIDATION_DENSITY = 0.5
WHITE_OUT_DENSITY = 0.85


@dataclass(frozen=True, slots=True)
class LungDisease:
    """Pneumonia of one lung.

    Attributes
    ----------
    extent : float
        Share of the projected lung area involved, in [0, 1].
    density : float
        How much of the air of the involved lung is replaced, in [0, 1]: below 0.5 ground
        glass, from 0.5 consolidation, from 0.85 with more than 75 % involved white-out.

    Raises
    ------
    ValueError
        If a value is outside [0, 1].
    """

    extent: float = 0.0
    density: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("extent", self.extent), ("density", self.density)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; expected a number from 0 to 1")

    @property
    def is_present(self) -> bool:
        """Whether anything of it shows: neither extent nor density is zero."""
        return self.extent > 0.0 and self.density > 0.0

    @property
    def geographic_extent(self) -> int:
        """Extent grade of this lung, 0-4 (Cohen et al. 2020, Methods).

        Examples
        --------
        >>> [LungDisease(extent, 0.3).geographic_extent for extent in (0, 0.1, 0.3, 0.6, 0.9)]
        [0, 1, 2, 3, 4]
        """
        if not self.is_present:
            return 0
        return 1 + (self.extent >= 0.25) + (self.extent > 0.5) + (self.extent > 0.75)

    @property
    def opacity(self) -> int:
        """Opacity grade of this lung, 0-3 (Cohen et al. 2020, Methods).

        Examples
        --------
        >>> [LungDisease(0.9, density).opacity for density in (0, 0.3, 0.6, 0.9)]
        [0, 1, 2, 3]
        """
        if not self.is_present:
            return 0
        if self.density >= WHITE_OUT_DENSITY and self.extent > 0.75:
            return 3
        return 2 if self.density >= CONSOLIDATION_DENSITY else 1


@dataclass(frozen=True, slots=True)
class PhantomSpec:
    """One synthetic frontal chest radiograph.

    Attributes
    ----------
    right, left : LungDisease
        Pneumonia of the patient's right and left lung.
    seed : int
        The patient: anatomy, the order in which disease spreads, and noise. Not negative.
    size : int
        Rows and columns of the square film, 64 to 4096.
    view : {"PA", "AP"}
        ``"AP"`` has a larger heart, smaller lungs and scapulae over the lungs, as a film
        taken in bed has.
    noise : float
        Quantum noise relative to a usual exposure; 0 for none.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    right: LungDisease = LungDisease()
    left: LungDisease = LungDisease()
    seed: int = 0
    size: int = 768
    view: Literal["PA", "AP"] = "PA"
    noise: float = 1.0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected 0 or more")
        if not 64 <= self.size <= 4096:
            raise ValueError(f"size is {self.size}; expected 64 to 4096 pixels")
        if self.view not in ("PA", "AP"):
            raise ValueError(f"view is {self.view!r}; expected 'PA' or 'AP'")
        if not 0.0 <= self.noise <= 100.0:
            raise ValueError(f"noise is {self.noise}; expected 0 to 100")


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A rendered phantom and the truth about it.

    Attributes
    ----------
    spec : PhantomSpec
        What was asked for.
    pixels : ndarray of float32, shape (size, size)
        Values in [0, 1], white = dense.
    lungs : ndarray of bool, shape (2, size, size)
        Projected area of the patient's right (0) and left (1) lung that is clear of heart,
        mediastinum and diaphragm.
    opacity_map : ndarray of float32, shape (size, size)
        Share of the lung's air that is replaced at each place, in [0, 1]; above 0 exactly
        on the involved area.
    pixel_spacing_mm : float
        Width of a pixel in the patient.
    """

    spec: PhantomSpec
    pixels: NDArray[np.float32]
    lungs: NDArray[np.bool_]
    opacity_map: NDArray[np.float32]
    pixel_spacing_mm: float

    @property
    def geographic_extent(self) -> int:
        """True geographic extent, 0-8 (`pneumoscore.severity.scale.GEOGRAPHIC_EXTENT`)."""
        return self.spec.right.geographic_extent + self.spec.left.geographic_extent

    @property
    def opacity(self) -> int:
        """True opacity, 0-6 (`pneumoscore.severity.scale.OPACITY`)."""
        return self.spec.right.opacity + self.spec.left.opacity


def demo_series(seed: int = 0) -> tuple[tuple[int, PhantomSpec], ...]:
    """Return one synthetic patient over five days, worsening and then improving.

    Parameters
    ----------
    seed : int
        The patient.

    Returns
    -------
    tuple of (int, PhantomSpec)
        Day, 1 to 5, and the phantom of that day.

    Examples
    --------
    >>> [spec.right.geographic_extent for _, spec in demo_series()]
    [1, 2, 4, 3, 1]
    """
    course = (
        (LungDisease(0.12, 0.25), LungDisease(0.06, 0.25)),
        (LungDisease(0.45, 0.45), LungDisease(0.30, 0.40)),
        (LungDisease(0.85, 0.80), LungDisease(0.80, 0.70)),
        (LungDisease(0.60, 0.60), LungDisease(0.48, 0.50)),
        (LungDisease(0.20, 0.30), LungDisease(0.10, 0.25)),
    )
    return tuple(
        (day, PhantomSpec(right=right, left=left, seed=seed))
        for day, (right, left) in enumerate(course, start=1)
    )
