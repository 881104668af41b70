"""An evaluation: predictions of a model or a table, evaluated scale by scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import PneumoScoreError
from pneumoscore.present.table import Table, write_json, write_table
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import SCALES
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity
from pneumoscore.study.evaluation import Evaluation, compare, evaluate
from pneumoscore.study.evaluation_tables import comparison_table, figures_table, subgroup_table
from pneumoscore.study.outcomes import OutcomeRow, outcome_rows, outcome_table
from pneumoscore.study.predictions import (
    PredictionTable,
    align_opacity,
    predict_cohort,
    predictions_of,
    read_predictions,
    write_predictions,
)
from pneumoscore.study.report import ReportContent

__all__ = [
    "CohortEvaluation",
    "add_comparison",
    "evaluate_model",
    "evaluate_predictions",
    "write_evaluation",
]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CohortEvaluation:
    """What an evaluation found.

    Attributes
    ----------
    title : str
        Model and cohort.
    evaluations : tuple of Evaluation
        One for each scale with labels; may be empty where only outcomes are known.
    outcomes : tuple of OutcomeRow
        Scores beside outcomes.
    comparisons : tuple of Table
        Against other models or readers.
    remarks : tuple of str
        What a reader must know.
    identity : ModelIdentity or None
        Of the model, None for predictions from a table.
    card : str
        Model card, Markdown.
    data_source : str
        Name and terms of the cohort.
    """

    title: str
    evaluations: tuple[Evaluation, ...]
    outcomes: tuple[OutcomeRow, ...] = ()
    comparisons: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
    identity: ModelIdentity | None = None
    card: str = ""
    data_source: str = ""

    def tables(self) -> list[tuple[str, Table]]:
        """Return every table with a name for its file."""
        found = []
        if self.evaluations:
            found.append(("figures", figures_table(self.evaluations)))
        for item in self.evaluations:
            found.append((f"subgroups_{item.table.scale.name}", subgroup_table(item)))
        if self.outcomes:
            found.append(("outcomes", outcome_table(self.outcomes)))
        for index, table in enumerate(self.comparisons, start=1):
            found.append((f"comparison_{index}", table))
        return found

    def report(self, facts: dict[str, str]) -> ReportContent:
        """Return the content of its report.

        Raises
        ------
        PneumoScoreError
            If there is nothing evaluated.
        """
        if not self.evaluations:
            raise PneumoScoreError(
                "no film has a label on a scale of the model", "labels to evaluate against"
            )
        known = {"data_source": self.data_source} if self.data_source else {}
        extra = [table for name, table in self.tables() if name.startswith(("outc", "comp"))]
        return ReportContent(
            self.title, self.evaluations, self.card, tuple(extra), known | facts, self.remarks
        )


def _evaluations(
    tables: Sequence[PredictionTable], repeats: int
) -> tuple[tuple[Evaluation, ...], tuple[str, ...]]:
    """Evaluate scales with at least two patients; remark on the others."""
    done, remarks = [], []
    for table in tables:
        if len(set(table.patients)) >= 2:
            done.append(evaluate(table, repeats))
        elif len(table):
            remarks.append(f"{table.scale.name}: labels of one patient only, not evaluated")
    return tuple(done), tuple(remarks)


def evaluate_model(
    model: SeverityModel,
    cohort: Cohort,
    *,
    repeats: int = 1000,
    level: float = 0.9,
    align: bool = False,
    remarks: Sequence[str] = (),
    progress: Progress | None = None,
) -> CohortEvaluation:
    """Score a cohort and evaluate the scores against its labels and outcomes.

    Parameters
    ----------
    model : SeverityModel
        Which model. Films that its gate refuses are scored and counted all the same.
    cohort : Cohort
        Films with labels, outcomes or both.
    repeats : int, optional
        Draws of the bootstrap over patients.
    level : float, optional
        Nominal coverage of the intervals.
    align : bool, optional
        Whether to put RALO opacity labels on the scale 0-6, times 6/8.
    remarks : sequence of str, optional
        Kept with the result.
    progress : callable, optional
        Called with the number of films done.
    """
    notes = list(remarks)
    if align:
        cohort = align_opacity(cohort)
        notes.append("Opacity labels of the RALO scale 0-8 are put on 0-6 by the factor 6/8.")
    if seen := model.seen.among(film.path for film in cohort):
        notes.insert(
            0,
            f"WARNING: {len(seen)} of {len(cohort)} films taught this model, its backbone or its "
            "gate: the figures flatter it. Leave them out to learn what it is worth.",
        )
    heads = tuple(head.scale.name for head in model.heads)
    labelled = [scale.name for scale in SCALES if len(cohort.labelled(scale.name))]
    notes += [
        f"{len(cohort.labelled(name))} labels on {name} are not evaluated: the model has no head "
        f"on that scale."
        for name in labelled
        if name not in heads
    ]
    if not labelled:
        notes.append("No film has a label on any scale: only outcomes are evaluated.")
    wanted = tuple(dict.fromkeys((*model.shown, *(name for name in heads if name in labelled))))
    scored = predict_cohort(model, cohort, level=level, scales=wanted, progress=progress)
    if scored.failures:
        notes.append(
            f"{len(scored.failures)} of {len(cohort)} films could not be read and are left out: "
            + "; ".join(scored.failures)
        )
    refused = sum(bool(model.gate.refused_by(score.flags)) for score in scored.scores)
    notes.append(
        f"{refused} of {len(scored.cohort)} films are refused by the quality gate and were scored "
        "for this evaluation."
    )
    tables = [
        predictions_of(model.identity.name, scored, name) for name in wanted if name in labelled
    ]
    evaluations, more = _evaluations(tables, repeats)
    outcomes: list[OutcomeRow] = []
    for name in model.shown:
        values = np.array([score[name].value for score in scored.scores])
        outcomes += outcome_rows(scored.cohort, values, name, repeats)
    return CohortEvaluation(
        f"{model.identity.name} {model.identity.version} on {cohort.name}",
        evaluations,
        tuple(outcomes),
        (),
        (*notes, *more),
        model.identity,
        model.card,
        f"{cohort.name}: {cohort.terms}" if cohort.terms else cohort.name,
    )


def evaluate_predictions(path: Path, repeats: int = 1000) -> CohortEvaluation:
    """Evaluate predictions from a table (`pneumoscore.study.predictions.read_predictions`)."""
    tables = list(read_predictions(path).values())
    evaluations, remarks = _evaluations(tables, repeats)
    return CohortEvaluation(f"Predictions of {path.stem}", evaluations, remarks=remarks)


def add_comparison(
    evaluation: CohortEvaluation, other: Path, repeats: int = 1000
) -> CohortEvaluation:
    """Return the evaluation with a paired comparison to predictions from a table.

    Raises
    ------
    PneumoScoreError
        If the table shares fewer than two films with it on every scale.
    """
    theirs = read_predictions(other)
    found = {}
    for item in evaluation.evaluations:
        name = item.table.scale.name
        if name in theirs and len(set(item.table.films) & set(theirs[name].films)) >= 2:
            found[name] = compare(item.table, theirs[name], repeats)
    if not found:
        raise PneumoScoreError(
            f"{other.name} shares no film and scale with the evaluation",
            "predictions of the same films, named alike",
        )
    first = evaluation.evaluations[0].table.name
    table = comparison_table(first, other.stem, found)
    return replace(evaluation, comparisons=(*evaluation.comparisons, table))


def write_evaluation(evaluation: CohortEvaluation, out: Path) -> None:
    """Write tables, pictures' numbers and predictions below `out`."""
    for name, table in evaluation.tables():
        write_table(out / "tables", name, table)
    if evaluation.evaluations:
        tables = [item.table for item in evaluation.evaluations]
        write_predictions(out / "predictions.csv", tables)
    identity = evaluation.identity
    write_json(
        out / "numbers.json",
        {
            "notice": RESEARCH_NOTICE,
            "title": evaluation.title,
            "model": None if identity is None else asdict(identity),
            "evaluations": [item.as_dict() for item in evaluation.evaluations],
            "outcomes": [
                {
                    "outcome": row.outcome,
                    "scale": row.scale,
                    "films": row.films,
                    "patients": row.patients,
                    "patients_with_outcome": row.events,
                    "auroc_by_film": row.by_film,
                    "auroc_by_patient": row.by_patient,
                }
                for row in evaluation.outcomes
            ],
            "remarks": list(evaluation.remarks),
        },
    )
