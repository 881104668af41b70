"""The quality gate of what is shipped: fitted on films of no test patient."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.store import store_backbone
from pneumoscore.files import sha256_of, write_atomically
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.quality import lung_at_edge
from pneumoscore.study.gate import FittedGate, fit_quality_gate
from training.checkpoints import averaged_network
from training.export import to_onnx
from training.finding_targets import FINDINGS
from training.gate_images import gate_images
from training.leakage import bar_test_films
from training.shipment import WEIGHTS_LICENCE, Shipment

__all__ = ["fit_gate", "shipped_gate"]

_WRONGLY_REFUSED = 0.003


def fit_gate(backbone: Backbone, data: Path, kept: Path) -> FittedGate:
    """Fit the quality gate of a backbone on films of no test patient.

    Parameters
    ----------
    backbone : Backbone
        Whose features the gate sees.
    data : Path
        Data folder.
    kept : Path
        File that keeps the features between runs; made if need be.
    """
    if not kept.is_file():
        _write_gate_features(backbone, data, kept)
    with np.load(kept, allow_pickle=False) as table:
        return fit_quality_gate(
            table["features"],
            table["views"].tolist(),
            table["patients"].tolist(),
            familiar=table["familiar"],
            lung_edges=table["edges"],
            wrongly_refused=_WRONGLY_REFUSED,
        )


def _write_gate_features(backbone: Backbone, data: Path, path: Path) -> None:
    features: list[NDArray[np.float32]] = []
    edges: list[float] = []
    views: list[str] = []
    patients: list[str] = []
    familiar: list[bool] = []
    spec = backbone.record.input
    for image in gate_images(data, bar_test_films(data)):
        prepared = prepare_film(image.radiograph, spec)
        output = backbone.run(prepared.array[None])
        features.append(output.features[0])
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
        views=np.array(views),
        patients=np.array(patients),
        familiar=np.array(familiar),
        edges=np.array(edges),
    )
    write_atomically(path, stream.getvalue())


def _beside_backbone(runs: Path, shipment: Shipment) -> Backbone:
    """Return the network that was not fine-tuned as a backbone of its own."""
    checkpoint = runs / shipment.beside
    folder = runs / f"{shipment.name}-beside-{sha256_of(checkpoint)[:16]}"
    folder.mkdir(exist_ok=True)
    path = folder / "beside.json"
    if not path.is_file():
        graph = to_onnx([averaged_network(checkpoint)], shipment.size)
        store_backbone(
            graph,
            folder,
            name="beside",
            version=shipment.version,
            input=shipment.members[0].input,
            findings=FINDINGS,
            training_data=shipment.description,
            licence=WEIGHTS_LICENCE,
            half=True,
        )
    return Backbone.open(path)


def shipped_gate(
    backbone: Backbone,
    runs: Path,
    shipment: Shipment,
    data: Path,
    familiarity: Familiarity | None,
    most_lung_at_edge: float | None,
) -> FittedGate:
    """Fit the gate; beside fine-tuned networks, on the features of the one that was not.

    Parameters
    ----------
    backbone : Backbone
        What is shipped.
    runs : Path
        Folder of the training runs.
    shipment : Shipment
        What it is made of.
    data : Path
        Data folder.
    familiarity : Familiarity or None
    most_lung_at_edge : float or None
        Of the scored films, for networks trained side by side.
    """
    seen = _beside_backbone(runs, shipment) if shipment.joint else backbone
    found = fit_gate(seen, data, runs / f"gate-{seen.record.sha256[:16]}.npz")
    view = found.gate.view
    if shipment.joint is None or view is None:
        return found
    # The features of the others, which come first, and of the lungs alone count for nothing.
    width = seen.record.feature_width
    before = backbone.record.feature_width - 2 * width
    padded = replace(view, coefficients=np.pad(view.coefficients, ((0, 0), (before, width))))
    gate = replace(
        found.gate,
        view=padded,
        familiarity=familiarity,
        most_lung_at_edge=most_lung_at_edge,
    )
    return replace(found, gate=gate)
