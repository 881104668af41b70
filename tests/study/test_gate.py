import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pneumoscore.errors import PneumoScoreError
from pneumoscore.severity.view import FRONTAL
from pneumoscore.study.gate import _logistic, fit_familiarity, fit_quality_gate

CENTRES = {FRONTAL: 0, "lateral": 1, "inverted": 2, "not_a_chest_radiograph": 3}


def images(random, counts, width=12, spread=0.35, shift=0.0):
    """Features in clouds, two images of each patient."""
    features, classes, patients = [], [], []
    for name, count in counts.items():
        centre = np.zeros(width)
        centre[CENTRES[name]] = 3.0
        for index in range(count):
            features.append(centre + random.normal(scale=spread, size=width) + shift)
            classes.append(name)
            patients.append(f"{name} {index // 2}")
    return np.array(features), classes, patients


COUNTS = {FRONTAL: 300, "lateral": 40, "inverted": 60, "not_a_chest_radiograph": 40}


@pytest.fixture(scope="module")
def fitted():
    return fit_quality_gate(*images(np.random.default_rng(0), COUNTS))


def test_the_deviations_of_the_features_help_where_their_means_are_alike():
    features, classes, patients = images(np.random.default_rng(0), COUNTS)
    alike = np.zeros_like(features)
    blind = fit_quality_gate(alike, classes, patients)
    seeing = fit_quality_gate(alike, classes, patients, spreads=features)
    assert seeing.gate.view.coefficients.shape[1] == 2 * features.shape[1]
    assert seeing.gate.familiarity.centre.size == features.shape[1]
    assert seeing.accepted["lateral"] <= 0.02 < 0.9 < blind.accepted["lateral"]


def test_clear_classes_are_told_apart_on_new_images(fitted):
    features, classes, _ = images(np.random.default_rng(1), COUNTS)
    flags = fitted.gate.view.flags(features)
    right = [
        flag == (None if name == FRONTAL else name)
        for flag, name in zip(flags, classes, strict=True)
    ]
    assert np.mean(right) > 0.98
    assert fitted.accepted[FRONTAL] >= 0.99
    assert max(v for k, v in fitted.accepted.items() if k != FRONTAL) <= 0.02
    assert min(fitted.named.values()) > 0.95


def test_the_threshold_spends_no_more_frontal_films_than_allowed():
    features, classes, patients = images(np.random.default_rng(2), COUNTS, spread=1.3)
    for allowed in (0.005, 0.05):
        fit = fit_quality_gate(features, classes, patients, wrongly_refused=allowed)
        assert 1 - fit.accepted[FRONTAL] <= allowed + 1e-9
        assert 0 < fit.gate.view.least_frontal <= 0.5
    assert fit.accepted["lateral"] < 0.5


def test_new_usual_films_are_familiar_and_far_ones_are_not(fitted):
    random = np.random.default_rng(3)
    usual, _, _ = images(random, {FRONTAL: 400})
    far, _, _ = images(random, {FRONTAL: 50}, shift=1.5)
    familiar = fitted.gate.familiarity
    assert np.mean(familiar.distances(usual) > familiar.farthest) < 0.04
    assert np.mean(familiar.distances(far) > familiar.farthest) > 0.9
    assert np.median(familiar.distances(usual)) == pytest.approx(1.0, abs=0.2)


def test_a_direction_without_variance_is_noticed_when_it_moves():
    random = np.random.default_rng(4)
    features = np.column_stack(
        [random.normal(size=(200, 4)), random.normal(scale=0.01, size=(200, 4))]
    )
    familiar = fit_familiarity(features, [str(i) for i in range(200)])
    moved = features[:20].copy()
    moved[:, 6] += 1.0
    assert (familiar.distances(moved) > familiar.farthest).all()


def test_more_features_than_films_are_borne():
    random = np.random.default_rng(5)
    basis = random.normal(size=(10, 300))

    def draw(n):
        return random.normal(size=(n, 10)) @ basis + random.normal(scale=0.1, size=(n, 300))

    familiar = fit_familiarity(draw(60), [str(i) for i in range(60)])
    assert np.mean(familiar.distances(draw(300)) > familiar.farthest) < 0.1
    assert np.mean(familiar.distances(random.normal(size=(50, 300)) * 4) > familiar.farthest) == 1.0


def test_the_lung_rule_follows_complete_films():
    edges = np.linspace(0, 0.4, 200)
    table = images(np.random.default_rng(6), COUNTS)
    gate = fit_quality_gate(*table, lung_edges=edges, wrongly_warned=0.01).gate
    assert np.mean(edges > gate.most_lung_at_edge) <= 0.01
    assert fit_quality_gate(*table).gate.most_lung_at_edge is None


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2]])
def test_folding_in_the_standardisation_changes_no_probability(classes):
    random = np.random.default_rng(7)
    targets = np.repeat(classes, 40)
    features = random.normal(size=(targets.size, 5)) * [1, 10, 0.1, 3, 1] + targets[:, None]
    weights, offsets = _logistic(features, targets, len(classes), 0.1)
    logits = features @ weights.T + offsets
    scaled = StandardScaler().fit_transform(features)
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000).fit(scaled, targets)
    odds = np.exp(logits)
    np.testing.assert_allclose(
        odds / odds.sum(axis=1, keepdims=True), model.predict_proba(scaled), atol=1e-6
    )


def test_what_cannot_be_fitted_is_said():
    random = np.random.default_rng(8)
    features, classes, patients = images(random, {FRONTAL: 40, "lateral": 12})
    with pytest.raises(PneumoScoreError, match="cat"):
        fit_quality_gate(features, ["cat", *classes[1:]], patients)
    with pytest.raises(PneumoScoreError, match="another class"):
        fit_quality_gate(features[:40], classes[:40], patients[:40])
    with pytest.raises(PneumoScoreError, match="lateral come from 1 patients"):
        fit_quality_gate(features, classes, [*patients[:40], *["x"] * 12])
    with pytest.raises(PneumoScoreError, match="what is usual"):
        fit_familiarity(features[:10], patients[:10])
