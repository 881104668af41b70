"""The radiograph: pixels and what the file says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.origin import Origin

__all__ = [
    "InputSpec",
    "PixelRange",
    "Placement",
    "PreparedRadiograph",
    "Radiograph",
    "RadiographMetadata",
    "Squaring",
]


class Squaring(StrEnum):
    """How a film becomes square."""

    PAD = "pad"
    """The whole film, its shorter side padded with the pad value."""
    CROP = "crop"
    """The central square (Cohen et al. 2020, Methods)."""
    LUNGS = "lungs"
    """A square around both lungs (`pneumoscore.backbone.lungs`)."""


class PixelRange(StrEnum):
    """What the network's numbers mean."""

    STANDARDISED = "standardised"
    """Mean 0 and standard deviation 1 over the film's own pixels; padding 0."""
    SIGNED_1024 = "signed_1024"
    """[-1024, 1024]; padding black."""
    UNIT = "unit"
    """[0, 1]; padding 0."""


@dataclass(frozen=True, slots=True)
class RadiographMetadata:
    """What a file says of its radiograph; every field may be unknown.

    Attributes
    ----------
    patient_id : str or None
        Patient ID (0010,0020), exact: nothing that tells two patients apart is left out, and
        what cannot be printed is written as an escape. It identifies a patient only together
        with `patient_id_issuer`.
    patient_id_issuer : str or None
        Issuer of Patient ID (0010,0021), else Universal Entity ID of its qualifiers, exact.
    patient_sex : str or None
        Patient's Sex (0010,0040).
    patient_birth_date : date or None
        Patient's Birth Date (0010,0030).
    patient_age_years : float or None
        From Patient's Age (0010,1010), else from birth date and date of the film.
    accession_number : str or None
        Accession Number (0008,0050), exact.
    study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid : str or None
        DICOM identifiers.
    study_description : str or None
        Study Description (0008,1030).
    modality : str or None
        DICOM Modality (0008,0060): ``"DX"``, ``"CR"``, ...
    view : str or None
        View Position (0018,5101): ``"PA"``, ``"AP"``, ``"LL"``, ...
    laterality : str or None
        Image Laterality (0020,0062).
    body_part : str or None
        Body Part Examined (0018,0015) or the meaning of Anatomic Region, upper case.
    patient_orientation : tuple of str or None
        Where rows and columns of the stored image lead (0020,0020): ``("L", "F")`` on a
        frontal film as it is looked at. The pixels have been turned so already.
    acquired_at : datetime or None
        Date and time of acquisition (else content, series, study) as the local clock showed
        them; a date without time takes the best time of that day.
    acquired_by : {"acquisition", "content", "series", "study"} or None
        Which of them the time of day is of; None where only the day is known: `acquired_at`
        is then its noon.
    utc_offset_minutes : int or None
        Minutes that `acquired_at` is ahead of UTC, from Acquisition DateTime (0008,002A) or
        Timezone Offset From UTC (0008,0201).
    pixel_spacing_mm : tuple of float or None
        Row and column spacing in millimetres, of the pixels as they are given.
    manufacturer : str or None
        Manufacturer (0008,0070).
    """

    patient_id: str | None = None
    patient_id_issuer: str | None = None
    patient_sex: str | None = None
    patient_birth_date: date | None = None
    patient_age_years: float | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    study_description: str | None = None
    modality: str | None = None
    view: str | None = None
    laterality: str | None = None
    body_part: str | None = None
    patient_orientation: tuple[str, str] | None = None
    acquired_at: datetime | None = None
    acquired_by: str | None = None
    utc_offset_minutes: int | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    manufacturer: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One frontal chest X-ray, immutable.

    Attributes
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        Values in [0, 1], white = dense (MONOCHROME2); read-only.
    transforms : tuple of str
        What was applied between the stored values and `pixels`, in order,
        for example ``("rescale", "window 2048/4096", "invert MONOCHROME1")``.
    metadata : RadiographMetadata
        What the file says of patient, study, view, times and spacing.
    notices : tuple of str
        Names of things the reader noticed, for example ``"inverted"``.
    origin : Origin or None
        Where the pixels lie in the image of the file; None for a film that was not read.
    finer : callable or None
        Reads the same part of the film again so that the shorter side of the stored image keeps
        so many pixels (None: all); None where none were averaged. It holds the file's bytes.
        `dataclasses.replace` gives it up: the file does not hold what was put in place of its
        pixels.
    """

    pixels: NDArray[np.float32]
    transforms: tuple[str, ...] = ()
    metadata: RadiographMetadata = field(default_factory=RadiographMetadata)
    notices: tuple[str, ...] = ()
    origin: Origin | None = None
    finer: Callable[[int | None], Radiograph] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixels, dtype=np.float32)
        if pixels.ndim != 2 or 0 in pixels.shape:
            raise ValueError(f"pixels have shape {pixels.shape}; expected (rows, columns)")
        # NaN fails both comparisons.
        if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise ValueError("pixels must be finite and lie in [0, 1]")
        # Only an array that is frozen and owns its memory may be kept without a copy.
        frozen = not pixels.flags.writeable and pixels.flags.owndata
        if not frozen and np.may_share_memory(pixels, self.pixels):
            pixels = pixels.copy()
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)

    def with_finer(self, finer: Callable[[int | None], Radiograph]) -> Radiograph:
        """Return the same radiograph, whose film can be read again with more pixels."""
        again = replace(self)
        object.__setattr__(again, "finer", finer)
        return again

    @property
    def rows(self) -> int:
        """Number of pixel rows."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Number of pixel columns."""
        return int(self.pixels.shape[1])

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right of the film, in pixels.

        Where a film was shrunk, its outer pixels may stand for less than a whole one: what
        they lack is no part of it.
        """
        rows, columns = float(self.rows), float(self.columns)
        if self.origin is None:
            return 0.0, 0.0, rows, columns
        high, wide = self.origin.shape
        corners = [
            self.origin.place(min(max(row, 0.0), high), min(max(column, 0.0), wide))
            for row, column in (self.origin.at(0, 0), self.origin.at(self.rows, self.columns))
        ]
        (top, left), (bottom, right) = corners
        return (
            min(max(top, 0.0), rows / 2),
            min(max(left, 0.0), columns / 2),
            max(min(bottom, rows), rows / 2),
            max(min(right, columns), columns / 2),
        )

    def digest(self) -> str:
        """Return the SHA-256 of shape and pixels: the same for every lossless encoding."""
        found = hashlib.sha256(f"{self.rows} {self.columns} ".encode("ascii"))
        found.update(self.pixels.data)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a backbone wants to be fed.

    Attributes
    ----------
    size : int
        Rows and columns of the square input.
    squaring : Squaring
        How a film becomes square.
    pixel_range : PixelRange
        What the network's numbers mean.
    margin : float
        With ``Squaring.LUNGS`` the side of the square, in longer sides of the lungs' box; at
        least 1.

    Raises
    ------
    ValueError
        If a word is unknown, the size is not positive, or the margin is under 1.
    """

    size: int
    squaring: Squaring
    pixel_range: PixelRange
    margin: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "squaring", Squaring(self.squaring))
        object.__setattr__(self, "pixel_range", PixelRange(self.pixel_range))
        if self.size < 1:
            raise ValueError(f"size is {self.size}; expected a positive number")
        if not 1.0 <= self.margin <= 10.0:
            raise ValueError(f"margin is {self.margin}; expected a number from 1 to 10")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a film lies in a backbone's square input.

    A film pixel edge ``(row, column)`` lies at input position
    ``(row * scale + top, column * scale + left)``.

    Attributes
    ----------
    scale : float
        Input pixels for each film pixel.
    top, left : float
        Input position of the film's upper left corner; negative when cropped.
    film_shape : tuple of int
        Rows and columns of the film.
    input_size : int
        Rows and columns of the input.
    """

    scale: float
    top: float
    left: float
    film_shape: tuple[int, int]
    input_size: int

    def of_copy(self, shape: tuple[int, int]) -> Placement:
        """Return where a copy of the film lies that was resized to `shape`.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the copy, which keeps the film's proportions.
        """
        ratio = max(self.film_shape) / max(shape)
        return Placement(self.scale * ratio, self.top, self.left, shape, self.input_size)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRadiograph:
    """A radiograph as a backbone takes it.

    Attributes
    ----------
    array : ndarray of float32, shape (1, size, size)
        One channel, in the record's pixel range.
    placement : Placement
        Where the film lies in it.
    notices : tuple of str
        ``"no_lungs_found"`` if a frame around the lungs was wanted and none was found, so
        that the array shows the whole film.
    """

    array: NDArray[np.float32]
    placement: Placement
    notices: tuple[str, ...] = ()
