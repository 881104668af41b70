"""``pneumoscore patient fit-error-model``, ``simulate``: how good the rules are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads, settings_with
from pneumoscore.cli.patient_options import ErrorModelFile, RulesFile
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say, say_error
from pneumoscore.cli.study_options import Images, MappingFile

if TYPE_CHECKING:
    from pneumoscore.monitor.error_films import MeasuredFilm

__all__ = ["register"]


def simulate(
    model: ModelName = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    series: Annotated[
        int, typer.Option("--series", min=10, help="Patients for each level of the score.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of the random numbers.")] = 0,
) -> None:
    """Apply the rules to patients whose truth is known; print false calls and delays.

    Errors come by Student's t with 3 degrees of freedom, correlated from day to day, with the
    standard deviation of the error model, which is printed beside the figures.
    """
    from pneumoscore.monitor.change.error_model import find_error_model
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.monitor.simulation import simulate as run
    from pneumoscore.monitor.simulation import simulation_table
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import RESEARCH_NOTICE

    chosen = read_rules(rules)
    identity = SeverityModel.open(settings_with(model=model).model).identity
    errors = find_error_model(identity, error_model)
    table = simulation_table(run(errors, chosen, series=series, seed=seed), chosen, errors)
    typer.echo(table.markdown())
    typer.echo(f"{RESEARCH_NOTICE}.")


def fit_error_model(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="DICOM films and folders, or - for a list."),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            "--cohort",
            metavar="TABLE",
            help="In place of PATH: a table with file, patient, offset (days) and view.",
        ),
    ] = None,
    images: Images = None,
    mapping: MappingFile = None,
    model: ModelName = None,
    perturbed: Annotated[
        int, typer.Option("--films", min=20, help="Films to perturb, of many patients.")
    ] = 100,
    retakes: Annotated[
        int, typer.Option("--retakes", min=2, help="Perturbed copies of each film.")
    ] = 6,
    apart: Annotated[
        float,
        typer.Option("--apart", min=0.0, metavar="DAYS", help="Most days between two of a pair."),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="JSON", help="File to write. Default: where it is looked for."
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Measure a model's test-retest error on films of yours that it was not fitted on.

    Perturbed copies of films give its course over the scale, films of one patient close in
    time its size: at least ten patients must have such films, and the more have, the narrower
    its interval.
    """
    from pneumoscore.monitor.change.error_model import write_error_model
    from pneumoscore.monitor.error_fitting import fit_error_model as run
    from pneumoscore.monitor.error_table import detectable_table
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import RESEARCH_NOTICE

    if bool(paths) == (cohort is not None):
        raise typer.BadParameter("give films, or --cohort with a table; one of the two")
    films = _of_files(paths) if paths else _of_table(str(cohort), images, mapping)
    settings = settings_with(model=model, threads=threads)
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    with LateProgress("films") as bar:
        errors = run(
            opened,
            films,
            perturbed=perturbed,
            retakes=retakes,
            apart_days=apart,
            of_what="films of this site",
            progress=lambda done: bar.update(done, None),
        )
    path = write_error_model(errors, out)
    typer.echo(detectable_table(errors).markdown())
    typer.echo(f"{RESEARCH_NOTICE}.")
    say(f"error model: {path}")


def _of_files(paths: list[str]) -> list[MeasuredFilm]:
    """Return the films that can be measured; say of the others why not."""
    from pneumoscore.monitor.site_films import site_films

    return site_films(paths, lambda path, problem: say_error(f"{path}: {problem}"))


def _of_table(table: str, images: Path | None, mapping: Path | None) -> list[MeasuredFilm]:
    from pneumoscore.monitor.error_films import MeasuredFilm
    from pneumoscore.study.cohorts import open_cohort

    return [
        MeasuredFilm(film.path, film.patient, film.offset_days, film.view)
        for film in open_cohort(table, None, images, mapping)
        if film.offset_days is not None
    ]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(simulate)
    app.command("fit-error-model")(fit_error_model)
