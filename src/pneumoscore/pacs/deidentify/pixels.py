"""Text at the edges of a picture, blackened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["mask_edges"]

_MOST = 0.4


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
