"""PNG, JPEG, TIFF, WebP, BMP and JPEG 2000 pictures of a film."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.codestream import Codestream, decode_codestream, jpeg_file
from pneumoscore.radiograph.film import Film
from pneumoscore.radiograph.frame_decoders import Header
from pneumoscore.radiograph.greyscale import data_range, luminance, nominal_range, to_unit
from pneumoscore.radiograph.guard import translated
from pneumoscore.radiograph.intact import of_unread_process
from pneumoscore.radiograph.limits import ReadOptions, check_shape
from pneumoscore.radiograph.orientation import as_exif_says
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.picture import opened, unread, wide_channels
from pneumoscore.radiograph.reduction import block_factor, block_means

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["read_raster"]

_ORIENTATION = 0x0112
_PHOTOMETRIC = 262
_MAX_VALUE = 1e12
_STRIP = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Planes:
    """Grey and alpha of a picture; `white` is None where only the data tell it."""

    grey: NDArray[np.number]
    white: float | None
    alpha: NDArray[np.uint8 | np.uint16] | None = None


def _planes_of_wide(wide: NDArray[np.uint16]) -> _Planes:
    channels = wide.shape[2]
    grey = wide[..., 0] if channels == 2 else luminance(wide)
    clear = channels in (2, 4) and wide[..., -1].min() < 65535
    alpha = wide[..., -1] if clear else None
    return _Planes(grey, None, alpha)


def _planes_of_narrow(image: Image.Image, kind: str) -> _Planes:
    """Take grey and alpha from Pillow's modes (see Pillow, Concepts)."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        values = np.asarray(image)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        key = image.info.get("transparency")
        alpha = (values != key).astype(np.uint8) * np.uint8(255) if isinstance(key, int) else None
        return _Planes(values, None, alpha)
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    elif image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise UnsupportedImageError(
            f"a {kind} image in colour mode {image.mode}", "grey, RGB, palette or CMYK"
        )
    alpha = None
    if image.mode in ("LA", "RGBA"):
        channel = image.getchannel("A")
        lowest = channel.getextrema()[0]
        if lowest != 255:
            alpha = np.asarray(channel)
    grey = image if image.mode == "L" else image.convert("L")
    return _Planes(np.asarray(grey), 255.0, alpha)


def _range(grey: NDArray[np.number], white: float | None, kind: str) -> tuple[float, float]:
    """Return which numbers stand for black and white."""
    if white is not None:
        return 0.0, white
    if grey.dtype.kind == "f" and not np.isfinite(grey).all():
        raise UnreadableFileError(
            f"a {kind} image with pixels that are no numbers (NaN or infinite)", "finite pixels"
        )
    low, high = data_range(grey)
    if max(-low, high) > _MAX_VALUE:
        raise UnreadableFileError(
            f"a {kind} image with pixel values up to {max(-low, high):.0e}",
            f"at most {_MAX_VALUE:.0e}",
        )
    if grey.dtype.kind == "f" and grey.min() >= 0 and grey.max() <= 1 and kind == "TIFF":
        return 0.0, 1.0
    return nominal_range(low, high)


def _film(planes: _Planes, kind: str, inverted: bool, options: ReadOptions) -> Film:
    """Bring grey to [0, 1], shrunk to what is needed."""
    black, white = _range(planes.grey, planes.white, kind)
    grey = planes.grey
    factor = block_factor(grey.shape, options.least_side)
    # Transparent pixels are no part of any mean before they are laid over the background.
    early = factor if planes.alpha is None else 1
    pixels = to_unit(block_means(grey, early) if early > 1 else grey, black, white)
    transforms = [f"scale {black:g}/{white:g}"]
    if inverted:
        np.subtract(np.float32(1), pixels, out=pixels)
        transforms.append("invert WhiteIsZero")
    if planes.alpha is not None:
        _composite(pixels, planes.alpha, options.background)
        pixels = block_means(pixels, factor)
        transforms.append(f"composite on {options.background:g}")
    origin = Origin((grey.shape[0], grey.shape[1])).scaled(factor, factor)
    return Film(pixels, origin, tuple(transforms))


