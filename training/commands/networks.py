"""``train``, ``crossvalidate``, ``start``, ``soup``: from films to checkpoints."""

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
    use_threads,
)

__all__ = ["register"]

_FOLDS = 4


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (_train, _crossvalidate, _start, _soup):
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
    chosen = config_of(config)
    run = TrainingRun(runs / chosen.name, chosen)
    train(run, data, stop_after=stop_after)
    draw_curve(run.log, run.folder / "curve.png")


def _crossvalidate(
    config: Config,
    data: Data = DATA,
    runs: Runs = RUNS,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts of the patients.")] = _FOLDS,
    threads: Threads = THREADS,
) -> None:
    """Train one network for each part of the scored patients, without it, side by side."""
    from training.joint import train_joint
    from training.train import TrainingRun

    use_threads(threads)
    chosen = replace(config_of(config), folds=folds)
    train_joint(TrainingRun(runs / chosen.name, chosen), data)


def _start(config: Config, out: OutFile, runs: Runs = RUNS) -> None:
    """Write a run's networks alone, small, for later runs to start from or learn from."""
    from training.checkpoints import write_start

    write_start(runs, config_of(config), out)


def _soup(config: Config, data: Data = DATA, runs: Runs = RUNS, threads: Threads = THREADS) -> None:
    """Print how far the mean of a cross-validation's networks is from what they say on average."""
    from training.soup import compare

    use_threads(threads)
    for line in compare(runs, config_of(config), data):
        typer.echo(line)
