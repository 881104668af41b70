from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.study.cohort_evaluation import add_comparison, evaluate_model, evaluate_predictions
from pneumoscore.study.predictions import (
    align_opacity,
    predict_cohort,
    predictions_of,
    read_predictions,
    write_predictions,
)


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


@pytest.fixture(scope="module")
def cohort(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    films = []
    for index in range(24):
        path = folder / f"{index}.png"
        pixels = tiny_model.film(index, 120, 110).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
        labels = {"geographic_extent": float(index % 9)}
        if index % 2:
            labels["opacity_ralo"] = float(index % 8)
        outcomes = {"icu_admission": index % 4 < 2} if index < 20 else {}
        film = CohortFilm(
            path.name,
            path,
            f"p{index // 2}",
            source="site",
            view="AP",
            sex="F",
            age_years=60.0,
            offset_days=index,
            labels=labels,
            outcomes=outcomes,
        )
        films.append(film)
    return Cohort("made up", tuple(films))


def test_predictions_are_the_models_scores(model, cohort):
    scores = predict_cohort(model, cohort)
    table = predictions_of("tiny", scores, "geographic_extent")
    expected = model.score(read_radiograph(cohort.films[3].path), force=True)["geographic_extent"]
    assert table.predictions[3] == pytest.approx(expected.value, abs=1e-5)
    assert table.lows[3] == pytest.approx(expected.low, abs=1e-5)
    assert len(table) == 24
    assert table.has_intervals
    assert len(predictions_of("tiny", scores, "opacity")) == 0


def test_a_film_that_cannot_be_read_is_named_and_stops_nothing(model, cohort, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    films = (*cohort.films[:3], replace(cohort.films[3], name="broken.png", path=broken))
    found = evaluate_model(model, replace(cohort, films=films), repeats=100)
    assert len(found.evaluations[0].table) == 3
    assert any("1 of 4 films could not be read" in remark for remark in found.remarks)
    assert any("broken.png: " in remark for remark in found.remarks)


def test_a_table_survives_its_file(model, cohort, tmp_path):
    table = predictions_of("t", predict_cohort(model, cohort), "geographic_extent")
    write_predictions(tmp_path / "p.csv", [table])
    back = read_predictions(tmp_path / "p.csv")["geographic_extent"]
    assert back.films == table.films
    assert back.patients == table.patients
    for name in ("targets", "predictions", "lows", "highs", "ages"):
        np.testing.assert_allclose(getattr(back, name), getattr(table, name), rtol=1e-5)


def test_out_of_fold_predictions_need_only_seven_columns(tmp_path):
    path = tmp_path / "oof.csv"
    path.write_text(
        "file,patient,view,source,scale,target,prediction\n"
        "a.png,1,ap,cohen,opacity,2.0,2.5\n"
        "a.png,1,ap,cohen,geographic_extent,,4\n"
        "b.png,2,PA,hannover,opacity,4,3\n"
    )
    tables = read_predictions(path)
    assert list(tables) == ["opacity"]
    assert tables["opacity"].views == ("AP", "PA")
    assert not tables["opacity"].has_intervals
    assert evaluate_predictions(path, 100).evaluations[0].figures["mae"].value == 0.75


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("a.png,1,AP,x,opacity,1,high", "has no number in prediction"),
        ("a.png,,AP,x,opacity,1,2", "has no patient"),
        ("b.png,2,AP,x,opacity,1,2\nb.png,2,AP,x,opacity,1,3", "comes twice"),
        ("a.png,1,AP,x,opacity,,2", "no row with a target"),
    ],
)
def test_damaged_predictions_are_named(tmp_path, row, found):
    path = tmp_path / "p.csv"
    path.write_text(f"file,patient,view,source,scale,target,prediction\n{row}\n")
    with pytest.raises(UnreadableFileError, match=found):
        read_predictions(path)


def test_alignment_is_by_six_eighths_and_keeps_both(cohort):
    film = align_opacity(cohort).films[7]
    assert film.labels["opacity"] == 7 * 6 / 8
    assert film.labels["opacity_ralo"] == 7
    assert "opacity" not in align_opacity(cohort).films[2].labels


def test_an_assessment_says_what_it_did(model, cohort, tmp_path):
    found = evaluate_model(model, cohort, repeats=100, align=True)
    assert [item.table.scale.name for item in found.evaluations] == ["geographic_extent", "opacity"]
    assert {row.outcome for row in found.outcomes} == {"icu_admission"}
    assert any("6/8" in remark for remark in found.remarks)
    assert any(remark.startswith("0 of 24 films are refused") for remark in found.remarks)
    write_predictions(tmp_path / "same.csv", [found.evaluations[0].table])
    compared = add_comparison(found, tmp_path / "same.csv", 100)
    assert compared.comparisons[0].rows[0][4].startswith("0.00 [0.00, 0.00]")