def _composite(
    pixels: NDArray[np.float32], alpha: NDArray[np.uint8 | np.uint16], background: float
) -> None:
    """Lay a picture over an even background, in place and in strips to spare memory."""
    for start in range(0, len(pixels), _STRIP):
        strip = slice(start, start + _STRIP)
        opacity = to_unit(alpha[strip], 0.0, float(np.iinfo(alpha.dtype).max))
        pixels[strip] *= opacity
        pixels[strip] += np.float32(background) * (1 - opacity)


def _draft(image: Image.Image, kind: str, options: ReadOptions) -> None:
    """Let libjpeg give a smaller picture, which costs it less."""
    if kind == "JPEG" and options.least_side is not None and image.mode in ("L", "RGB"):
        image.draft(None, (options.least_side, options.least_side))


def _unusual_jpeg(header: Header, data: bytes, syntax: str, options: ReadOptions) -> Film:
    """Read a JPEG file that Pillow does not: lossless, JPEG-LS, or of 12 bits."""
    check_shape(header.rows, header.columns, options)
    photometric = "MONOCHROME2" if header.samples == 1 else "RGB"
    wanted = Codestream(header.rows, header.columns, header.samples, photometric, header.bits)
    values = decode_codestream(lambda: data, wanted, syntax).values
    white = float(2**header.bits - 1) if header.samples == 3 else None
    return _film(_Planes(values, white), "JPEG", False, options)


def read_raster(data: bytes, kind: str, options: ReadOptions) -> Film:
    """Read a picture of a film.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        Pillow's format name, as `kind_of` gives it.
    options : ReadOptions
        Bounds, background, and how many pixels are needed.

    Returns
    -------
    Film
        In [0, 1], upright.

    Raises
    ------
    UnreadableFileError
        If the file is damaged or holds NaN.
    UnsupportedImageError
        If it has several pages, a colour mode without defined luminance, or another layout that
        is not read.
    ImageTooLargeError
        If it has too many pixels.
    """
    unusual = jpeg_file(data) if kind == "JPEG" else None
    if unusual is not None:
        return _unusual_jpeg(unusual[0], data, unusual[1], options)
    if kind == "JPEG" and of_unread_process(data):
        raise unread(kind)
    image = opened(data, kind, options)
    columns, rows = image.size
    wide = wide_channels(data, kind, options, image)
    colour = image.mode not in ("1", "L", "LA", "La") and not image.mode.startswith(("I", "F"))
    with translated(f"{kind} image"):
        if wide is None:
            _draft(image, kind, options)
        image.load()
        # Pillow turns a TIFF itself; what it says afterwards is what is left to do.
        orientation = image.getexif().get(_ORIENTATION, 1)
        inverted = _is_white_zero(image)
        planes = _planes_of_narrow(image, kind) if wide is None else _planes_of_wide(wide)
    del image, wide
    film = _film(planes, kind, inverted, options)
    scale = 2 ** round(math.log2(max(rows, columns) / max(planes.grey.shape)))
    origin = Origin((rows, columns)).scaled(*[scale * film.origin.down[0]] * 2)
    names = ["luminance"] if colour else []
    if origin.down[0] > 1:
        names.append(f"reduced 1/{origin.down[0]:g}")
    film = replace(film, origin=origin, transforms=(*names, *film.transforms))
    return as_exif_says(film, orientation) if isinstance(orientation, int) else film


def _is_white_zero(image: Image.Image) -> bool:
    """Whether a deep TIFF counts from white (TIFF 6.0, tag 262); Pillow inverts 8 bits."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and image.mode[:1] in ("I", "F") and tags.get(_PHOTOMETRIC) == 0
