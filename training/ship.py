"""From a training run to what the package ships: backbone, heads, intervals, gate, card."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord, load_record, save_record
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.store import store_backbone
from pneumoscore.severity.bundle import Bundle, read_bundle, write_bundle
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.head import Head
from pneumoscore.severity.places import Places
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO
from pneumoscore.study.gate import fit_familiarity
from training.assess import write_scores
from training.checkpoints import averaged_members, averaged_network, mean_network
from training.config import TrainingConfig
from training.exclusions import seen_films
from training.export import NetworkRole, to_onnx
from training.finding_auc import as_json, measure_backbone
from training.finding_targets import FINDINGS
from training.fitted import write_fitted
from training.heads import cross_validated_films, fit_heads, held_out_scores, scored_features
from training.leakage import bar_test_films
from training.network import SeverityNetwork, joined_layers, severity_coefficients
from training.out_of_fold import OutOfFold, read_out_of_fold
from training.ship_gate import shipped_gate
from training.shipment import WEIGHTS_LICENCE, Shipment

__all__ = ["ship_backbone", "ship_model"]

_LOGGER = logging.getLogger(__name__)
_FINE_TUNED_PLACES = 0.8
"""Share of the fine-tuned network in the maps; the rest is the frozen one's."""


def _networks(runs: Path, shipment: Shipment) -> list[SeverityNetwork]:
    """Return what is shipped; of networks trained side by side their mean, and the one beside."""
    joint = shipment.joint
    if joint is None:
        return [averaged_network(runs / name / "checkpoint.pt") for name in shipment.member_names]
    joined = [mean_network(_members(runs, joint))]
    if joint.places:
        joined.append(mean_network(averaged_members(runs / joint.places, 0)))
    return [*joined, averaged_network(runs / shipment.beside)]


def _members(runs: Path, joint: TrainingConfig) -> list[SeverityNetwork]:
    return averaged_members(runs / joint.name / "checkpoint.pt", joint.frozen_stages)


def _roles(shipment: Shipment, networks: int) -> list[NetworkRole]:
    """Return what each network gives.

    The one that was not fine-tuned gains by the mirrored film and by what is seen in the lungs
    alone, and keeps its findings, which fine-tuning forgets.
    """
    own = NetworkRole(mirrored=shipment.mirrored)
    if shipment.joint is None:
        return [own] * networks
    return [replace(own, findings=0.0)] * (networks - 1) + [NetworkRole(by_lungs=True)]


def ship_backbone(runs: Path, shipment: Shipment, data: Path, out: Path) -> BackboneRecord:
    """Write the ONNX file and record of trained networks.

    Parameters
    ----------
    runs : Path
        Folder of the training runs, one for each member, with its ``checkpoint.pt``.
    shipment : Shipment
        What is shipped.
    data : Path
        Data folder; the hashes of its tables, and the AUC of the findings on corpus patients
        kept aside, go into the record.
    out : Path
        Folder to write; of networks trained side by side it holds the record of the one beside.
    """
    networks = _networks(runs, shipment)
    roles = _roles(shipment, len(networks))
    total = sum(role.findings for role in roles)
    weight, bias = joined_layers(
        [network.findings for network in networks],
        [role.findings / total for role in roles],
        [role.by_lungs for role in roles],
    )
    details: dict[str, Any] = {
        "configurations": [member.to_dict() for member in shipment.members],
        "tables": {
            name: hashlib.sha256((data / name).read_bytes()).hexdigest()
            for name in ("corpus/index.csv", "scored.csv", "masks.csv", "brixia.csv")
        },
        "findings_weight": weight.numpy().round(6).tolist(),
        "findings_bias": bias.numpy().round(6).tolist(),
    }
    graph = to_onnx(networks, shipment.size, roles)
    record = store_backbone(
        graph,
        out,
        name=shipment.name,
        version=shipment.version,
        input=shipment.members[0].input,
        findings=FINDINGS,
        training_data=shipment.description,
        licence=WEIGHTS_LICENCE,
        half=True,
        details=details,
    )
    path = out / f"{record.name}.json"
    if shipment.joint is None:
        return _measured(path, data)
    # Its findings are those of the network beside, and so are their figures.
    beside = load_record(out / f"{Path(shipment.beside).parent.name}.json")
    record = replace(record, details={**details, "measured": beside.details["measured"]})
    save_record(record, path)
    return record


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
    """What is fitted to the scored films.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (2, width)
        Of extent and opacity (RALO), before the calibration.
    intercepts : ndarray of float64, shape (2,)
    places : tuple of Places or None
        Of extent and opacity, where a regression on pooled features is part of the score.
    familiarity : Familiarity or None
        Of the scored films; None if the gate's own images tell it.
    most_lung_at_edge : float or None
        The same of the lungs' edges.
    """

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    places: tuple[Places, Places] | None = None
    familiarity: Familiarity | None = None
    most_lung_at_edge: float | None = None


