"""Zones of the lungs, as masks and as opacities."""

import numpy as np
from numpy.typing import NDArray

from training.zones import lung_zones, zone_opacity


def _lungs() -> NDArray[np.uint8]:
    lungs = np.zeros((1, 2, 32, 32), dtype=np.uint8)
    lungs[0, 0, 1:31, 2:14] = 255
    lungs[0, 1, 4:28, 18:30] = 255
    return lungs


def test_each_zone_is_as_opaque_as_it_was_rated() -> None:
    lungs = _lungs()
    ratings = np.array([[[0, 1 / 3, 1], [2 / 3, 0, 0]]], dtype=np.float32)
    opacity = zone_opacity(lungs, ratings)
    assert opacity[0, 0, 5, 5] == 0
    assert opacity[0, 0, 15, 5] == 85
    assert opacity[0, 0, 25, 5] == 255
    assert opacity[0, 1, 6, 20] == 170
    assert opacity[0, 1, 14:].max() == 0
    assert not opacity[lungs == 0].any()


def test_opacities_lie_in_the_zones_of_the_score() -> None:
    lungs = _lungs()
    zones = list(lung_zones(lungs[0].any(0)).values())
    for index, zone in enumerate(zones):
        rated = np.zeros(6, dtype=np.float32)
        rated[index] = 1
        opacity = zone_opacity(lungs, rated.reshape(1, 2, 3))
        assert np.array_equal(opacity[0].max(0) > 0, zone)


def test_a_lung_that_is_not_there_has_no_opacity() -> None:
    lungs = _lungs()
    lungs[0, 1] = 0
    assert not zone_opacity(lungs, np.ones((1, 2, 3), dtype=np.float32))[0, 1].any()
