"""Opening a picture within bounds, and all 16 bits of channels of which Pillow keeps 8."""

from __future__ import annotations

import importlib
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.guard import quiet_libtiff, translated
from pneumoscore.radiograph.intact import is_intact
from pneumoscore.radiograph.limits import ReadOptions, check_shape

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["opened", "unread", "wide_channels"]

_PLUGINS = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "TIFF": "TiffImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
}
_BITS, _PHOTOMETRIC, _CHANNELS, _PLANES = 258, 262, 277, 284
_LITTLE = sys.byteorder == "little"
# Read once more with the bytes of each channel exchanged, Pillow gives the other 8 bits.
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if _LITTLE else "L"))
}


def opened(data: bytes, kind: str, options: ReadOptions) -> Image.Image:
    """Parse the header and hold the bounds; no pixel is decoded."""
    # Importing the one plugin spares Pillow the import of all of them.
    importlib.import_module(f"PIL.{_PLUGINS[kind]}")
    from PIL import Image, UnidentifiedImageError

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
        except UnidentifiedImageError:
            if not is_intact(data, kind):
                raise
            raise _unread_tiff(data) if kind == "TIFF" else unread(kind) from None
        columns, rows = image.size
        check_shape(rows, columns, options)
        frames = getattr(image, "n_frames", 1)
    # A JPEG with further frames is a camera's, with previews behind the picture.
    if frames > 1 and kind != "JPEG":
        raise UnsupportedImageError(
            f"a {kind} file of {frames} pages or frames", "a single film", "save one page alone"
        )
    return image


def unread(kind: str) -> UnsupportedImageError:
    """Return the error for a whole picture that nothing here decodes."""
    return UnsupportedImageError(
        f"a {kind} image of a layout that is not read",
        "grey, RGB, palette or CMYK of a common depth and compression",
        "save it as a plain grey PNG or TIFF",
    )


def _unread_tiff(data: bytes) -> UnsupportedImageError:
    """Return the error for a whole TIFF file of a layout that nothing here decodes, by name."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file = BytesIO(data)
    directory = ImageFileDirectory_v2(file.read(8))
    file.seek(directory.next)
    directory.load(file)
    bits, channels = directory.get(_BITS, (1,)), directory.get(_CHANNELS, 1)
    if directory.get(_PHOTOMETRIC) not in (0, 1) or channels != 2 or set(np.ravel(bits)) != {16}:
        return unread("TIFF")
    return UnsupportedImageError(
        "a TIFF image of 16-bit grey with alpha",
        "16-bit grey alone, or a PNG, where grey with alpha is read",
        "save it without its alpha channel, or as PNG",
    )


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

    image = opened(data, kind, options)
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


def wide_channels(
    data: bytes, kind: str, options: ReadOptions, image: Image.Image
) -> NDArray[np.uint16] | None:
    """Return all 16 bits of colour, or of grey with alpha; None for other pictures."""
    if _deep_planes(image):
        return _planes_apart(data, kind, options, image)
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


def _deep_planes(image: Image.Image) -> bool:
    """Whether a TIFF stores channels of over 8 bits one after the other (TIFF 6.0, tag 284)."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PLANES) == 2 and max(tags.get(_BITS, (8,))) > 8


def _planes_apart(
    data: bytes, kind: str, options: ReadOptions, image: Image.Image
) -> NDArray[np.uint16]:
    """Read each plane as a grey image; Pillow takes them for planes of 8 bits."""
    from PIL import ImageFile

    if not isinstance(image, ImageFile.ImageFile) or len(image.tile) != len(image.getbands()):
        raise unread(kind)
    if any(tile.codec_name != "raw" for tile in image.tile):
        raise unread(kind)
    check_shape(4 * image.height, image.width, options)
    order = "I;16" if data[:2] == b"II" else "I;16B"
    planes = []
    for number in range(len(image.tile)):
        plane = opened(data, kind, options)
        with translated(f"{kind} image"):
            if not isinstance(plane, ImageFile.ImageFile):
                raise unread(kind)
            plane.tile = [plane.tile[number]._replace(args=(order, 0, 1))]
            plane._mode = order
            plane.load()
            planes.append(np.asarray(plane).astype(np.uint16))
    return np.stack(planes, axis=-1)


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    joined = high.astype(np.uint16)
    np.left_shift(joined, 8, out=joined)
    np.bitwise_or(joined, low, out=joined)
    return joined
