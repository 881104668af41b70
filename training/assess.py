"""What a trained network says of scored films: predictions as a table, figures at a glance."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pneumoscore.files import write_atomically
from training.augment import standardised_films
from training.config import TrainingConfig
from training.films import FilmArrays, folder_films, unit_spec
from training.losses import side_sums
from training.network import SeverityNetwork, SeverityOutput
from training.scored import ScoredFilm

__all__ = ["outputs", "predict_sides", "write_predictions", "write_scores"]

COLUMNS = ("file", "patient", "view", "source", "scale", "target", "prediction")


def outputs(
    network: SeverityNetwork, films: FilmArrays, batch: int = 32
) -> Iterator[SeverityOutput]:
    """Yield the network's output for films, batch by batch, without gradients."""
    with torch.inference_mode():
        for start in range(0, len(films), batch):
            part = films.take(range(start, min(start + batch, len(films))))
            output: SeverityOutput = network(standardised_films(part))
            yield output


def _side_scores(network: SeverityNetwork, films: FilmArrays) -> NDArray[np.float32]:
    return np.concatenate(
        [
            side_sums(output.contributions, output.lungs.sigmoid()).numpy()
            for output in outputs(network, films)
        ]
    )


def predict_sides(
    network: SeverityNetwork, films: FilmArrays, *, mirrored: bool = True
) -> NDArray[np.float32]:
    """Return the scores of each lung.

    Parameters
    ----------
    network : SeverityNetwork
        In evaluation mode.
    films : FilmArrays
        n films.
    mirrored : bool, optional
        Average the scores with those of the mirrored film.

    Returns
    -------
    ndarray of float32, shape (n, 2, 2)
        Image side by scale: geographic extent, opacity (RALO).
    """
    direct = _side_scores(network, films)
    if not mirrored:
        return direct
    top, left, bottom, right = films.inside.T
    turned = FilmArrays(
        np.ascontiguousarray(films.pixels[..., ::-1]),
        np.stack([top, 1 - right, bottom, 1 - left], axis=1),
        films.names,
    )
    mirror = _side_scores(network, turned)
    return np.asarray((direct + mirror[:, ::-1]) / 2, dtype=np.float32)


def write_scores(
    path: Path, films: Sequence[ScoredFilm], scores: NDArray[np.floating[Any]]
) -> None:
    """Write predictions of scored films: one line for each film and scale.

    Parameters
    ----------
    path : Path
        CSV with the columns of `COLUMNS`; predictions are not clipped.
    films : sequence of ScoredFilm
        n films.
    scores : ndarray, shape (n, 2)
        Geographic extent and opacity (RALO).
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for film, row in zip(films, scores, strict=True):
        targets = (("geographic_extent", film.extent), ("opacity_ralo", film.opacity_ralo))
        for (scale, target), value in zip(targets, row, strict=True):
            identity = [film.name, film.patient, film.view, film.source]
            writer.writerow([*identity, scale, f"{target:.4f}", f"{value:.4f}"])
    write_atomically(path, stream.getvalue().encode())


def write_predictions(path: Path, films: Sequence[ScoredFilm], sides: NDArray[np.float32]) -> None:
    """Write predictions of scored films, given for each lung as `predict_sides` gives them."""
    write_scores(path, films, sides.sum(axis=1))


def predict_scored(
    network: SeverityNetwork, data: Path, films: Sequence[ScoredFilm], config: TrainingConfig
) -> NDArray[np.float32]:
    """Read scored films and return what `predict_sides` says of them, as in use."""
    arrays = folder_films(data, [film.name for film in films], unit_spec(config.input))
    return predict_sides(network, arrays, mirrored=config.mirrored)
