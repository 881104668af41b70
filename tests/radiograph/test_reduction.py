"""Fewer pixels: the means of what is there, in every way of reading."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pneumoscore.backbone.record import load_record
from pneumoscore.backbone.registry import weights_folder
from pneumoscore.radiograph import InputSpec, ReadOptions, read_radiograph
from pneumoscore.radiograph.prepare import central_square, prepare
from pneumoscore.radiograph.reduction import block_factor, block_means, centred, reduced


def means(values, factor, shown=None):
    """Block means, written out: the last row and column stand for what is missing."""
    rows, columns = values.shape
    shown = np.ones(values.shape, bool) if shown is None else shown
    down = np.minimum(np.arange(-(-rows // factor) * factor), rows - 1)
    across = np.minimum(np.arange(-(-columns // factor) * factor), columns - 1)
    whole, mask = values[down][:, across].astype(float), shown[down][:, across]
    out = np.zeros((len(down) // factor, len(across) // factor))
    hidden = np.zeros(out.shape, bool)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            part = (
                slice(row * factor, (row + 1) * factor),
                slice(column * factor, (column + 1) * factor),
            )
            hidden[row, column] = not mask[part].any()
            out[row, column] = whole[part][mask[part]].mean() if mask[part].any() else 0
    return out, hidden


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 17),
    columns=st.integers(1, 17),
    factor=st.integers(1, 5),
    bits=st.sampled_from([8, 10, 12, 16]),
    signed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_block_means_are_the_means_of_what_is_shown(rows, columns, factor, bits, signed, seed):
    rng = np.random.default_rng(seed)
    low = -(2 ** (bits - 1)) if signed else 0
    kind = {8: np.int8, 16: np.int16}[8 if bits == 8 else 16]
    kind = kind if signed else np.dtype(kind).str.replace("i", "u")
    values = rng.integers(low, low + 2**bits, (rows, columns)).astype(kind)
    hidden = rng.random((rows, columns)) < 0.5
    for mask in (None, hidden):
        found = reduced(values, mask, bits, factor)
        right, gone = means(values, factor, None if mask is None else ~mask)
        step = 0.5 / (1 << found.fraction)
        shown = ~gone
        np.testing.assert_allclose(
            (found.values / (1 << found.fraction))[shown],
            right[shown] if factor > 1 else values[shown],
            atol=step + 1e-9,
        )
        if mask is not None:
            assert np.array_equal(found.hidden, gone)
    plain = values.astype(np.float32)
    np.testing.assert_allclose(block_means(plain, factor), means(values, factor)[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("rows", "columns", "side", "factor"),
    [(2500, 3000, 1024, 2), (2048, 2048, 1024, 2), (2047, 4000, 1024, 1), (9000, 9000, None, 1)],
)
def test_the_shorter_side_keeps_what_is_asked(rows, columns, side, factor):
    assert block_factor((rows, columns), side) == factor


SMALL = ReadOptions(least_side=100, trim=False)
WHOLE = ReadOptions(least_side=None, trim=False)
SHAPE = (415, 331)
SYNTAXES = (
    "explicit",
    "big endian",
    "RLE",
    "JPEG lossless",
    "JPEG-LS",
    "JPEG 2000 lossless",
    "JPEG 2000",
    "JPEG baseline",
)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("padded", [False, True])
def test_every_way_gives_the_same_small_film(files, syntax, padded):
    bits = 8 if syntax == "JPEG baseline" else 12
    film = files.synthetic_film(*SHAPE, bits=bits)
    attributes = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    if padded:
        attributes["PixelPaddingValue"] = 2**bits - 1
        film = np.minimum(film, 2**bits - 20)
        film[:60] = 2**bits - 1
        if syntax in ("JPEG baseline", "JPEG 2000"):
            pytest.skip("lossy compression moves the padding's value")
    data = files.dicom_file(film, syntax, bits_stored=bits, **attributes)
    small, whole = (read_radiograph(data, options=options) for options in (SMALL, WHOLE))
    lowered = syntax.startswith("JPEG 2000") or syntax == "JPEG baseline"
    factor = 2 if lowered and not padded else 3
    assert small.pixels.shape == tuple(-(-side // factor) for side in SHAPE)
    assert small.transforms[0] == f"reduced 1/{factor}"
    assert small.origin.at(10, 20) == (10 * factor, 20 * factor)
    shown = np.broadcast_to(np.arange(SHAPE[0])[:, None] >= 60, SHAPE) if padded else None
    right, _hidden = means(whole.pixels, factor, shown)
    # Wavelets and cosines leave out detail that means average.
    error = 0.08 if lowered else 1e-3
    np.testing.assert_allclose(small.pixels, right, atol=error)
    assert np.abs(small.pixels - right).mean() < (0.01 if lowered else 1e-4)


@pytest.mark.parametrize("tile", [None, (128, 96)])
@pytest.mark.parametrize("shape", [(401, 399), (403, 801)])
@pytest.mark.parametrize("side", [200, 50])
def test_jpeg_2000_of_any_size_and_tiling_at_any_resolution(files, shape, side, tile):
    film = files.synthetic_film(*shape)
    file = BytesIO()
    options = {} if tile is None else {"tile_size": tile}
    Image.fromarray(film).save(file, "JPEG2000", no_jp2=True, irreversible=False, **options)
    from tests.radiograph.test_situations import wrapped

    data = wrapped(files, file.getvalue(), shape, "1.2.840.10008.1.2.4.90", 8)
    read = read_radiograph(data, options=ReadOptions(least_side=side, trim=False))
    halved = 2 ** int(math.log2(min(shape) // side))
    factor = halved * (math.ceil(min(shape) / halved) // side)
    assert read.pixels.shape == tuple(math.ceil(length / factor) for length in shape)
    right, _ = means(film / 255, factor)
    assert np.abs(read.pixels - right).mean() < 0.02


def test_colours_of_a_palette_are_averaged_and_not_its_indices(files):
    film = files.synthetic_film(400, 404)
    colours = np.random.default_rng(3).integers(0, 65536, size=(3, 256)).astype("<u2")
    attributes = {"PhotometricInterpretation": "PALETTE COLOR"}
    for index, name in enumerate(("Red", "Green", "Blue")):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        attributes[f"{name}PaletteColorLookupTableData"] = colours[index].tobytes()
    file = BytesIO()
    Image.fromarray(film).save(file, "JPEG2000", no_jp2=True, irreversible=False)
    from tests.radiograph.test_situations import wrapped

    data = wrapped(files, file.getvalue(), film.shape, "1.2.840.10008.1.2.4.90", 8, **attributes)
    read = read_radiograph(data, options=ReadOptions(least_side=100, trim=False))
    luminance = (np.array([0.299, 0.587, 0.114]) @ colours / 65535)[film]
    np.testing.assert_allclose(read.pixels, means(luminance, 4)[0], atol=1e-5)


@pytest.mark.parametrize("syntax", ["JPEG 2000 lossless", "JPEG 2000", "JPEG baseline"])
@pytest.mark.parametrize("side", [100, 50])
def test_a_decoder_that_shrinks_moves_the_film_nowhere(files, syntax, side):
    bits = 8 if syntax == "JPEG baseline" else 12
    down, across = np.meshgrid(np.linspace(0, 0.5, 400), np.linspace(0, 0.5, 416), indexing="ij")
    film = np.rint((down + across) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    window = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    data = files.dicom_file(film, syntax, bits_stored=bits, **window)
    small, whole = (
        read_radiograph(data, options=ReadOptions(least_side=least, trim=False)).pixels
        for least in (side, None)
    )
    factor = 400 // len(small)
    assert factor == 400 // side
    moved = (small - means(whole, factor)[0])[2:-2, 2:-2]
    # The half of a stored pixel, down and across, is 0.00125.
    assert abs(moved.mean()) < 0.0005


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("halvings", [1, 2, 3, 9])
def test_a_low_band_is_moved_by_whole_numbers_of_any_depth(kind, halvings):
    most = np.iinfo(kind).max
    full = np.full((5, 4), most, dtype=kind)
    assert np.array_equal(centred(full, halvings), full)
    ramp = np.arange(0, 200, 40, dtype=kind)[:, None] * np.ones(4, dtype=kind)
    shift = (1 - 2.0**-halvings) / 2
    found = centred(ramp, halvings)
    np.testing.assert_allclose(found[:-1], ramp[:-1] + 40 * shift, atol=0.6)
    assert np.array_equal(found[-1], ramp[-1])
    assert found.dtype == kind


@pytest.mark.parametrize("extra", [True, False])
def test_htj2k_at_lower_resolution_with_and_without_the_extra(files, monkeypatch, extra):
    codecs = pytest.importorskip("imagecodecs")
    from tests.radiograph.test_situations import without_imagecodecs, wrapped

    film = files.synthetic_film(401, 303, bits=12)
    frame = codecs.htj2k_encode(film, reversible=True)
    data = wrapped(
        files,
        frame,
        film.shape,
        "1.2.840.10008.1.2.4.201",
        12,
        WindowCenter=2048,
        WindowWidth=4096,
    )
    fast = read_radiograph(data, options=SMALL)
    assert fast.pixels.shape == (201, 152)
    if not extra:
        without_imagecodecs(monkeypatch)
        slow = read_radiograph(data, options=SMALL)
        np.testing.assert_allclose(slow.pixels, fast.pixels, atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "JPEG", "JPEG2000"])
def test_pictures_are_shrunk_too(files, kind):
    film = files.synthetic_film(*SHAPE)
    picture = np.stack([film] * 3, axis=-1) if kind == "WEBP" else film
    data = files.raster_file(picture, kind)
    small, whole = (read_radiograph(data, options=options) for options in (SMALL, WHOLE))
    factor = 2 if kind == "JPEG" else 3
    assert small.pixels.shape == tuple(-(-side // factor) for side in SHAPE)
    right, _ = means(whole.pixels, factor)
    np.testing.assert_allclose(small.pixels, right, atol=0.06 if kind == "JPEG" else 2e-3)
    assert small.origin.at(0, 10) == (0, 10 * factor)


def test_deep_pictures_and_transparent_ones_keep_their_range(files):
    film = files.synthetic_film(*SHAPE, bits=12)
    deep = read_radiograph(files.raster_file(film, "PNG"), options=SMALL)
    np.testing.assert_allclose(deep.pixels, means(film / 4095, 3)[0], atol=1e-5)
    grey = files.synthetic_film(*SHAPE)
    alpha = np.where(np.arange(SHAPE[1]) < 100, 0, 255).astype(np.uint8)
    pair = np.dstack([grey, np.broadcast_to(alpha, SHAPE)])
    clear = read_radiograph(files.png_file(pair, 4), options=SMALL)
    right = means(np.where(alpha == 0, 0, grey / 255), 3)[0]
    np.testing.assert_allclose(clear.pixels, right, atol=1e-5)


def test_data_without_voi_keep_the_range_of_all_their_pixels(files):
    film = files.synthetic_film(*SHAPE, bits=12) // 4
    film[200, 100] = 4095
    for syntax in ("explicit", "JPEG 2000 lossless"):
        data = files.dicom_file(film, syntax, bits_stored=12)
        small, whole = (read_radiograph(data, options=options) for options in (SMALL, WHOLE))
        assert small.transforms[-1] == whole.transforms[-1]


def test_the_default_leaves_the_built_in_networks_two_pixels_for_one():
    for path in weights_folder().glob("*.json"):
        assert ReadOptions().least_side * 3 / 4 >= 2 * load_record(path).input.size


def test_the_default_is_the_same_everywhere(files):
    film = files.synthetic_film(2100, 2200, bits=12)
    data = files.dicom_file(film, bits_stored=12)
    assert read_radiograph(data).pixels.shape == (700, 734)
    assert ReadOptions() == ReadOptions(least_side=600)
    with pytest.raises(ValueError, match="least_side"):
        ReadOptions(least_side=0)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_film_that_was_shrunk_can_be_read_again_with_more_pixels(files, syntax):
    bits = 8 if syntax == "JPEG baseline" else 12
    data = files.dicom_file(files.synthetic_film(*SHAPE, bits=bits), syntax, bits_stored=bits)
    small, whole = (read_radiograph(data, options=options) for options in (SMALL, WHOLE))
    assert whole.finer is None
    np.testing.assert_array_equal(small.finer(None).pixels, whole.pixels)
    half = small.finer(SHAPE[1] // 2)
    assert half.pixels.shape == (208, 166)
    said = (replace(read.metadata, pixel_spacing_mm=None) for read in (half, small))
    assert next(said) == next(said)


def test_more_pixels_are_of_the_same_part_whatever_the_borders_look_like(files):
    # Noise of single pixels hides the border of the whole film, and not that of the small one.
    film = files.synthetic_film(640, 480, bits=12)
    film[:, :80] = 2000 + 200 * (np.indices((640, 80)).sum(0) % 2)
    data = files.dicom_file(film, bits_stored=12)
    small = read_radiograph(data, options=ReadOptions(least_side=100))
    whole = read_radiograph(data, options=ReadOptions(least_side=None))
    assert small.columns * 4 == 400
    assert whole.columns == 480
    np.testing.assert_array_equal(small.finer(None).pixels, whole.pixels[:, 80:])


def test_a_film_whose_pixels_were_exchanged_is_not_read_again(files):
    read = read_radiograph(files.dicom_file(files.synthetic_film(300, 260)), options=SMALL)
    assert read.finer is not None
    assert replace(read, pixels=1 - read.pixels).finer is None


@pytest.mark.parametrize(("rows", "columns"), [(415, 331), (401, 301), (400, 300)])
def test_the_outer_pixels_of_a_small_film_stand_for_what_the_file_holds(files, rows, columns):
    data = files.dicom_file(files.synthetic_film(rows, columns))
    read = read_radiograph(data, options=SMALL)
    factor = min(rows, columns) // 100
    assert read.extent == pytest.approx((0, 0, rows / factor, columns / factor))


def test_the_outer_pixels_lie_where_a_turned_film_has_them(files):
    data = files.dicom_file(files.synthetic_film(415, 331), PatientOrientation=["R", "F"])
    read = read_radiograph(data, options=SMALL)
    assert read.extent == pytest.approx((0, 2 / 3, 415 / 3, 111))


@pytest.mark.parametrize("orientation", ["LF", "RF", "LH", "FL", "HR"])
@pytest.mark.parametrize("spacing", [(0.2, 0.1), (0.1, 0.15)])
def test_a_turned_film_with_unequal_spacing_is_read_again_whole(files, orientation, spacing):
    film = files.synthetic_film(418, 331, bits=12)
    data = files.dicom_file(
        film, bits_stored=12, PatientOrientation=list(orientation), PixelSpacing=list(spacing)
    )
    small, whole = (read_radiograph(data, options=options) for options in (SMALL, WHOLE))
    again = small.finer(None)
    assert again.pixels.shape == pytest.approx(whole.pixels.shape, abs=2)
    rows, columns = (
        min(sides) for sides in zip(again.pixels.shape, whole.pixels.shape, strict=True)
    )
    np.testing.assert_allclose(
        again.pixels[2 : rows - 2, 2 : columns - 2],
        whole.pixels[2 : rows - 2, 2 : columns - 2],
        atol=0.05,
    )


@pytest.mark.parametrize("orientation", ["LF", "RH", "FL"])
@pytest.mark.parametrize("squaring", ["pad", "crop"])
def test_a_network_sees_the_same_of_a_small_film_as_of_the_whole(files, orientation, squaring):
    data = files.dicom_file(
        files.synthetic_film(415, 331, bits=12),
        bits_stored=12,
        PatientOrientation=list(orientation),
    )
    spec = InputSpec(40, squaring, "unit")
    small, whole = (
        prepare(read_radiograph(data, options=options), spec) for options in (SMALL, WHOLE)
    )
    factor = 3
    assert small.placement.scale == pytest.approx(whole.placement.scale * factor)
    right = read_radiograph(data, options=SMALL).extent
    for side, start in (("top", right[0]), ("left", right[1])):
        edge = getattr(small.placement, side) + start * small.placement.scale
        # The middle of a film is a whole pixel of its own.
        assert edge == pytest.approx(getattr(whole.placement, side), abs=small.placement.scale)
    assert np.abs(small.array - whole.array).mean() < 0.01


@pytest.mark.parametrize("shape", [(1204, 1203), (1203, 1204), (1208, 1207), (2022, 2021)])
def test_the_central_square_never_reaches_beyond_a_film(files, shape):
    read = read_radiograph(files.dicom_file(np.full(shape, 1000, np.uint16), bits_stored=12))
    frame = central_square(read)
    top, left, bottom, right = read.extent
    assert frame.top >= top
    assert frame.left >= left
    assert frame.top + frame.side <= bottom + 1e-9
    assert frame.left + frame.side <= right + 1e-9


def test_what_is_left_of_a_film_with_borders_keeps_what_is_asked(files):
    film = np.pad(files.synthetic_film(400, 360, bits=12), 200)
    data = files.dicom_file(film, bits_stored=12)
    read = read_radiograph(data, options=ReadOptions(least_side=100))
    assert 100 <= min(read.pixels.shape) < 200
    assert read.transforms[-1].startswith("trimmed")
    whole = read_radiograph(data, options=ReadOptions(least_side=None))
    assert read.finer(None).pixels.shape == pytest.approx(whole.pixels.shape, abs=6)


@pytest.mark.shared_data
def test_scores_of_large_films_hardly_move(shared_data):
    from pneumoscore.severity.model import SeverityModel

    model = SeverityModel.open()
    read = 0
    for path in sorted((shared_data / "cohen94").iterdir()):
        film = read_radiograph(path)
        if film.finer is None:
            continue
        read += 1
        default, whole = (
            model.score(radiograph, force=True) for radiograph in (film, film.finer(None))
        )
        for item, right in zip(default.scales, whole.scales, strict=True):
            assert item.value == pytest.approx(right.value, abs=0.1), path.name
    assert read > 20
