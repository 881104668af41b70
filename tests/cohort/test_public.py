import csv

import numpy as np
import pytest

from pneumoscore.cohort.brixia import load_brixia
from pneumoscore.cohort.checks import check_cohort, check_split
from pneumoscore.cohort.collection import load_collection
from pneumoscore.cohort.public import (
    load_cohen94,
    load_collection_visible,
    load_hannover,
    load_masks,
    load_other_views,
    load_scored,
    read_mask,
)
from pneumoscore.cohort.ralo import load_ralo
from pneumoscore.errors import UnreadableFileError


@pytest.mark.shared_data
def test_the_94_are_as_the_paper_describes_them(shared_data):
    cohort = load_cohen94(shared_data)
    assert (len(cohort), len(set(cohort.patients))) == (94, 65)
    extent, opacity = cohort.labels("geographic_extent"), cohort.labels("opacity")
    assert extent.mean() == pytest.approx(3.34, abs=0.005)
    assert extent.std(ddof=1) == pytest.approx(2.37, abs=0.005)
    assert opacity.mean() == pytest.approx(2.46, abs=0.005)
    assert np.corrcoef(extent, opacity)[0, 1] == pytest.approx(0.91, abs=0.01)
    assert {film.view for film in cohort} == {"PA"}
    assert check_cohort(cohort) == ()


@pytest.mark.shared_data
def test_the_other_public_cohorts(shared_data):
    scored = load_scored(shared_data)
    assert (len(scored), len(set(scored.patients))) == (221, 104)
    assert all(set(film.labels) == {"geographic_extent", "opacity_ralo"} for film in scored)
    assert check_split(scored, load_cohen94(shared_data)) == ()
    hannover = load_hannover(shared_data)
    assert len(hannover) == 198
    assert 0 < np.nansum(hannover.outcomes("icu_admission")) < 198
    visible = load_collection_visible(shared_data)
    assert len(visible) == len(visible.by_name()) > 400
    assert {"death", "icu_admission", "intubation"} <= {n for f in visible for n in f.outcomes}
    assert sum("opacity" in film.labels for film in visible) == 94
    assert check_cohort(visible, read_files=False) == ()
    assert [fault.kind for fault in check_cohort(load_other_views(shared_data))] == [
        "film listed twice"
    ]


@pytest.mark.shared_data
def test_masks_follow_their_films(shared_data):
    masks = load_masks(shared_data, "findings")
    assert len(masks) == 100
    assert all(mask.path.is_file() and mask.image.is_file() for mask in masks)
    bits = np.unique(np.concatenate([np.unique(read_mask(mask.path)) for mask in masks[:10]]))
    assert set(bits) <= {0, 1, 2, 5, 6, 9, 10, 4, 8, 13, 14, 12}
    assert set(np.unique(read_mask(load_masks(shared_data, "lungs")[0].path))) == {0, 1}


@pytest.mark.shared_data
def test_brixia_scores_and_their_sums(shared_data, tmp_path):
    tables = load_brixia(shared_data / "brixia.csv")
    assert list(tables) == ["A", "B", "C", "D", "E", "F", "Global"]
    assert tables["Global"].values.shape == (172, 2)
    assert tables["Global"].values.max() == 18
    rows = list(csv.reader((shared_data / "brixia.csv").open()))
    rows[3][rows[0].index("J-Global")] = "2"
    broken = tmp_path / "brixia.csv"
    with broken.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(UnreadableFileError, match="1 sums that are not the sum of their zones"):
        load_brixia(broken)


def test_a_collection_folder(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "metadata.csv").write_text(
        "patientid,offset,sex,age,survival,went_icu,intubated,view,modality,folder,filename\n"
        "2,0,M,65,Y,N,N,PA,X-ray,images,a.jpg\n"
        "2,3,M,65,N,Would have been stated,?,AP Supine,X-ray,images,b.jpg\n"
        "3,1,F,,,,,L,X-ray,images,c.jpg\n"
        "4,1,F,,,,,Axial,CT,volumes,d.nii\n"
    )
    (tmp_path / "annotations" / "covid-severity-scores.csv").write_text(
        "## licence\nfilename,geographic_mean,opacity_mean\na.jpg,2.3,1.3\n"
    )
    first, second = load_collection(tmp_path)
    assert first.labels == {"geographic_extent": 2.3, "opacity": 1.3}
    assert first.outcomes == {"icu_admission": False, "intubation": False, "death": False}
    assert first.path == tmp_path / "images" / "a.jpg"
    assert (second.view, second.offset_days, second.outcomes) == ("AP Supine", 3.0, {"death": True})
    assert [film.name for film in load_collection(tmp_path, scored_only=True)] == ["a.jpg"]


def test_a_ralo_folder(tmp_path):
    (tmp_path / "ralo-dataset-metadata.csv").write_text(
        ",,Reader 1,,Reader 2,\n"
        "Subject_ID,Exam_DateTime,Total GEOGRAPHIC,Total OPACITY,Total GEOGRAPHIC,Total OPACITY\n"
        "s1,20200401_01,4,6,5,8\n"
        "s2,20200402_01,,2,3,\n"
    )
    first, second = load_ralo(tmp_path)
    assert first.labels == {"geographic_extent": 4.5, "opacity_ralo": 7.0}
    assert second.labels == {"geographic_extent": 3.0, "opacity_ralo": 2.0}
    assert second.path == tmp_path / "CXR_images_scored" / "1.jpg"
    assert (first.patient, first.view) == ("s1", "AP")
