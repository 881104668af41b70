"""Drift is told from chance, films of one patient counted as such."""

import numpy as np

from pneumoscore.statistics.drift import FilmSample, measure_shifts


def sample(
    chance: np.random.Generator, patients: int, *, shift: float = 0.0, flagged: float = 0.03
) -> FilmSample:
    """Films of patients whose own level spreads twice as wide as their films."""
    films = chance.integers(1, 6, patients)
    people = np.repeat(np.arange(patients), films)
    level = np.repeat(chance.normal(3.0 + shift, 2.0, patients), films)
    scores = np.clip(level + chance.normal(0.0, 1.0, len(people)), 0.0, 8.0)
    rare = np.repeat(chance.random(patients) < 0.02, films)
    return FilmSample(
        people,
        {"geographic_extent": scores, "opacity": scores * 0.7},
        {"outside_training": chance.random(len(people)) < flagged, "child": rare},
    )


def test_noise_is_not_called_drift() -> None:
    chance = np.random.default_rng(0)
    reference = sample(chance, 100)
    called = 0
    for seed in range(100):
        shifts = measure_shifts(reference, sample(chance, 60), repeats=2000, seed=seed)
        assert [(shift.name, shift.figure) for shift in shifts] == [
            ("geographic_extent", "mean"),
            ("geographic_extent", "spread"),
            ("opacity", "mean"),
            ("opacity", "spread"),
            ("outside_training", "share"),
            ("child", "share"),
        ]
        called += any(shift.drifted for shift in shifts)
    assert called <= 12  # 5 are wanted; this leaves out 12 with a probability of 1 %


def test_a_shift_is_called_drift_with_its_direction() -> None:
    chance = np.random.default_rng(1)
    reference = sample(chance, 150)
    shifts = {
        (shift.name, shift.figure): shift
        for shift in measure_shifts(reference, sample(chance, 150, shift=1.5, flagged=0.25))
    }
    mean = shifts["geographic_extent", "mean"]
    assert mean.drifted
    assert 0.0 < mean.low < mean.recent - mean.reference < mean.high
    assert shifts["outside_training", "share"].drifted
    assert not shifts["child", "share"].drifted


def test_fewer_patients_than_the_bootstrap_needs_tell_nothing() -> None:
    chance = np.random.default_rng(3)
    reference = sample(chance, 100)
    for patients, told in ((59, False), (60, True)):
        for other in (
            measure_shifts(reference, sample(chance, patients, shift=3.0)),
            measure_shifts(sample(chance, patients, shift=3.0), reference),
        ):
            assert bool(other[0].drifted) is told
            assert (other[0].drifted is None) is not told
            assert np.isfinite(other[0].low)


def test_few_films_tell_nothing() -> None:
    chance = np.random.default_rng(2)
    reference = sample(chance, 100)
    few = sample(chance, 8, shift=4.0)
    assert all(shift.drifted is None for shift in measure_shifts(reference, few))
    lonely = FilmSample(few.patients, {"opacity": np.full(len(few.patients), np.nan)}, {})
    (mean, spread) = measure_shifts(reference, lonely)
    assert np.isnan(mean.recent)
    assert np.isnan(spread.recent)
    assert mean.drifted is None