def _fit_scored(backbone: Backbone, runs: Path, shipment: Shipment, data: Path) -> _Fitted:
    """Fit what rests on the scored films.

    For networks trained side by side this also writes the tables of their predictions for the
    films of the part that each kept out.
    """
    networks = _networks(runs, shipment)
    joint = shipment.joint
    if joint is None:
        weight, bias = severity_coefficients(networks)
        return _Fitted(weight.numpy().astype(np.float64), bias.numpy().astype(np.float64))
    members = _members(runs, joint)
    films, parts = cross_validated_films(data, len(members))
    kept = runs / f"scored-{backbone.record.sha256[:16]}.npz"
    features, edges = scored_features(backbone, data, films, kept)
    targets = np.array([[film.extent, film.opacity_ralo] for film in films])
    fine_tuned = held_out_scores(members, parts, data, films, backbone.record.input)
    pair = networks[0], networks[-1]
    fitted = fit_heads(features, targets, parts, fine_tuned, pair, shipment.beside_share)
    for part in range(len(members)):
        chosen = np.flatnonzero(parts == part)
        folder = runs / f"{joint.name}-fold{part}"
        folder.mkdir(exist_ok=True)
        write_scores(
            folder / "out_of_fold.csv", [films[row] for row in chosen], fitted.held_out[chosen]
        )
    table = features.astype(np.float64)
    return _Fitted(
        fitted.coefficients,
        fitted.intercepts,
        _places(networks, _roles(shipment, len(networks))),
        fit_familiarity(table, [film.patient for film in films]),
        float(np.quantile(edges, 0.99, method="higher")),
    )


def _places(
    networks: Sequence[SeverityNetwork], roles: Sequence[NetworkRole]
) -> tuple[Places, Places]:
    """Return where networks that were taught by painting and masks put their scores.

    The last is the frozen one; of the others the last tells places best.
    """
    shares = [0.0] * (len(networks) - 2) + [_FINE_TUNED_PLACES, 1 - _FINE_TUNED_PLACES]
    weight, bias = severity_coefficients(networks, shares, [role.by_lungs for role in roles])
    extent, opacity = (
        Places(row, float(offset)) for row, offset in zip(weight.numpy(), bias, strict=True)
    )
    return extent, opacity


def _heads(maps: _Fitted, out_of_fold: OutOfFold) -> tuple[Head, ...]:
    """Bring linear maps to the readers' scale by the calibration."""
    heads = []
    for scale, row in ((GEOGRAPHIC_EXTENT, 0), (OPACITY, 1), (OPACITY_RALO, 1)):
        calibration = out_of_fold.calibration(scale)
        heads.append(
            Head(
                scale=scale,
                feature_set="features",
                coefficients=maps.coefficients[row] * calibration.slope,
                intercept=float(maps.intercepts[row]) * calibration.slope + calibration.offset,
                interval=out_of_fold.interval(scale),
                places=None if maps.places is None else maps.places[row],
            )
        )
    return tuple(heads)


def ship_model(runs: Path, shipment: Shipment, data: Path, out: Path) -> Bundle:
    """Write the severity model of trained and cross-validated networks.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    shipment : Shipment
        What is shipped; its backbone must be installed (`ship_backbone`).
    data : Path
        Data folder.
    out : Path
        Folder of the bundle.
    """
    from training.card import card_text

    backbone = Backbone.open(shipment.name)
    maps = _fit_scored(backbone, runs, shipment, data)
    fitted = shipped_gate(backbone, runs, shipment, data, maps.familiarity, maps.most_lung_at_edge)
    _LOGGER.info("gate, held-out patients: passed as frontal %s", fitted.accepted)
    out_of_fold = read_out_of_fold(runs, shipment.member_names, calibrated=shipment.joint is None)
    bundle = Bundle(
        name=shipment.name,
        version=shipment.version,
        backbone=shipment.name,
        heads=_heads(maps, out_of_fold),
        gate=fitted.gate,
        shown=(GEOGRAPHIC_EXTENT.name, OPACITY.name),
        card="",
        seen=seen_films(data, bar_test_films(data).reasons),
    )
    bundle = replace(bundle, card=card_text(bundle, backbone.record, out_of_fold, fitted))
    write_bundle(bundle, out)
    write_fitted(out, data)
    return read_bundle(out)
