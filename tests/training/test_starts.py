"""What later trainings begin from is what the package ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.types import Radiograph
from training.checkpoints import averaged_members, averaged_network, mean_network
from training.network import pooled_features

STARTS = Path(__file__).parents[2] / "training" / "starts"


def _film(backbone: Backbone) -> torch.Tensor:
    ill = LungDisease(0.5, 0.5)
    phantom = render_phantom(PhantomSpec(right=ill, left=ill, size=512, seed=2))
    prepared = prepare_film(Radiograph(phantom.pixels), backbone.record.input)
    return torch.from_numpy(prepared.array[None])


def test_the_kept_networks_are_those_of_the_package() -> None:
    backbone = Backbone.open("severity")
    film = _film(backbone)
    found = backbone.run(film.numpy()).features[0]
    members = averaged_members(STARTS / "severity.pt", 0)
    assert len(members) == 4
    expected = pooled_features(mean_network(members), film)[0]
    width = len(expected)
    np.testing.assert_allclose(found[:width], expected, atol=0.01)
    generic = pooled_features(averaged_network(STARTS / "generic.pt"), film)[0]
    np.testing.assert_allclose(found[width : 2 * width], generic, atol=0.01)
    assert np.ptp(expected) > 0.5  # the tolerance is small beside what is compared


def test_the_kept_generic_network_is_that_of_the_package() -> None:
    backbone = Backbone.open("generic")
    film = _film(backbone)
    generic = averaged_network(STARTS / "generic.pt")
    both = (pooled_features(generic, film)[0] + pooled_features(generic, film.flip(3))[0]) / 2
    np.testing.assert_allclose(backbone.run(film.numpy()).features[0], both, atol=0.01)
