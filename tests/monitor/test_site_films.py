"""Which of a site's files an error is measured on."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import Dataset

from pneumoscore.monitor.error_films import near_pairs
from pneumoscore.monitor.site_films import site_films
from pneumoscore.phantom import PhantomSpec, SyntheticPatient, phantom_dataset, render_phantom


def shot(folder: Path, name: str, seed: int = 0, **tags: object) -> Path:
    """Write a small film of one acquisition, with its tags changed."""
    film = render_phantom(PhantomSpec(seed=seed, size=64))
    dataset: Dataset = phantom_dataset(film, SyntheticPatient(), datetime(2026, 1, 1, 8))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{hash_of(name)}"
    dataset.StudyInstanceUID = "1.2.2"
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    path = folder / name
    dataset.save_as(path, enforce_file_format=True)
    return path


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


def told(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return names of the films that were taken, and what was said of the others."""
    problems: dict[str, str] = {}
    found = site_films([str(folder)], lambda path, why: problems.update({path.name: why}))
    return [film.path.name for film in found], problems


def test_one_film_of_each_exposure(tmp_path: Path) -> None:
    first = shot(tmp_path, "a.dcm")
    shutil.copy(first, tmp_path / "b same bytes.dcm")
    shot(tmp_path, "c same pixels later.dcm", AcquisitionTime="090000")
    shot(tmp_path, "d raw.dcm", seed=1)
    shot(tmp_path, "e of another patient.dcm", PatientID="PHANTOM-0002")
    other = shot(tmp_path, "f later.dcm", seed=2, AcquisitionTime="090000")
    shot(tmp_path, "g other study.dcm", seed=3, StudyInstanceUID="1.2.3")
    shot(tmp_path, "h other view.dcm", seed=4, ViewPosition="AP")
    taken, problems = told(tmp_path)
    assert taken == ["a.dcm", "f later.dcm", "g other study.dcm", "h other view.dcm"]
    assert [name[0] for name in problems] == ["b", "c", "d", "e"]
    assert all(f"one exposure, which {first} shows" in words for words in problems.values())
    scores = {path: {"opacity": 1.0} for path in (first, other)}
    films = site_films([str(tmp_path)], lambda path, why: None)
    assert len(near_pairs(films, scores, "opacity", 1.0)) == 1


@pytest.mark.parametrize("number", ["0", "UNKNOWN", "9999", "anonymous"])
def test_stand_ins_for_a_number_name_no_patient(tmp_path: Path, number: str) -> None:
    shot(tmp_path, "a.dcm", PatientID=number)
    taken, problems = told(tmp_path)
    assert taken == []
    assert f"the patient's number is '{number}', which stands for any" in problems["a.dcm"]


def test_other_files_are_told(tmp_path: Path) -> None:
    shot(tmp_path, "a.dcm")
    shot(tmp_path, "b.dcm", PatientID="")
    twice = f"1.2.{hash_of('a.dcm')}"
    shot(tmp_path, "c.dcm", seed=1, SOPInstanceUID=twice, AcquisitionTime="090000")
    (tmp_path / "d.dcm").write_bytes(b"no film")
    taken, problems = told(tmp_path)
    assert taken == ["a.dcm"]
    assert problems["b.dcm"] == "names no patient or no time"
    assert f"its UID {twice} is that of another film" in problems["c.dcm"]
    assert "d.dcm" in problems
