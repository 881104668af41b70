"""The built-in model follows the disease that phantoms are drawn with."""

import numpy as np
import pytest

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

EXTENTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.fixture(scope="module")
def model() -> SeverityModel:
    return SeverityModel.open()


def _score(model: SeverityModel, right: LungDisease, left: LungDisease) -> tuple[float, float]:
    phantom = render_phantom(PhantomSpec(right, left, seed=3, size=384))
    extent = model.score(Radiograph(phantom.pixels))["geographic_extent"]
    assert extent.right is not None
    assert extent.left is not None
    return extent.right, extent.left


def test_more_extent_scores_higher(model: SeverityModel) -> None:
    totals = [sum(_score(model, *[LungDisease(extent, 0.6)] * 2)) for extent in EXTENTS]
    ranks = np.argsort(np.argsort(totals))
    assert np.corrcoef(ranks, np.arange(len(EXTENTS)))[0, 1] >= 0.9
    assert totals[0] < 2.0
    assert totals[-1] > 4.5


def test_disease_of_one_lung_is_scored_in_that_lung(model: SeverityModel) -> None:
    sick, healthy = LungDisease(0.8, 0.7), LungDisease(0.0, 0.0)
    right_sick = _score(model, sick, healthy)
    left_sick = _score(model, healthy, sick)
    assert right_sick[0] > right_sick[1] + 0.8
    assert left_sick[1] > left_sick[0] + 0.8
