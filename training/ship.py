"""From a training run to what the package ships: backbone, heads, intervals, gate, card."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pneumoscore.backbone.record import BackboneRecord, save_record
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.store import store_backbone
from pneumoscore.errors import ModelError
from pneumoscore.severity.bundle import Bundle, read_bundle, write_bundle
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.head import Head
from pneumoscore.severity.places import Places
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO
from pneumoscore.study.gate import fit_familiarity
from training.checkpoints import averaged_members, averaged_network, mean_network
from training.config import TrainingConfig
from training.exclusions import seen_films
from training.export import findings_layer, to_onnx
from training.finding_auc import as_json, measure_backbone
from training.finding_targets import FINDINGS
from training.fitted import write_fitted
from training.heads import (
    JoinedHeads,
    ScoredTable,
    cross_validated_films,
    fit_heads,
    held_out_scores,
    scored_features,
)
from training.leakage import bar_test_films
from training.network import SeverityNetwork, severity_coefficients
from training.out_of_fold import OutOfFold, read_out_of_fold, slope_of, write_scores
from training.ship_gate import fit_gate

__all__ = ["ship_backbone", "ship_model"]

_LOGGER = logging.getLogger(__name__)
_LICENCE = (
    "research use only: trained on public films, some of whose sources allow research use only; "
    "begun from the ImageNet weights of EfficientNet-Lite (Apache-2.0)"
)


def _members(runs: Path, config: TrainingConfig) -> list[SeverityNetwork]:
    return averaged_members(runs / config.name / "checkpoint.pt", config.frozen_stages)


def _network(runs: Path, config: TrainingConfig) -> SeverityNetwork:
    """Return what is shipped; of networks trained side by side the mean of their weights."""
    if config.joint:
        return mean_network(_members(runs, config))
    return averaged_network(runs / config.name / "checkpoint.pt")


def _beside(runs: Path, config: TrainingConfig) -> SeverityNetwork | None:
    return averaged_network(runs / config.start) if config.beside_share else None


def ship_backbone(runs: Path, config: TrainingConfig, data: Path, out: Path) -> BackboneRecord:
    """Write the ONNX file and record of a trained network.

    Parameters
    ----------
    runs : Path
        Folder of the training runs, with the ``checkpoint.pt`` of this one.
    config : TrainingConfig
        What is shipped.
    data : Path
        Data folder; the hashes of its tables, and the AUC of the findings on corpus patients
        kept aside, go into the record.
    out : Path
        Folder to write.
    """
    network, beside = _network(runs, config), _beside(runs, config)
    weight, bias = findings_layer(network, beside)
    details: dict[str, Any] = {
        "configuration": config.to_dict(),
        "tables": {
            name: hashlib.sha256((data / name).read_bytes()).hexdigest()
            for name in ("corpus/index.csv", "scored.csv", "masks.csv", "brixia.csv")
        },
        "teachers": {
            name: hashlib.sha256((runs / name).read_bytes()).hexdigest()
            for name in (config.start, config.teacher, config.teacher_places)
            if name
        },
        "findings_weight": weight.numpy().round(6).tolist(),
        "findings_bias": bias.numpy().round(6).tolist(),
    }
    record = store_backbone(
        to_onnx(network, config.size, mirrored=config.mirrored, beside=beside),
        out,
        name=config.name,
        version=config.version,
        input=config.input,
        findings=FINDINGS,
        training_data=config.description,
        licence=_LICENCE,
        half=True,
        details=details,
    )
    return _measured(out / f"{record.name}.json", data)


def _measured(path: Path, data: Path) -> BackboneRecord:
    """Add to a record the AUC of its findings, within each source, on patients kept aside."""
    backbone = Backbone.open(path)
    figures = as_json(backbone.record, measure_backbone(backbone, data))["sources"]
    details = {**backbone.record.details, "measured": {"findings": figures}}
    record = replace(backbone.record, details=details)
    save_record(record, path)
    return record


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """What rests on the scored films.

    Attributes
    ----------
    heads : JoinedHeads
    places : tuple of Places
        Of extent and opacity.
    familiarity : Familiarity
        Of the scored films.
    most_lung_at_edge : float
        The same of the lungs' edges.
    """

    heads: JoinedHeads
    places: tuple[Places, Places]
    familiarity: Familiarity
    most_lung_at_edge: float


def _fit_scored(backbone: Backbone, runs: Path, config: TrainingConfig, data: Path) -> _Fitted:
    """Fit what rests on the scored films, and write what each member says of its own part."""
    members = _members(runs, config)
    films, parts = cross_validated_films(data, len(members))
    kept = runs / f"scored-{backbone.record.sha256[:16]}.npz"
    features, edges = scored_features(backbone, data, films, kept)
    network, beside = _network(runs, config), _beside(runs, config)
    if beside is None:
        raise ModelError(
            f"the configuration {config.name} has no network beside",
            "beside_share above 0",
            "ship networks trained side by side with the one that they began from",
        )
    table = ScoredTable(
        np.array([[film.extent, film.opacity_ralo] for film in films]),
        parts,
        held_out_scores(members, parts, data, films, backbone.record.input),
    )
    joined = fit_heads(features, table, network, beside, config.beside_share)
    for part in range(len(members)):
        chosen = np.flatnonzero(parts == part)
        folder = runs / f"{config.name}-fold{part}"
        folder.mkdir(exist_ok=True)
        write_scores(
            folder / "out_of_fold.csv", [films[row] for row in chosen], joined.held_out[chosen]
        )
    return _Fitted(
        joined,
        _places(network, backbone.record.feature_width),
        fit_familiarity(features.astype(np.float64), [film.patient for film in films]),
        float(np.quantile(edges, 0.99, method="higher")),
    )


def _places(network: SeverityNetwork, width: int) -> tuple[Places, Places]:
    """Return where the fine-tuned network, whose features come first, puts each score."""
    weight, bias = (value.numpy().astype(np.float64) for value in severity_coefficients(network))
    padded = np.pad(weight, ((0, 0), (0, width - weight.shape[1])))
    extent, opacity = (Places(row, float(offset)) for row, offset in zip(padded, bias, strict=True))
    return extent, opacity


def _heads(maps: _Fitted, out_of_fold: OutOfFold) -> tuple[Head, ...]:
    """Bring linear maps to each scale; opacity on 0-6 is 6/8 of that on 0-8."""
    heads = []
    for scale, row in ((GEOGRAPHIC_EXTENT, 0), (OPACITY, 1), (OPACITY_RALO, 1)):
        slope = slope_of(scale)
        heads.append(
            Head(
                scale=scale,
                feature_set="features",
                coefficients=maps.heads.coefficients[row] * slope,
                intercept=float(maps.heads.intercepts[row]) * slope,
                interval=out_of_fold.interval(scale),
                places=maps.places[row],
            )
        )
    return tuple(heads)


def ship_model(runs: Path, config: TrainingConfig, data: Path, out: Path) -> Bundle:
    """Write the severity model of networks trained side by side.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    config : TrainingConfig
        What is shipped; its backbone must be installed (`ship_backbone`).
    data : Path
        Data folder.
    out : Path
        Folder of the bundle.
    """
    from training.card import card_text

    backbone = Backbone.open(config.name)
    maps = _fit_scored(backbone, runs, config, data)
    kept = runs / f"gate-{backbone.record.sha256[:16]}.npz"
    fitted = fit_gate(backbone, data, kept, _network(runs, config).severity.in_channels)
    gate = replace(
        fitted.gate, familiarity=maps.familiarity, most_lung_at_edge=maps.most_lung_at_edge
    )
    _LOGGER.info("gate, held-out patients: passed as frontal %s", fitted.accepted)
    out_of_fold = read_out_of_fold(runs, config.name)
    bundle = Bundle(
        name=config.name,
        version=config.version,
        backbone=config.name,
        heads=_heads(maps, out_of_fold),
        gate=gate,
        shown=(GEOGRAPHIC_EXTENT.name, OPACITY.name),
        card="",
        seen=seen_films(data, bar_test_films(data).reasons),
    )
    bundle = replace(bundle, card=card_text(bundle, backbone.record, out_of_fold, fitted))
    write_bundle(bundle, out)
    write_fitted(out, data)
    return read_bundle(out)
