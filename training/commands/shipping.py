"""``export``, ``out-of-fold``, ``bundle``, ``fitted``: from checkpoints to what is shipped."""

from __future__ import annotations

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


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command("export")(_export)
    app.command("out-of-fold")(_out_of_fold)
    app.command("bundle")(_bundle)
    app.command("fitted")(_fitted)


def _export(
    config: Config, out: OutFile, data: Data = DATA, runs: Runs = RUNS, threads: Threads = THREADS
) -> None:
    """Write the ONNX file and its record."""
    from training.ship import ship_backbone

    use_threads(threads)
    ship_backbone(runs, config_of(config), data, out)


def _out_of_fold(config: Config, out: OutFile, runs: Runs = RUNS) -> None:
    """Write out-of-fold predictions as one table, and print their figures."""
    from training.card import figures_table
    from training.out_of_fold import read_out_of_fold, write_held_out

    out_of_fold = read_out_of_fold(runs, config_of(config).name)
    write_held_out(out_of_fold, out)
    typer.echo("\n".join(figures_table(out_of_fold)))


def _bundle(
    config: Config, out: OutFile, data: Data = DATA, runs: Runs = RUNS, threads: Threads = THREADS
) -> None:
    """Write the severity model: heads, intervals, quality gate, card."""
    from training.ship import ship_model

    use_threads(threads)
    ship_model(runs, config_of(config), data, out)


def _fitted(out: OutFile, data: Data = DATA, threads: Threads = THREADS) -> None:
    """Write into a bundle what its model says of the films that taught its heads."""
    from training.fitted import write_fitted

    use_threads(threads)
    write_fitted(out, data)
