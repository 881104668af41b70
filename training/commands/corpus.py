"""``same-films``, ``lung-finder``, ``findings``: what the training films show."""

from __future__ import annotations

import json
from collections import Counter
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


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command("same-films")(_same_films)
    app.command("lung-finder")(_lung_finder)
    app.command("findings")(_findings)


def _same_films(
    out: OutFile,
    data: Data = DATA,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="Film folder or archive; repeat."),
    ] = None,
) -> None:
    """List the films that show the film of a scored patient."""
    from training.same_films import FILM_FOLDERS, find_same_films, scored_index, write_same_films

    done: Counter[str] = Counter()

    def count(name: str) -> None:
        folder = name.split("/")[0]
        done[folder] += 1
        if done[folder] % 500 == 0:
            typer.echo(f"{folder}: {done[folder]}", err=True)

    sources = source or [*FILM_FOLDERS, "covid_adult"]
    write_same_films(find_same_films(data, sources, scored_index(data), count), out)


def _lung_finder(out: OutFile, data: Data = DATA, runs: Runs = RUNS, threads: Threads = 1) -> None:
    """Train the small lung network that frames films; needs ``lungs.pt`` in the runs' folder."""
    import onnx

    from pneumoscore.convert.halve import store_weights_as_float16
    from pneumoscore.files import write_atomically
    from training.export import lungs_to_onnx
    from training.lung_finder import FINDER_SIZE, FINDER_STEPS, finder_films, train_lung_finder

    use_threads(threads)
    net = train_lung_finder(finder_films(data, runs / "lungs.pt"), steps=FINDER_STEPS)
    model: onnx.ModelProto = store_weights_as_float16(lungs_to_onnx(net, FINDER_SIZE))
    write_atomically(out, model.SerializeToString())


def _findings(
    config: Config,
    data: Data = DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    threads: Threads = THREADS,
) -> None:
    """Print the AUC of each finding on films kept aside, within each source."""
    from pneumoscore.backbone.session import Backbone
    from pneumoscore.severity.score import RESEARCH_NOTICE
    from training import finding_auc

    backbone = Backbone.open(config_of(config).name, threads=threads)
    measured = finding_auc.measure_backbone(backbone, data)
    if as_json:
        numbers = finding_auc.as_json(backbone.record, measured)
        typer.echo(json.dumps(numbers, indent=1, allow_nan=False))
        return
    for source in measured:
        typer.echo(finding_auc.finding_table(backbone.record, source).markdown())
    typer.echo(f"{finding_auc.NOTE}\n\n{RESEARCH_NOTICE}.")
