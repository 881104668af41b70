"""Films as other people's systems write them: right values worked out here, or by pydicom."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph import ReadOptions
from pneumoscore.radiograph.read import read_radiograph as read_trimmed

ROWS, COLUMNS = 40, 30


def read_radiograph(data, options=None):
    """Read without trimming: the films here are even at places."""
    return read_trimmed(data, options=options or ReadOptions(trim=False))


@pytest.fixture
def film(files):
    return files.synthetic_film(ROWS, COLUMNS, bits=12)


def item(**attributes):
    found = Dataset()
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found


def unit(film):
    return film.astype(np.float64) / 4095


def turnings(film):
    """How a film is stored whose rows and columns lead there."""
    return {
        ("L", "F"): film,
        ("R", "F"): film[:, ::-1],
        ("L", "H"): film[::-1],
        ("R", "H"): film[::-1, ::-1],
        ("F", "L"): film.T,
        ("F", "R"): film[:, ::-1].T,
        ("H", "L"): film[::-1].T,
        ("H", "R"): film[::-1, ::-1].T,
        ("LF", "FR"): film,
    }


@pytest.mark.parametrize(
    "orientation", [*turnings(np.zeros((2, 2))), ("A", "F"), ("P", "F"), ("X", "Y")]
)
def test_patient_orientation_turns_the_film(files, film, orientation):
    stored = turnings(film).get(orientation, film)
    data = files.dicom_file(
        np.ascontiguousarray(stored), bits_stored=12, PatientOrientation=list(orientation)
    )
    read = read_radiograph(data)
    np.testing.assert_allclose(read.pixels, unit(film), atol=1e-6)
    for row, column in ((0, 0), (7, 3), (39, 29)):
        there = read.origin.at(row + 0.5, column + 0.5)
        place = tuple(int(np.floor(part)) for part in there)
        assert stored[place] == film[row, column]
    assert read.origin.shape == stored.shape


@pytest.mark.parametrize("orientation", [None, [], ["L"], ["L", "F", "H"]])
def test_silence_about_the_orientation_leaves_the_film(files, film, orientation):
    attributes = {} if orientation is None else {"PatientOrientation": orientation}
    read = read_radiograph(files.dicom_file(film, bits_stored=12, **attributes))
    np.testing.assert_allclose(read.pixels, unit(film), atol=1e-6)
    assert read.metadata.patient_orientation is None


def overlay(hidden, group=0x6000, little=True):
    data = Dataset()
    packed = np.packbits(hidden.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    packed += b"\x00" * (len(packed) % 2)
    data.add_new(group << 16 | 0x0010, "US", hidden.shape[0])
    data.add_new(group << 16 | 0x0011, "US", hidden.shape[1])
    data.add_new(group << 16 | 0x0050, "SS", [1, 1])
    data.add_new(group << 16 | 0x0100, "US", 1)
    data.add_new(group << 16 | 0x3000, "OW", packed)
    return data


def disc(row, column, radius, stretch=1.0):
    down, across = np.mgrid[1 : ROWS + 1, 1 : COLUMNS + 1]
    return ((down - row) * stretch) ** 2 + (across - column) ** 2 > radius**2


def triangle():
    image = Image.new("1", (COLUMNS, ROWS), 1)
    ImageDraw.Draw(image).polygon([(2, 3), (27, 5), (14, 35)], fill=0, outline=0)
    return np.asarray(image)


def box(top, left, lower, right):
    hidden = np.ones((ROWS, COLUMNS), bool)
    hidden[top - 1 : lower, left - 1 : right] = False
    return hidden


RECTANGLE = {
    "ShutterShape": "RECTANGULAR",
    "ShutterLeftVerticalEdge": 4,
    "ShutterRightVerticalEdge": 26,
    "ShutterUpperHorizontalEdge": 3,
    "ShutterLowerHorizontalEdge": 35,
}
CIRCLE = {
    "ShutterShape": "CIRCULAR",
    "CenterOfCircularShutter": [20, 15],
    "RadiusOfCircularShutter": 13,
}
POLYGON = {
    "ShutterShape": "POLYGONAL",
    "VerticesOfThePolygonalShutter": [4, 3, 6, 28, 36, 15],
}
BITMAP = {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6002}
NONSENSE = {**RECTANGLE, "ShutterRightVerticalEdge": 0}


@pytest.mark.parametrize("syntax", ["explicit", "JPEG lossless", "JPEG 2000 lossless"])
@pytest.mark.parametrize(
    ("shutter", "hidden"),
    [
        (RECTANGLE, box(3, 4, 35, 26)),
        (CIRCLE, disc(20, 15, 13)),
        (POLYGON, triangle()),
        (BITMAP, disc(18, 12, 14)),
        (
            {**RECTANGLE, **CIRCLE, "ShutterShape": ["RECTANGULAR", "CIRCULAR"]},
            box(3, 4, 35, 26) | disc(20, 15, 13),
        ),
        (NONSENSE, np.zeros((ROWS, COLUMNS), bool)),
        ({**CIRCLE, "RadiusOfCircularShutter": 1}, np.zeros((ROWS, COLUMNS), bool)),
    ],
)
def test_what_a_shutter_hides_is_dark(files, film, shutter, hidden, syntax):
    covered = np.where(hidden, 4095, film)
    data = files.dicom_file(
        covered, syntax, bits_stored=12, WindowCenter=2048, WindowWidth=4096, **shutter
    )
    if shutter is BITMAP:
        dataset = dcmread(BytesIO(data))
        dataset.update(overlay(hidden, 0x6002))
        file = BytesIO()
        dataset.save_as(file)
        data = file.getvalue()
    read = read_radiograph(data)
    np.testing.assert_allclose(
        read.pixels,
        np.where(hidden, 0, unit(film)),
        atol=2e-6,
    )
    assert ("shutter 0" in read.transforms) == hidden.any()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("value", "vr", "signed"),
    [(-2000, "SS", True), (63536, "US", True), (4095, "US", False), (4095, "SS", False)],
)
def test_padding_is_dark_whatever_its_label(files, film, value, vr, signed, photometric):
    hidden = box(3, 4, 35, 26)
    values = (film // 2).astype(np.int16 if signed else np.uint16)
    stored = value - 65536 if signed and value > 32767 else value
    data = files.dicom_file(
        np.where(hidden, np.array(stored, values.dtype), values),
        PixelPaddingValue=0,
        WindowCenter=1024,
        WindowWidth=2048,
        PhotometricInterpretation=photometric,
    )
    plain = struct.pack("<HH2sH", 0x0028, 0x0120, b"SS" if signed else b"US", 2) + b"\x00\x00"
    assert plain in data
    labelled = struct.pack("<HH2sHH", 0x0028, 0x0120, vr.encode(), 2, value & 0xFFFF)
    read = read_radiograph(data.replace(plain, labelled))
    shown = np.clip(values / 2047, 0, 1)
    shown = 1 - shown if photometric == "MONOCHROME1" else shown
    top, left = (round(part) for part in read.origin.at(0, 0))
    inside = np.where(hidden, 0, shown)[top:, left:][: read.rows, : read.columns]
    np.testing.assert_allclose(read.pixels, inside, atol=1e-6)


def test_padding_in_the_bits_above_the_stored_ones(files, film):
    hidden = box(3, 4, 35, 26)
    stored = np.where(hidden, 0xF000, film).astype(np.uint16)
    data = files.dicom_file(
        stored,
        bits_stored=12,
        PixelPaddingValue=0xF000,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=2048,
        WindowWidth=4096,
    )
    read = read_radiograph(data)
    assert "padding 0" in read.transforms
    top, left = (round(part) for part in read.origin.at(0, 0))
    right = np.where(hidden, 0, 1 - unit(film))[top:, left:][: read.rows, : read.columns]
    np.testing.assert_allclose(read.pixels, right, atol=1e-6)


def test_lossy_overshoot_is_clipped_not_wrapped(files):
    codecs = pytest.importorskip("imagecodecs")
    film = files.synthetic_film(64, 64, bits=12)
    beyond = np.where(film > 2000, 1023 + film % 300, film // 4).astype(np.uint16)
    frame = codecs.jpeg8_encode(beyond, level=98, bitspersample=12)
    read = read_radiograph(wrapped(files, frame, (64, 64), "1.2.840.10008.1.2.4.51", 10))
    np.testing.assert_allclose(read.pixels, np.clip(beyond, 0, 1023) / 1023, atol=0.02)


def wrapped(files, frame, shape, syntax, bits, **attributes):
    """A DICOM file around a finished frame."""
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    blank = np.zeros(shape, np.uint8 if bits <= 8 else np.uint16)
    dataset = dcmread(BytesIO(files.dicom_file(blank, bits_stored=bits, **attributes)))
    dataset.PixelData = encapsulate([frame + b"\x00" * (len(frame) % 2)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_encapsulated_uncompressed_is_read(files, bits):
    film = files.synthetic_film(bits=bits)
    frame = film.astype(film.dtype.newbyteorder("<")).tobytes()
    data = wrapped(files, frame, film.shape, "1.2.840.10008.1.2.1.98", bits)
    np.testing.assert_allclose(read_radiograph(data).pixels, film / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("number", [201, 202, 203])
def test_htj2k_is_read_with_and_without_the_extra(files, monkeypatch, number, bits, extra):
    codecs = pytest.importorskip("imagecodecs")
    film = files.synthetic_film(bits=bits)
    frame = codecs.htj2k_encode(film, reversible=True)
    if not extra:
        without_imagecodecs(monkeypatch)
    data = wrapped(files, frame, film.shape, f"1.2.840.10008.1.2.4.{number}", bits)
    np.testing.assert_allclose(read_radiograph(data).pixels, film / (2**bits - 1), atol=1e-6)


def without_imagecodecs(monkeypatch):
    from pneumoscore.radiograph import frame_decoders

    monkeypatch.setattr(frame_decoders, "_imagecodecs", lambda: None)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", ["JPEG lossless", "JPEG lossless SV1", "JPEG-LS", "RLE"])
def test_the_extra_changes_no_sample(files, monkeypatch, syntax, bits, signed):
    pytest.importorskip("imagecodecs")
    film = files.synthetic_film(bits=bits)
    if signed:
        film = (film.astype(np.int32) - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)
    data = files.dicom_file(film, syntax, bits_stored=bits)
    fast = read_radiograph(data).pixels
    without_imagecodecs(monkeypatch)
    assert np.array_equal(fast, read_radiograph(data).pixels)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("syntax", ["JPEG lossless", "JPEG-LS"])
def test_a_stream_without_its_end_never_reaches_a_decoder_that_makes_it_up(files, syntax, share):
    noise = np.random.default_rng(3).integers(0, 4096, (64, 64)).astype(np.uint16)
    data = files.dicom_file(noise, syntax, bits_stored=12)
    with pytest.raises(UnreadableFileError):
        read_radiograph(data[: int(share * len(data))])


def lut(first, entries, bits, **more):
    table = item(LUTDescriptor=[len(entries) % 65536, 0, bits], **more)
    table["LUTDescriptor"].VR = "US"
    table.LUTDescriptor = [len(entries) % 65536, first, bits]
    table.LUTData = np.asarray(entries, "<u2").tobytes()
    table["LUTData"].VR = "OW"
    return Sequence([table])


ENTRIES = np.rint(4095 * np.linspace(0, 1, 4096) ** 0.5).astype(np.uint16)


@pytest.mark.parametrize("first", [0, 100, 64512])
def test_a_voi_lut_agrees_with_pydicom(files, film, first):
    """64512 is -1024 where the rescaled input is signed; pydicom is given it as that."""
    intercept = -1024 if first == 64512 else 0
    attributes = {"RescaleSlope": 1, "RescaleIntercept": intercept}
    data = files.dicom_file(
        film, "implicit", bits_stored=12, VOILUTSequence=lut(first, ENTRIES, 12), **attributes
    )
    stated = -1024 if first == 64512 else first
    right = ENTRIES[np.clip(film.astype(int) + intercept - stated, 0, 4095)] / 4095
    np.testing.assert_allclose(read_radiograph(data).pixels, right, atol=1e-6)
    if not intercept:
        dataset = dcmread(BytesIO(data))
        np.testing.assert_allclose(
            apply_voi_lut(dataset.pixel_array, dataset) / 4095, right, atol=1e-6
        )


def test_the_first_value_of_a_lut_labelled_signed(files, film):
    table = lut(0, ENTRIES, 12)
    table[0]["LUTDescriptor"].VR = "SS"
    table[0].LUTDescriptor = [4096, 40000 - 65536, 12]
    stored = (film.astype(np.uint32) + 40000).astype(np.uint16)
    read = read_radiograph(files.dicom_file(stored, VOILUTSequence=table))
    np.testing.assert_allclose(read.pixels, ENTRIES[film] / 4095, atol=1e-6)


def test_a_lut_of_8_bits_in_the_words_of_a_big_endian_file(files, film):
    entries = (ENTRIES // 16).astype(np.uint8)
    table = lut(0, entries, 8)
    table[0].LUTData = entries.reshape(-1, 2)[:, ::-1].tobytes()
    read = read_radiograph(
        files.dicom_file(film, "big endian", bits_stored=12, VOILUTSequence=table)
    )
    np.testing.assert_allclose(read.pixels, entries[film] / 255, atol=1e-6)


WINDOW = {"WindowCenter": 1900.5, "WindowWidth": 1500}


def windowed(film):
    return np.clip((film - (1900.5 - 0.5)) / 1499 + 0.5, 0, 1)


@pytest.mark.parametrize("place", ["top", "shared", "per frame", "per frame before shared"])
def test_a_window_may_stand_in_functional_groups(files, film, place):
    def group(**window):
        return Sequence([item(FrameVOILUTSequence=Sequence([item(**window)]))])

    other = {"WindowCenter": 100, "WindowWidth": 50}
    attributes = {
        "top": WINDOW,
        "shared": {"SharedFunctionalGroupsSequence": group(**WINDOW)},
        "per frame": {"PerFrameFunctionalGroupsSequence": group(**WINDOW)},
        "per frame before shared": {
            "PerFrameFunctionalGroupsSequence": group(**WINDOW),
            "SharedFunctionalGroupsSequence": group(**other),
            **other,
        },
    }[place]
    data = files.dicom_file(film, bits_stored=12, **attributes)
    np.testing.assert_allclose(read_radiograph(data).pixels, windowed(film), atol=1e-6)


def test_a_rescale_may_stand_in_functional_groups(files, film):
    rescale = Sequence([item(RescaleSlope=2, RescaleIntercept=-100)])
    groups = Sequence([item(PixelValueTransformationSequence=rescale)])
    read = read_radiograph(
        files.dicom_file(
            film,
            bits_stored=12,
            SharedFunctionalGroupsSequence=groups,
            WindowCenter=2 * 1900 - 100,
            WindowWidth=2 * 1499 + 1,
        )
    )
    expected = np.clip((2.0 * film - 100 - (2 * 1900 - 100 - 0.5)) / (2 * 1499) + 0.5, 0, 1)
    np.testing.assert_allclose(read.pixels, expected, atol=1e-6)


def test_decimal_commas(files, film):
    data = files.dicom_file(film, bits_stored=12, **WINDOW)
    comma = data.replace(b"1900.5", b"1900,5")
    assert comma != data
    np.testing.assert_array_equal(read_radiograph(comma).pixels, read_radiograph(data).pixels)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big endian", "RLE", "JPEG-LS"])
@pytest.mark.parametrize("signed", [False, True])
def test_modality_and_window_agree_with_pydicom(files, film, syntax, signed):
    stored = (film.astype(int) - 2048).astype(np.int16) if signed else film
    data = files.dicom_file(
        stored,
        syntax,
        bits_stored=12,
        RescaleSlope=1.5,
        RescaleIntercept=-321,
        WindowCenter=900,
        WindowWidth=2000,
    )
    dataset = dcmread(BytesIO(data))
    values = apply_modality_lut(dataset.pixel_array, dataset)
    shown = apply_voi_lut(values, dataset)
    # pydicom's output spans the range that the rescaled values can have.
    low, high = (1.5 * end - 321 for end in ((-2048, 2047) if signed else (0, 4095)))
    right = (shown - low) / (high - low)
    np.testing.assert_allclose(read_radiograph(data).pixels, right, atol=1e-6)


def tiff(film, **tags):
    """A little-endian TIFF of one strip, for layouts that Pillow does not write."""
    samples = film.shape[2] if film.ndim == 3 else 1
    body = film.tobytes()
    code = {"u": 1, "i": 2, "f": 3}[film.dtype.kind]
    shorts = 8
    entries = {
        256: (4, [film.shape[1]]),
        257: (4, [film.shape[0]]),
        258: (3, [8 * film.dtype.itemsize] * samples),
        259: (3, [1]),
        262: (3, [tags.get("photometric", 1)]),
        273: (4, [shorts]),
        277: (3, [samples]),
        278: (4, [film.shape[0]]),
        279: (4, [len(body)]),
        284: (3, [1]),
        339: (3, [code] * samples),
    }
    if tags.get("planes"):
        body = np.ascontiguousarray(np.moveaxis(film, 2, 0)).tobytes()
        size = len(body) // samples
        entries[284] = (3, [2])
        entries[273] = (4, [shorts + size * index for index in range(samples)])
        entries[279] = (4, [size] * samples)
    if samples in (2, 4):
        entries[338] = (3, [2])
    extra, table = b"", b""
    directory = shorts + len(body)
    extra_at = directory + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{'I' if kind == 4 else 'H'}", *values)
        field = packed.ljust(4, b"\x00")
        if len(packed) > 4:
            field = struct.pack("<I", extra_at + len(extra))
            extra += packed
        table += struct.pack("<HHI", tag, kind, len(values)) + field
    ifd = struct.pack("<H", len(entries)) + table + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, directory) + body + ifd + extra


def test_float_tiff_that_counts_from_white(film):
    values = unit(film).astype(np.float32)
    read = read_radiograph(tiff(values, photometric=0))
    np.testing.assert_allclose(read.pixels, 1 - values, atol=1e-6)
    np.testing.assert_allclose(read_radiograph(tiff(values)).pixels, values, atol=1e-6)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_with_its_planes_together_or_apart(film, planes, dtype):
    grey = (film // 16).astype(dtype) if dtype is np.uint8 else film.astype(dtype) * 16
    colour = np.stack([grey, grey // 2, grey // 4], axis=-1)
    weights = np.array([0.299, 0.587, 0.114])
    right = colour @ weights / (255 if dtype is np.uint8 else 65535)
    data = tiff(colour, photometric=2, planes=planes)
    read = read_radiograph(data)
    np.testing.assert_allclose(read.pixels, right, atol=0.004 if dtype is np.uint8 else 1e-5)


def test_intact_files_of_unusual_layouts_are_not_called_damaged(film):
    pair = np.stack([film, film], axis=-1).astype(np.uint16)
    data = tiff(pair)
    with pytest.raises(UnsupportedImageError, match="grey with alpha") as raised:
        read_radiograph(data)
    assert raised.value.reason == "unsupported"
    with pytest.raises(UnreadableFileError, match="damaged"):
        read_radiograph(data[: len(data) // 2])


@pytest.mark.parametrize("process", ["lossless", "12 bits", "JPEG-LS"])
def test_jpeg_files_that_pillow_does_not_read(film, process):
    codecs = pytest.importorskip("imagecodecs")
    data = {
        "lossless": lambda: codecs.jpeg8_encode(film, lossless=True, bitspersample=12),
        "12 bits": lambda: codecs.jpeg8_encode(film, level=100, bitspersample=12),
        "JPEG-LS": lambda: codecs.jpegls_encode(film),
    }[process]()
    error = 0.01 if process == "12 bits" else 1e-6
    np.testing.assert_allclose(read_radiograph(data).pixels, unit(film), atol=error)


def test_a_jpeg_of_another_process_is_unsupported():
    arithmetic = (
        b"\xff\xd8\xff\xc9\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00"
        b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\x34" * 40 + b"\xff\xd9"
    )
    with pytest.raises(UnsupportedImageError, match="JPEG image of a layout"):
        read_radiograph(arithmetic)
