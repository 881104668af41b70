"""What the shipped model says of the films that taught its heads: the reference for drift."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.bundle import read_bundle, write_bundle
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.model import SeverityModel
from training.heads import cross_validated_films

__all__ = ["fitted_films", "write_fitted"]


def fitted_films(model: SeverityModel, data: Path) -> FittedFilms:
    """Score the films with readers' scores that the heads were fitted on.

    Parameters
    ----------
    model : SeverityModel
        Opened.
    data : Path
        Data folder.
    """
    films, _ = cross_validated_films(data, 1)
    numbers: dict[str, int] = {}
    scores: dict[str, list[float]] = defaultdict(list)
    flags: dict[str, list[int]] = defaultdict(list)
    for place, film in enumerate(films):
        numbers.setdefault(film.patient, len(numbers))
        score = model.score(read_radiograph(data / film.name), force=True)
        for part in score.scales:
            scores[part.scale.name].append(round(part.value, 2))
        for flag in score.flags:
            flags[flag].append(place)
    return FittedFilms(
        tuple(numbers[film.patient] for film in films),
        {name: tuple(values) for name, values in scores.items()},
        {name: tuple(places) for name, places in sorted(flags.items())},
    )


def write_fitted(folder: Path, data: Path) -> None:
    """Put what a model says of its films into its bundle; its identity stays."""
    model = SeverityModel.open(folder)
    write_bundle(replace(read_bundle(folder), fitted=fitted_films(model, data)), folder)
