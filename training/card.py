"""The model card of a built-in severity model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord
from pneumoscore.present.table import Table, format_estimate
from pneumoscore.severity.bundle import Bundle
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY_RALO
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.statistics.accuracy import mae, pearson
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.study.gate import FittedGate

if TYPE_CHECKING:
    from training.out_of_fold import OutOfFold

__all__ = ["card_text", "figures_table"]

Vector = NDArray[np.float64]

_LIMITS = (
    "- Films of children, lateral and oblique films, CT and photographs are out of scope.",
    "- The scores describe opacities, whatever their cause: effusion, oedema, atelectasis and "
    "tumour raise them too.",
    "- Most training films come from publications and teaching files of 2020, which show more "
    "striking disease than a ward does.",
    "- The findings are those of the generic network, which no severity score taught.",
    "- No film scored on the opacity scale 0-6 was used: its head is fitted to RALO labels "
    "(0-8) times 6/8.",
)


def _with_intervals(
    targets: Vector, predictions: Vector, patients: Sequence[str]
) -> dict[str, Estimate]:
    def statistics(draw: Draw) -> dict[str, float]:
        known, found = targets[draw.index], predictions[draw.index]
        return {"mae": mae(known, found), "r": pearson(known, found)}

    return PatientBootstrap(patients).estimate(statistics)


def figures_table(out_of_fold: OutOfFold) -> list[str]:
    """Return the cross-validated figures beside the mean predictor's, as Markdown lines."""
    rows = []
    for scale in (GEOGRAPHIC_EXTENT, OPACITY_RALO):
        found = out_of_fold.on(scale)
        targets, predictions = found.targets, found.predictions
        figures = _with_intervals(targets, predictions, found.patients)
        mean_error = float(np.abs(targets - targets.mean()).mean())
        rows.append(
            (
                f"{scale.name} {scale.low:g}-{scale.high:g}",
                f"{len(targets)} ({len(set(found.patients))})",
                format_estimate(figures["mae"]),
                f"{mean_error:.2f}",
                format_estimate(figures["r"]),
            )
        )
    header = ("scale", "films (patients)", "MAE", "of predicting the mean", "Pearson r")
    notes = (
        "95 % intervals by bootstrap over patients. Opacity is judged on the scale of its "
        "labels; the score on 0-6 is 6/8 of it."
    )
    return Table("", header, tuple(rows), notes).markdown().splitlines()


def card_text(
    bundle: Bundle, record: BackboneRecord, out_of_fold: OutOfFold, gate: FittedGate
) -> str:
    """Return the card, Markdown: use, data, figures, limits.

    Parameters
    ----------
    bundle : Bundle
        Heads and gate.
    record : BackboneRecord
        Of the backbone.
    out_of_fold : OutOfFold
        Predictions for patients that the predicting network did not see.
    gate : FittedGate
        With its figures on held-out patients.
    """
    sections: Sequence[tuple[str, Sequence[str]]] = (
        (
            "Use",
            [
                "Severity of pneumonia on frontal chest radiographs of adults: geographic extent "
                "(0-8) and opacity (0-6; 0-8 on the RALO scale), for research. Not for any "
                "clinical decision."
            ],
        ),
        (
            "Model",
            [
                f"- Backbone: {record.name} {record.version} (SHA-256 {record.sha256}), "
                f"{record.input.size} px, {record.feature_width} features on a "
                f"{record.map_size} x {record.map_size} map.",
                f"- It saw: {record.training_data}",
                f"- Licence of the weights: {record.licence}. The code is Apache-2.0.",
                "- Heads: linear on the pooled features; of the fine-tuned network trained with "
                "it, of the generic network, in the lungs alone, by ridge regression, both "
                "averaged.",
                "- Maps and sides: of the fine-tuned network alone, taught by painted opacities, "
                "expert masks and earlier networks' maps; they share the score among the places "
                "and say nothing of how much it is.",
            ],
        ),
        (
            "Figures, cross-validated by patient",
            [
                *figures_table(out_of_fold),
                "",
                "Each film is predicted by that one of the cross-validation's networks that saw "
                "no film of its patient number, and by a ridge regression without them; the "
                "shipped network has the mean of these networks' weights. The residuals make "
                "the 90 % intervals: what they cover is measured, not guaranteed. Figures on "
                "other films, with intervals, are in docs/figures.md of the repository.",
            ],
        ),
        (
            "Quality gate, on patients it did not see",
            Table(
                "",
                ("image", "passed as frontal"),
                tuple((name, f"{share:.1%}") for name, share in gate.accepted.items()),
            )
            .markdown()
            .splitlines(),
        ),
        ("Limits", _LIMITS),
    )
    lines = [f"# {bundle.name} {bundle.version}", "", f"{RESEARCH_NOTICE}.", ""]
    for title, body in sections:
        lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines)
