"""A teacher for each part of a cross-validation: it saw nothing of the part that is kept out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import joined_teacher
from training.augment import Augmentation
from training.config import TrainingConfig
from training.films import FilmArrays
from training.joined_teacher import JoinedTeacher, TeacherNetworks
from training.kept import KeptOnDisk
from training.lungs import LungNet
from training.network import SeverityNetwork
from training.scored import ScoredFilm
from training.streams import FilmStream, draw_views
from training.told import Told
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


def _teacher(
    monkeypatch: pytest.MonkeyPatch,
    networks: list[SeverityNetwork],
    extents: np.ndarray,
    **wanted: Any,
) -> JoinedTeacher:
    parts = np.arange(_COUNT) % 2
    known = _films(_COUNT, 1)
    monkeypatch.setattr(
        joined_teacher, "cross_validated_films", lambda data, folds: (_scored(extents), parts)
    )
    monkeypatch.setattr(joined_teacher, "folder_films", lambda data, names, spec: known)
    config = TrainingConfig("x", "1", "", steps=1, size=_SIZE, margin=1.1, **wanted)
    *members, beside = networks
    teachers = TeacherNetworks(members, beside, members if wanted else ())
    return JoinedTeacher(teachers, Path(), config)


def _told(
    monkeypatch: pytest.MonkeyPatch,
    networks: list[SeverityNetwork],
    extents: np.ndarray,
    **wanted: Any,
) -> Told:
    return _teacher(monkeypatch, networks, extents, **wanted).tell(_films(5, 2))


def test_a_part_teaches_nothing_to_the_network_that_keeps_it_out(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork]
) -> None:
    extents = np.random.default_rng(3).uniform(1, 7, _COUNT)
    told = _told(monkeypatch, networks, extents)
    assert told.totals.shape == (2, 5, 2)
    assert told.totals.min() >= 0
    assert told.totals.max() <= 8
    assert (told.sides, told.places, told.findings) == (None, None, None)
    changed = extents.copy()
    changed[1::2] = 7 - changed[1::2]  # the films of part 1
    other = _told(monkeypatch, networks, changed)
    assert torch.equal(other.totals[1], told.totals[1])
    assert (other.totals[0] - told.totals[0]).abs().max() > 1e-3


def test_sides_are_shared_as_the_places_lie(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork]
) -> None:
    extents = np.random.default_rng(3).uniform(1, 3, _COUNT)
    told = _told(monkeypatch, networks, extents, teacher_by_lungs=True, teacher_findings=True)
    assert told.sides is not None
    assert told.places is not None
    assert told.findings is not None
    assert told.places.shape == (2, 5, 2, 4, 4)
    assert told.places.min() >= 0
    assert torch.allclose(told.sides.sum(2), told.totals, atol=1e-5)
    within = told.places.sum((3, 4))
    assert torch.allclose(
        told.sides[..., 0] / told.totals[..., :1], within / within.sum(2, keepdim=True), atol=1e-5
    )
    assert told.findings.shape == (5, 2)
    assert ((told.findings > 0) & (told.findings < 1)).all()


def test_what_is_told_of_places_moves_with_the_film() -> None:
    size = 96
    pixels = np.zeros((1, size, size), dtype=np.uint8)
    pixels[0, 16:40, 20:44] = 255  # on the image's left, in its upper half
    places = torch.zeros(1, 1, 2, size, size)
    places[0, 0, 0] = torch.from_numpy(pixels[0]).float()
    stream = FilmStream(
        name="unscored",
        films=FilmArrays(pixels, np.array([[0, 0, 1, 1]], dtype=np.float32), ("one",)),
        per_batch=12,
        findings=np.full((1, 2), np.nan, dtype=np.float32),
        totals=np.full((1, 2), np.nan, dtype=np.float32),
        sides=np.full((1, 2, 2), np.nan, dtype=np.float32),
        told=Told(torch.ones(1, 1, 2), torch.tensor([[[[0.7, 0.7], [0.3, 0.3]]]]), places),
    )
    moves = Augmentation(size=size, contrast=0, gamma=0, noise=0, blur=0, overlay=0)
    batch, _ = draw_views([stream], moves, 0, torch.Generator().manual_seed(0)).for_network(0)
    flipped = 0
    for film, opacity, sides in zip(batch.films, batch.opacity, batch.sides, strict=True):
        bright = torch.nn.functional.adaptive_avg_pool2d((film > film.mean() + 1).float(), 6)[0]
        side = int(opacity[1].sum() > opacity[0].sum())
        flipped += side
        assert opacity[1 - side].sum() == 0
        assert sides[side].tolist() == pytest.approx([0.7, 0.7])
        found = torch.nn.functional.adaptive_avg_pool2d(opacity[side][None], 6)[0]
        together = torch.corrcoef(torch.stack([bright.flatten(), found.flatten()]))[0, 1]
        assert together > 0.95
    assert 0 < flipped < len(batch.films)


def test_each_network_is_taught_by_its_own_teacher() -> None:
    told = Told(torch.stack([torch.full((4, 2), float(part)) for part in (1, 5)]))
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


def test_what_was_told_is_kept_as_it_was(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork], tmp_path: Path
) -> None:
    extents = np.random.default_rng(3).uniform(1, 3, _COUNT)
    for wanted in ({}, {"teacher_by_lungs": True, "teacher_findings": True}):
        told = _told(monkeypatch, networks, extents, **wanted)
        told.save(tmp_path / "told.pt")
        kept = Told.loaded(tmp_path / "told.pt")
        for name in ("totals", "sides", "places", "findings"):
            before, after = getattr(told, name), getattr(kept, name)
            assert before is after is None or torch.equal(before, after)


def test_another_teacher_has_another_identity(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork]
) -> None:
    extents = np.random.default_rng(3).uniform(1, 3, _COUNT)

    def identity(order: list[SeverityNetwork] = networks, more: float = 0, **wanted: Any) -> bytes:
        wanted.setdefault("teacher_findings", True)
        return _teacher(monkeypatch, order, extents + more, **wanted).identity

    first = identity()
    assert identity() == first
    others = [
        identity(more=1),
        identity(teacher_by_lungs=True),
        identity(teacher_findings=False),
        identity(teacher_share=0.25),
        identity([networks[1], networks[0], networks[2]]),
        identity([networks[0], networks[1], networks[0]]),
    ]
    assert len({first, *others}) == 7


def test_what_was_told_is_told_again_of_other_films_only(
    monkeypatch: pytest.MonkeyPatch, networks: list[SeverityNetwork], tmp_path: Path
) -> None:
    extents = np.random.default_rng(3).uniform(1, 3, _COUNT)
    teacher = _teacher(monkeypatch, networks, extents)
    asked = []
    tell = JoinedTeacher.tell

    def counted(self: JoinedTeacher, films: FilmArrays) -> Told:
        asked.append(films)
        return tell(self, films)

    monkeypatch.setattr(JoinedTeacher, "tell", counted)
    first, second = _films(5, 2), _films(5, 4)
    cut = replace(first, inside=first.inside * np.float32(0.9))
    for films, times in ((first, 1), (first, 1), (second, 2), (cut, 3), (first, 3)):
        told = KeptOnDisk(tmp_path, LungNet(), teacher).told(films)
        assert told is not None
        assert torch.equal(told.totals, tell(teacher, films).totals)
        assert len(asked) == times
    other = _teacher(monkeypatch, networks, extents + 1)
    KeptOnDisk(tmp_path, LungNet(), other).told(first)
    assert len(asked) == 4
    assert KeptOnDisk(tmp_path, LungNet()).told(first) is None
