"""``pneumoscore study evaluate``, ``report``: a model against labels and outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import LevelOrSetting, ModelName, Threads, settings_with
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import (
    Against,
    Align,
    AllowFaults,
    CohortName,
    Images,
    MappingFile,
    NamedData,
    Out,
    PredictionsFile,
    Repeats,
)
from pneumoscore.cli.study_tables import print_tables

if TYPE_CHECKING:
    from pneumoscore.study.cohort_evaluation import CohortEvaluation

__all__ = ["register"]


@dataclass(frozen=True, slots=True)
class _Choices:
    """What both commands are told of how to evaluate."""

    model: str | None
    level: float | None
    threads: int | None
    repeats: int
    align: bool
    allow_faults: bool


def _evaluated(
    cohort: str | None,
    where: tuple[Path | None, Path | None, Path | None],
    predictions: Path | None,
    against: Path | None,
    choices: _Choices,
) -> CohortEvaluation:
    """Evaluate a model on a cohort, or predictions from a table."""
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.study.cohort_evaluation import (
        add_comparison,
        evaluate_model,
        evaluate_predictions,
    )
    from pneumoscore.study.cohorts import checked, open_cohort

    if (cohort is None) == (predictions is None):
        raise typer.BadParameter("give either --cohort or --predictions")
    repeats = choices.repeats
    if predictions is not None:
        found = evaluate_predictions(predictions, repeats)
    else:
        settings = settings_with(model=choices.model, level=choices.level, threads=choices.threads)
        films, remarks = checked(open_cohort(str(cohort), *where), choices.allow_faults)
        opened = SeverityModel.open(settings.model, threads=settings.threads)
        with LateProgress("films") as bar:
            found = evaluate_model(
                opened,
                films,
                repeats=repeats,
                level=settings.level,
                align=choices.align,
                remarks=remarks,
                progress=lambda done: bar.update(done, len(films)),
            )
    return found if against is None else add_comparison(found, against, repeats)


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
    level: LevelOrSetting = None,
    threads: Threads = None,
) -> None:
    """Evaluate a model, or predictions from a table, against labels and outcomes."""
    from pneumoscore.study.cohort_evaluation import write_evaluation

    found = _evaluated(
        cohort,
        (data, images, mapping),
        predictions,
        against,
        _Choices(model, level, threads, repeats, align_opacity, allow_faults),
    )
    write_evaluation(found, out)
    print_tables([table for _, table in found.tables()])
    for remark in found.remarks:
        say(remark)
    say(f"tables and numbers: {out}")


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
    level: LevelOrSetting = None,
    threads: Threads = None,
) -> None:
    """Write an evaluation as one page with the TRIPOD+AI and CLAIM items."""
    from pneumoscore.files import write
    from pneumoscore.study.pdf import write_pdf
    from pneumoscore.study.report import html_report, read_facts

    answers = {} if facts is None else read_facts(facts)
    found = _evaluated(
        cohort,
        (data, images, mapping),
        predictions,
        against,
        _Choices(model, level, threads, repeats, align_opacity, allow_faults),
    )
    content = found.report(answers)
    write(out, html_report(content).encode("utf-8"))
    typer.echo(f"report: {out}")
    if pdf:
        way = write_pdf(content, out, out.with_suffix(".pdf"))
        typer.echo(f"PDF ({way}): {out.with_suffix('.pdf')}")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog="Example: pneumoscore study evaluate --cohort films.csv "
        "--mapping columns.json -o out"
    )(evaluate)
    app.command(
        epilog="Example: pneumoscore study report --cohort cohen94 --data DATA -o report.html --pdf"
    )(report)
