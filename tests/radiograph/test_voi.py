"""Grey transformations against the equations of PS3.3 C.11, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph import ReadOptions
from pneumoscore.radiograph.read import read_radiograph as read_trimmed
from pneumoscore.radiograph.voi import window


def read_radiograph(data, options=None):
    """Read without trimming: the films here are even at places."""
    return read_trimmed(data, options=options or ReadOptions(trim=False))


def linear_by_the_standard(x, centre, width):
    """PS3.3 C.11.2.1.2.1 with y from 0 to 1, case by case."""
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0.0
    if x > centre - 0.5 + (width - 1) / 2:
        return 1.0
    return (x - (centre - 0.5)) / (width - 1) + 0.5


def linear_exact_by_the_standard(x, centre, width):
    """PS3.3 C.11.2.1.3.2."""
    if x <= centre - width / 2:
        return 0.0
    if x > centre + width / 2:
        return 1.0
    return (x - centre) / width + 0.5


numbers = st.floats(-5000, 5000)


@given(x=numbers, centre=numbers, width=st.floats(1, 5000))
def test_linear_window(x, centre, width):
    expected = linear_by_the_standard(x, centre, width)
    assert window(np.array([x]), centre, width)[0] == pytest.approx(expected, abs=1e-6)


@given(x=numbers, centre=numbers, width=st.floats(1e-3, 5000))
def test_linear_exact_window(x, centre, width):
    expected = linear_exact_by_the_standard(x, centre, width)
    found = window(np.array([x]), centre, width, "LINEAR_EXACT")[0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_sigmoid_window():
    x = np.array([-1e9, 0.0, 40.0, 1e9])
    expected = [0.0, 1 / (1 + np.exp(-4 * (0 - 40) / 80)), 0.5, 1.0]
    np.testing.assert_allclose(window(x, 40, 80, "SIGMOID"), expected, atol=1e-12)


def lut(data, first=0, bits=8, vr="US"):
    item = Dataset()
    item.add_new(0x00283002, vr, [len(data), first, bits])
    item.add_new(0x00283006, "OW", np.asarray(data, dtype="<u2").tobytes())
    return Sequence([item])


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_rescale_comes_before_the_window(files):
    data = files.dicom_file(
        RAMP, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=50, WindowWidth=101
    )
    expected = [linear_by_the_standard(2 * x - 100, 50, 101) for x in RAMP.ravel().tolist()]
    film = read_radiograph(data)
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-6)
    assert film.transforms == ("rescale 2/-100", "window 50/101")


def test_a_voi_lut_is_preferred_to_a_window_and_the_first_of_several_is_used(files):
    table = np.minimum(np.arange(256) * 3, 255)
    both = Sequence([*lut(table), *lut(np.zeros(256))])
    data = files.dicom_file(RAMP, VOILUTSequence=both, WindowCenter=10, WindowWidth=5)
    film = read_radiograph(data)
    np.testing.assert_allclose(film.pixels.ravel(), table / 255, atol=1e-6)
    assert film.transforms == ("VOI LUT",)


def test_a_short_lut_holds_its_ends(files):
    table = np.linspace(0, 1023, 64).round()
    film = read_radiograph(files.dicom_file(RAMP, VOILUTSequence=lut(table, 100, 10)))
    expected = table[np.clip(np.arange(256) - 100, 0, 63)] / 1023
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-6)


def test_a_modality_lut_comes_before_the_window(files):
    table = np.arange(256)[::-1] * 16
    data = files.dicom_file(
        RAMP, ModalityLUTSequence=lut(table, bits=12), WindowCenter=2048, WindowWidth=4096
    )
    expected = [linear_by_the_standard(x, 2048, 4096) for x in table]
    film = read_radiograph(data)
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-6)
    assert film.transforms == ("modality LUT", "window 2048/4096")


def test_the_first_of_several_windows_is_used(files):
    data = files.dicom_file(RAMP, WindowCenter=[100, 10], WindowWidth=[50, 5])
    assert read_radiograph(data).transforms == ("window 100/50",)


def test_monochrome1_is_inverted_after_the_window(files):
    attributes = {"WindowCenter": 60, "WindowWidth": 41}
    data = files.dicom_file(RAMP, PhotometricInterpretation="MONOCHROME1", **attributes)
    expected = [1 - linear_by_the_standard(x, 60, 41) for x in RAMP.ravel().tolist()]
    film = read_radiograph(data)
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-6)
    assert film.transforms == ("window 60/41", "invert MONOCHROME1")


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME1", "INVERSE", True),
    ],
)
def test_a_film_is_inverted_at_most_once(files, photometric, shape, inverted):
    data = files.dicom_file(RAMP, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    first = read_radiograph(data).pixels[0, 0]
    assert first == (1.0 if inverted else 0.0)


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_an_impossible_window_is_left_out_and_named(files, width):
    film = read_radiograph(files.dicom_file(RAMP, WindowCenter=10, WindowWidth=width))
    assert film.transforms == (f"window ignored 10/{width:g}", "range 0/255")
    np.testing.assert_allclose(film.pixels.ravel(), RAMP.ravel() / 255, atol=1e-6)


def test_a_slope_of_zero_is_refused(files):
    with pytest.raises(UnreadableFileError, match="Rescale Slope of 0"):
        read_radiograph(files.dicom_file(RAMP, RescaleSlope=0, RescaleIntercept=0))


def test_a_negative_slope_turns_the_film_without_voi(files):
    data = files.dicom_file(RAMP, RescaleSlope=-1, RescaleIntercept=255)
    film = read_radiograph(data)
    np.testing.assert_allclose(film.pixels.ravel(), 1 - RAMP.ravel() / 255, atol=1e-6)


def test_bits_above_the_stored_ones_are_masked(files):
    film = files.synthetic_film(bits=12)
    overlay = film | (np.random.default_rng(1).integers(16, size=film.shape) << 12).astype("u2")
    read = read_radiograph(files.dicom_file(overlay, bits_stored=12))
    np.testing.assert_allclose(read.pixels, film / 4095, atol=1e-6)


def test_the_high_bit_says_where_the_values_lie(files):
    film = files.synthetic_film(bits=12)
    data = files.dicom_file((film << 4) | 5, bits_stored=12, HighBit=15)
    np.testing.assert_allclose(read_radiograph(data).pixels, film / 4095, atol=1e-6)


def test_signed_values_are_extended_from_the_stored_bits(files):
    film = files.synthetic_film(bits=12)
    stored = (film.astype(np.int32) - 2048) & 0x0FFF
    data = files.dicom_file(stored.astype(np.uint16), bits_stored=12, PixelRepresentation=1)
    np.testing.assert_allclose(read_radiograph(data).pixels, film / 4095, atol=1e-6)


def test_padding_beyond_the_film_is_dark_and_does_not_count(files):
    film = files.synthetic_film(bits=12)
    film[:, :9] = 65535
    read = read_radiograph(files.dicom_file(film, PixelPaddingValue=65535))
    assert not read.pixels[:, :9].any()
    np.testing.assert_allclose(read.pixels[:, 9:], film[:, 9:] / 4095, atol=1e-6)


def test_a_declared_padding_that_real_pixels_share_is_left(files):
    film = files.synthetic_film()
    data = files.dicom_file(
        film, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=int(film[40, 40])
    )
    np.testing.assert_allclose(read_radiograph(data).pixels, 1 - film / 255, atol=1e-6)


def test_a_palette_becomes_luminance(files):
    colours = np.random.default_rng(3).integers(0, 65536, size=(3, 256)).astype("<u2")
    attributes = {"PhotometricInterpretation": "PALETTE COLOR"}
    for index, name in enumerate(("Red", "Green", "Blue")):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        attributes[f"{name}PaletteColorLookupTableData"] = colours[index].tobytes()
    film = read_radiograph(files.dicom_file(RAMP, **attributes))
    expected = (np.array([0.299, 0.587, 0.114]) @ colours) / 65535
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-5)
    assert film.transforms == ("palette", "luminance")


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_becomes_luminance(files, planar):
    colour = np.random.default_rng(4).integers(0, 256, size=(16, 16, 3)).astype(np.uint8)
    stored = colour if planar == 0 else colour.transpose(2, 0, 1).reshape(16, 16, 3)
    film = read_radiograph(files.dicom_file(stored, PlanarConfiguration=planar))
    np.testing.assert_allclose(film.pixels, colour @ [0.299, 0.587, 0.114] / 255, atol=1e-5)


def test_ybr_keeps_its_luminance(files):
    colour = np.random.default_rng(5).integers(0, 256, size=(16, 16, 3)).astype(np.uint8)
    film = read_radiograph(files.dicom_file(colour, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_allclose(film.pixels, colour[..., 0] / 255, atol=1e-6)


def test_unequal_spacing_becomes_square_pixels(files):
    film = files.synthetic_film(60, 120)
    read = read_radiograph(files.dicom_file(film, PixelSpacing=[0.4, 0.2]))
    assert read.pixels.shape == (120, 120)
    assert read.metadata.pixel_spacing_mm == pytest.approx((0.2, 0.2))
    aspect = read_radiograph(files.dicom_file(film, PixelAspectRatio=[2, 1]))
    np.testing.assert_array_equal(aspect.pixels, read.pixels)


@settings(max_examples=25, deadline=None)
@given(
    bits=st.integers(2, 16),
    data=st.data(),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    sign=st.booleans(),
)
def test_a_window_of_any_film_follows_the_standard(files, bits, data, rows, columns, sign):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign else (0, 2**bits - 1)
    stored = np.array(
        data.draw(
            st.lists(st.integers(low, high), min_size=rows * columns, max_size=rows * columns)
        )
    ).reshape(rows, columns)
    stored = stored.astype(np.int16 if sign else np.uint16)
    centre = data.draw(st.integers(-70000, 70000))
    width = data.draw(st.integers(1, 70000))
    film = read_radiograph(
        files.dicom_file(stored, bits_stored=bits, WindowCenter=centre, WindowWidth=width)
    )
    expected = np.array([linear_by_the_standard(x, centre, width) for x in stored.ravel()])
    np.testing.assert_allclose(film.pixels.ravel(), expected, atol=1e-6)


def test_voi_can_be_left_out(files):
    data = files.dicom_file(RAMP, VOILUTSequence=lut(np.zeros(256)))
    assert not read_radiograph(data).pixels.any()
    assert read_radiograph(data, options=ReadOptions(voi=False, trim=False)).pixels.max() == 1.0
