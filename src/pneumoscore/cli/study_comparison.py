"""``pneumoscore study agreement``, ``peers``, ``figures``: readers, other models, goals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import Cache, Data, Out, Repeats
from pneumoscore.cli.study_tables import print_tables

__all__ = ["register"]


def agreement(
    ratings: Annotated[
        Path | None,
        typer.Option(
            "--ratings", metavar="FILE", help="Columns file, reader, scale, right, left, patient."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="In place of ratings: the Brixia readers there."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", metavar="FILE", help="A model as one more reader: a table of scores."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Difference up to which scores agree.")
    ] = 1.0,
    out: Out = Path("agreement"),
    repeats: Repeats = 1000,
) -> None:
    """Measure the agreement of readers, and of a model as one more reader."""
    from pneumoscore.study.readers import brixia_agreement, ratings_agreement, write_agreement

    if (ratings is None) == (data is None):
        raise typer.BadParameter("give either --ratings or --data")
    if data is not None:
        found = brixia_agreement(data, predictions, tolerance, repeats)
    else:
        found = ratings_agreement(Path(str(ratings)), predictions, tolerance, repeats)
    print_tables(write_agreement(found, out))
    say(f"tables and numbers: {out}")


def peers(
    data: Data,
    model: ModelName = None,
    only_published: Annotated[
        bool, typer.Option("--only-published", help="Leave our model out.")
    ] = False,
    out: Out = Path("peers"),
    repeats: Repeats = 1000,
    threads: Threads = None,
) -> None:
    """Put our model beside published predictions and a radiologist, on the same 94 films."""
    from pneumoscore.cohort.public import load_cohen94
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.study.output import write_table
    from pneumoscore.study.peers import peer_rows, peer_table, peer_tables
    from pneumoscore.study.predictions import predict_cohort, predictions_of

    cohort = load_cohen94(data)
    published = peer_tables(data, cohort)
    ours = {}
    if not only_published:
        opened = SeverityModel.open(model, threads=threads)
        with LateProgress("films") as bar:
            scores = predict_cohort(
                opened,
                cohort,
                scales=list(published),
                progress=lambda done: bar.update(done, len(cohort)),
            )
        name = f"PneumoScore {opened.identity.name}"
        ours = {scale: predictions_of(name, cohort, scores, scale) for scale in published}
    table = peer_table(peer_rows(ours, published, repeats))
    write_table(out, "peers", table)
    print_tables([table])


def figures(
    data: Data,
    model: ModelName = None,
    generic: Annotated[
        str, typer.Option("--generic", metavar="NAME|RECORD", help="Backbone of figure 1.")
    ] = "generic",
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", metavar="FILE", help="Out-of-fold predictions, for figure 3."
        ),
    ] = None,
    only: Annotated[
        list[int] | None, typer.Option("--only", min=1, max=7, help="Only this figure; repeat.")
    ] = None,
    out: Out = Path("figures"),
    repeats: Repeats = 1000,
    cache: Cache = None,
    threads: Threads = None,
) -> None:
    """Compute the figures of the model card, each beside its goal.

    1 the paper's protocol, 2 the 94 unseen, 3 cross-validation (--predictions), 4 place,
    5 steadiness, 6 coverage, 7 rejection.
    """
    from pneumoscore.study.figure_run import run_figures

    wanted = tuple(sorted(set(only or range(1, 8))))
    with LateProgress("films") as bar:
        table = run_figures(
            data,
            wanted,
            out,
            model=model,
            generic=generic,
            predictions=predictions,
            repeats=repeats,
            cache=cache,
            threads=threads,
            progress=lambda done: bar.update(done, None),
        )
    print_tables([table])
    say(f"table and numbers: {out}")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog="Example: pneumoscore study agreement --ratings ratings.csv -o agreement")(
        agreement
    )
    app.command(epilog="Example: pneumoscore study peers --data DATA")(peers)
    app.command(epilog="Example: pneumoscore study figures --data DATA --only 2 --only 6")(figures)
