"""Films with secrets planted in every corner, de-identified."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from pneumoscore.cli import main
from pneumoscore.errors import OutputError, PneumoScoreError, UnsupportedImageError
from pneumoscore.pacs.deidentify.film import deidentify
from pneumoscore.pacs.deidentify.key import Key, make_key, read_key
from pneumoscore.pacs.deidentify.pixels import mask_edges
from tests.fixtures.pacs import dciodvfy_errors, film_bytes, put

SECRET = "SECRET"
KEY = Key(b"a secret of thirty-two bytes....")
PLANTED = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "OtherPatientIDs",
    "PatientAddress",
    "PatientComments",
    "PatientTelephoneNumbers",
    "EthnicGroup",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "AdmittingDiagnosesDescription",
    "ProtocolName",
    "ImageComments",
    "DeviceSerialNumber",
    "RequestedProcedureDescription",
    "AccessionNumber",
    "StudyID",
    "PerformedProcedureStepDescription",
)


def secret_code() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = SECRET, "99L", f"{SECRET} code"
    return code


def planted(film: Dataset, number: int = 1) -> Dataset:
    """Return a film with the secret in attributes, sequences, private elements and overlays."""
    out = deepcopy(film)
    out.file_meta.SourceApplicationEntityTitle = SECRET
    out.preamble = b"SECRET".ljust(128, b"\0")  # type: ignore[attr-defined]
    for keyword in PLANTED:
        put(out, keyword, f"{SECRET}^A" if keyword.endswith("Name") else SECRET)
    out.PatientBirthDate = "19500102"
    out.StudyDate, out.AcquisitionDate = "20260103", "20260104"
    out.AcquisitionDateTime = "20260104080000"
    inner = Dataset()
    inner.PatientName, inner.InstitutionName = f"{SECRET}^A", SECRET
    inner.CodeValue, inner.CodingSchemeDesignator = "121322", "DCM"
    inner.CodeMeaning = "Source of Image"
    private = inner.private_block(0x0009, "SECRET CREATOR", create=True)
    private.add_new(1, "LO", SECRET)
    request = Dataset()
    request.RequestedProcedureID = SECRET
    request.ScheduledProcedureStepDescription = SECRET
    source = Dataset()
    source.ReferencedSOPClassUID = out.SOPClassUID
    source.ReferencedSOPInstanceUID = f"1.2.3.{number - 1}"
    source.PurposeOfReferenceCodeSequence = [inner]
    out.SourceImageSequence = [source]
    out.RequestAttributesSequence = [request]
    person = Dataset()
    person.PersonIdentificationCodeSequence = [secret_code()]
    person.InstitutionCodeSequence = [secret_code()]
    observer = Dataset()
    observer.VerifyingOrganization = SECRET
    observer.VerifyingObserverIdentificationCodeSequence = [secret_code()]
    out.OperatorIdentificationSequence = [person]
    out.InstitutionCodeSequence = [secret_code()]
    out.PersonIdentificationCodeSequence = [secret_code()]
    out.VerifyingObserverSequence = [observer]
    step = Dataset()
    step.ReferencedSOPClassUID = out.SOPClassUID
    step.ReferencedSOPInstanceUID = "1.2.3.77"
    out.ReferencedPerformedProcedureStepSequence = [step]
    out.private_block(0x0011, "SECRET CREATOR", create=True).add_new(2, "UN", SECRET.encode())
    out.add_new(0x60000022, "LO", SECRET)
    out.add_new(0x60001500, "LO", SECRET)
    out.add_new(0x60003000, "OB", SECRET.encode())
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    return out


@pytest.fixture(scope="module")
def film(phantom_film: Dataset) -> bytes:
    return film_bytes(planted(phantom_film))


def test_no_planted_secret_is_left_anywhere(film: bytes, tmp_path: Path) -> None:
    assert film.count(SECRET.encode()) >= 30
    done = deidentify(film, KEY)
    assert SECRET.encode() not in done.data
    for value in (b"19500102", b"20260103", b"20260104", b"1.2.3."):
        assert value in film
        assert value not in done.data
    path = tmp_path / "film.dcm"
    path.write_bytes(done.data)
    assert dciodvfy_errors(path) == []
    dataset = dcmread(path)
    assert not [element for element in dataset.iterall() if element.tag.is_private]
    assert not [element for element in dataset.iterall() if element.tag.group >> 8 == 0x60]


def test_sequences_of_codes_are_removed_and_references_stay(film: bytes) -> None:
    done = deidentify(film, KEY)
    dataset = dcmread(BytesIO(done.data))
    for keyword in (
        "OperatorIdentificationSequence",
        "InstitutionCodeSequence",
        "PersonIdentificationCodeSequence",
        "VerifyingObserverSequence",
    ):
        assert keyword not in dataset
        assert done.actions["removed"][keyword] == 1
    (step,) = dataset.ReferencedPerformedProcedureStepSequence
    assert step.ReferencedSOPInstanceUID == KEY.uid("1.2.3.77")


def test_a_performed_step_that_says_more_than_references_is_removed(phantom_film: Dataset) -> None:
    film = planted(phantom_film)
    film.ReferencedPerformedProcedureStepSequence[0].InstitutionName = SECRET
    dataset = dcmread(BytesIO(deidentify(film_bytes(film), KEY).data))
    assert "ReferencedPerformedProcedureStepSequence" not in dataset


def test_method_is_coded_and_report_says_what_was_done(film: bytes) -> None:
    done = deidentify(film, KEY)
    dataset = dcmread(BytesIO(done.data))
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113107"}
    assert done.actions["removed"]["StudyDescription"] == 1
    assert done.actions["removed"]["private or unknown"] >= 4
    assert done.actions["keyed"]["PatientID"] == 1
    assert SECRET not in json.dumps(done.actions)


def test_two_runs_are_equal_and_another_key_gives_others(film: bytes) -> None:
    first, again = deidentify(film, KEY), deidentify(film, KEY)
    other = deidentify(film, Key(b"another secret, also of 32 bytes"))
    assert first.data == again.data
    assert first.sop_instance_uid != other.sop_instance_uid


def test_references_and_intervals_hold_across_films(phantom_film: Dataset) -> None:
    earlier, later = planted(phantom_film, 1), planted(phantom_film, 2)
    later.StudyDate = "20260110"
    one, two = (dcmread(BytesIO(deidentify(film_bytes(it), KEY).data)) for it in (earlier, later))
    assert two.SourceImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert two.SourceImageSequence[0].ReferencedSOPClassUID == one.SOPClassUID
    assert one.PatientID == two.PatientID != ""
    assert one.StudyInstanceUID == two.StudyInstanceUID != phantom_film.StudyInstanceUID
    assert one.StudyID == two.StudyID != ""
    days = [np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in (one.StudyDate, two.StudyDate)]
    assert days[1] - days[0] == 7
    assert one.StudyDate != "20260103"
    assert one.AcquisitionDateTime[8:] == "080000"


def test_pixels_are_kept_and_edges_masked_by_option(phantom_film: Dataset, film: bytes) -> None:
    kept = dcmread(BytesIO(deidentify(film, KEY).data)).pixel_array
    np.testing.assert_array_equal(kept, phantom_film.pixel_array)
    masked = dcmread(BytesIO(deidentify(film, KEY, edges=0.1).data)).pixel_array
    assert len(np.unique(masked[:25])) == len(np.unique(masked[:, -25:])) == 1
    np.testing.assert_array_equal(masked[30:-30, 30:-30], kept[30:-30, 30:-30])


def test_edges_of_a_compressed_film_are_masked(film: bytes, tmp_path: Path) -> None:
    source, target = tmp_path / "film.dcm", tmp_path / "lossless.dcm"
    source.write_bytes(film)
    subprocess.run(["dcmcjpeg", source, target], check=True)
    kept = dcmread(BytesIO(deidentify(target.read_bytes(), KEY).data))
    assert kept.file_meta.TransferSyntaxUID.is_compressed
    done = deidentify(target.read_bytes(), KEY, edges=0.1)
    masked = dcmread(BytesIO(done.data))
    assert len(np.unique(masked.pixel_array[:25])) == 1
    target.write_bytes(done.data)
    assert dciodvfy_errors(target) == []


@pytest.mark.parametrize(("option", "order"), [("+te", "<u2"), ("+tb", ">u2")])
def test_an_overlay_in_unused_bits_of_the_pixels_is_cleared(
    phantom_film: Dataset, option: str, order: str, tmp_path: Path
) -> None:
    film = deepcopy(phantom_film)
    picture = film.pixel_array.copy()
    assert film.BitsStored < film.BitsAllocated == 16
    letters = np.zeros_like(picture)
    letters[:40, :200:3] = 0x8000
    film.PixelData = (picture | letters).tobytes()
    film.add_new(0x60000100, "US", 16)
    film.add_new(0x60000102, "US", 15)
    source, encoded = tmp_path / "film.dcm", tmp_path / "encoded.dcm"
    source.write_bytes(film_bytes(film))
    subprocess.run(["dcmconv", option, source, encoded], check=True)
    done = deidentify(encoded.read_bytes(), KEY)
    dataset = dcmread(BytesIO(done.data))
    np.testing.assert_array_equal(np.frombuffer(dataset.PixelData, order), picture.ravel())
    assert done.actions["removed"]["unused bits of pixels"] == 1
    masked = dcmread(BytesIO(deidentify(encoded.read_bytes(), KEY, edges=0.1).data)).pixel_array
    np.testing.assert_array_equal(masked[30:-30, 30:-30], picture[30:-30, 30:-30])


def test_unused_bits_are_cleared_where_no_overlay_is_declared(phantom_film: Dataset) -> None:
    film = deepcopy(phantom_film)
    picture = film.pixel_array.copy()
    letters = np.zeros_like(picture)
    letters[:40, :200:3] = 0x8000
    film.PixelData = (picture | letters).tobytes()
    done = deidentify(film_bytes(film), KEY)
    np.testing.assert_array_equal(
        np.frombuffer(dcmread(BytesIO(done.data)).PixelData, "<u2"), picture.ravel()
    )
    assert done.actions["removed"]["unused bits of pixels"] == 1


@pytest.mark.parametrize("letters", [False, True])
def test_signs_are_no_overlay(phantom_film: Dataset, letters: bool) -> None:
    film = deepcopy(phantom_film)
    picture = film.pixel_array.astype("<i2") - np.int16(1 << (film.BitsStored - 1))
    film.PixelRepresentation = 1
    stored = picture.copy()
    if letters:
        stored[:40, :200:3] ^= np.int16(0x4000)
    film.PixelData = stored.tobytes()
    done = deidentify(film_bytes(film), KEY)
    np.testing.assert_array_equal(
        np.frombuffer(dcmread(BytesIO(done.data)).PixelData, "<i2"), picture.ravel()
    )
    assert ("unused bits of pixels" in done.actions["removed"]) == letters


def test_edges_of_every_frame_are_masked(phantom_film: Dataset) -> None:
    film = deepcopy(phantom_film)
    picture = film.pixel_array
    film.NumberOfFrames = 3
    film.PixelData = np.stack([picture, picture[::-1], picture]).tobytes()
    masked = dcmread(BytesIO(deidentify(film_bytes(film), KEY, edges=0.1).data)).pixel_array
    for frame, kept in zip(masked, (picture, picture[::-1], picture), strict=True):
        edges = np.concatenate(
            [frame[:25].ravel(), frame[-25:].ravel(), frame[:, :25].ravel(), frame[:, -25:].ravel()]
        )
        assert len(np.unique(edges)) == 1
        np.testing.assert_array_equal(frame[30:-30, 30:-30], kept[30:-30, 30:-30])


def test_edges_of_single_bits_are_refused(phantom_film: Dataset) -> None:
    film = deepcopy(phantom_film)
    film.BitsAllocated, film.BitsStored, film.HighBit = 1, 1, 0
    film.PixelData = bytes(film.Rows * film.Columns // 8)
    with pytest.raises(UnsupportedImageError, match="1 bit"):
        deidentify(film_bytes(film), KEY, edges=0.1)
    kept = dcmread(BytesIO(deidentify(film_bytes(film), KEY).data))
    assert kept.PixelData == film.PixelData


def test_a_report_is_refused(phantom_film: Dataset) -> None:
    document = planted(phantom_film)
    document.ContentSequence = []
    with pytest.raises(UnsupportedImageError, match="no image"):
        deidentify(film_bytes(document), KEY)


def test_keys_are_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path).uid("1.2.3") == read_key(path).uid("1.2.3")
    with pytest.raises(OutputError, match="exists"):
        make_key(path)
    path.chmod(0o640)
    with pytest.raises(PneumoScoreError, match="chmod 600"):
        read_key(path)
    other = tmp_path / "other.key"
    other.write_text("short")
    other.chmod(0o600)
    with pytest.raises(PneumoScoreError, match="holds no key"):
        read_key(other)


def test_the_command_names_what_failed_and_goes_on(
    film: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "a.dcm").write_bytes(film)
    (films / "b.dcm").write_bytes(b"no film")
    key, out, report = tmp_path / "site.key", tmp_path / "out", tmp_path / "done.json"
    assert main(["pacs", "key", str(key)]) == 0
    command: list[str | Path] = ["deidentify", films, "-o", out, "--key", key, "--report", report]
    assert main([str(part) for part in command]) == 1
    said = capsys.readouterr()
    assert "b.dcm" in said.err
    assert "note: Text that is part of the picture stays" in said.out
    (written,) = out.iterdir()
    assert SECRET.encode() not in written.read_bytes()
    content = json.loads(report.read_text())
    assert report.stat().st_mode & 0o777 == 0o600
    assert {entry.get("written") for entry in content["films"]} == {written.name, None}
    assert SECRET not in report.read_text()


def test_a_film_of_a_list_is_never_replaced(
    film: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, out, first = tmp_path / "site.key", tmp_path / "out", tmp_path / "a.dcm"
    first.write_bytes(film)
    assert main(["pacs", "key", str(key)]) == 0
    command = ["deidentify", "-", "-o", str(out), "--key", str(key)]
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(f"{first}\n".encode())))
    assert main(command) == 0
    (written,) = out.iterdir()
    before = written.read_bytes()
    names = f"{first}\n{written}\n".encode()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(names)))
    capsys.readouterr()
    assert main([*command, "--mask-edges", "0.1"]) == 1
    assert "reads" in capsys.readouterr().err
    assert written.read_bytes() == before


def test_an_output_folder_among_the_films_is_refused(
    film: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films, key = tmp_path / "films", tmp_path / "site.key"
    films.mkdir()
    (films / "a.dcm").write_bytes(film)
    assert main(["pacs", "key", str(key)]) == 0
    for out in (films, films / "deep" / "out"):
        assert main(["deidentify", str(films), "-o", str(out), "--key", str(key)]) == 2
        assert "which this run reads" in capsys.readouterr().err
    assert [path.name for path in films.iterdir()] == ["a.dcm"]


def test_a_second_film_of_one_uid_is_not_written_over_the_first(
    film: bytes, phantom_film: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films, key, out = tmp_path / "films", tmp_path / "site.key", tmp_path / "out"
    films.mkdir()
    (films / "a.dcm").write_bytes(film)
    other = planted(phantom_film)
    other.PixelData = bytes(len(other.PixelData))
    (films / "b.dcm").write_bytes(film_bytes(other))
    assert main(["pacs", "key", str(key)]) == 0
    assert main(["deidentify", str(films), "-o", str(out), "--key", str(key)]) == 1
    said = capsys.readouterr()
    assert "1 films written" in said.out
    assert "b.dcm" in said.err
    assert "SOP Instance UID of another film" in said.err
    (written,) = out.iterdir()
    assert dcmread(written).pixel_array.any()


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422", "RGB"])
def test_colours_are_the_same_where_edges_are_masked(photometric: str) -> None:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.Rows = film.Columns = 20
    film.SamplesPerPixel, film.PlanarConfiguration, film.PixelRepresentation = 3, 0, 0
    film.PhotometricInterpretation = photometric
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    pair = (100, 100, 90, 200) if photometric == "YBR_FULL_422" else (100, 90, 200) * 2
    film.PixelData = bytes(pair * 200)
    film["PixelData"].VR = "OB"
    before = film.pixel_array
    mask_edges(film, 0.1)
    assert film.PhotometricInterpretation == "RGB"
    assert len(film.PixelData) == 1200
    assert np.array_equal(film.pixel_array[2:-2, 2:-2], before[2:-2, 2:-2])
    assert (film.pixel_array[:2] == before.min()).all()
