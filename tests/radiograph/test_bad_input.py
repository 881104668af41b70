"""Whatever a user hands over gives one clear line, and costs little."""

from __future__ import annotations

import os
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.errors import (
    ImageTooLargeError,
    PneumoScoreError,
    UnreadableFileError,
    UnsupportedImageError,
)
from pneumoscore.radiograph import ReadOptions, read_radiograph

FILM = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SMALL = (FILM >> 4).astype(np.uint8)
NOISE = np.random.default_rng(8).integers(0, 256, size=(64, 64)).astype(np.uint8)


def message_of(data):
    """The error of reading some bytes; empty if they are a film."""
    try:
        read_radiograph(data)
    except PneumoScoreError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"Dear colleague, the film shows ...", "text"),
        (b"<!doctype html><html>404</html>", "web page"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04" + b"\x00" * 40, "ZIP"),
        (b"\x1f\x8b\x08" + b"\x00" * 40, "gzip"),
        (b"GIF89a" + b"\x00" * 40, "GIF"),
        (bytes(range(1, 251)), "unknown kind"),
        (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "damaged JPEG"),
        (b"II*\x00\xff\xff\xff\xff", "damaged TIFF"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "damaged WEBP"),
        (b"BM" + b"\x00" * 60, "damaged BMP"),
        (b"\x00" * 128 + b"DICM", "without Pixel Data"),
    ],
)
def test_what_is_no_radiograph_is_named(data, message):
    with pytest.raises(UnreadableFileError, match=message) as raised:
        read_radiograph(data)
    assert "\n" not in str(raised.value)


def test_missing_files_folders_and_pipes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "missing.png", "No such file"),
        (tmp_path, "a folder"),
        (tmp_path / "pipe", "pipe"),
        ("a\x00b", "name is not valid"),
        ("x" * 5000, "cannot be opened"),
    ):
        with pytest.raises(UnreadableFileError, match=message):
            read_radiograph(path)


def test_hostile_names_and_wrong_extensions_do_not_matter(tmp_path, files):
    data = files.raster_file(SMALL, "PNG")
    for name in ("film.dcm", "film", "röntgen '; rm -rf $HOME \n.txt", "-", "\udcff.jpg"):
        path = tmp_path / name
        path.write_bytes(data)
        for source in (path, str(path)):
            assert read_radiograph(source).pixels.shape == (64, 64)


def test_bytes_and_file_objects(files):
    data = files.dicom_file(SMALL)
    for source in (data, bytearray(data), memoryview(data), BytesIO(data)):
        assert read_radiograph(source).pixels.shape == (64, 64)
    with pytest.raises(UnreadableFileError, match="stream of text"):
        read_radiograph(StringIO("film"))
    with pytest.raises(TypeError, match="int"):
        read_radiograph(7)

    class Broken(BytesIO):
        def read(self, *_):
            raise OSError("gone")

    with pytest.raises(UnreadableFileError, match="stream that fails"):
        read_radiograph(Broken())


def png_header(columns, rows):
    body = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", body), (b"IDAT", zlib.compress(b"")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def absurd_headers(files):
    return {
        "png": png_header(60000, 60000),
        "png beyond integers": png_header(2**31 - 1, 2**31 - 1),
        "bmp": b"BM"
        + struct.pack("<IHHI", 100, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        "jpeg": b"\xff\xd8\xff\xc0\x00\x0b\x08\xea\x60\xea\x60\x01\x01\x11\x00\xff\xd9",
        "dicom": files.dicom_file(SMALL, Rows=60000, Columns=60000),
        "dicom jpeg": files.dicom_file(SMALL, "JPEG baseline", Rows=60000, Columns=60000),
    }


@pytest.mark.parametrize(
    "name", ["png", "png beyond integers", "bmp", "jpeg", "dicom", "dicom jpeg"]
)
def test_an_absurd_header_costs_nothing(files, name):
    data = absurd_headers(files)[name]
    with pytest.raises(PneumoScoreError):
        read_radiograph(data)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ImageTooLargeError):
        read_radiograph(data)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 0.2
    assert peak < 5_000_000


def test_rows_without_data_are_cut_off_data(files):
    data = files.dicom_file(SMALL, Rows=7000, Columns=7000)
    with pytest.raises(UnreadableFileError, match="cut off after 4,096 bytes; expected 49,000,000"):
        read_radiograph(data)


def test_the_bounds_are_options(files, tmp_path):
    data = files.raster_file(SMALL, "PNG")
    with pytest.raises(ImageTooLargeError, match="64 x 64"):
        read_radiograph(data, options=ReadOptions(max_pixels=4095))
    path = tmp_path / "film.png"
    path.write_bytes(data)
    for source in (data, path, BytesIO(data)):
        with pytest.raises(ImageTooLargeError, match="at most 100 bytes"):
            read_radiograph(source, options=ReadOptions(max_file_bytes=100))
    for wrong in ({"max_pixels": 0}, {"max_file_bytes": -1}, {"background": 2}):
        with pytest.raises(ValueError, match=r"must|expected"):
            ReadOptions(**wrong)


