"""Radiograph files of every kind that is read, made from arrays: for tests and fuzzing."""

from __future__ import annotations

import struct
import tempfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SYNTAXES", "dicom_file", "png_file", "raster_file", "synthetic_film"]

SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG baseline": "1.2.840.10008.1.2.4.50",
    "JPEG lossless": "1.2.840.10008.1.2.4.57",
    "JPEG lossless SV1": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG-LS near lossless": "1.2.840.10008.1.2.4.81",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
}
_GDCM = ("JPEG lossless", "JPEG lossless SV1", "JPEG-LS", "JPEG-LS near lossless", "RLE")
_NATIVE = ("implicit", "explicit", "big endian", "deflated")


def synthetic_film(rows: int = 96, columns: int = 80, bits: int = 8) -> NDArray[np.integer]:
    """Return a smooth film with fine noise that uses the full range of its bits."""
    rng = np.random.default_rng(7)
    down, across = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    lungs = np.exp(-(((np.abs(across) - 0.45) / 0.25) ** 2) - (down / 0.6) ** 2)
    film = (
        1.1 + 0.4 * down - 0.7 * lungs - 0.3 * across**2 + 0.02 * rng.normal(size=(rows, columns))
    )
    film = (film - film.min()) / np.ptp(film)
    return np.rint(film * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def _encoded(pixels: NDArray[np.integer], syntax: str) -> bytes:
    """Encode with Pillow what Pillow encodes; the frame alone."""
    from PIL import Image

    file = BytesIO()
    image = Image.fromarray(pixels)
    if syntax == "JPEG baseline":
        image.save(file, "JPEG", quality=95)
    else:
        lossless = syntax == "JPEG 2000 lossless"
        options = {} if lossless else {"quality_mode": "dB", "quality_layers": (60,)}
        image.save(file, "JPEG2000", no_jp2=True, irreversible=not lossless, **options)
    return file.getvalue()


def _transcoded(data: bytes, syntax: str) -> bytes:
    """Compress a DICOM file with GDCM."""
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        plain.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        change = gdcm.ImageChangeTransferSyntax()
        kind = gdcm.TransferSyntax.GetTSType(SYNTAXES[syntax])
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        if not reader.Read():
            raise RuntimeError("GDCM does not read the plain file")
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise RuntimeError(f"GDCM does not write {syntax}")
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise RuntimeError(f"GDCM does not write {syntax}")
        return packed.read_bytes()


def dicom_file(
    pixels: NDArray[np.integer],
    syntax: str = "explicit",
    *,
    bits_stored: int | None = None,
    preamble: bool = True,
    without: tuple[str, ...] = (),
    **attributes: Any,
) -> bytes:
    """Return a DX image.

    Parameters
    ----------
    pixels : ndarray of uint8, int8, uint16 or int16
        (rows, columns) or (rows, columns, 3).
    syntax : str
        A key of `SYNTAXES`.
    bits_stored : int, optional
        All allocated bits by default.
    preamble : bool
        False leaves out preamble and file meta information.
    without : tuple of str
        Keywords of elements to leave out.
    **attributes
        Further elements by keyword.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.filewriter import dcmwrite
    from pydicom.uid import UID, generate_uid

    native = syntax if syntax in _NATIVE else "explicit"
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["pneumoscore", syntax])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    dataset.Modality = "DX"
    dataset.PatientID = "PHANTOM-1"
    dataset.PatientName = "Phantom^One"
    dataset.ViewPosition = "PA"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits_stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    little = native != "big endian"
    payload = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
    dataset.PixelData = payload + b"\x00" * (len(payload) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 and little else "OW"
    if dataset["PixelData"].VR == "OW" and pixels.dtype.itemsize == 1:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "u2").byteswap().tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    for keyword in without:
        delattr(dataset, keyword)
    # Pillow writes no signed samples.
    by_gdcm = syntax in _GDCM or (pixels.dtype.kind == "i" and syntax not in _NATIVE)
    framed = syntax not in _NATIVE and not by_gdcm
    if framed:
        dataset.PixelData = encapsulate([_encoded(pixels, syntax)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    file = BytesIO()
    if preamble:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = UID(SYNTAXES[syntax if framed else native])
        dcmwrite(file, dataset, enforce_file_format=True)
    else:
        dcmwrite(file, dataset, implicit_vr=native == "implicit", little_endian=little)
    data = file.getvalue()
    return _transcoded(data, syntax) if by_gdcm else data


def raster_file(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return a picture written by Pillow: lossless but for JPEG."""
    from PIL import Image

    file = BytesIO()
    if kind == "WEBP":
        options.setdefault("lossless", True)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def png_file(pixels: NDArray[np.integer], colour_type: int, further: bytes = b"") -> bytes:
    """Return a PNG as its specification writes it, for depths that Pillow does not write.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (rows, columns) or (rows, columns, channels)
        Channels as `colour_type` has them: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA.
    colour_type : int
        PNG 11.2.2.
    further : bytes
        Chunks between header and data.
    """

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    rows, columns = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    stored = pixels.astype(pixels.dtype.newbyteorder(">"))
    lines = b"".join(b"\x00" + stored[row].tobytes() for row in range(rows))
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", header), further, chunk(b"IDAT", zlib.compress(lines)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
