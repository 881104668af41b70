import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pneumoscore.backbone.record import load_record
from pneumoscore.errors import ModelError, NotScorableError, PneumoScoreError
from pneumoscore.forms import to_form
from pneumoscore.radiograph.types import Radiograph, Squaring
from pneumoscore.severity.bundle import (
    available_bundles,
    bundle_hash,
    read_bundle,
    write_bundle,
)
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.head import Head
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, SCALES, Scale
from pneumoscore.severity.view import ViewClassifier


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def test_everything_in_a_score_agrees(model, tiny_model):
    score = model.score(tiny_model.film(1))
    assert [item.scale.name for item in score.scales] == ["geographic_extent", "opacity"]
    for item in score.scales:
        assert item.value == item.scale.clip(item.raw)
        assert abs(item.contributions.sum(dtype=np.float64) - (item.raw - item.intercept)) < 1e-4
        assert abs(item.right + item.left - item.value) < 1e-9
        assert item.low <= item.value <= item.high
    assert score.model == model.identity
    assert set(score.findings) == set(model.backbone.record.findings)


def test_the_value_is_the_heads_linear_map_of_the_features(model, tiny_model):
    film = tiny_model.film(2)
    features = model.backbone.run(model.prepare(film).prepared.array[None]).features[0]
    head = model.head("opacity")
    expected = float(features.astype(float) @ head.coefficients + head.intercept)
    assert model.score(film)["opacity"].raw == pytest.approx(expected, abs=1e-6)


def test_films_score_alike_alone_and_in_batches(model, tiny_model):
    films = [tiny_model.film(seed, rows=200 + 17 * seed) for seed in range(7)]
    alone = [model.score(film)["geographic_extent"].raw for film in films]
    many = list(model.score_many(films, 3))
    np.testing.assert_allclose([s["geographic_extent"].raw for s in many], alone, atol=1e-5)
    assert len({round(raw, 3) for raw in alone}) == 7


def test_a_wider_level_gives_a_wider_interval(model, tiny_model):
    film = tiny_model.film()
    half, most = (model.score(film, level=level)["geographic_extent"] for level in (0.5, 0.95))
    assert most.low < half.low < half.high < most.high
    assert most.level == 0.95


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, float("nan")])
def test_impossible_levels_are_refused(model, tiny_model, level):
    with pytest.raises(PneumoScoreError, match="between 0 and 1"):
        model.score(tiny_model.film(), level=level)


def test_a_refused_film_gets_no_score_unless_forced(model):
    blank = Radiograph(np.full((300, 300), 0.5, np.float32))
    with pytest.raises(NotScorableError, match="almost constant") as caught:
        model.score(blank)
    assert caught.value.flags == ("almost_constant",)
    assert model.score(blank, force=True).flags == ("almost_constant",)


def test_a_refused_film_does_not_stop_the_others(model, tiny_model):
    small = tiny_model.film(rows=40, columns=40)
    results = list(model.score_many([tiny_model.film(1), small, tiny_model.film(2)], 2))
    assert [isinstance(result, NotScorableError) for result in results] == [False, True, False]


def test_scales_can_be_chosen(model, tiny_model):
    score = model.score(tiny_model.film(), scales=["opacity"])
    assert [item.scale for item in score.scales] == [OPACITY]
    with pytest.raises(ModelError, match="geographic_extent, opacity"):
        model.score(tiny_model.film(), scales=["opacity_ralo"])


def test_the_saliency_is_that_of_the_unclipped_score(folder, tiny_model):
    # Far beyond the scale's end the clipped score has no gradient, the raw one has.
    data = json.loads((folder / "model.json").read_text())
    film = tiny_model.film()
    usual = SeverityModel.open(folder, threads=1).saliency(film)
    data["heads"][0]["intercept"] = 100.0
    (folder / "model.json").write_text(json.dumps(data))
    saturated = SeverityModel.open(folder, threads=1)
    assert saturated.score(film)["geographic_extent"].value == 8.0
    np.testing.assert_allclose(saturated.saliency(film), usual)
    assert usual.shape == (64, 64)
    assert usual.max() > 0


def test_the_gradient_predicts_a_small_change_of_the_raw_score(model, tiny_model):
    head = model.head("geographic_extent")
    batch = model.prepare(tiny_model.film(3)).prepared.array[None]
    gradient = model.backbone.input_gradient(batch, head.coefficients)[0]
    step = 1e-3 * np.sign(gradient)
    before, after = (
        float(model.backbone.run(films).features[0].astype(float) @ head.coefficients)
        for films in (batch, batch + step)
    )
    assert after - before == pytest.approx(float((gradient * step).sum()), rel=0.05)