def test_a_deflated_bomb_is_refused(files):
    data = files.dicom_file(SMALL, "deflated")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflater.compress(b"\x00" * 50_000_000) + deflater.flush()
    head = data[: data.index(b"1.2.840.10008.1.2.1.99") + 22]
    # The group length is left as it is: only the end of the last element counts.
    options = ReadOptions(max_file_bytes=1_000_000)
    with pytest.raises(PneumoScoreError) as raised:
        read_radiograph(head + bomb, options=options)
    assert isinstance(raised.value, ImageTooLargeError)


def test_a_header_of_very_many_elements_is_refused(files):
    element = struct.pack("<HH2sH", 0x0009, 0x0010, b"LO", 0)
    data = files.dicom_file(SMALL)
    start = data.index(struct.pack("<HH", 0x0008, 0x0016))
    begun = time.process_time()
    with pytest.raises(UnreadableFileError, match="very many elements"):
        read_radiograph(data[:start] + element * 500_000 + data[start:])
    assert time.process_time() - begun < 5


def test_deeply_nested_sequences_are_refused(files):
    nested = struct.pack("<HH2sHI", 0x0040, 0x0260, b"SQ", 0, 0xFFFFFFFF)
    nested += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    data = files.dicom_file(SMALL)
    start = data.index(struct.pack("<HH", 0x0008, 0x0016))
    with pytest.raises(UnreadableFileError):
        read_radiograph(data[:start] + nested * 20_000)


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"Modality": "CT"}, UnsupportedImageError, "modality CT"),
        ({"Modality": "MR"}, UnsupportedImageError, "modality MR"),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
            UnsupportedImageError,
            "CT Image Storage",
        ),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"},
            UnsupportedImageError,
            "Enhanced SR",
        ),
        ({"NumberOfFrames": 3}, UnsupportedImageError, "3 frames"),
        ({"PhotometricInterpretation": "HSV"}, UnsupportedImageError, "HSV"),
        ({"PhotometricInterpretation": "RGB"}, UnsupportedImageError, "1 samples as RGB"),
        ({"Rows": 0}, UnreadableFileError, "0 x 64"),
        ({"BitsAllocated": 24}, UnsupportedImageError, "in 24"),
        ({"BitsStored": 33}, UnsupportedImageError, "33 bits"),
        ({"PixelSpacing": [0.01, 9]}, UnsupportedImageError, "times as high as wide"),
    ],
)
def test_what_is_no_single_projection_film_is_refused_by_name(files, attributes, error, message):
    with pytest.raises(error, match=message):
        read_radiograph(files.dicom_file(SMALL, **attributes))


@pytest.mark.parametrize(
    "keyword", ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation", "PixelData"]
)
def test_what_an_image_needs_is_named_where_it_is_missing(files, keyword):
    words = {"PhotometricInterpretation": "Photometric", "BitsAllocated": "Bits Allocated"}
    with pytest.raises(UnreadableFileError, match=words.get(keyword, keyword[:5])):
        read_radiograph(files.dicom_file(SMALL, without=(keyword,)))


def test_an_unknown_transfer_syntax_is_named(files):
    data = files.dicom_file(SMALL)
    mpeg = data.replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.4.100"[:20])
    with pytest.raises(UnsupportedImageError, match="transfer syntax"):
        read_radiograph(mpeg)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.98])
@pytest.mark.parametrize(
    "name",
    [
        "explicit",
        "implicit",
        "deflated",
        "RLE",
        "JPEG baseline",
        "JPEG lossless SV1",
        "JPEG-LS",
        "JPEG 2000 lossless",
    ],
)
def test_cut_off_dicom_files_are_refused(files, name, share):
    data = files.dicom_file(NOISE, name)
    with pytest.raises(UnreadableFileError):
        read_radiograph(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "JPEG"])
def test_cut_off_pictures_are_refused(files, kind, share):
    data = files.raster_file(NOISE, kind)
    with pytest.raises(UnreadableFileError):
        read_radiograph(data[: int(len(data) * share)])


