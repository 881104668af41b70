"""From a training run to what the package ships: backbone, heads, intervals, gate, card."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord
from pneumoscore.backbone.session import Backbone
from pneumoscore.backbone.store import store_backbone
from pneumoscore.cohort.leakage import bar_test_films
from pneumoscore.errors import ModelError
from pneumoscore.pretrain.config import TrainingConfig
from pneumoscore.pretrain.export import to_onnx
from pneumoscore.pretrain.gate_images import gate_images
from pneumoscore.pretrain.network import severity_coefficients
from pneumoscore.pretrain.sources import FINDINGS
from pneumoscore.pretrain.train import averaged_network
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.radiograph.types import InputSpec
from pneumoscore.severity.bundle import Bundle, write_bundle
from pneumoscore.severity.head import Head
from pneumoscore.severity.interval import ConformalInterval, fit_conformal
from pneumoscore.severity.quality import lung_at_edge
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO, Scale
from pneumoscore.study.gate import FittedGate, fit_quality_gate

__all__ = ["OutOfFold", "read_out_of_fold", "ship_backbone", "ship_model"]

_LOGGER = logging.getLogger(__name__)
WEIGHTS_LICENCE = (
    "research use only: trained on public films, some of whose sources allow research use only"
)
# The successor's authors align the two opacity scales so.
OPACITY_PER_RALO = 6 / 8


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


class OutOfFold:
    """Predictions for films whose patients the predicting network did not see.

    Parameters
    ----------
    rows : sequence of dict
        Lines of the tables that `crossvalidate` writes.
    """

    def __init__(self, rows: Sequence[dict[str, str]]) -> None:
        self._rows = rows

    def of(self, scale: Scale) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """Return predictions, targets and patients on one scale."""
        chosen = [row for row in self._rows if row["scale"] == scale.name]
        return (
            np.array([float(row["prediction"]) for row in chosen]),
            np.array([float(row["target"]) for row in chosen]),
            [row["patient"] for row in chosen],
        )


def read_out_of_fold(runs: Path, name: str) -> OutOfFold:
    """Read the out-of-fold tables of a cross-validated configuration.

    Raises
    ------
    ModelError
        If there is none.
    """
    paths = sorted(runs.glob(f"{name}-fold*/out_of_fold.csv"))
    if not paths:
        raise ModelError(
            f"no out-of-fold predictions of {name} below {runs}",
            "the tables of a cross-validation",
            f"run `python -m pneumoscore.pretrain crossvalidate {name}` first",
        )
    rows: list[dict[str, str]] = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    return OutOfFold(rows)


def _interval(out_of_fold: OutOfFold, scale: Scale) -> ConformalInterval:
    if scale is OPACITY:
        predictions, targets, patients = out_of_fold.of(OPACITY_RALO)
        return fit_conformal(
            predictions * OPACITY_PER_RALO, targets * OPACITY_PER_RALO, patients, scale
        )
    return fit_conformal(*out_of_fold.of(scale), scale)


def _heads(run_folder: Path, out_of_fold: OutOfFold) -> tuple[Head, ...]:
    """Take the network's own linear maps as heads; opacity 0-6 is the RALO head times 6/8."""
    coefficients, intercepts = severity_coefficients(averaged_network(run_folder / "checkpoint.pt"))
    plan = (
        (GEOGRAPHIC_EXTENT, 0, 1.0),
        (OPACITY, 1, OPACITY_PER_RALO),
        (OPACITY_RALO, 1, 1.0),
    )
    return tuple(
        Head(
            scale=scale,
            feature_set="features",
            coefficients=coefficients[row].numpy().astype(np.float64) * factor,
            intercept=float(intercepts[row]) * factor,
            interval=_interval(out_of_fold, scale),
        )
        for scale, row, factor in plan
    )


def fit_gate(backbone: Backbone, data: Path) -> FittedGate:
    """Fit the quality gate of a backbone on films of no test patient."""
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
    return fit_quality_gate(
        np.stack(features),
        views,
        patients,
        familiar=np.array(familiar),
        lung_edges=np.array(edges) if edges else None,
    )


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
    fitted = fit_gate(backbone, data)
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
