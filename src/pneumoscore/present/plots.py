"""Pictures of a study, the same bytes each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.files import write
from pneumoscore.present.plot_style import ACCENT, FAINT, HIGHER, plot_file, styled
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.statistics.bland_altman import LimitsOfAgreement
from pneumoscore.statistics.calibration import CalibrationBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "SaliencyPanel",
    "bland_altman_plot",
    "calibration_plot",
    "embedding_plot",
    "saliency_plot",
    "save_plot",
    "scatter_plot",
]


def _new(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns)
    figure.supxlabel(RESEARCH_NOTICE, fontsize=6, color=FAINT)
    return figure, axes


def save_plot(figure: Figure, folder: Path, name: str) -> None:
    """Write a plot as ``name.png`` and ``name.svg``."""
    for kind in ("png", "svg"):
        write(folder / f"{name}.{kind}", plot_file(figure, kind), make_folder=True)


def _square(axes: Axes, scale: Scale) -> None:
    margin = 0.04 * (scale.high - scale.low)
    axes.set_xlim(scale.low - margin, scale.high + margin)
    axes.set_ylim(scale.low - margin, scale.high + margin)
    axes.set_aspect("equal")
    axes.plot([scale.low, scale.high], [scale.low, scale.high], color=FAINT, lw=0.8, ls="--")


@styled
def scatter_plot(
    truth: NDArray[np.float64], prediction: NDArray[np.float64], scale: Scale, title: str
) -> Figure:
    """Draw predictions against labels with a line for each error."""
    figure, axes = _new(4.2, 4.2)
    axes.vlines(
        truth,
        np.minimum(truth, prediction),
        np.maximum(truth, prediction),
        color=HIGHER,
        lw=0.7,
        alpha=0.6,
    )
    axes.scatter(truth, prediction, s=14, color=ACCENT, alpha=0.75, linewidths=0, zorder=3)
    _square(axes, scale)
    low = min(scale.low, float(np.min(prediction, initial=scale.low)))
    high = max(scale.high, float(np.max(prediction, initial=scale.high)))
    margin = 0.04 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel(f"{scale.title}, experts ({scale.low:g}-{scale.high:g})")
    axes.set_ylabel("prediction")
    axes.set_title(title, fontsize=9)
    return figure


@styled
def bland_altman_plot(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    limits: LimitsOfAgreement,
    scale: Scale,
    title: str,
) -> Figure:
    """Draw differences against means with bias and limits of agreement."""
    figure, axes = _new(4.2, 4.2)
    axes.scatter((first + second) / 2, first - second, s=12, color=ACCENT, alpha=0.7, linewidths=0)
    axes.axhline(0, color=FAINT, lw=0.6)
    for value, name in (
        (limits.bias, "bias"),
        (limits.low, "-1.96 SD"),
        (limits.high, "+1.96 SD"),
    ):
        axes.axhline(value, color=HIGHER, lw=0.9, ls="-" if name == "bias" else "--")
        axes.annotate(
            f"{name} {value:.2f}",
            (scale.high, value),
            ha="right",
            va="bottom",
            fontsize=7,
            color=HIGHER,
        )
    axes.set_xlim(scale.low - 0.1, scale.high + 0.1)
    axes.set_xlabel(f"mean of both, {scale.title.lower()} ({scale.low:g}-{scale.high:g})")
    axes.set_ylabel("prediction - label")
    axes.set_title(title, fontsize=9)
    return figure


@styled
def calibration_plot(
    curve: Sequence[CalibrationBin], slope: float, intercept: float, scale: Scale, title: str
) -> Figure:
    """Draw the calibration curve and its line."""
    figure, axes = _new(4.2, 4.2)
    _square(axes, scale)
    ends = np.array([scale.low, scale.high])
    axes.plot(ends, intercept + slope * ends, color=HIGHER, lw=0.9)
    axes.plot(
        [item.prediction for item in curve],
        [item.truth for item in curve],
        marker="o",
        ms=5,
        color=ACCENT,
        lw=1.0,
    )
    axes.set_xlabel("mean prediction of a bin")
    axes.set_ylabel("mean label")
    axes.set_title(f"{title}\nslope {slope:.2f}, intercept {intercept:.2f}", fontsize=9)
    return figure


@styled
def embedding_plot(
    places: NDArray[np.float64],
    scores: NDArray[np.float64],
    survival: Sequence[str],
    scale: Scale,
    title: str,
) -> Figure:
    """Draw a two-dimensional embedding, coloured by score and marked by survival.

    Parameters
    ----------
    places : ndarray of float, shape (films, 2)
        The embedding.
    scores : ndarray of float, shape (films,)
        Colours; on `scale`.
    survival : sequence of str
        ``"survived"``, ``"died"`` or ``"not stated"`` for each film.
    scale : Scale
        Of the scores.
    title : str
        Heading.
    """
    figure, axes = _new(5.2, 4.4)
    markers = {"survived": "o", "died": "X", "not stated": "."}
    shown = None
    for name, marker in markers.items():
        index = np.flatnonzero([item == name for item in survival])
        if not len(index):
            continue
        shown = axes.scatter(
            places[index, 0],
            places[index, 1],
            c=scores[index],
            cmap="viridis",
            vmin=scale.low,
            vmax=scale.high,
            marker=marker,
            s={"survived": 34, "died": 60, "not stated": 60}[name],
            edgecolors="black" if name != "not stated" else "none",
            linewidths=0.6,
            label=f"{name} ({len(index)})",
        )
    if shown is not None:
        figure.colorbar(shown, ax=axes, label=f"predicted {scale.title.lower()}")
        axes.legend(fontsize=7, frameon=False, loc="best")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)
    return figure


@dataclass(frozen=True, slots=True, eq=False)
class SaliencyPanel:
    """One film with its saliency.

    Attributes
    ----------
    film : ndarray of float, shape (size, size)
        As the backbone sees it.
    saliency : ndarray of float, shape (size, size)
        At least 0.
    title : str
        Label and prediction.
    """

    film: NDArray[np.float32]
    saliency: NDArray[np.float32]
    title: str


@styled
def saliency_plot(panels: Sequence[SaliencyPanel], title: str) -> Figure:
    """Draw films beside their saliency maps, one column each."""
    figure, axes = _new(2.4 * len(panels), 5.2, columns=len(panels), rows=2)
    grid = np.asarray(axes).reshape(2, len(panels))
    for column, panel in enumerate(panels):
        top = max(float(panel.saliency.max()), 1e-12)
        grid[0, column].imshow(panel.film, cmap="gray")
        grid[0, column].set_title(panel.title, fontsize=8)
        grid[1, column].imshow(panel.film, cmap="gray")
        grid[1, column].imshow(panel.saliency / top, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
        for row in (0, 1):
            grid[row, column].set_axis_off()
    figure.suptitle(title, fontsize=9)
    return figure
