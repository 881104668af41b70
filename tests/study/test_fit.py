import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.checks import CohortError
from pneumoscore.cohort.mapping import load_table
from pneumoscore.cohort.public import load_scored
from pneumoscore.errors import ModelError, NotScorableError
from pneumoscore.files import sha256_of
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.seen import SeenFilms
from pneumoscore.study.fit import fit_severity_model


@pytest.fixture(scope="module")
def site(tiny_model, tmp_path_factory):
    """Sixty films of thirty patients whose labels follow the backbone's features, and a table."""
    folder = tmp_path_factory.mktemp("site")
    backbone = Backbone.open(tiny_model.write_backbone(folder / "net"), threads=1)
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    films, features = [], []
    for index in range(60):
        name = f"{index:02}.png"
        pixels = tiny_model.film(index).pixels ** random.uniform(0.5, 2.0)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "images" / name)
        film = read_radiograph(folder / "images" / name)
        from pneumoscore.radiograph.prepare import prepare

        batch = prepare(film, backbone.record.input).array[None]
        features.append(backbone.run(batch).features[0].astype(float))
        films.append(name)
    features = np.array(features)
    direction = (features - features.mean(axis=0)) @ np.array([1.0, -1.0, 0.5, 0, 0, 1.0])
    extent = np.clip(4 + 2 * direction / direction.std() + 0.3 * random.normal(size=60), 0, 8)
    with (folder / "scores.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "patient", "view", "geographic_extent", "opacity"])
        for index, name in enumerate(films):
            opacity = "" if index >= 20 else f"{extent[index] * 6 / 8:.3f}"
            writer.writerow([name, f"p{index // 2}", "AP", f"{extent[index]:.3f}", opacity])
    return folder, backbone


@pytest.fixture(scope="module")
def cohort(site):
    return load_table(site[0] / "scores.csv", site[0] / "images")


@pytest.fixture(scope="module")
def fitted(site, cohort, tmp_path_factory):
    return fit_severity_model(site[1], cohort, name="site", cache=tmp_path_factory.mktemp("cache"))


def test_the_fit_learns_and_beats_the_mean(fitted):
    (head,) = fitted.heads  # opacity has 20 labels only and is left out
    assert head.head.scale.name == "geographic_extent"
    assert (head.films, head.patients) == (60, 30)
    assert head.figures["mae"] < 0.5 * head.figures["mean_mae"]
    assert head.figures["pearson"] > 0.9
    assert 0.8 <= head.figures["coverage"] <= 1.0
    assert head.head.interval.patients == 30


def test_the_card_says_how_many_films_had_taught_the_backbone(
    site, cohort, fitted, monkeypatch, tmp_path
):
    assert fitted.taught is None
    assert "may have seen" in fitted.bundle.card
    hashes = {sha256_of(film.path) for film in cohort}
    assert set(fitted.bundle.seen.files) == hashes
    seen = SeenFilms().with_films(sorted(hashes)[:7])
    built_in = replace(fitted.bundle, seen=seen)
    monkeypatch.setattr("pneumoscore.study.fit._built_in", lambda record: built_in)
    again = fit_severity_model(site[1], cohort, name="again", cache=tmp_path)
    assert again.taught == 7
    assert "7 of the 60 films had taught the backbone" in again.bundle.card
    assert set(again.bundle.seen.files) == hashes


def test_the_written_model_scores_films_from_its_folder(site, cohort, fitted, tmp_path):
    fitted.write(tmp_path / "model", backbone=site[0] / "net" / "tiny.json")
    model = SeverityModel.open(tmp_path / "model", threads=1)
    score = model.score(read_radiograph(cohort.films[0].path), force=True)["geographic_extent"]
    assert abs(score.value - cohort.films[0].labels["geographic_extent"]) < 2
    assert score.low < score.value < score.high
    assert score.right + score.left == pytest.approx(score.value)
    assert model.identity.name == "site"


def test_the_written_model_keeps_what_it_says_of_its_films(site, cohort, fitted, tmp_path):
    fitted.write(tmp_path / "model", backbone=site[0] / "net" / "tiny.json")
    model = SeverityModel.open(tmp_path / "model", threads=1)
    kept = model.fitted
    assert len(kept.patients) == len(cohort.films)
    assert len(set(kept.patients)) == len(set(cohort.patients))
    assert set(kept.scores) == set(model.shown)
    score = model.score(read_radiograph(cohort.films[0].path), force=True)
    for name, values in kept.scores.items():
        assert values[0] == pytest.approx(score[name].value, abs=0.02)


def test_a_model_for_an_installed_backbone_names_it(fitted, tmp_path):
    fitted.write(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["backbone"] == "tiny"
    assert not list(tmp_path.glob("*.onnx"))


def test_the_built_in_gate_sees_the_films_of_a_model_on_another_backbone(fitted, site, tmp_path):
    fitted.write(tmp_path / "model", backbone=site[0] / "net" / "tiny.json")
    model = SeverityModel.open(tmp_path / "model", threads=1)
    healthy = LungDisease(0.0, 0.0)
    frontal = render_phantom(PhantomSpec(right=healthy, left=healthy, seed=1)).pixels
    # Far from what it was fitted on, and yet a frontal film: it is scored, and that is said.
    assert model.score(Radiograph(frontal)).flags == ("outside_training",)
    noise = np.random.default_rng(0).random((300, 300), dtype=np.float32)
    for pixels, flag in (
        (np.rot90(frontal), "rotated_90"),
        (1 - frontal, "inverted"),
        (noise, "not_a_chest_radiograph"),
    ):
        with pytest.raises(NotScorableError) as refused:
            model.score(Radiograph(np.ascontiguousarray(pixels)))
        assert flag in refused.value.flags
    alone = replace(fitted.bundle, gatekeeper=None)
    flags = SeverityModel(alone, site[1]).score(Radiograph(noise)).flags
    assert "view_not_checked" in flags
    assert model.identity.sha256 != SeverityModel(alone, site[1]).identity.sha256


def test_a_gatekeeper_that_is_not_built_in_is_refused(fitted, site, tmp_path):
    fitted.write(tmp_path / "model", backbone=site[0] / "net" / "tiny.json")
    path = tmp_path / "model" / "model.json"
    for name in ("model", "../model", 3):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"gatekeeper": name}))
        with pytest.raises(ModelError, match="gatekeeper"):
            SeverityModel.open(tmp_path / "model", threads=1)


