from __future__ import annotations

import shutil
import subprocess
from datetime import datetime

import numpy as np
import pydicom
import pytest
from PIL import Image

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    phantom_dataset,
    render_phantom,
    write_phantom_dicom,
    write_phantom_png,
)
from pneumoscore.radiograph.read import read_radiograph

WHEN = datetime(2020, 3, 4, 5, 6, 7)
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@pytest.fixture(scope="module")
def phantom():
    return render_phantom(PhantomSpec(LungDisease(0.5, 0.4), seed=1, size=160, view="AP"))


def test_png_keeps_16_bits(phantom, tmp_path):
    write_phantom_png(phantom, tmp_path / "film.png")
    with Image.open(tmp_path / "film.png") as image:
        assert image.mode == "I;16"
        levels = np.asarray(image)
    assert np.abs(levels / 65535.0 - phantom.pixels).max() < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["film.png"]


def test_both_formats_are_read_back_as_rendered(phantom, tmp_path):
    write_phantom_png(phantom, tmp_path / "film.png")
    write_phantom_dicom(phantom, tmp_path / "film.dcm", SyntheticPatient(), WHEN)
    png, dicom = (read_radiograph(tmp_path / name) for name in ("film.png", "film.dcm"))
    assert np.abs(png.pixels - phantom.pixels).max() < 1e-4
    assert np.abs(dicom.pixels - phantom.pixels).max() < 5e-4
    assert dicom.metadata.patient_id == "PHANTOM-0001"
    assert dicom.metadata.view == "AP"
    assert dicom.metadata.acquired_at == WHEN
    assert dicom.metadata.pixel_spacing_mm == pytest.approx((phantom.pixel_spacing_mm,) * 2)


def test_dicom_says_that_it_shows_nobody(phantom, tmp_path):
    write_phantom_dicom(phantom, tmp_path / "film.dcm", SyntheticPatient(), WHEN)
    dataset = pydicom.dcmread(tmp_path / "film.dcm")
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.1"
    assert str(dataset.PatientName) == "PHANTOM^SYNTHETIC"
    assert "not for medical use" in dataset.SeriesDescription
    assert dataset.ImageComments == "Synthetic: geographic extent 2 of 8, opacity 1 of 6"
    assert dataset.BitsStored == 12
    assert dataset.pixel_array.max() < 2**12


def test_the_same_call_gives_the_same_bytes(phantom, tmp_path):
    for name in ("one.dcm", "two.dcm"):
        write_phantom_dicom(phantom, tmp_path / name, SyntheticPatient(), WHEN)
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()


def test_uids_tell_films_series_and_studies_apart(phantom):
    def uids(film, study=1, series=1, patient_id="PHANTOM-0001"):
        patient = SyntheticPatient(patient_id=patient_id)
        dataset = phantom_dataset(film, patient, WHEN, study, series)
        return [dataset[name].value for name in UIDS]

    worse = render_phantom(PhantomSpec(LungDisease(0.9, 0.9), seed=1, size=160, view="AP"))
    here = uids(phantom)
    for uid in here:
        assert pydicom.uid.UID(uid).is_valid
        assert uid.startswith("2.25.")
    assert [a == b for a, b in zip(here, uids(worse), strict=True)] == [True, True, False]
    assert [a == b for a, b in zip(here, uids(phantom, series=2), strict=True)] == [
        True,
        False,
        False,
    ]
    assert not set(here) & set(uids(phantom, study=2))
    assert not set(here) & set(uids(phantom, patient_id="PHANTOM-0002"))


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_dicom_has_what_its_object_definition_requires(view, tmp_path):
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    write_phantom_dicom(
        render_phantom(PhantomSpec(size=64, view=view)),
        tmp_path / "film.dcm",
        SyntheticPatient(),
        WHEN,
    )
    found = subprocess.run(
        [checker, tmp_path / "film.dcm"], capture_output=True, text=True, check=False
    )
    report = found.stdout + found.stderr
    assert "DXImageForPresentation" in report
    assert "Error" not in report
    assert "Warning" not in report


@pytest.mark.parametrize(
    "values",
    [
        {"name": "SMITH^JOHN"},
        {"patient_id": "12345"},
        {"patient_id": "PHANTOM-" + "1" * 60},
        {"sex": "X"},
        {"age_years": 121},
    ],
)
def test_a_patient_who_could_be_real_is_refused(values):
    with pytest.raises(ValueError, match="expected"):
        SyntheticPatient(**values)


@pytest.mark.parametrize("numbers", [(0, 1), (1, 0)])
def test_numbers_start_at_one(phantom, numbers):
    with pytest.raises(ValueError, match="expected 1 or more"):
        phantom_dataset(phantom, SyntheticPatient(), WHEN, *numbers)


def test_a_failed_write_leaves_the_old_file(phantom, tmp_path, monkeypatch):
    path = tmp_path / "film.png"
    path.write_bytes(b"old")

    def full(self, stream, **options):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="disk full"):
        write_phantom_png(phantom, path, overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