def test_no_patient_data_in_messages_or_warnings(files, capfd):
    data = files.dicom_file(SMALL, PatientID="SECRET-4711", StudyInstanceUID="1.2.3.4711")
    edits = (
        (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\xff\x00"),
        (b"1.2.3.4711", b"1..3.4711x"),
        (b"1.2.840.10008.5.1.4.1.1.1.1", b"1.2.840.10008.SECRET.4711.."),
        (b"DX", b"\x47\x11"),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        messages = " ".join(message_of(data.replace(old, new)) for old, new in edits)
    assert messages.strip()
    assert "4711" not in messages
    assert "SECRET" not in messages
    assert not caught
    assert capfd.readouterr() == ("", "")


def test_reading_leaves_the_warning_filters_of_all_threads_alone(files):
    before = list(warnings.filters)
    sources = [files.dicom_file(SMALL, "JPEG lossless"), files.raster_file(SMALL, "TIFF")] * 20
    threads = [threading.Thread(target=read_radiograph, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    os.write(2, b"")


@pytest.mark.parametrize("extra", [True, False])
def test_no_line_of_another_thread_is_lost_while_files_are_decoded(
    files, capfd, monkeypatch, extra
):
    from pneumoscore.radiograph import frame_decoders

    if not extra:
        monkeypatch.setattr(frame_decoders, "_imagecodecs", lambda: None)
    noise = files.dicom_file(NOISE, "JPEG lossless")
    sources = [noise, noise[:-40] + bytes(40), files.raster_file(NOISE, "TIFF")]
    stop = threading.Event()

    def decode():
        while not stop.is_set():
            for source in sources:
                message_of(source)

    threads = [threading.Thread(target=decode) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(300):
        os.write(2, f"error: film {number}\n".encode())
        time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == "".join(f"error: film {n}\n" for n in range(300))


@pytest.mark.parametrize("extra", [True, False])
def test_damaged_files_print_nothing(files, capfd, monkeypatch, extra):
    from pneumoscore.radiograph import frame_decoders

    if not extra:
        monkeypatch.setattr(frame_decoders, "_imagecodecs", lambda: None)
    for data in (
        files.dicom_file(NOISE, "JPEG lossless"),
        files.dicom_file(NOISE, "JPEG-LS"),
        files.raster_file(NOISE, "TIFF", compression="tiff_lzw"),
        files.raster_file(NOISE, "TIFF", compression="tiff_adobe_deflate"),
    ):
        for start in range(len(data) // 2, len(data) - 64, len(data) // 40):
            message_of(data[:start] + b"\x5a" * 48 + data[start + 48 :])
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_dies_costs_one_file(files, monkeypatch):
    from pneumoscore.radiograph import frame_decoders, gdcm_process

    monkeypatch.setattr(frame_decoders, "_imagecodecs", lambda: None)

    good = files.dicom_file(NOISE, "JPEG lossless")
    read_radiograph(good)
    process = gdcm_process._pool.take()
    process._process.kill()
    process._process.wait()
    gdcm_process._pool.give(process)
    assert "its decoder ended" in message_of(good)
    assert message_of(good) == ""


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "png", "dicom", "tiff", "bmp", "webp"]))
def test_random_bytes_never_escape(data, kind):
    heads = {
        "png": b"\x89PNG\r\n\x1a\n",
        "dicom": b"\x00" * 128 + b"DICM",
        "tiff": b"II*\x00",
        "bmp": b"BM",
        "webp": b"RIFF\x00\x01\x00\x00WEBP",
    }
    assert "\n" not in message_of(heads.get(kind, b"") + data)


@pytest.mark.slow
def test_mutants_never_crash_hang_escape_or_bloat(fuzz_readers):
    tally = fuzz_readers.fuzz(fuzz_readers.seeds(1), 1500, seed=1, memory=2**30)
    assert tally.bad == []
    assert sum(tally.counts.values()) == 1500
    assert tally.counts["read"] > 150
    assert tally.counts["UnreadableFileError"] > 150


def test_the_fuzzer_sees_what_must_not_happen(fuzz_readers, monkeypatch):
    import pneumoscore.radiograph.read as read

    def escape(data, options):
        raise KeyError("escaped")

    monkeypatch.setattr(read, "read_bytes", escape)
    assert fuzz_readers.outcome(b"x").startswith("escaped KeyError")

    def warn(data, options):
        warnings.warn("leaked", stacklevel=1)
        raise UnreadableFileError("x")

    monkeypatch.setattr(read, "read_bytes", warn)
    assert fuzz_readers.outcome(b"x") == "noisy leaked"


def test_importing_the_readers_is_cheap():
    import subprocess
    import sys

    code = (
        "import sys, pneumoscore.radiograph.read\n"
        "print([m for m in ('pydicom', 'gdcm', 'PIL', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_vanishes_is_a_file_that_cannot_be_opened(tmp_path, monkeypatch, files):
    path = tmp_path / "film.png"
    path.write_bytes(files.raster_file(SMALL, "PNG"))
    opened = Path.open

    def vanish(self, *args, **kwargs):
        self.unlink(missing_ok=True)
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", vanish)
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_radiograph(path)
