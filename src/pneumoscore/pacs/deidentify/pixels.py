"""Text in a picture: at its edges, and in overlays that lie in unused bits of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pneumoscore.errors import UnsupportedImageError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["clear_unused_bits", "has_embedded_overlay", "mask_edges"]

_MOST = 0.4
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_BIT_POSITION, _OVERLAY_DATA = 0x0102, 0x3000


def has_embedded_overlay(dataset: Dataset) -> bool:
    """Return whether an overlay lies in unused bits of the pixels (retired: PS3.5-2004, 8.1.2).

    Such an overlay stays when its group is removed.
    """
    return any(
        (group, _BIT_POSITION) in dataset and (group, _OVERLAY_DATA) not in dataset
        for group in _OVERLAY_GROUPS
    )


def clear_unused_bits(dataset: Dataset) -> None:
    """Clear the bits of the pixels that hold no sample; a compressed film is decompressed.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixels; changed in place.

    Raises
    ------
    UnsupportedImageError
        If its samples are neither of 8 nor of 16 bits.
    """
    import numpy as np

    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16):
        raise UnsupportedImageError(
            f"overlays in pixels of {allocated} bits", "pixels of 8 or 16 bits"
        )
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    words = np.frombuffer(dataset.PixelData, f"{'<' if little else '>'}u{allocated // 8}")
    high = int(dataset.get("HighBit", stored - 1))
    used = ((1 << stored) - 1) << (high + 1 - stored)
    dataset.PixelData = (words & used).astype(words.dtype).tobytes()
    dataset["PixelData"].VR = "OW" if allocated > 8 else "OB"


def mask_edges(dataset: Dataset, share: float) -> None:
    """Blacken the edges of a film, where scanners and exports burn in names.

    A compressed film is decompressed.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixels; changed in place.
    share : float
        Of its rows and of its columns, at each edge; over 0, at most 0.4.

    Raises
    ------
    ValueError
        If `share` is out of range.
    """
    import numpy as np

    if not 0.0 < share <= _MOST:
        raise ValueError(f"share is {share}; expected over 0, at most {_MOST}")
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    pixels = dataset.pixel_array
    dark = pixels.max() if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels.min()
    rows, columns = int(np.ceil(dataset.Rows * share)), int(np.ceil(dataset.Columns * share))
    kept = pixels[rows : dataset.Rows - rows, columns : dataset.Columns - columns].copy()
    masked = np.full_like(pixels, dark)
    masked[rows : dataset.Rows - rows, columns : dataset.Columns - columns] = kept
    dataset.PixelData = masked.tobytes()
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    if int(dataset.get("SamplesPerPixel", 1)) > 1:
        dataset.PlanarConfiguration = 0
