"""``pneumoscore study agreement``, ``peers``: readers, and other models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads, settings_with
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import Data, Out, Repeats
from pneumoscore.cli.study_tables import print_tables

__all__ = ["register"]

Brixia = Annotated[
    Path | None,
    typer.Option(
        "--brixia",
        metavar="FILE",
        help="public-annotations.csv of BrixIA/Brixia-score-COVID-19. Default: brixia.csv in "
        "--data.",
    ),
]


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
            "--data",
            metavar="FOLDER",
            help="In place of ratings: the two Brixia readers of this collection's films.",
        ),
    ] = None,
    brixia: Brixia = None,
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
        found = brixia_agreement(
            data, brixia or data / "brixia.csv", predictions, tolerance, repeats
        )
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
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            metavar="FOLDER",
            help="Folder data of a clone of mlmed/covid-severity. Default: peers94.csv in --data.",
        ),
    ] = None,
    brixia: Brixia = None,
    out: Out = Path("peers"),
    repeats: Repeats = 1000,
    threads: Threads = None,
) -> None:
    """Put our model beside published predictions and two radiologists, on the same 94 films."""
    from pneumoscore.cohort.public import load_cohen94
    from pneumoscore.present.table import write_table
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.study.peers import peer_rows, peer_table, peer_tables
    from pneumoscore.study.predictions import predict_cohort, predictions_of

    cohort = load_cohen94(data)
    others = peer_tables(published or data, brixia or data / "brixia.csv", cohort)
    ours = {}
    if not only_published:
        settings = settings_with(model=model, threads=threads)
        opened = SeverityModel.open(settings.model, threads=settings.threads)
        with LateProgress("films") as bar:
            scored = predict_cohort(
                opened,
                cohort,
                scales=list(others),
                progress=lambda done: bar.update(done, len(cohort)),
            )
        for failure in scored.failures:
            say(failure)
        name = f"PneumoScore {opened.identity.name}"
        ours = {scale: predictions_of(name, scored, scale) for scale in others}
    table = peer_table(peer_rows(ours, others, repeats))
    write_table(out, "peers", table)
    print_tables([table])


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog="Example: pneumoscore study agreement --ratings ratings.csv -o agreement")(
        agreement
    )
    app.command(epilog="Example: pneumoscore study peers --data DATA")(peers)
