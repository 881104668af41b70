"""The quality gate of what is shipped: fitted on films of no test patient."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.files import write_atomically
from pneumoscore.severity.quality import lung_at_edge
from pneumoscore.severity.view import view_inputs
from pneumoscore.study.gate import FittedGate, fit_quality_gate
from training.gate_images import gate_images
from training.leakage import bar_test_films

__all__ = ["fit_gate"]

_WRONGLY_REFUSED = 0.004


def fit_gate(backbone: Backbone, data: Path, kept: Path, width: int) -> FittedGate:
    """Fit the quality gate of a backbone on films of no test patient.

    Parameters
    ----------
    backbone : Backbone
        Whose features the gate sees.
    data : Path
        Data folder.
    kept : Path
        File that keeps the features between runs; made if need be.
    width : int
        How many of the features, the first, tell the view. Those of a network beside tell it
        worse, and where there are no lungs its features in the lungs mean nothing.
    """
    if not kept.is_file():
        _write_gate_features(backbone, data, kept)
    with np.load(kept, allow_pickle=False) as table:
        found = fit_quality_gate(
            table["features"][:, :width],
            table["views"].tolist(),
            table["patients"].tolist(),
            spreads=table["spreads"][:, :width],
            familiar=table["familiar"],
            lung_edges=table["edges"],
            wrongly_refused=_WRONGLY_REFUSED,
        )
    if found.gate.view is None:
        raise TypeError("a gate that is fitted has a classifier")
    means, spreads = np.split(found.gate.view.coefficients, 2, axis=1)
    rest = ((0, 0), (0, backbone.record.feature_width - width))
    wide = np.concatenate([np.pad(means, rest), np.pad(spreads, rest)], axis=1)
    view = replace(found.gate.view, coefficients=wide)
    return replace(found, gate=replace(found.gate, view=view))


def _write_gate_features(backbone: Backbone, data: Path, path: Path) -> None:
    features: list[NDArray[np.float32]] = []
    spreads: list[NDArray[np.float64]] = []
    edges: list[float] = []
    views: list[str] = []
    patients: list[str] = []
    familiar: list[bool] = []
    spec = backbone.record.input
    for image in gate_images(data, bar_test_films(data)):
        prepared = prepare_film(image.radiograph, spec)
        output = backbone.run(prepared.array[None])
        features.append(output.features[0])
        spreads.append(view_inputs(output, with_spread=True)[0, output.features.shape[1] :])
        views.append(image.view)
        patients.append(image.patient)
        familiar.append(image.familiar)
        if image.familiar and output.lungs is not None:
            edges.append(lung_at_edge(output.lungs[0], prepared.placement))
    stream = io.BytesIO()
    np.savez(
        stream,
        allow_pickle=False,
        features=np.stack(features),
        spreads=np.stack(spreads),
        views=np.array(views),
        patients=np.array(patients),
        familiar=np.array(familiar),
        edges=np.array(edges),
    )
    write_atomically(path, stream.getvalue())