def test_a_backbone_without_lungs_or_gradient_still_scores(tiny_model, tmp_path, folder):
    from pneumoscore.backbone.session import Backbone

    record = tiny_model.write_backbone(tmp_path, lungs=False, gradient=False)
    model = SeverityModel(read_bundle(folder), Backbone.open(record, threads=1))
    score = model.score(tiny_model.film())
    assert score["opacity"].right + score["opacity"].left == pytest.approx(score["opacity"].value)
    with pytest.raises(ModelError, match="gradient"):
        model.saliency(tiny_model.film())


def test_a_head_whose_map_cannot_be_known_gives_neither_map_nor_sides(tiny_model, tmp_path, folder):
    from pneumoscore.backbone.session import Backbone

    backbone = Backbone.open(tiny_model.write_backbone(tmp_path), threads=1)
    object.__setattr__(backbone.record, "details", {})
    bundle = read_bundle(folder)
    head = Head(GEOGRAPHIC_EXTENT, "lung_opacity", np.ones(1), 3.0, None, ("Lung Opacity",))
    object.__setattr__(bundle, "heads", (head,))
    object.__setattr__(bundle, "shown", ("geographic_extent",))
    model = SeverityModel(bundle, backbone)
    item = model.score(tiny_model.film())["geographic_extent"]
    assert item.low is item.high is item.right is item.left is item.contributions is None
    with pytest.raises(ModelError, match="pooled features"):
        model.saliency(tiny_model.film())


def test_a_map_that_does_not_sum_to_the_score_is_an_error(model, tiny_model):
    class Unpooled:
        record = model.backbone.record
        wait = model.backbone.wait

        def run(self, batch):
            output = model.backbone.run(batch)
            object.__setattr__(output, "feature_map", output.feature_map * 2)
            return output

    wrong = SeverityModel(model._bundle, Unpooled())
    with pytest.raises(ModelError, match="mean of the feature map"):
        wrong.score(tiny_model.film())


def test_a_bundle_survives_writing_with_its_gate(folder, tmp_path, tiny_model):
    random = np.random.default_rng(0)
    view = ViewClassifier(("frontal", "lateral"), random.normal(size=(2, 6)), np.zeros(2), 0.25)
    near = Familiarity(np.zeros(6), random.normal(size=(3, 6)), np.ones(3), 0.5, 4.0)
    gate = QualityGate(view, near, 0.3, ("lateral",), 50, 0.1)
    bundle = read_bundle(folder)
    object.__setattr__(bundle, "gate", gate)
    write_bundle(bundle, tmp_path / "out")
    again = read_bundle(tmp_path / "out")
    features = random.normal(size=(5, 6))
    np.testing.assert_array_equal(
        again.gate.view.probabilities(features), view.probabilities(features)
    )
    np.testing.assert_array_equal(
        again.gate.familiarity.distances(features), near.distances(features)
    )
    assert (again.gate.refusing, again.gate.smallest_side) == (("lateral",), 50)
    assert again.gate.most_lung_at_edge == 0.3
    assert again.card == bundle.card
    assert to_form(again.heads) == to_form(bundle.heads)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "card.md",
        "gate.npz",
        "model.json",
    ]


def test_the_hash_covers_all_that_a_score_and_its_flags_rest_on(folder, tiny_model):
    random = np.random.default_rng(3)
    view = ViewClassifier(("frontal", "lateral"), random.normal(size=(2, 6)), np.zeros(2), 0.5)
    gate = QualityGate(view, Familiarity(np.zeros(6), np.eye(6)[:3], np.ones(3), 0.5, 4.0), 0.3)
    tiny_model.write_model(folder, gate=gate)
    hashes = [SeverityModel.open(folder, threads=1).identity.sha256]
    assert SeverityModel.open(folder, threads=1).identity.sha256 == hashes[0]

    def changed(path: Path, change: Callable[[Any], None]) -> None:
        before = path.read_bytes()
        data = json.loads(before)
        change(data)
        path.write_text(json.dumps(data))
        hashes.append(SeverityModel.open(folder, threads=1).identity.sha256)
        path.write_bytes(before)

    changed(folder / "model.json", lambda data: data["heads"][0].update(intercept=1.0))
    changed(folder / "model.json", lambda data: data["gate"].update(refusing=["lateral"]))
    changed(folder / "model.json", lambda data: data["gate"].update(most_lung_at_edge=0.4))
    changed(folder / "model.json", lambda data: data["gate"]["view"].update(least_frontal=0.4))
    changed(folder / "model.json", lambda data: data["gate"]["familiarity"].update(farthest=3.0))
    changed(folder / "backbone.json", lambda data: data["input"].update(squaring="crop"))
    changed(folder / "backbone.json", lambda data: data.update(findings=data["findings"][::-1]))
    arrays = dict(np.load(folder / "gate.npz"))
    np.savez(folder / "gate.npz", **arrays | {"view_intercepts": np.array([0.0, 1e-3])})
    hashes.append(SeverityModel.open(folder, threads=1).identity.sha256)
    assert len(set(hashes)) == len(hashes) == 9


