"""``train``, ``crossvalidate``, ``predict``, ``start``: from films to checkpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from training.commands.options import (
    DATA,
    RUNS,
    THREADS,
    Config,
    Data,
    OutFile,
    Runs,
    Threads,
    config_of,
    shipment_of,
    use_threads,
)

__all__ = ["register"]

_FOLDS = 4


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (_train, _crossvalidate, _predict, _start, _soup):
        app.command(command.__name__.strip("_"))(command)


def _train(
    config: Config,
    data: Data = DATA,
    runs: Runs = RUNS,
    stop_after: Annotated[
        int | None, typer.Option("--stop-after", metavar="STEP", help="Stop at this step.")
    ] = None,
    threads: Threads = THREADS,
) -> None:
    """Train, or go on from the last checkpoint."""
    from training.curve import draw_curve
    from training.train import TrainingRun, train

    use_threads(threads)
    for member in shipment_of(config).members:
        run = TrainingRun(runs / member.name, member)
        train(run, data, stop_after=stop_after)
        draw_curve(run.log, run.folder / "curve.png")


def _crossvalidate(
    config: Config,
    data: Data = DATA,
    runs: Runs = RUNS,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, help="Parts of the patients; by default 4."),
    ] = None,
    only: Annotated[
        list[int] | None, typer.Option("--only", min=0, help="Only this part; repeat.")
    ] = None,
    threads: Threads = THREADS,
) -> None:
    """Train once for each part of the scored patients, and score that part."""
    from training.crossvalidate import predict_fold
    from training.joint import train_joint
    from training.train import TrainingRun, train

    use_threads(threads)
    folds = folds or _FOLDS
    for member in shipment_of(config).members:
        if member.joint:
            train_joint(TrainingRun(runs / member.name, replace(member, folds=folds)), data)
            continue
        for fold in only or range(folds):
            name = f"{member.name}-fold{fold}"
            # As often over each film as the network trained on all of them.
            steps = round(member.steps * (folds - 1) / folds)
            part = replace(member, name=name, steps=steps, fold=fold, folds=folds)
            run = TrainingRun(runs / name, part)
            train(run, data)
            predict_fold(run, data)


def _predict(
    config: Config,
    data: Data = DATA,
    runs: Runs = RUNS,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Films of this source.")
    ] = "cohen94",
    threads: Threads = THREADS,
) -> None:
    """Score films with a trained network."""
    from training.assess import predict_scored, write_predictions
    from training.checkpoints import averaged_network
    from training.scored import scored_films
    from training.train import TrainingRun

    use_threads(threads)
    chosen = config_of(config)
    run = TrainingRun(runs / chosen.name, chosen)
    films = [film for film in scored_films(data) if film.source == source]
    network = averaged_network(run.checkpoint)
    sides = predict_scored(network, data, films, chosen)
    write_predictions(run.folder / f"{source}.csv", films, sides)


def _start(config: Config, out: OutFile, runs: Runs = RUNS) -> None:
    """Write a run's networks alone, small, for later runs to start from or learn from."""
    from training.checkpoints import write_start

    write_start(runs / config_of(config).name / "checkpoint.pt", out)


def _soup(config: Config, data: Data = DATA, runs: Runs = RUNS, threads: Threads = THREADS) -> None:
    """Print how far the mean of a cross-validation's networks is from what they say on average."""
    from training.soup import compare

    use_threads(threads)
    chosen = config_of(config)
    for line in compare(runs / chosen.name / "checkpoint.pt", chosen, data):
        typer.echo(line)
