"""From a training run to what the package ships: backbone, heads, intervals, gate, card."""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord
from pneumoscore.backbone.session import Backbone
from pneumoscore.backbone.store import store_backbone
from pneumoscore.cohort.leakage import bar_test_films
from pneumoscore.files import write_atomically
from pneumoscore.pretrain.config import TrainingConfig
from pneumoscore.pretrain.export import to_onnx
from pneumoscore.pretrain.finding_targets import FINDINGS
from pneumoscore.pretrain.gate_images import gate_images
from pneumoscore.pretrain.network import severity_coefficients
from pneumoscore.pretrain.out_of_fold import OutOfFold, read_out_of_fold
from pneumoscore.pretrain.train import averaged_network
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.radiograph.types import InputSpec
from pneumoscore.severity.bundle import Bundle, write_bundle
from pneumoscore.severity.head import Head
from pneumoscore.severity.interval import ConformalInterval, fit_conformal
from pneumoscore.severity.quality import lung_at_edge
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO, Scale
from pneumoscore.study.gate import FittedGate, fit_quality_gate

__all__ = ["fit_gate", "ship_backbone", "ship_model"]

_LOGGER = logging.getLogger(__name__)
WEIGHTS_LICENCE = (
    "research use only: trained on public films, some of whose sources allow research use only"
)


def ship_backbone(
    run_folder: Path, config: TrainingConfig, data: Path, out: Path
) -> BackboneRecord:
    """Write the ONNX file and record of a trained network.

    Parameters
    ----------
    run_folder : Path
        With ``checkpoint.pt``.
    config : TrainingConfig
        What it was trained with.
    data : Path
        Data folder; the hashes of its tables go into the record.
    out : Path
        Folder to write.
    """
    network = averaged_network(run_folder / "checkpoint.pt")
    details: dict[str, Any] = {
        "configuration": config.to_dict(),
        "tables": {
            name: hashlib.sha256((data / name).read_bytes()).hexdigest()
            for name in ("corpus/index.csv", "scored.csv", "masks.csv", "brixia.csv")
        },
        "findings_weight": network.findings.weight.detach().numpy().round(6).tolist(),
        "findings_bias": network.findings.bias.detach().numpy().round(6).tolist(),
    }
    return store_backbone(
        to_onnx(network, config.size),
        out,
        name=config.name,
        version=config.version,
        input=InputSpec(config.size, "pad", "standardised"),
        findings=FINDINGS,
        training_data=config.description,
        licence=WEIGHTS_LICENCE,
        half=True,
        details=details,
    )


def _interval(out_of_fold: OutOfFold, scale: Scale) -> ConformalInterval:
    found = out_of_fold.on(scale)
    return fit_conformal(found.predictions, found.targets, found.patients, scale)


def _heads(run_folder: Path, out_of_fold: OutOfFold) -> tuple[Head, ...]:
    """Take the network's own linear maps, brought to the readers' scale by the calibration."""
    coefficients, intercepts = severity_coefficients(averaged_network(run_folder / "checkpoint.pt"))
    heads = []
    for scale, row in ((GEOGRAPHIC_EXTENT, 0), (OPACITY, 1), (OPACITY_RALO, 1)):
        calibration = out_of_fold.calibration(scale)
        heads.append(
            Head(
                scale=scale,
                feature_set="features",
                coefficients=coefficients[row].numpy().astype(np.float64) * calibration.slope,
                intercept=float(intercepts[row]) * calibration.slope + calibration.offset,
                interval=_interval(out_of_fold, scale),
            )
        )
    return tuple(heads)


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
        )


def _write_gate_features(backbone: Backbone, data: Path, path: Path) -> None:
    features: list[NDArray[np.float32]] = []
    edges: list[float] = []
    views: list[str] = []
    patients: list[str] = []
    familiar: list[bool] = []
    spec = backbone.record.input
    for image in gate_images(data, bar_test_films(data)):
        prepared = prepare(image.radiograph, spec)
        output = backbone.run(prepared.array[None])
        features.append(output.features[0])
        views.append(image.view)
        patients.append(image.patient)
        familiar.append(image.familiar)
        if image.familiar and output.lungs is not None:
            edges.append(lung_at_edge(output.lungs[0], prepared.placement, spec.size))
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


def ship_model(runs: Path, config: TrainingConfig, data: Path, out: Path) -> Bundle:
    """Write the severity model of a trained and cross-validated network.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    config : TrainingConfig
        Of the network; its backbone must be installed (`ship_backbone`).
    data : Path
        Data folder.
    out : Path
        Folder of the bundle.
    """
    from pneumoscore.pretrain.card import card_text

    backbone = Backbone.open(config.name)
    kept = runs / f"gate-{backbone.record.sha256[:16]}.npz"
    fitted = fit_gate(backbone, data, kept)
    _LOGGER.info("gate, held-out patients: passed as frontal %s", fitted.accepted)
    out_of_fold = read_out_of_fold(runs, config.name)
    bundle = Bundle(
        name=config.name,
        version=config.version,
        backbone=config.name,
        heads=_heads(runs / config.name, out_of_fold),
        gate=fitted.gate,
        shown=(GEOGRAPHIC_EXTENT.name, OPACITY.name),
        card="",
    )
    bundle = replace(bundle, card=card_text(bundle, backbone.record, out_of_fold, fitted))
    write_bundle(bundle, out)
    return bundle