def test_the_hash_covers_the_lung_network_where_it_is_used(folder, monkeypatch):
    record = load_record(folder / "backbone.json")
    framed = replace(record, input=replace(record.input, squaring=Squaring.LUNGS))
    bundle = read_bundle(folder)
    before = bundle_hash(bundle, framed), bundle_hash(bundle, record)
    monkeypatch.setattr("pneumoscore.severity.bundle.lung_network_hash", lambda: "another")
    after = bundle_hash(bundle, framed), bundle_hash(bundle, record)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_hash_covers_how_files_become_pixels(folder, monkeypatch):
    before = SeverityModel.open(folder, threads=1).identity
    monkeypatch.setattr("pneumoscore.severity.bundle.READING_VERSION", before.reading + 1)
    assert SeverityModel.open(folder, threads=1).identity.sha256 != before.sha256


def test_an_installed_backbone_is_named_by_the_written_bundle(
    folder, tmp_path, tiny_model, monkeypatch
):
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path))
    tiny_model.write_backbone(tmp_path / "backbones", "installed")
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(data | {"backbone": "installed"}))
    model = SeverityModel.open(folder, threads=1)
    write_bundle(read_bundle(folder), tmp_path / "written")
    again = SeverityModel.open(tmp_path / "written", threads=1)
    film = tiny_model.film()
    assert again.score(film).as_dict() == model.score(film).as_dict()
    assert again.identity.backbone == "installed 1"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"heads": []},
        {"heads": [3]},
        {"heads": 3},
        {"backbone": "../elsewhere.json"},
        {"backbone": None},
        {"name": "../x"},
        {"shown": ["opacity_ralo"]},
        {"gate": {"view": {"classes": ["frontal", "inverted", "lateral"], "least_frontal": 0.5}}},
        {"gate": {"familiarity": {"remainder": 1.0, "farthest": 2.0}}},
        {"gate": {"refusing": ["sideways"]}},
        {"gate": 7},
    ],
)
def test_damaged_bundles_are_refused_by_name(folder, change):
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(data | change))
    with pytest.raises(ModelError):
        SeverityModel.open(folder, threads=1)


@pytest.mark.parametrize(
    ("name", "data", "remedy"),
    [
        ("card.md", "Für Forschung".encode("latin-1"), "save it"),
        ("gate.npz", b"", "copy the model"),
        ("gate.npz", b"PK no arrays", "copy the model"),
    ],
)
def test_damaged_files_beside_a_model_are_named(folder, name, data, remedy):
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=re.escape(name)) as caught:
        read_bundle(folder)
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "\udcff".encode("utf-8", "surrogateescape"), "[" * 100000]
)
def test_files_that_are_no_model_are_refused(folder, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "model.json").write_bytes(data)
    with pytest.raises(ModelError):
        SeverityModel.open(folder)


def test_an_unknown_model_is_answered_with_what_there_is(tmp_path):
    with pytest.raises(ModelError, match="cohen2020"):
        SeverityModel.open("nothing-of-this-name")
    with pytest.raises(ModelError, match=r"model\.json"):
        SeverityModel.open(tmp_path)


def test_the_published_heads_are_those_of_the_paper():
    bundle = read_bundle(available_bundles()["cohen2020"])
    extent, opacity = bundle.heads
    assert (extent.scale, opacity.scale) == (GEOGRAPHIC_EXTENT, OPACITY)
    assert extent.predict(np.array([[1.0], [0.0]])).tolist() == [
        0.8705248236656189 + 3.4137437,
        3.4137437,
    ]
    assert opacity.predict(np.array([[1.0], [0.0]])).tolist() == [
        0.5484423041343689 + 2.5535977,
        2.5535977,
    ]
    assert extent.interval is None
    assert "not for medical use" in bundle.card
    assert bundle.backbone == "densenet121-res224-all"


def test_a_scale_needs_only_its_definition(folder, tiny_model, monkeypatch):
    """docs/architecture.md, "Add a scale"."""
    added = Scale("consolidation", 0.0, 8.0, "Share of each lung that is consolidated, 0-4")
    monkeypatch.setattr("pneumoscore.severity.scale.SCALES", (*SCALES, added))
    data = json.loads((folder / "model.json").read_text())
    head = data["heads"][0] | {"scale": "consolidation"}
    model_file = data | {"heads": [*data["heads"], head], "shown": ["consolidation"]}
    (folder / "model.json").write_text(json.dumps(model_file))
    score = SeverityModel.open(folder, threads=1).score(tiny_model.film())
    assert score["consolidation"].scale == added
    assert list(score.as_dict()["scores"]) == ["consolidation"]
