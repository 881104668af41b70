"""The plots of the paper: scatter, embedding of the findings, saliency panels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import ModelError
from pneumoscore.present.plots import (
    SaliencyPanel,
    embedding_plot,
    saliency_plot,
    save_plot,
    scatter_plot,
)
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.features import FEATURE_SETS, finding_inputs, select_features
from pneumoscore.severity.head import Head, LinearForm
from pneumoscore.severity.saliency import saliency_map
from pneumoscore.severity.scale import Scale, scale_named
from pneumoscore.study.features import CohortFeatures
from pneumoscore.study.protocol import SEEDS, split_patients

__all__ = ["draw_paper_plots"]


def _embedding(findings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Embed the standardised findings in two dimensions by t-SNE, seed 0."""
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(findings.astype(np.float64))
    perplexity = min(30.0, (len(scaled) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", method="exact", random_state=0)
    return np.asarray(model.fit_transform(scaled), dtype=np.float64)


def _survival(cohort: Cohort) -> list[str]:
    words = {True: "died", False: "survived", None: "not stated"}
    return [words[film.outcomes.get("death")] for film in cohort]


def _linear_head(
    backbone: Backbone, cohort: Cohort, features: CohortFeatures, scale: Scale
) -> tuple[Head, LinearForm, NDArray[np.float64]] | None:
    """Fit, on the first split's fitted half, a head that is linear in the pooled features.

    The paper's feature set comes first, then the others. Returns the head, its linear form
    and what it sees, or None if there is no such head or no gradient.
    """
    from sklearn.linear_model import LinearRegression

    record = backbone.record
    if not record.has_gradient:
        return None
    fitted, _ = split_patients(cohort.patients, SEEDS[0])
    for name in FEATURE_SETS[:4]:
        try:
            names = finding_inputs(name, record.findings)
        except ModelError:
            continue
        columns = select_features(features.output(), name, record.findings)
        model = LinearRegression().fit(columns[fitted], cohort.labels(scale.name)[fitted])
        head = Head(scale, name, model.coef_, float(model.intercept_), None, names)
        form = head.linear_form(record)
        if form is not None:
            return head, form, columns
    return None


def _saliency_panels(
    backbone: Backbone, cohort: Cohort, features: CohortFeatures, scale: Scale
) -> list[SaliencyPanel]:
    """Draw two best and two worst films of the tested half, of different patients."""
    fitted = _linear_head(backbone, cohort, features, scale)
    if fitted is None:
        return []
    head, form, columns = fitted
    _, tested = split_patients(cohort.patients, SEEDS[0])
    truth = cohort.labels(scale.name)
    predicted = head.predict(columns)
    order = sorted(
        (int(index) for index in tested if truth[index] > 0),
        key=lambda index: abs(truth[index] - predicted[index]),
    )
    by_patient = list({cohort.films[index].patient: index for index in reversed(order)}.values())
    by_patient.sort(key=lambda index: abs(truth[index] - predicted[index]))
    panels = []
    for index in (*by_patient[:2], *by_patient[-2:]):
        film = prepare_film(read_radiograph(cohort.films[index].path), backbone.record.input)
        gradient = backbone.input_gradient(film.array[None], form.coefficients)[0]
        panels.append(
            SaliencyPanel(
                film.array[0],
                saliency_map(gradient),
                f"experts {truth[index]:.1f}, predicted {predicted[index]:.1f}",
            )
        )
    return panels


def draw_paper_plots(
    predictions: Mapping[str, tuple[str, NDArray[np.float64]]],
    backbone: Backbone,
    cohort: Cohort,
    features: CohortFeatures,
    folder: Path,
) -> tuple[NDArray[np.float64], str]:
    """Draw scatter plots, the embedding of the findings, and saliency panels.

    Parameters
    ----------
    predictions : mapping of str to tuple
        By scale: title of the feature set, and each film's prediction, shape (films,), NaN
        where it was never tested.
    backbone : Backbone
        Frozen network.
    cohort : Cohort
        The films.
    features : CohortFeatures
        Of the same films, in the same order.
    folder : Path
        Receives PNG and SVG files.

    Returns
    -------
    tuple
        The embedding, shape (films, 2), and a remark on the saliency panels.
    """
    for name, (title, predicted) in predictions.items():
        tested = np.isfinite(predicted)
        figure = scatter_plot(
            cohort.labels(name)[tested],
            predicted[tested],
            scale_named(name),
            f"{backbone.record.name}, {title}; tested films, mean of their splits",
        )
        save_plot(figure, folder, f"scatter_{name}")
    extent = scale_named("geographic_extent")
    places = _embedding(features.findings)
    figure = embedding_plot(
        places,
        predictions[extent.name][1],
        _survival(cohort),
        extent,
        f"t-SNE of the {len(backbone.record.findings)} findings, {len(cohort)} films",
    )
    save_plot(figure, folder, "tsne_findings")
    panels = _saliency_panels(backbone, cohort, features, extent)
    if not panels:
        return places, "no saliency panels: the backbone was stored without its input gradient"
    title = "Saliency: two best and two worst films of the first split"
    save_plot(saliency_plot(panels, title), folder, "saliency")
    return places, "saliency of the extent head fitted on the first split's fitted half"
