"""What a reader is told, and the bounds it keeps before it decodes anything."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError

__all__ = ["LEAST_SIDE", "MAX_ASPECT", "READING_VERSION", "ReadOptions", "check_shape"]

READING_VERSION = 4
"""Number of the way in which files become pixels: another one may give other scores.

1 read every pixel and left the film as it is stored; 2 averages blocks of pixels, turns films as
their header says and leaves out shutters and even borders; 3 puts reduced JPEG 2000 where its
pixels lie; 4 reads fewer pixels, and more of them again where the lungs are small.
"""

LEAST_SIDE = 600
"""Pixels that the shorter side of a film keeps when it is read, by default."""

MAX_ASPECT = 5.0
"""Largest ratio of row to column spacing (or its inverse) that is believed."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a radiograph is read.

    Attributes
    ----------
    voi : bool
        Apply the VOI LUT or window of a DICOM file (PS3.3 C.11.2). On by default: it is the
        picture that its maker meant to be read, and the public films on which the heads are
        fitted are exports of that picture.
    max_pixels : int
        Most pixels (rows times columns) that are decoded.
    max_file_bytes : int
        Longest file, also after inflating a deflated DICOM file, in bytes.
    background : float
        What lies behind transparent pixels, in [0, 1]; 0 is the dark of air.
    least_side : int or None
        Shrink a film as it is read, by a whole factor, as long as its shorter side, without
        even borders, keeps so many pixels; None keeps all. The default leaves the built-in
        networks two pixels, along a side, for each of theirs where the lungs' frame is no less
        than three quarters of the shorter side; of other films
        `pneumoscore.radiograph.prepare.prepare` asks for more. Scores are made with the default
        everywhere: another one moves them a little.
    trim : bool
        Cut off even borders and what is hidden along the edges.

    Raises
    ------
    ValueError
        If a bound is not positive or `background` lies outside [0, 1].
    """

    voi: bool = True
    max_pixels: int = 50_000_000
    max_file_bytes: int = 256 * 2**20
    background: float = 0.0
    least_side: int | None = LEAST_SIDE
    trim: bool = True

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or self.max_file_bytes < 1:
            raise ValueError("max_pixels and max_file_bytes must be positive")
        if self.least_side is not None and self.least_side < 1:
            raise ValueError("least_side must be positive")
        if not 0.0 <= self.background <= 1.0:
            raise ValueError(f"background is {self.background}; expected a value in [0, 1]")


def check_shape(rows: int, columns: int, options: ReadOptions) -> None:
    """Refuse a shape before any of its pixels is decoded.

    Parameters
    ----------
    rows, columns : int
        As the header claims.
    options : ReadOptions
        Holds the bound.

    Raises
    ------
    UnreadableFileError
        If there are no rows or no columns.
    ImageTooLargeError
        If there are more than ``options.max_pixels`` pixels.
    """
    if rows < 1 or columns < 1:
        raise UnreadableFileError(f"an image of {rows} x {columns} pixels", "at least one pixel")
    if rows * columns > options.max_pixels:
        raise ImageTooLargeError(
            f"an image of {rows} x {columns} pixels",
            f"at most {options.max_pixels:,} pixels",
            "raise max_pixels if this is a radiograph",
        )
