"""``pneumoscore study``: reproduce the paper, evaluate a model, measure readers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import Level, ModelName, Threads, new_app
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say
from pneumoscore.cli.study_options import (
    Against,
    Align,
    AllowFaults,
    Cache,
    CohortName,
    Data,
    Images,
    MappingFile,
    NamedData,
    Out,
    PredictionsFile,
    Repeats,
)
from pneumoscore.errors import PneumoScoreError
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pneumoscore.study.assess import Assessment
    from pneumoscore.study.output import Table

__all__ = ["app"]

app = new_app(
    "Reproduce the paper, evaluate a model on labelled films, measure readers.\n\n"
    "RESEARCH USE ONLY, NOT FOR MEDICAL USE."
)


@app.callback()
def _study() -> None:
    try:
        import matplotlib
        import scipy
        import sklearn
    except ImportError as error:
        raise PneumoScoreError(
            f"{error.name} is not installed",
            "the packages of the study extra",
            "run: pip install 'pneumoscore[study]'",
        ) from error
    del matplotlib, scipy, sklearn


def _print(tables: Sequence[Table]) -> None:
    for table in tables:
        typer.echo(table.markdown())
    typer.echo(f"{RESEARCH_NOTICE}.")


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
    opened = Backbone.open(backbone, threads=threads)
    with LateProgress("films") as bar:
        tables = run(cohort, opened, out, cache, lambda done: bar.update(done, len(cohort)))
    _print(tables)
    say(f"tables, figures and numbers: {out}")


def _assess(
    model: str | None,
    cohort: str | None,
    predictions: Path | None,
    against: Path | None,
    where: tuple[Path | None, Path | None, Path | None],
    choices: tuple[bool, bool, int, float, int | None],
) -> Assessment:
    """Evaluate a model on a cohort, or predictions from a table."""
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.study.assess import add_comparison, assess_model, assess_predictions
    from pneumoscore.study.cohorts import checked, open_cohort

    allow_faults, align, repeats, level, threads = choices
    if (cohort is None) == (predictions is None):
        raise typer.BadParameter("give either --cohort or --predictions")
    if predictions is not None:
        found = assess_predictions(predictions, repeats)
    else:
        films, remarks = checked(open_cohort(str(cohort), *where), allow_faults)
        opened = SeverityModel.open(model, threads=threads)
        with LateProgress("films") as bar:
            found = assess_model(
                opened,
                films,
                repeats=repeats,
                level=level,
                align=align,
                remarks=remarks,
                progress=lambda done: bar.update(done, len(films)),
            )
    return found if against is None else add_comparison(found, against, repeats)


@app.command(
    epilog="Example: pneumoscore study evaluate --cohort films.csv --mapping columns.json -o out"
)
def evaluate(
    cohort: CohortName = None,
    model: ModelName = None,
    predictions: PredictionsFile = None,
    against: Against = None,
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    out: Out = Path("evaluation"),
    allow_faults: AllowFaults = False,
    align_opacity: Align = False,
    repeats: Repeats = 1000,
    level: Level = 0.9,
    threads: Threads = None,
) -> None:
    """Evaluate a model, or predictions from a table, against labels and outcomes."""
    from pneumoscore.study.assess import write_assessment

    found = _assess(
        model,
        cohort,
        predictions,
        against,
        (data, images, mapping),
        (allow_faults, align_opacity, repeats, level, threads),
    )
    write_assessment(found, out)
    _print([table for _, table in found.tables()])
    for remark in found.remarks:
        say(remark)
    say(f"tables and numbers: {out}")


@app.command(
    epilog="Example: pneumoscore study report --cohort cohen94 --data DATA -o report.html --pdf"
)
def report(
    cohort: CohortName = None,
    model: ModelName = None,
    predictions: PredictionsFile = None,
    against: Against = None,
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="HTML", help="Page to write.")] = Path(
        "report.html"
    ),
    facts: Annotated[
        Path | None,
        typer.Option("--facts", metavar="FILE", help="JSON with your answers to checklist items."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write a PDF beside it.")] = False,
    allow_faults: AllowFaults = False,
    align_opacity: Align = False,
    repeats: Repeats = 1000,
    level: Level = 0.9,
    threads: Threads = None,
) -> None:
    """Write an evaluation as one page with the TRIPOD+AI and CLAIM items."""
    from pneumoscore.files import write_atomically
    from pneumoscore.study.pdf import write_pdf
    from pneumoscore.study.report import html_report, read_facts

    answers = {} if facts is None else read_facts(facts)
    found = _assess(
        model,
        cohort,
        predictions,
        against,
        (data, images, mapping),
        (allow_faults, align_opacity, repeats, level, threads),
    )
    content = found.report(answers)
    write_atomically(out, html_report(content).encode("utf-8"))
    typer.echo(f"report: {out}")
    if pdf:
        way = write_pdf(content, out, out.with_suffix(".pdf"))
        typer.echo(f"PDF ({way}): {out.with_suffix('.pdf')}")


@app.command(epilog="Example: pneumoscore study agreement --ratings ratings.csv -o agreement")
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
    _print(write_agreement(found, out))
    say(f"tables and numbers: {out}")


@app.command(epilog="Example: pneumoscore study peers --data DATA")
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
    _print([table])


@app.command(epilog="Example: pneumoscore study figures --data DATA --only 2 --only 6")
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
    _print([table])
    say(f"table and numbers: {out}")


@app.command(epilog="Example: pneumoscore study check --cohort films.csv")
def check(
    cohort: Annotated[str, typer.Option("--cohort", metavar="NAME|TABLE", help="What to check.")],
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    fitted: Annotated[
        Path | None,
        typer.Option(
            "--fitted",
            metavar="TABLE",
            help="What a model was fitted on: no patient may be in both.",
        ),
    ] = None,
) -> None:
    """Look for faults in a cohort and name each one; exit status 1 if there are any."""
    from pneumoscore.cohort.checks import check_cohort, check_split, count_faults
    from pneumoscore.study.cohorts import open_cohort

    films = open_cohort(cohort, data, images, mapping)
    faults = check_cohort(films)
    if fitted is not None:
        faults += check_split(open_cohort(str(fitted), None, images, mapping), films)
    for fault in faults:
        typer.echo(f"{fault.kind}: {', '.join(fault.films)}: {fault.detail}")
    for kind, count in count_faults(faults).items():
        typer.echo(f"{count} x {kind}")
    typer.echo(f"{len(films)} films, {len(set(films.patients))} patients, {len(faults)} faults")
    if faults:
        raise typer.Exit(ExitStatus.SOME_FAILED)
