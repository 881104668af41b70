"""The robust scale is that of normal errors, and real changes among them hardly move it."""

from __future__ import annotations

import numpy as np
import pytest

from pneumoscore.statistics.robust import robust_scale


def test_the_robust_scale_is_that_of_normal_errors_and_bears_real_changes() -> None:
    values = np.random.default_rng(8).standard_normal(20_000) * 0.7
    assert robust_scale(values) == pytest.approx(0.7, rel=0.02)
    few = values[:40].copy()
    spoilt = few.copy()
    spoilt[0] = 8.0
    assert robust_scale(spoilt) < 1.2 * robust_scale(few)
    assert float(np.sqrt(np.mean(spoilt**2))) > 1.7 * robust_scale(few)
    assert robust_scale(np.zeros(4)) == 0.0
