"""Text in a picture: at its edges, and in overlays that lie in unused bits of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pneumoscore.errors import UnsupportedImageError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["clear_unused_bits", "mask_edges"]

_MOST = 0.4
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_BIT_POSITION, _OVERLAY_DATA = 0x0102, 0x3000
_WORDS = (8, 16, 32)


def _has_embedded_overlay(dataset: Dataset) -> bool:
    return any(
        (group, _BIT_POSITION) in dataset and (group, _OVERLAY_DATA) not in dataset
        for group in _OVERLAY_GROUPS
    )


def clear_unused_bits(dataset: Dataset) -> bool:
    """Clear the bits of the pixels that hold no sample, where overlays may lie.

    Such an overlay (retired: PS3.5-2004, 8.1.2) stays when its group is removed. A compressed
    film is looked at, and decompressed, only where it says that it has one.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixels; changed in place.

    Returns
    -------
    bool
        Whether anything was cleared. Of signed samples, bits that all repeat the sign are none.

    Raises
    ------
    UnsupportedImageError
        If the film has unused bits and its samples are not of whole bytes.
    """
    import numpy as np

    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        if not _has_embedded_overlay(dataset):
            return False
        dataset.decompress(generate_instance_uid=False)
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    if stored >= allocated:
        return False
    if allocated not in _WORDS:
        raise UnsupportedImageError(
            f"unused bits in pixels of {allocated} bits", "pixels of 8, 16 or 32 bits"
        )
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    words = np.frombuffer(dataset.PixelData, f"{'<' if little else '>'}u{allocated // 8}")
    high = int(dataset.get("HighBit", stored - 1))
    if not stored - 1 <= high < allocated:
        high = stored - 1
    cleared = words & words.dtype.type(((1 << stored) - 1) << (high + 1 - stored))
    if np.array_equal(words, cleared):
        return False
    if dataset.get("PixelRepresentation") == 1:
        above = words.dtype.type((1 << allocated) - (2 << high))
        negative = cleared & words.dtype.type(1 << high) != 0
        cleared = np.where(negative, cleared | above, cleared)
        if np.array_equal(words, cleared):
            return False
    dataset.PixelData = cleared.astype(words.dtype).tobytes()
    dataset["PixelData"].VR = "OW" if allocated > 8 else "OB"
    return True


def mask_edges(dataset: Dataset, share: float) -> None:
    """Blacken the edges of a film and of each of its frames, where scanners burn in names.

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
    UnsupportedImageError
        If its pixels are single bits.
    """
    import numpy as np

    if not 0.0 < share <= _MOST:
        raise ValueError(f"share is {share}; expected over 0, at most {_MOST}")
    if int(dataset.BitsAllocated) == 1:
        raise UnsupportedImageError(
            "an image of 1 bit a pixel", "8 bits or more where edges are masked"
        )
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    pixels = dataset.pixel_array
    dark = pixels.max() if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels.min()
    rows, columns = int(np.ceil(dataset.Rows * share)), int(np.ceil(dataset.Columns * share))
    frames = int(dataset.get("NumberOfFrames") or 1) > 1
    inner = (
        *([slice(None)] if frames else []),
        slice(rows, dataset.Rows - rows),
        slice(columns, dataset.Columns - columns),
    )
    masked = np.full_like(pixels, dark)
    masked[inner] = pixels[inner]
    dataset.PixelData = masked.tobytes()
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    if int(dataset.get("SamplesPerPixel", 1)) > 1:
        dataset.PlanarConfiguration = 0
        if dataset.PhotometricInterpretation.startswith("YBR"):
            dataset.PhotometricInterpretation = "RGB"  # what pydicom makes of it