def test_the_card_states_data_figures_and_limits(fitted, site):
    card = fitted.bundle.card
    head = fitted.heads[0]
    for text in (
        "Research use only, not for medical use",
        "60 films of 30 patients",
        "views AP",
        f"{head.figures['mae']:.2f}",
        f"{head.figures['mean_mae']:.2f}",
        site[1].record.sha256,
        "saw no film of its patient",
        "Quality gate: that of the built-in model severity",
    ):
        assert text in card


@pytest.mark.parametrize("feature_set", ["lung_opacity", "four_findings", "findings", "none"])
def test_every_feature_set_gives_a_model_that_scores(site, cohort, feature_set, tmp_path, fitted):
    model = fit_severity_model(site[1], cohort, feature_set=feature_set, cache=tmp_path)
    (head,) = model.heads
    bundle = replace(model.bundle, gatekeeper=None)
    score = SeverityModel(bundle, site[1]).score(read_radiograph(cohort.films[1].path))
    assert 0 <= score["geographic_extent"].value <= 8
    if feature_set == "none":
        assert head.figures["mae"] == pytest.approx(head.figures["mean_mae"])
        assert head.figures["pearson"] < 0.1
    else:
        assert head.head.finding_names
        assert head.figures["mae"] < 1.05 * head.figures["mean_mae"]


def test_too_few_labels_are_refused_with_the_counts(site, cohort, tmp_path):
    few = replace(cohort, films=cohort.films[:29])
    with pytest.raises(CohortError, match=r"29 of geographic_extent.*at least 30 films"):
        fit_severity_model(site[1], few, cache=tmp_path)
    with pytest.raises(CohortError, match="20 films of 10 patients have a label on 'opacity'"):
        fit_severity_model(site[1], cohort, scales=["opacity"], cache=tmp_path)
    one = replace(cohort, films=tuple(replace(film, patient="p") for film in cohort))
    with pytest.raises(CohortError, match="of 1 patients"):
        fit_severity_model(site[1], one, cache=tmp_path)


def test_faults_of_the_labels_stop_the_fit(site, cohort, tmp_path):
    first, *rest = cohort.films
    gone = replace(cohort, films=(replace(first, path=tmp_path / "gone.png"), *rest))
    with pytest.raises(CohortError, match="missing file"):
        fit_severity_model(site[1], gone, cache=tmp_path)
    high = replace(cohort, films=(replace(first, labels={"geographic_extent": 9.0}), *rest))
    with pytest.raises(CohortError, match="impossible score"):
        fit_severity_model(site[1], high, cache=tmp_path)
    with pytest.raises(ModelError, match="feature set"):
        fit_severity_model(site[1], cohort, feature_set="pixels", cache=tmp_path)
    with pytest.raises(ModelError, match="no model's name"):
        fit_severity_model(site[1], cohort, name="../elsewhere", cache=tmp_path)


def test_a_gate_can_be_given(site, cohort, tmp_path):
    gate = QualityGate(smallest_side=2000)
    model = fit_severity_model(site[1], cohort, gate=gate, cache=tmp_path)
    assert model.bundle.gate is gate


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_scored_films_can_be_fitted(shared_data, tiny_model, tmp_path):
    backbone = Backbone.open(tiny_model.write_backbone(tmp_path / "net"), threads=1)
    scored = load_scored(shared_data)
    model = fit_severity_model(backbone, scored, cache=tmp_path / "cache")
    names = [item.head.scale.name for item in model.heads]
    assert names == ["geographic_extent", "opacity_ralo"]  # never mixed with the 0-6 scale
    for item in model.heads:
        assert item.films == len(scored.labelled(item.head.scale.name))
        assert 0.8 < item.figures["coverage"] < 1.0
