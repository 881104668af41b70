"""The model card of a fitted severity model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumoscore.backbone.record import BackboneRecord
from pneumoscore.cohort.types import Cohort
from pneumoscore.present.table import Table
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from pneumoscore.study.head_fitting import FittedHead

__all__ = ["fitted_card"]

_FEATURE_SETS = {
    "lung_opacity": "the finding Lung Opacity",
    "four_findings": "the findings Lung Opacity, Pneumonia, Infiltration and Consolidation",
    "findings": "all findings of the backbone",
    "features": "the pooled features of the backbone",
    "none": "nothing: the mean label, for comparison only",
}


def _known(taught: int | None, films: int) -> str:
    if taught is None:
        return (
            "The backbone may have seen some of these films in its own training; then the "
            "figures flatter."
        )
    if taught:
        return f"{taught} of the {films} films had taught the backbone: the figures flatter."
    return "None of these films is known to have taught the backbone."


def fitted_card(
    name: str,
    version: str,
    record: BackboneRecord,
    cohort: Cohort,
    feature_set: str,
    heads: Sequence[FittedHead],
    gatekeeper: str | None = None,
    taught: int | None = None,
) -> str:
    """Return the card, Markdown: use, data, figures, limits.

    Parameters
    ----------
    name, version : str
        Of the model.
    record : BackboneRecord
        Of its backbone.
    cohort : Cohort
        What the heads were fitted on.
    feature_set : str
        What the heads see.
    heads : sequence of FittedHead
        With their cross-validated figures.
    gatekeeper : str, optional
        The built-in model whose gate sees each film first.
    taught : int, optional
        How many of the films had taught the backbone; None where nobody knows.
    """
    views = sorted({film.view or "unknown" for film in cohort})
    lines = [
        f"# {name} {version}",
        "",
        f"{RESEARCH_NOTICE}.",
        "",
        "## Use",
        "",
        "Severity of pneumonia on frontal chest radiographs like those below. Out of scope: "
        "lateral films, films unlike those the heads were fitted on, any clinical decision.",
        "",
        "## Model",
        "",
        f"- Backbone: {record.name} {record.version} (SHA-256 {record.sha256}). "
        f"It saw: {record.training_data}. Licence of its weights: {record.licence}.",
        f"- Heads: ridge regression on {_FEATURE_SETS[feature_set]}.",
        *(
            ()
            if gatekeeper is None
            else (f"- Quality gate: that of the built-in model {gatekeeper}, on its own backbone.",)
        ),
        "",
        "## Data of the heads",
        "",
        f"- Cohort {cohort.name}: {len(cohort)} films of {len(set(cohort.patients))} patients; "
        f"views {', '.join(views)}.",
        f"- Source and terms: {cohort.terms or 'not stated'}.",
        "",
        "## Figures",
        "",
        "Cross-validated: each film is predicted by heads that saw no film of its patient, "
        "their regularisation chosen inside the fold. Predictions clipped to the scale.",
        "",
        _figures(heads).markdown(),
        f"{_known(taught, len(cohort))} Validate the model on films of your own patients before "
        "any study.",
        "",
        "## Scales",
        "",
        *(f"- {item.head.scale.title}: {item.head.scale.definition}." for item in heads),
        "",
    ]
    return "\n".join(lines)


def _figures(heads: Sequence[FittedHead]) -> Table:
    rows = []
    for item in heads:
        scale, figures = item.head.scale, item.figures
        rows.append(
            (
                f"{scale.title} {scale.low:g}-{scale.high:g}",
                f"{item.films} ({item.patients})",
                f"{figures['mae']:.2f}",
                f"{figures['mean_mae']:.2f}",
                f"{figures['pearson']:.2f}",
                f"{100 * figures['coverage']:.0f} %",
                f"{figures['width']:.1f}",
            )
        )
    header = (
        "scale",
        "films (patients)",
        "mean absolute error",
        "of predicting the mean",
        "Pearson r",
        "coverage of the 90 % interval",
        "its mean width",
    )
    return Table("", header, tuple(rows))
