import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from pneumoscore.statistics.bland_altman import bland_altman
from pneumoscore.statistics.change import (
    sem_agreement,
    sem_consistency,
    smallest_detectable_change,
)
from pneumoscore.statistics.interchangeability import interchangeability
from pneumoscore.statistics.kappa import weighted_kappa
from pneumoscore.statistics.krippendorff import krippendorff_alpha

_N = np.nan
# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C: four observers
# (rows here), twelve units.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _N, _N, _N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _N, 3],
        [_N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _N],
    ]
).T

# Bland and Altman 1999, Stat Methods Med Res 8: 135-160, Table 4: cardiac output by
# radionuclide ventriculography and by impedance cardiography, twelve subjects.
_CARDIAC = """
7.83 7.42 7.89 7.12 7.88 | 6.57 5.62 6.90 6.57 6.35
6.16 7.26 6.71 6.54 | 4.06 4.29 4.26 4.09
4.75 5.24 4.86 4.78 6.05 5.42 | 4.71 5.50 5.08 5.02 6.01 5.67
4.21 3.61 3.72 3.87 3.92 | 4.14 4.20 4.61 4.68 5.04
3.13 2.98 2.85 3.17 3.09 3.12 | 3.03 2.86 2.77 2.46 2.32 2.43
5.92 6.42 5.92 6.27 | 5.90 5.81 5.70 5.76
7.13 6.62 6.58 6.93 | 5.09 4.63 4.61 5.09
4.54 4.81 5.11 5.29 5.39 5.57 | 4.72 4.61 4.36 4.20 4.36 4.20
4.48 4.92 3.97 | 3.17 3.12 2.96
4.22 4.65 4.74 4.44 4.50 | 4.35 4.62 3.16 3.53 3.53
6.78 6.07 6.52 6.42 6.41 5.76 | 7.20 6.09 7.00 7.10 7.40 6.80
5.06 4.72 4.90 4.80 4.90 5.10 | 4.50 4.20 3.80 3.80 4.20 4.50
"""


@pytest.mark.parametrize(("metric", "alpha"), [("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_example(metric, alpha):
    assert round(krippendorff_alpha(KRIPPENDORFF, metric), 3) == alpha


def test_alpha_at_its_ends():
    random = np.random.default_rng(0)
    same = np.tile(random.integers(0, 5, (50, 1)).astype(float), (1, 3))
    assert krippendorff_alpha(same) == 1
    assert abs(krippendorff_alpha(random.normal(size=(4000, 2)))) < 0.05
    assert math.isnan(krippendorff_alpha(np.full((4, 2), 3.0)))
    assert math.isnan(krippendorff_alpha(np.array([[1.0, _N], [_N, 2.0]])))
    with pytest.raises(ValueError, match="metric is 'ratio'"):
        krippendorff_alpha(KRIPPENDORFF, "ratio")


def test_weighted_kappa_of_a_published_table():
    """Gwet's irrCAC (R), data cont3x3abstractors, quadratic weights: 0.8921569."""
    table = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
    first = np.repeat(np.arange(9) // 3, table.ravel()).astype(float)
    second = np.repeat(np.arange(9) % 3, table.ravel()).astype(float)
    assert weighted_kappa(first, second) == pytest.approx(0.8921569, abs=1e-7)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.int64, 30, elements=st.integers(0, 8)),
    arrays(np.int64, 30, elements=st.integers(0, 8)),
)
def test_weighted_kappa_is_that_of_scikit_learn(first, second):
    ours = weighted_kappa(first.astype(float), second.astype(float))
    if len(set(first) | set(second)) == 1:
        assert math.isnan(ours)
    else:
        theirs = cohen_kappa_score(first, second, labels=range(9), weights="quadratic")
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_weighted_kappa_takes_integers_only():
    with pytest.raises(ValueError, match="raw integer scores"):
        weighted_kappa(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    assert weighted_kappa(np.array([1.0, 2.0, _N]), np.array([1.0, 2.0, 3.5])) == 1


def test_bland_and_altmans_cardiac_output():
    """Mean difference 0.60, SD 0.99 with the variance between subjects and within."""
    first, second, subjects = [], [], []
    for number, line in enumerate(_CARDIAC.strip().splitlines()):
        left, right = ([float(x) for x in part.split()] for part in line.split("|"))
        first += left
        second += right
        subjects += [number] * len(left)
    found = bland_altman(np.array(first), np.array(second), subjects)
    assert (found.films, found.patients) == (60, 12)
    assert round(found.bias, 2) == 0.60
    assert round(found.sd, 2) == 0.99
    assert (round(found.low, 2), round(found.high, 2)) == (-1.34, 2.54)


def test_limits_of_agreement_recover_variances_in_simulation():
    random = np.random.default_rng(5)
    patients = np.repeat(np.arange(2000), random.integers(1, 6, 2000))
    between = random.normal(scale=0.8, size=2000)[patients]
    truth = random.uniform(0, 8, len(patients))
    second = truth + 0.3 + between + random.normal(scale=0.6, size=len(patients))
    found = bland_altman(second, truth, patients)
    assert found.sd_between == pytest.approx(0.8, abs=0.04)
    assert found.sd_within == pytest.approx(0.6, abs=0.02)
    assert found.bias == pytest.approx(0.3, abs=0.06)


def test_one_film_of_each_patient_is_the_plain_form():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 40))
    found = bland_altman(first, second, list(range(40)))
    assert found.sd == pytest.approx((first - second).std(ddof=1))
    assert found.sd_within == 0
    with pytest.raises(ValueError, match="fewer than two patients"):
        bland_altman(first, second, ["one"] * 40)


def test_proportional_bias_is_the_slope():
    truth = np.linspace(0, 8, 50)
    found = bland_altman(1.2 * truth, truth, list(range(50)))
    assert found.slope == pytest.approx(0.2 / 1.1)


def test_change_from_noise():
    """SEM = SD sqrt(1 - ICC); field figures: ICC .94 and SD 2.37 give about 1.6 on 0-8."""
    published = 2.37 * math.sqrt(1 - 0.94)
    assert smallest_detectable_change(published) == pytest.approx(1.61, abs=0.005)
    random = np.random.default_rng(2)
    films = random.uniform(0, 8, (3000, 1))
    values = films + np.array([[0.0, 1.0, -1.0]]) + random.normal(scale=0.5, size=(3000, 3))
    assert sem_consistency(values) == pytest.approx(0.5, abs=0.01)
    assert sem_agreement(values) == pytest.approx(math.sqrt(0.25 + 1), abs=0.01)


def test_a_model_like_a_reader_is_interchangeable_and_a_bad_one_is_not():
    random = np.random.default_rng(4)
    truth = random.uniform(0, 8, 80)
    patients = [f"p{i // 2}" for i in range(80)]
    readers = truth[:, None] + random.normal(scale=0.7, size=(80, 3))
    alike = interchangeability(
        readers, truth + random.normal(scale=0.7, size=80), patients, repeats=150
    )
    worse = interchangeability(readers, random.uniform(0, 8, 80), patients, repeats=150)
    index = alike["equivalence_index"]
    assert index.low < 0 < index.high
    assert alike["icc_change"].low < 0 < alike["icc_change"].high
    assert worse["equivalence_index"].low > 1
    assert worse["icc_change"].high < 0
    assert worse["within_tolerance_change"].high < 0
    with pytest.raises(ValueError, match="at least two columns"):
        interchangeability(readers[:, :1], truth, patients)
