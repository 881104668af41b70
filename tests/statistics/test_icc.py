import numpy as np
import pytest

from pneumoscore.statistics.icc import (
    icc_agreement,
    icc_values,
    intraclass_correlations,
    two_way_anova,
)

# Shrout and Fleiss 1979, Psychological Bulletin 86: 420-428, Table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_the_table_of_shrout_and_fleiss():
    """Values of their Table 4; mean squares of their Table 3."""
    anova = two_way_anova(SHROUT_FLEISS)
    assert anova.rows == pytest.approx(11.24, abs=0.005)
    assert anova.columns == pytest.approx(32.49, abs=0.005)
    assert anova.error == pytest.approx(1.02, abs=0.005)
    found = intraclass_correlations(SHROUT_FLEISS)
    expected = {"ICC(A,1)": 0.29, "ICC(C,1)": 0.71, "ICC(A,k)": 0.62, "ICC(C,k)": 0.91}
    assert {name: round(value.value, 2) for name, value in found.items()} == expected


def test_intervals_of_the_same_table():
    """As R's psych::ICC prints them for this table (McGraw and Wong's intervals)."""
    found = intraclass_correlations(SHROUT_FLEISS)
    expected = {
        "ICC(A,1)": (0.019, 0.761),
        "ICC(A,k)": (0.071, 0.927),
        "ICC(C,1)": (0.342, 0.946),
        "ICC(C,k)": (0.676, 0.986),
    }
    for name, (low, high) in expected.items():
        assert found[name].low == pytest.approx(low, abs=6e-4)
        assert found[name].high == pytest.approx(high, abs=6e-4)


def test_the_interval_covers_the_truth_in_simulation():
    """Two-way random effects: true ICC(A,1) = 4 / (4 + 0.5 + 1)."""
    random = np.random.default_rng(3)
    truth, covered, runs = 4 / 5.5, 0, 200
    for _ in range(runs):
        films = random.normal(scale=2, size=(40, 1))
        readers = random.normal(scale=np.sqrt(0.5), size=(1, 5))
        values = films + readers + random.normal(size=(40, 5))
        interval = intraclass_correlations(values)["ICC(A,1)"]
        covered += interval.low <= truth <= interval.high
    assert covered / runs == pytest.approx(0.95, abs=0.05)


def test_a_constant_bias_lowers_agreement_but_not_consistency():
    first = np.arange(20.0)
    values = icc_values(two_way_anova(np.column_stack([first, first + 5])))
    assert values["ICC(C,1)"] == pytest.approx(1)
    assert values["ICC(A,1)"] < 0.75


def test_incomplete_rows_are_left_out_and_too_few_refused():
    with_gap = np.vstack([SHROUT_FLEISS, [1, np.nan, 1, 1]])
    assert icc_agreement(with_gap) == icc_agreement(SHROUT_FLEISS)
    with pytest.raises(ValueError, match="1 complete films x 4 readers"):
        two_way_anova(SHROUT_FLEISS[:1])
