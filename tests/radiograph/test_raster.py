"""Pictures: depths, colours, transparency, orientation."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph import ReadOptions, read_radiograph

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, size=(20, 30)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, size=(20, 30, 3)).astype(np.uint8)
LUMA = COLOUR @ np.array([0.299, 0.587, 0.114])
shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


def saved(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@settings(max_examples=40, deadline=None)
@given(film=hnp.arrays(np.uint8, shapes), kind=st.sampled_from(["PNG", "TIFF", "BMP", "JPEG2000"]))
def test_any_8_bit_film_round_trips(files, film, kind):
    read = read_radiograph(files.raster_file(film, kind))
    np.testing.assert_allclose(read.pixels, film / np.float32(255), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(film=hnp.arrays(np.uint16, shapes), kind=st.sampled_from(["PNG", "TIFF"]))
def test_any_16_bit_film_keeps_its_order_and_depth(files, film, kind):
    whole = ReadOptions(trim=False)
    read = read_radiograph(files.raster_file(film, kind), options=whole).pixels
    assert read.shape == film.shape
    if film.max() >= 32768 and film.min() == 0:
        np.testing.assert_allclose(read, film / 65535, atol=1e-6)
    order = np.argsort(film, axis=None, kind="stable")
    assert (np.diff(read.ravel()[order]) >= 0).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_colour_becomes_luminance(files, kind):
    read = read_radiograph(files.raster_file(COLOUR, kind))
    np.testing.assert_allclose(read.pixels, LUMA / 255, atol=0.6 / 255)
    assert read.transforms[0] == "luminance"


def test_16_bit_colour_keeps_16_bits(files):
    deep = RNG.integers(0, 65536, size=(20, 30, 3)).astype(np.uint16)
    read = read_radiograph(files.png_file(deep, 2))
    np.testing.assert_allclose(read.pixels, deep @ [0.299, 0.587, 0.114] / 65535, atol=1e-5)


@pytest.mark.parametrize("colour_type", [4, 6])
def test_16_bit_transparency_is_composited(files, colour_type):
    channels = 2 if colour_type == 4 else 4
    deep = RNG.integers(0, 65536, size=(20, 30, channels)).astype(np.uint16)
    deep[0, 0] = 65535
    grey = deep[..., 0] if channels == 2 else deep[..., :3] @ [0.299, 0.587, 0.114]
    alpha = deep[..., -1] / 65535
    read = read_radiograph(files.png_file(deep, colour_type), options=ReadOptions(background=0.5))
    np.testing.assert_allclose(read.pixels, grey / 65535 * alpha + 0.5 * (1 - alpha), atol=1e-4)


@pytest.mark.parametrize("background", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_shows_the_background(files, kind, background):
    picture = np.dstack([COLOUR, np.full(GREY.shape, 255, np.uint8)])
    picture[:10, :, 3] = 0
    options = ReadOptions(background=background)
    read = read_radiograph(files.raster_file(picture, kind), options=options)
    assert (read.pixels[:10] == background).all()
    np.testing.assert_allclose(read.pixels[10:], LUMA[10:] / 255, atol=0.6 / 255)
    assert f"composite on {background:g}" in read.transforms


def test_a_palette_is_looked_up_and_its_transparent_colour_composited():
    image = Image.fromarray(GREY // 64)
    image = image.convert("P")
    image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 255, 255, 255])
    plain = read_radiograph(saved(image, "PNG"))
    expected = np.array([0, 80, 160, 255])[GREY // 64] / 255
    np.testing.assert_allclose(plain.pixels, expected, atol=1e-6)
    clear = read_radiograph(saved(image, "PNG", transparency=3), options=ReadOptions(background=0))
    np.testing.assert_allclose(clear.pixels, np.where(GREY // 64 == 3, 0, expected), atol=1e-6)


def test_a_transparent_grey_is_composited():
    deep = GREY.astype(np.uint16) * 257
    for data in (
        saved(Image.fromarray(GREY), "PNG", transparency=int(GREY[0, 0])),
        saved(Image.fromarray(deep), "PNG", transparency=int(deep[0, 0])),
    ):
        read = read_radiograph(data, options=ReadOptions(background=1.0))
        expected = np.where(GREY[0, 0] == GREY, 1.0, GREY / 255)
        np.testing.assert_allclose(read.pixels, expected, atol=1e-6)


def test_cmyk_and_single_bits():
    cmyk = Image.fromarray(np.stack([255 - GREY] * 3 + [GREY * 0], axis=-1), mode="CMYK")
    read = read_radiograph(saved(cmyk, "TIFF"))
    np.testing.assert_allclose(read.pixels, GREY / 255, atol=2 / 255)
    bits = read_radiograph(saved(Image.fromarray(GREY > 127), "PNG"))
    np.testing.assert_array_equal(bits.pixels, GREY > 127)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_film_is_turned_upright(kind, orientation):
    upright = np.zeros((64, 96), dtype=np.uint8)
    upright[:16, :32] = 255
    # How a camera held that way stores it: the inverse of what a viewer must do.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    read = read_radiograph(data)
    np.testing.assert_allclose(read.pixels, upright / 255, atol=0.2)


def test_a_white_is_zero_tiff_is_inverted():
    deep = GREY.astype(np.uint16) * 257
    data = saved(Image.fromarray(deep), "TIFF", tiffinfo={262: 0})
    read = read_radiograph(data)
    np.testing.assert_allclose(read.pixels, 1 - GREY / 255, atol=1e-6)
    assert "invert WhiteIsZero" in read.transforms


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_pixels_that_are_no_numbers_are_refused(files, value):
    film = GREY.astype(np.float32)
    film[3, 3] = value
    with pytest.raises(UnreadableFileError, match="pixel"):
        read_radiograph(files.raster_file(film, "TIFF"))


def test_a_burned_in_letter_does_not_darken_a_deep_film(files):
    film = files.synthetic_film(200, 200, bits=12)
    film[:3, :2] = 65535
    read = read_radiograph(files.raster_file(film, "PNG"))
    assert read.pixels[10:].mean() > 0.3
    assert read.pixels[0, 0] == 1.0


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP"])
def test_several_pages_are_refused_by_name(kind):
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    with pytest.raises(UnsupportedImageError, match="2 pages or frames"):
        read_radiograph(saved(pages[0], kind, save_all=True, append_images=pages[1:]))


def test_an_unknown_colour_mode_is_refused():
    lab = Image.fromarray(COLOUR, mode="LAB")
    with pytest.raises(UnsupportedImageError, match="LAB"):
        read_radiograph(saved(lab, "TIFF"))


def test_a_bomb_in_a_text_chunk_is_harmless(files):
    body = b"Comment\x00\x00" + zlib.compress(b"\x00" * 40_000_000)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    with pytest.raises(UnreadableFileError):
        read_radiograph(files.png_file(GREY, 0, chunk))


@pytest.mark.parametrize("order", ["<", ">"])
def test_deep_grey_with_alpha_is_read_as_png_and_refused_by_name_as_tiff(files, order):
    pair = np.zeros((90, 80, 2), dtype=np.uint16)
    pair[..., 0], pair[..., 1] = 829 * np.arange(80), 65535
    png = read_radiograph(files.png_file(pair, 4))
    np.testing.assert_allclose(png.pixels, pair[..., 0] / 65535, atol=1e-6)
    with pytest.raises(UnsupportedImageError, match=r"16-bit grey with alpha.*or as PNG"):
        read_radiograph(grey_and_alpha_tiff(pair, order))
    # Another layout that is not read is not called that.
    with pytest.raises(UnsupportedImageError, match="layout that is not read"):
        read_radiograph(grey_and_alpha_tiff(np.zeros((90, 80, 3), np.uint16), order))


def grey_and_alpha_tiff(pixels, order):
    """Write the one strip of TIFF 6.0 that Pillow does not write."""
    rows, columns, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    start = 8 + 2 + 11 * 12 + 4
    deep = (16, 16) if channels == 2 else (start, None)
    entries = [
        *((256, 1, columns), (257, 1, rows), (258, channels, deep), (259, 1, 1), (262, 1, 1)),
        *((273, 1, start + 8), (277, 1, channels), (278, 1, rows), (279, 1, len(data))),
        *((284, 1, 1), (338, 1, 2)),
    ]
    out = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    for tag, count, value in entries:
        if tag in (273, 279):
            out += struct.pack(f"{order}HHII", tag, 4, count, value)
        elif isinstance(value, tuple) and value[1] is None:
            out += struct.pack(f"{order}HHII", tag, 3, count, value[0])
        else:
            first, second = value if isinstance(value, tuple) else (value, 0)
            out += struct.pack(f"{order}HHIHH", tag, 3, count, first, second)
    return out + struct.pack(f"{order}I4H", 0, *[16] * channels, *[0] * (4 - channels)) + data
