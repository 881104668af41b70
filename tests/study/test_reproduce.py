import json

import numpy as np
import pytest
from PIL import Image

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import PneumoScoreError
from pneumoscore.study.features import film_features
from pneumoscore.study.reproduce import reproduce


@pytest.fixture(scope="module")
def backbone(tiny_model, tmp_path_factory):
    record = tiny_model.write_backbone(tmp_path_factory.mktemp("backbone"))
    return Backbone.open(record, threads=1)


@pytest.fixture(scope="module")
def cohort(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    random = np.random.default_rng(2)
    films = []
    for index in range(30):
        path = folder / f"{index}.png"
        pixels = tiny_model.film(index, 90, 80).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
        labels = {"geographic_extent": random.uniform(0, 8), "opacity": random.uniform(0, 6)}
        outcomes = {"death": index == 3} if index % 2 else {}
        films.append(CohortFilm(path.name, path, f"p{index}", labels=labels, outcomes=outcomes))
    return Cohort("made up", tuple(films))


@pytest.mark.slow
def test_two_runs_write_the_same_bytes(cohort, backbone, tmp_path):
    for name in ("one", "two"):
        reproduce(cohort, backbone, tmp_path / name, tmp_path / "cache")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    names = {str(path) for path in files}
    assert {"numbers.json", "tables.md", "tables/opacity.csv", "plots/saliency.png"} <= names
    assert {"plots/tsne_findings.svg", "plots/scatter_opacity.png"} <= names
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    numbers = json.loads((tmp_path / "one" / "numbers.json").read_text())
    assert numbers["backbone"]["sha256"] == backbone.record.sha256
    assert len(numbers["cohort"]["files"]) == 30
    assert len(numbers["results"]["opacity"]["findings"]["by_seed"]["mae"]) == 50
    assert set(numbers["results"]["geographic_extent"]) == {
        "lung_opacity", "four_findings", "findings", "features", "none",
    }  # fmt: skip
    table = (tmp_path / "one" / "tables.md").read_text()
    assert "1.16 ± 0.10" in table
    assert "Research use only, not for medical use" in table


def test_features_are_kept_by_content_and_mended(cohort, backbone, tmp_path):
    paths = [film.path for film in cohort][:5]
    first = film_features(backbone, paths, tmp_path)
    kept = sorted(tmp_path.rglob("*.npy"))
    assert len(kept) == 5
    kept[0].write_bytes(b"damaged")
    calls = []
    again = film_features(backbone, [*paths, paths[0]], tmp_path, calls.append)
    assert calls == [6]
    np.testing.assert_array_equal(again.features[:5], first.features)
    np.testing.assert_array_equal(again.features[5], first.features[0])
    assert first.findings.shape == (5, 5)


@pytest.mark.slow
def test_a_backbone_without_gradient_or_findings_still_has_its_tables(tiny_model, cohort, tmp_path):
    record = tiny_model.write_backbone(tmp_path / "b", gradient=False)
    opened = Backbone.open(record, threads=1)
    tables = reproduce(cohort, opened, tmp_path / "out", tmp_path / "cache")
    assert len(tables) == 2
    assert not (tmp_path / "out" / "plots" / "saliency.png").exists()
    assert "no saliency" in json.loads((tmp_path / "out" / "numbers.json").read_text())["saliency"]


def test_films_without_labels_are_refused(cohort, backbone, tmp_path):
    unlabelled = CohortFilm("x.png", cohort.films[0].path, "p")
    with pytest.raises(PneumoScoreError, match="1 of 31 films have no label"):
        reproduce(Cohort("c", (*cohort.films, unlabelled)), backbone, tmp_path)
