"""PNG, JPEG, TIFF, WebP, BMP and JPEG 2000 pictures of a film."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.greyscale import data_range, luminance, nominal_range, to_unit
from pneumoscore.radiograph.guard import quiet_libtiff, translated
from pneumoscore.radiograph.limits import ReadOptions, check_shape

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["read_raster"]

_PLUGINS = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "TIFF": "TiffImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
}
_ORIENTATION = 0x0112
_PHOTOMETRIC = 262
_MAX_VALUE = 1e12
_STRIP = 256
_LITTLE = sys.byteorder == "little"
# Pillow keeps 8 of the 16 bits of a colour channel. Read once more with the bytes of each
# channel exchanged, it gives the other 8.
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if _LITTLE else "L"))
}


@dataclass(frozen=True, slots=True, eq=False)
class _Planes:
    """Grey and alpha of a picture; `white` is None where only the data tell it."""

    grey: NDArray[np.number]
    white: float | None
    alpha: NDArray[np.uint8 | np.uint16] | None = None


def _open(data: bytes, kind: str, options: ReadOptions) -> Image.Image:
    """Parse the header and hold the bounds; no pixel is decoded."""
    # Importing the one plugin spares Pillow the import of all of them.
    importlib.import_module(f"PIL.{_PLUGINS[kind]}")
    from PIL import Image

    if kind == "TIFF":
        quiet_libtiff()
    with translated(f"{kind} image"):
        try:
            image = Image.open(BytesIO(data), formats=(kind,))
        except Image.DecompressionBombError as error:
            raise ImageTooLargeError(
                "an image with an absurd size in its header",
                f"at most {options.max_pixels:,} pixels",
            ) from error
        columns, rows = image.size
        check_shape(rows, columns, options)
        frames = getattr(image, "n_frames", 1)
    # A JPEG with further frames is a camera's, with previews behind the picture.
    if frames > 1 and kind != "JPEG":
        raise UnsupportedImageError(
            f"a {kind} file of {frames} pages or frames", "a single film", "save one page alone"
        )
    return image


def _rawmode(image: Image.Image) -> str:
    """Return Pillow's name of the layout of the stored channels, or an empty string."""
    from PIL import ImageFile

    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return ""
    args = image.tile[0].args
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _decode_as(data: bytes, kind: str, options: ReadOptions, rawmode: str) -> NDArray[np.uint8]:
    """Decode with another layout of the stored channels."""
    from PIL import ImageFile

    image = _open(data, kind, options)
    if not isinstance(image, ImageFile.ImageFile):
        raise UnreadableFileError(f"a {kind} image without data")
    with translated(f"{kind} image"):
        image.tile = [
            tile._replace(
                args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
            )
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image)


def _wide_channels(
    data: bytes, kind: str, options: ReadOptions, image: Image.Image
) -> NDArray[np.uint16] | None:
    """Return all 16 bits of colour, or of grey with alpha; None for other pictures."""
    rawmode = _rawmode(image)
    if rawmode == "LA;16B":
        # Grey and alpha of 16 bits have the same layout as four channels of 8.
        pairs = _decode_as(data, kind, options, "RGBA")
        return _joined(pairs[..., ::2], pairs[..., 1::2])
    if rawmode not in _OTHER_BYTE:
        return None
    # Four channels of 16 bits, twice over, while they are joined.
    check_shape(4 * image.height, image.width, options)
    with translated(f"{kind} image"):
        image.load()
        high = np.asarray(image)
    return _joined(high, _decode_as(data, kind, options, _OTHER_BYTE[rawmode]))


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    joined = high.astype(np.uint16)
    np.left_shift(joined, 8, out=joined)
    np.bitwise_or(joined, low, out=joined)
    return joined


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


def _scaled(planes: _Planes, kind: str) -> tuple[NDArray[np.float32], str]:
    """Bring grey to [0, 1]."""
    grey = planes.grey
    if planes.white is not None:
        return to_unit(grey, 0.0, planes.white), f"scale 0/{planes.white:g}"
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
        black, white = 0.0, 1.0
    else:
        black, white = nominal_range(low, high)
    return to_unit(grey, black, white), f"scale {black:g}/{white:g}"


def _composite(
    pixels: NDArray[np.float32], alpha: NDArray[np.uint8 | np.uint16], background: float
) -> None:
    """Lay a picture over an even background, in place and in strips to spare memory."""
    for start in range(0, len(pixels), _STRIP):
        strip = slice(start, start + _STRIP)
        opacity = to_unit(alpha[strip], 0.0, float(np.iinfo(alpha.dtype).max))
        pixels[strip] *= opacity
        pixels[strip] += np.float32(background) * (1 - opacity)


def _upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Turn and mirror by the EXIF orientation (Exif 2.32, 4.6.4, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def read_raster(
    data: bytes, kind: str, options: ReadOptions
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read a picture of a film.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        Pillow's format name, as `kind_of` gives it.
    options : ReadOptions
        Bounds and background.

    Returns
    -------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1], upright.
    transforms : tuple of str
        What was applied, in order.

    Raises
    ------
    UnreadableFileError
        If the file is damaged or holds NaN.
    UnsupportedImageError
        If it has several pages or a colour mode without defined luminance.
    ImageTooLargeError
        If it has too many pixels.
    """
    image = _open(data, kind, options)
    wide = _wide_channels(data, kind, options, image)
    colour = image.mode not in ("1", "L", "LA", "La") and not image.mode.startswith(("I", "F"))
    with translated(f"{kind} image"):
        image.load()
        # Pillow turns a TIFF itself; what it says afterwards is what is left to do.
        orientation = image.getexif().get(_ORIENTATION, 1)
        inverted = _is_white_zero(image)
        planes = _planes_of_narrow(image, kind) if wide is None else _planes_of_wide(wide)
    del image, wide
    pixels, scale = _scaled(planes, kind)
    transforms = ["luminance", scale] if colour else [scale]
    if inverted:
        np.subtract(np.float32(1), pixels, out=pixels)
        transforms.append("invert WhiteIsZero")
    if planes.alpha is not None:
        _composite(pixels, planes.alpha, options.background)
        transforms.append(f"composite on {options.background:g}")
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        pixels = _upright(pixels, orientation)
        transforms.append(f"orientation {orientation}")
    return pixels, tuple(transforms)


def _is_white_zero(image: Image.Image) -> bool:
    """Whether a 16-bit TIFF counts from white (TIFF 6.0, tag 262); Pillow inverts 8 bits."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and image.mode.startswith("I") and tags.get(_PHOTOMETRIC) == 0
