"""The same pixels give the same film whatever file they come in."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import get_frame

from pneumoscore.radiograph import InputSpec, ReadOptions, read_radiograph
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.severity.model import SeverityModel

LOSSLESS = (
    "implicit",
    "explicit",
    "big endian",
    "deflated",
    "RLE",
    "JPEG lossless",
    "JPEG lossless SV1",
    "JPEG-LS",
    "JPEG 2000 lossless",
)


def signed(film, bits):
    return (film.astype(np.int32) - 2 ** (bits - 1)).astype(np.int8 if bits <= 8 else np.int16)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("sign", ["unsigned", "signed"])
def test_every_lossless_transfer_syntax_gives_the_stored_values(files, syntax, bits, sign):
    film = files.synthetic_film(bits=bits)
    stored = film if sign == "unsigned" else signed(film, bits)
    read = read_radiograph(files.dicom_file(stored, syntax, bits_stored=bits))
    np.testing.assert_allclose(read.pixels, film / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(
    ("syntax", "bits", "error"),
    [("JPEG baseline", 8, 0.05), ("JPEG 2000", 8, 0.02), ("JPEG 2000", 16, 0.01)],
)
def test_lossy_transfer_syntaxes_come_close(files, syntax, bits, error):
    film = files.synthetic_film(bits=bits)
    read = read_radiograph(files.dicom_file(film, syntax))
    np.testing.assert_allclose(read.pixels, film / (2**bits - 1), atol=error)


def same_film_in_every_format(files, film):
    deep = film.astype(np.uint16) * 257
    twelve = np.rint(film / 255 * 4095).astype(np.uint16)
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    grey = np.stack([film] * 3, axis=-1)
    return {
        "png": files.raster_file(film, "PNG"),
        "png 16": files.raster_file(deep, "PNG"),
        "png 8 in 16": files.raster_file(film.astype(np.uint16), "PNG"),
        "png rgb": files.raster_file(grey, "PNG"),
        "png rgba": files.raster_file(np.dstack([grey, np.full_like(film, 255)]), "PNG"),
        "png rgb 16": files.png_file(np.stack([deep] * 3, axis=-1), 2),
        "png grey and alpha 16": files.png_file(np.stack([deep, deep * 0 + 65535], axis=-1), 4),
        "tiff": files.raster_file(film, "TIFF"),
        "tiff lzw 16": files.raster_file(deep, "TIFF", compression="tiff_lzw"),
        "tiff float": files.raster_file(film.astype(np.float32) / 255, "TIFF"),
        "tiff float counts": files.raster_file(film.astype(np.float32), "TIFF"),
        "bmp": files.raster_file(film, "BMP"),
        "webp": files.raster_file(grey, "WEBP"),
        "jp2": files.raster_file(film, "JPEG2000"),
        "monochrome2": files.dicom_file(film),
        "monochrome1": files.dicom_file(255 - film, **inverse),
        "monochrome1 alone": files.dicom_file(255 - film, PhotometricInterpretation="MONOCHROME1"),
        "window": files.dicom_file(film, WindowCenter=128, WindowWidth=256),
        "rescale and window": files.dicom_file(
            film, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=155.5, WindowWidth=511
        ),
        "rescale": files.dicom_file(film, RescaleSlope=2, RescaleIntercept=-1000),
        "12 of 16": files.dicom_file(twelve, bits_stored=12),
        "rle": files.dicom_file(film, "RLE"),
        "jpeg 2000": files.dicom_file(film, "JPEG 2000 lossless"),
        "rgb": files.dicom_file(grey),
        "bare": files.dicom_file(film, "implicit", preamble=False),
    }


@pytest.mark.shared_data
def test_the_same_pixels_are_the_same_input_in_every_format(files, shared_data):
    path = sorted((shared_data / "scored").iterdir())[3]
    with Image.open(path) as image:
        image.thumbnail((300, 300))
        film = np.asarray(image.convert("L"))
    spec = InputSpec(96, "pad", "standardised")
    inputs = {
        name: prepare(read_radiograph(data), spec).array
        for name, data in same_film_in_every_format(files, film).items()
    }
    for name, array in inputs.items():
        bound = 0.02 if name == "12 of 16" else 2e-4
        difference = np.abs(array - inputs["png"]).max()
        assert difference < bound, name


@pytest.mark.shared_data
def test_the_same_pixels_get_the_same_score_in_every_format(files, shared_data):
    path = sorted((shared_data / "scored").iterdir())[3]
    with Image.open(path) as image:
        image.thumbnail((400, 400))
        film = np.asarray(image.convert("L"))
    model = SeverityModel.open()
    scores = {
        name: model.score(read_radiograph(data))
        for name, data in same_film_in_every_format(files, film).items()
        if name != "12 of 16"  # rounded to other values
    }
    for name, score in scores.items():
        for item in score.scales:
            assert abs(item.raw - scores["png"][item.scale.name].raw) < 1e-3, name
            assert item.contributions is not None
            assert abs(item.contributions.sum() - (item.raw - item.intercept)) < 1e-4
            assert item.right + item.left == pytest.approx(item.value, abs=1e-6)


def test_a_film_as_jpeg_in_and_out_of_dicom_is_the_same(files):
    data = files.dicom_file(files.synthetic_film(), "JPEG baseline")
    frame = get_frame(dcmread(BytesIO(data)).PixelData, 0, number_of_frames=1)
    assert np.array_equal(read_radiograph(data).pixels, read_radiograph(frame).pixels)


def test_without_voi_the_whole_range_is_used(files):
    film = files.synthetic_film()
    data = files.dicom_file(film, WindowCenter=60, WindowWidth=20)
    plain = read_radiograph(data, options=ReadOptions(voi=False))
    np.testing.assert_allclose(plain.pixels, film / 255, atol=1e-6)
    # The window leaves the columns beside the film black, which are then a border.
    shown = read_radiograph(data, options=ReadOptions(trim=False))
    assert shown.transforms == ("window 60/20",)
    assert plain.transforms == ("range 0/255",)
