"""An evaluation as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pneumoscore.present.table import Table, format_estimate, format_number
from pneumoscore.statistics.bootstrap import Estimate
from pneumoscore.study.evaluation import Evaluation

__all__ = [
    "comparison_table",
    "error_table",
    "figures_table",
    "people_table",
    "subgroup_table",
]

_NAMES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "r_squared": "R²",
    "pearson": "Pearson r",
    "spearman": "Spearman rho",
    "icc_a1": "ICC(A,1)",
    "bias": "bias (prediction minus label)",
    "limit_low": "limit of agreement, low",
    "limit_high": "limit of agreement, high",
    "proportional_bias": "proportional bias (slope)",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "coverage": "coverage of the intervals",
    "width": "mean width of the intervals",
}
_NOTE = "95 % intervals by bootstrap over patients."


def figures_table(evaluations: Sequence[Evaluation]) -> Table:
    """Return the overall figures, one column for each scale."""
    names = [
        name for name in _NAMES if any(name in evaluation.figures for evaluation in evaluations)
    ]
    rows = [
        (
            "films (patients)",
            *(f"{len(item.table)} ({len(set(item.table.patients))})" for item in evaluations),
        )
    ]
    rows += [
        (_NAMES[name], *(format_estimate(item.figures.get(name)) for item in evaluations))
        for name in names
    ]
    depth = max(len(evaluation.severe) for evaluation in evaluations)
    for position in range(depth):
        cells = []
        for evaluation in evaluations:
            pairs = list(evaluation.severe.items())
            cut, value = pairs[position] if position < len(pairs) else (float("nan"), None)
            shown = format_estimate(value)
            cells.append("-" if shown == "-" else f"{shown} (at {cut:g} or more)")
        rows.append((f"AUROC for severe, cut-point {position + 1}", *cells))
    header = ("figure", *(item.table.scale.title for item in evaluations))
    return Table(f"{evaluations[0].table.name}: all films", header, tuple(rows), _NOTE)


def subgroup_table(evaluation: Evaluation) -> Table:
    """Return the figures of the subgroups of one scale."""
    names = ["mae", "bias", "pearson"]
    names += [name for name in ("coverage", "width") if name in evaluation.figures]
    rows = [
        (
            item.group,
            item.value,
            str(item.films),
            str(item.patients),
            *(format_estimate(item.figures.get(name)) for name in names),
        )
        for item in evaluation.subgroups
    ]
    short = {"bias": "bias", "pearson": "r", "coverage": "coverage", "width": "width"}
    columns = (short.get(name, _NAMES[name]) for name in names)
    header = ("group", "value", "films", "patients", *columns)
    return Table(
        f"{evaluation.table.scale.title}: subgroups of five films or more",
        header,
        tuple(rows),
        f"Bias: prediction minus label. Coverage and width: of the intervals. {_NOTE}",
    )


def error_table(evaluation: Evaluation, count: int = 8) -> Table:
    """Return the films of the largest errors."""
    table = evaluation.table
    errors = table.predictions - table.targets
    order = np.argsort(-np.abs(errors), kind="stable")[:count]
    rows = tuple(
        (
            table.films[index],
            table.views[index] or "-",
            format_number(table.targets[index]),
            format_number(table.predictions[index]),
            format_number(errors[index]),
        )
        for index in order
    )
    header = ("film", "view", "label", "prediction", "error")
    return Table(f"{table.scale.title}: largest errors", header, rows)


def people_table(evaluation: Evaluation) -> Table:
    """Return who and what was evaluated."""
    table = evaluation.table
    films = len(table)
    known = table.ages[np.isfinite(table.ages)]
    rows = [("films", str(films)), ("patients", str(len(set(table.patients))))]
    if len(known):
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        rows.append(
            ("age in years", f"median {middle:.0f} ({low:.0f}-{high:.0f}), {len(known)} films")
        )
    for name, values in (
        ("sex", table.sexes),
        ("view", table.views),
        ("source", table.sources),
    ):
        counts = {
            value: sum((item or "not stated") == value for item in values)
            for value in sorted({item or "not stated" for item in values})
        }
        shown = ", ".join(f"{value} {count}" for value, count in counts.items())
        rows.append((name, shown))
    targets = table.targets
    rows.append(("label", f"mean {targets.mean():.2f}, SD {targets.std(ddof=1):.2f}"))
    return Table(f"Films and patients, {table.scale.title.lower()}", ("what", "value"), tuple(rows))


def comparison_table(
    first: str, second: str, comparisons: Mapping[str, Mapping[str, Estimate]]
) -> Table:
    """Return paired comparisons of two sets of predictions by scale."""
    rows = [
        (
            scale,
            format_number(item["films"].value, 0),
            *(
                format_estimate(item[name])
                for name in (
                    "mae_first",
                    "mae_second",
                    "mae_difference",
                    "pearson_first",
                    "pearson_second",
                    "pearson_difference",
                )
            ),
        )
        for scale, item in comparisons.items()
    ]
    header = (
        "scale",
        "films",
        f"MAE {first}",
        f"MAE {second}",
        "difference",
        f"r {first}",
        f"r {second}",
        "difference of r",
    )
    return Table(f"{first} against {second}", header, tuple(rows), f"Paired. {_NOTE}")
