"""``pneumoscore study``: reproduce the paper, evaluate a model, measure readers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli import study_check, study_comparison, study_evaluation
from pneumoscore.cli.options import Threads, new_app, settings_with
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import Cache, Data, Out
from pneumoscore.cli.study_tables import print_tables

__all__ = ["app"]

app = new_app(
    "Reproduce the paper, evaluate a model on labelled films, measure readers.\n\n"
    "RESEARCH USE ONLY, NOT FOR MEDICAL USE.",
    "study",
    "matplotlib",
    "scipy",
    "sklearn",
)


@app.command(epilog="Example: pneumoscore study reproduce --data DATA --out reproduction")
def reproduce(
    data: Data,
    out: Out = Path("reproduction"),
    backbone: Annotated[
        str, typer.Option("--backbone", metavar="NAME|RECORD", help="Frozen backbone.")
    ] = "generic",
    cache: Cache = None,
    threads: Threads = None,
) -> None:
    """Run the paper's protocol: both scores, every feature set, 50 splits by patient."""
    from pneumoscore.backbone.session import Backbone
    from pneumoscore.cohort.public import load_cohen94
    from pneumoscore.study.reproduce import reproduce as run

    cohort = load_cohen94(data)
    opened = Backbone.open(backbone, threads=settings_with(threads=threads).threads)
    with LateProgress("films") as bar:
        tables = run(cohort, opened, out, cache, lambda done: bar.update(done, len(cohort)))
    print_tables(tables)
    say(f"tables, plots and numbers: {out}")


study_evaluation.register(app)
study_comparison.register(app)
study_check.register(app)
