"""A teacher for each part of a cross-validation: it saw nothing of the part that is kept out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import joined_teacher
from training.augment import Augmentation
from training.config import TrainingConfig
from training.films import FilmArrays
from training.joined_teacher import JoinedTeacher
from training.network import SeverityNetwork
from training.scored import ScoredFilm
from training.streams import FilmStream, draw_views
from training.trunk import Trunk
from training.trunk_shape import TrunkShape

_SHAPE = TrunkShape("tiny", 0.25, 1.0, "", "", "")
_COUNT, _SIZE = 24, 64


def _films(count: int, seed: int) -> FilmArrays:
    random = np.random.default_rng(seed)
    return FilmArrays(
        random.integers(0, 255, (count, _SIZE, _SIZE), dtype=np.uint8),
        np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (count, 1)),
        tuple(str(row) for row in range(count)),
    )


def _scored(extents: np.ndarray) -> list[ScoredFilm]:
    return [
        ScoredFilm(
            name=f"scored/{row}",
            patient=str(row),
            view="PA",
            source="",
            extent=float(extent),
            opacity_ralo=float(extent) / 2,
            rescaled=False,
            stem=str(row),
        )
        for row, extent in enumerate(extents)
    ]


@pytest.fixture
def networks() -> list[SeverityNetwork]:
    torch.manual_seed(0)
    return [SeverityNetwork(2, Trunk(_SHAPE), 32).eval() for _ in range(3)]


def _told(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork], extents: np.ndarray
) -> np.ndarray:
    parts = np.arange(_COUNT) % 2
    known = _films(_COUNT, 1)
    monkeypatch.setattr(
        joined_teacher, "cross_validated_films", lambda data, folds: (_scored(extents), parts)
    )
    monkeypatch.setattr(joined_teacher, "folder_films", lambda data, names, spec: known)
    config = TrainingConfig("x", "1", "", steps=1, size=_SIZE, margin=1.1)
    *members, beside = networks
    return JoinedTeacher(members, beside, 0.6, Path(), config).scores(_films(5, 2))


def test_a_part_teaches_nothing_to_the_network_that_keeps_it_out(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork]
) -> None:
    extents = np.random.default_rng(3).uniform(1, 7, _COUNT)
    told = _told(monkeypatch, networks, extents)
    assert told.shape == (2, 5, 2)
    assert told.min() >= 0
    assert told.max() <= 8
    changed = extents.copy()
    changed[1::2] = 7 - changed[1::2]  # the films of part 1
    other = _told(monkeypatch, networks, changed)
    np.testing.assert_array_equal(other[1], told[1])
    assert np.abs(other[0] - told[0]).max() > 1e-3


def test_each_network_is_taught_by_its_own_teacher() -> None:
    told = np.stack([np.full((4, 2), part, dtype=np.float32) for part in (1, 5)])
    stream = FilmStream(
        name="unscored",
        films=_films(4, 0),
        per_batch=6,
        findings=np.full((4, 2), np.nan, dtype=np.float32),
        totals=np.full((4, 2), np.nan, dtype=np.float32),
        sides=np.full((4, 2, 2), np.nan, dtype=np.float32),
        taught=True,
        told=told,
    )
    plain = replace(stream, told=None, taught=False, per_batch=3)
    generator = torch.Generator().manual_seed(0)

    def averaged_network(films: torch.Tensor, lungs: torch.Tensor) -> torch.Tensor:
        raise AssertionError("films that have been told need no other teacher")

    views = draw_views([stream, plain], Augmentation(size=_SIZE), 0, generator, averaged_network)
    for network, expected in enumerate((1, 5)):
        batch, _ = views.for_network(network)
        assert (batch.totals[:6] == expected).all()
        assert batch.totals[6:].isnan().all()
        assert batch.sides.isnan().all()
