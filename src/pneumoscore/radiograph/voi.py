"""From stored values to [0, 1]: modality LUT, VOI, polarity (PS3.3 C.11, PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.dicom_pixels import PixelLayout
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.frame_groups import holding
from pneumoscore.radiograph.greyscale import data_range, luminance, nominal_range, to_unit
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.lut import LookupTable, lookup_table
from pneumoscore.radiograph.reduction import Stored

__all__ = ["Greyscale", "colour_pixels", "greyscale", "has_voi", "window"]

_Values = NDArray[np.float64]
_Step = Callable[[_Values], _Values]
_Ends = Callable[[], tuple[float, float]]
_FRAME_VOI_LUT, _PIXEL_VALUE_TRANSFORMATION = 0x00289132, 0x00289145


def window(values: _Values, centre: float, width: float, function: str = "LINEAR") -> _Values:
    """Apply a window (PS3.3 C.11.2.1.2, C.11.2.1.3).

    Parameters
    ----------
    values : ndarray of float64
        After the modality LUT.
    centre, width : float
        In units of `values`; `width` at least 1 for ``"LINEAR"``, above 0 for the others.
    function : {"LINEAR", "LINEAR_EXACT", "SIGMOID"}
        VOI LUT Function (0028,1056).

    Returns
    -------
    ndarray of float64
        In [0, 1].

    Examples
    --------
    >>> window(np.array([0.0, 127.5, 255.0]), 128, 256).tolist()
    [0.0, 0.5, 1.0]
    """
    if function == "SIGMOID":
        return np.asarray(
            1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700)))
        )
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    if width <= 0:
        return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0.0, 1.0)


def _modality(elements: Elements, inputs: _Ends) -> tuple[_Step | None, str, LookupTable | None]:
    """Return the modality step (PS3.3 C.11.1): a table, else a line, else None."""
    items = elements.items(0x00283000)
    if items:
        table = lookup_table(items[0], 0x00283002, 0x00283006, inputs())
        return table, "modality LUT", table
    level = holding(elements, _PIXEL_VALUE_TRANSFORMATION, 0x00281053)
    slope = level.number(0x00281053, "DS")
    intercept = level.number(0x00281052, "DS")
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0:
        raise UnreadableFileError("a DICOM Rescale Slope of 0", "another number")
    if (slope, intercept) == (1.0, 0.0):
        return None, "", None

    def rescale(values: _Values) -> _Values:
        return values * slope + intercept

    return rescale, f"rescale {slope:g}/{intercept:g}", None


def _voi(elements: Elements, inputs: _Ends) -> tuple[_Step | None, str]:
    """Return the VOI step: the first table, else the first window, else None.

    PS3.3 C.11.2 makes them alternatives of one another; a table is the more specific. What
    is no valid VOI is left out and named.
    """
    name = ""
    try:
        items = elements.items(0x00283010)
        if items:
            table = lookup_table(items[0], 0x00283002, 0x00283006, inputs())
            return lambda values: table(values) / table.top, "VOI LUT"
    except UnreadableFileError:
        name = "VOI LUT ignored"
    level = holding(elements, _FRAME_VOI_LUT, 0x00281050)
    try:
        centre = level.number(0x00281050, "DS")
        width = level.number(0x00281051, "DS")
    except UnreadableFileError:
        return None, "window ignored"
    if centre is None or width is None:
        return None, name
    function = (level.text(0x00281056) or "LINEAR").upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    if width < 1 and (function == "LINEAR" or width <= 0):
        return None, f"window ignored {centre:g}/{width:g}"
    suffix = "" if function == "LINEAR" else f" {function}"
    return lambda values: window(values, centre, width, function), (
        f"window {centre:g}/{width:g}{suffix}"
    )


def has_voi(elements: Elements) -> bool:
    """Whether the file names a VOI, so that the range of its data need not be known."""
    level = holding(elements, _FRAME_VOI_LUT, 0x00281050)
    return 0x00283010 in elements or (0x00281050 in level and 0x00281051 in level)


def _pointwise(stored: Stored, step: _Step) -> NDArray[np.float32]:
    """Apply a step to each pixel; through a table of all values where there are few."""
    values = stored.values
    if values.dtype.kind == "f" or values.dtype.itemsize > 2:
        return step(values.astype(np.float64)).astype(np.float32)
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    domain = np.arange(2 ** (8 * values.dtype.itemsize), dtype=unsigned).view(values.dtype)
    table = step(domain.astype(np.float64) / (1 << stored.fraction)).astype(np.float32)
    return np.asarray(table[values.view(unsigned)])


def _full_range(
    stored: NDArray[np.integer], modality: _Step | None, table: LookupTable | None
) -> tuple[_Step, str]:
    """Return the step that stands for a missing VOI.

    A rescale is a line: it keeps the range of the stored values, whose ends it maps.
    """
    if table is not None:
        black, white = 0.0, table.top
    else:
        black, white = nominal_range(*data_range(stored))
        if modality is not None:
            black, white = (float(v) for v in modality(np.array([black, white])))

    def step(values: _Values) -> _Values:
        return np.clip((values - min(black, white)) / abs(white - black), 0.0, 1.0)

    return step, f"range {min(black, white):g}/{max(black, white):g}"


@dataclass(frozen=True, slots=True, eq=False)
class Greyscale:
    """The way of a grey image's stored values to [0, 1], white = dense.

    Attributes
    ----------
    step : callable
        From stored values to [0, 1].
    transforms : tuple of str
        What it applies, in order.
    """

    step: _Step
    transforms: tuple[str, ...]

    def __call__(self, stored: Stored) -> NDArray[np.float32]:
        """Return the pixels; what is hidden is 0, the dark of air."""
        pixels = _pointwise(stored, self.step)
        if stored.hidden is not None:
            pixels[stored.hidden] = 0.0
        return pixels


def greyscale(
    stored: NDArray[np.integer],
    hidden: NDArray[np.bool] | None,
    elements: Elements,
    layout: PixelLayout,
    options: ReadOptions,
) -> Greyscale:
    """Return how the stored values of a grey image become [0, 1], white = dense.

    Order (PS3.4 N.2.1): modality LUT or rescale; VOI LUT or window; polarity. Without VOI the
    range of the data is used (`nominal_range`). A film is inverted once if it is MONOCHROME1
    or its Presentation LUT Shape is INVERSE: for a MONOCHROME1 image the standard asks for
    both, and they mean the same inversion (PS3.3 C.7.6.1, C.11.6.1.2).

    Parameters
    ----------
    stored : ndarray of int, shape (rows, columns)
        Stored values.
    hidden : ndarray of bool, same shape, or None
        Padding and what a shutter hides: their values are no part of the range.
    elements : Elements
        The data set.
    layout : PixelLayout
        Its pixel attributes.
    options : ReadOptions
        Whether VOI is applied.

    Returns
    -------
    Greyscale
        The step and its names.

    Raises
    ------
    UnreadableFileError
        If rescale or modality LUT are damaged.
    """

    @cache
    def shown() -> NDArray[np.integer]:
        return stored if hidden is None else stored[~hidden]

    def ends(step: _Step | None = None) -> tuple[float, float]:
        found = np.array([shown().min(), shown().max()], dtype=np.float64)
        found = found if step is None else step(found)
        return float(found.min()), float(found.max())

    modality, modality_name, table = _modality(elements, ends)
    voi, voi_name = None, ""
    if options.voi:
        voi, voi_name = _voi(elements, lambda: ends(modality))
    transforms = [name for name in (modality_name, voi_name) if name]
    if voi is None:
        voi, name = _full_range(shown(), modality, table)
        transforms.append(name)
    inverse = (elements.text(0x20500020) or "").upper() == "INVERSE"
    monochrome1 = layout.photometric == "MONOCHROME1"

    def step(values: _Values) -> _Values:
        unit = voi(values if modality is None else modality(values))
        return 1.0 - unit if inverse or monochrome1 else unit

    if monochrome1 or inverse:
        transforms.append("invert MONOCHROME1" if monochrome1 else "invert INVERSE")
    return Greyscale(step, tuple(transforms))


def colour_pixels(
    stored: NDArray[np.integer], elements: Elements, layout: PixelLayout
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Bring a colour image to luminance in [0, 1]; VOI is defined for grey alone.

    Parameters
    ----------
    stored : ndarray of int, shape (rows, columns) or (rows, columns, 3)
        Stored values: a palette's indices, RGB, YBR, or luminance alone.
    elements : Elements
        The data set.
    layout : PixelLayout
        Its pixel attributes.

    Returns
    -------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1].
    transforms : tuple of str
        What was applied, in order.

    Raises
    ------
    UnsupportedImageError
        If the palette is segmented.
    UnreadableFileError
        If it is damaged.
    """
    if layout.photometric != "PALETTE COLOR":
        white = float(2**layout.stored - 1)
        if stored.ndim == 3:
            ybr = layout.photometric == "YBR_FULL"
            return to_unit(stored[..., 0] if ybr else luminance(stored), 0.0, white), ("luminance",)
        return to_unit(stored, 0.0, white), ("luminance",)
    if 0x00281221 in elements:
        raise UnsupportedImageError("a DICOM image with a segmented palette", "a plain palette")
    tables = [
        lookup_table(
            elements, 0x00281101 + channel, 0x00281201 + channel, (0, 2**layout.stored - 1)
        )
        for channel in range(3)
    ]
    top = max(table.top for table in tables)

    def step(values: _Values) -> _Values:
        channels = [table(values) / top for table in tables]
        return 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2]

    return np.clip(_pointwise(Stored(stored), step), 0.0, 1.0), ("palette", "luminance")
