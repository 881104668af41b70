"""Predictions for scored films by a network that did not see their patients."""

from __future__ import annotations

from pathlib import Path

from training.assess import predict_scored, write_predictions
from training.checkpoints import averaged_network
from training.scored import folds_by_patient, scored_films
from training.train import TrainingRun

__all__ = ["predict_fold"]


def predict_fold(run: TrainingRun, data: Path) -> Path:
    """Write predictions for the films that a fold's training kept out.

    Parameters
    ----------
    run : TrainingRun
        Trained, with `fold` and `folds` in its configuration.
    data : Path
        Data folder.

    Returns
    -------
    Path
        Table of predictions in the run's folder.
    """
    config = run.config
    scored = [film for film in scored_films(data) if film.name.startswith("scored/")]
    parts = folds_by_patient(scored, config.folds)
    films = [film for film in scored if parts[film.patient] == config.fold]
    network = averaged_network(run.checkpoint)
    path = run.folder / "out_of_fold.csv"
    write_predictions(path, films, predict_scored(network, data, films, config))
    return path
