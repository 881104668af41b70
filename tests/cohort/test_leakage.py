"""No film of a test patient passes the rule."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cohort.leakage import (
    LOOK_ALIKE_CORRELATION,
    bar_test_films,
    best_correlations,
    film_stem,
    thumbnail,
)

FOLDERS = ("cohen94", "scored", "cohen_other", "hannover")


def _film(seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    fine = generator.integers(0, 256, (24, 24)).astype(np.uint8)
    return Image.fromarray(fine).resize((240, 240), Image.Resampling.BICUBIC)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    _film(1).save(tmp_path / "cohen94/test.png")
    _film(2).save(tmp_path / "scored/same-patient.png")
    _film(3).save(tmp_path / "scored/free.png")
    _film(4).save(tmp_path / "cohen_other/TEST.jpg")
    copy = _film(1).crop((9, 12, 231, 232)).resize((200, 200)).point(lambda v: 255 * (v / 255) ** 2)
    copy.save(tmp_path / "hannover/aa11.png")
    _film(5).save(tmp_path / "hannover/aa12.png")
    _film(6).save(tmp_path / "hannover/bb11.png")
    (tmp_path / "cohen94.csv").write_text("filename,patientid\ntest.png,7\n")
    (tmp_path / "scored.csv").write_text(
        "file,original,patientid\nsame-patient.png,o1.png,7\nfree.png,o2.png,8\n"
    )
    (tmp_path / "cohen_metadata.csv").write_text("filename,patientid\nother.png,9\n")
    (tmp_path / "hannover.csv").write_text(
        "patient_id,image_id\nstay1,aa11\nstay1,aa12\nstay2,bb11\n"
    )
    return tmp_path


def test_patients_names_look_alikes_and_their_stays_are_barred(collection: Path) -> None:
    barred = bar_test_films(collection, folders=FOLDERS)
    assert barred.reasons["cohen94/test.png"] == "test film"
    assert "patient 7" in barred.reasons["scored/same-patient.png"]
    assert "name" in barred.reasons["cohen_other/TEST.jpg"]
    assert "looks like test.png" in barred.reasons["hannover/aa11.png"]
    assert "stay" in barred.reasons["hannover/aa12.png"]
    assert barred.allowed(["scored/free.png", "hannover/bb11.png", "hannover/aa12.png"]) == [
        "scored/free.png",
        "hannover/bb11.png",
    ]
    assert len(barred) == 5


def test_the_stem_is_the_name_without_folder_and_image_extension() -> None:
    assert film_stem("masks/ABC.day5.PNG") == "abc.day5"
    assert film_stem("a.b") == "a.b"


@pytest.mark.shared_data
def test_no_fitted_film_is_of_the_94s_patients(shared_data: Path) -> None:
    barred = bar_test_films(shared_data)
    names = [name for name in barred.reasons if not name.startswith("cohen94/")]
    assert sum(name.startswith("cohen94/") for name in barred.reasons) == 94
    # Four films of the collection are copies of test films under other patients' numbers.
    assert sum("looks like" in barred.reasons[name] for name in names) == 4
    assert not any(name.startswith("scored/") for name in names)


@pytest.mark.shared_data
def test_crops_are_found_and_strangers_are_not(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "hannover").iterdir())[:40:2]
    films = np.stack([thumbnail(path) for path in paths])
    crops = []
    for index, path in enumerate(paths):
        with Image.open(path) as image:
            wide, high = image.size
            box = (0.03 * wide, 0.04 * high, 0.96 * wide, 0.97 * high)
            image.convert("L").crop(tuple(map(int, box))).resize((224, 224)).save(
                tmp_path / f"{index}.jpg", quality=70
            )
        crops.append(thumbnail(tmp_path / f"{index}.jpg"))
    best = best_correlations(np.stack(crops), films)
    assert np.diag(best).min() > LOOK_ALIKE_CORRELATION
