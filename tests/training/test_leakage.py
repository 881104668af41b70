"""No film of a test patient passes the rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.leakage import SameFilm, bar_test_films, known_matches
from training.same_films import (
    find_same_films,
    grey_pixels,
    images_of,
    known_films,
    scored_index,
    write_same_films,
)

FOLDERS = ("cohen94", "scored", "cohen_other", "hannover", "other_views", "series", "ordinal")


def _film(seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    fine = generator.integers(0, 256, (24, 24)).astype(np.uint8)
    return Image.fromarray(fine).resize((240, 240), Image.Resampling.BICUBIC)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    for seed, name in enumerate(
        (
            "cohen94/test.png",
            "scored/same-patient.png",
            "scored/free.png",
            "cohen_other/TEST.jpg",
            "hannover/aa12.png",
            "hannover/bb11.png",
            "ordinal/1.jpg",
            "series/1.jpg",
            "series/2.jpg",
        )
    ):
        _film(seed).save(tmp_path / name)
    _film(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "hannover/aa11.png")
    for name, text in (
        ("cohen94.csv", "filename,patientid\ntest.png,7\n"),
        ("scored.csv", "file,original,patientid\nsame-patient.png,o1.png,7\nfree.png,o2.png,8\n"),
        ("cohen_metadata.csv", "filename,patientid\nother.png,9\n"),
        ("hannover.csv", "patient_id,image_id\nstay1,aa11\nstay1,aa12\nstay2,bb11\n"),
        (
            "ordinal.csv",
            "file,severity_class,film,patient,source,cohen_other,corpus_file\n"
            "ordinal/1.jpg,2,1,7,cohen,,covid_adult/00001.jpg\n",
        ),
        ("series.csv", "file,patient\n1.jpg,s1\n2.jpg,s1\n"),
    ):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_patients_names_same_films_and_their_stays_are_barred(collection: Path) -> None:
    found = find_same_films(collection, ["hannover"], scored_index(collection))
    assert [(match.image, match.shows, match.mirrored) for match in found] == [
        ("hannover/aa11.png", "cohen94/test.png", True)
    ]
    barred = bar_test_films(collection, matches=found)
    assert barred.reasons["cohen94/test.png"] == "test film"
    assert "patient 7" in barred.reasons["scored/same-patient.png"]
    assert "name" in barred.reasons["cohen_other/TEST.jpg"]
    assert "same film as cohen94/test.png" in barred.reasons["hannover/aa11.png"]
    assert "stay" in barred.reasons["hannover/aa12.png"]
    assert "patient 7" in barred.reasons["ordinal/1.jpg"]
    assert "covid_adult/00001.jpg" in barred
    free = ["scored/free.png", "hannover/bb11.png", "series/1.jpg"]
    assert barred.allowed([*free, "hannover/aa12.png"]) == free


def test_one_barred_film_bars_its_patients_series(collection: Path) -> None:
    match = SameFilm("series/1.jpg", "cohen94/test.png", 40, False)
    barred = bar_test_films(collection, matches=[match])
    assert "series/2.jpg" in barred


def test_the_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    matches = known_matches()
    write_same_films(matches, tmp_path / "table.csv")
    table = Path(__file__).parents[2] / "training" / "barred_films.csv"
    assert (tmp_path / "table.csv").read_text() == table.read_text()


# What the data's own notes name, found by hand.
NAMED = ("00109", "00297", "00311", "01116", "02040", "02085", "02087", "02115", "02118")


@pytest.mark.shared_data
def test_films_known_to_show_a_patient_of_the_94_are_barred(shared_data: Path) -> None:
    barred = bar_test_films(shared_data)
    assert all(f"covid_adult/{number}.jpg" in barred for number in NAMED)
    assert sum(name.startswith("cohen94/") for name in barred.reasons) == 94


@pytest.mark.slow
@pytest.mark.shared_data
def test_part_of_the_table_is_found_again(shared_data: Path) -> None:
    listed = {match.image: match for match in known_matches()}
    named = {f"covid_adult/{number}.jpg" for number in NAMED}
    chosen = {listed[name].shows for name in named & set(listed)}
    others = [name for name in known_films(shared_data) if name not in chosen][::12]
    index = scored_index(shared_data, sorted(chosen) + others)
    images = dict(images_of(shared_data, "covid_adult"))
    for name in sorted(named & set(listed)):
        best = index.matches(grey_pixels(images[name]))[0]
        assert (best.name, best.inliers) == (listed[name].shows, listed[name].inliers)
    strangers = [name for name in sorted(images) if name not in listed][:40]
    assert not any(index.matches(grey_pixels(images[name])) for name in strangers)
