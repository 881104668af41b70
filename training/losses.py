"""What the network is trained to get right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.network import SCALE_SPAN, SeverityOutput
from training.streams import Batch

__all__ = ["LossWeights", "side_sums", "training_loss"]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part of the loss counts."""

    findings: float = 1.0
    lungs: float = 0.5
    places: float = 1.0
    sides: float = 0.3
    totals: float = 0.3
    classes: float = 0.3
    boxes: float = 0.1


def _masked_mean(values: Tensor, known: Tensor) -> Tensor:
    return (values * known).sum() / known.sum().clamp(min=1)


def _at_map(masks: Tensor, size: int) -> Tensor:
    return F.adaptive_avg_pool2d(masks, size)


def side_sums(contributions: Tensor, lungs: Tensor) -> Tensor:
    """Sum contributions on either side of the midline between the lungs.

    Parameters
    ----------
    contributions : Tensor, shape (n, 2, map, map)
        Channels are scales.
    lungs : Tensor, shape (n, 2, map, map)
        Share of each lung at each place.

    Returns
    -------
    Tensor, shape (n, 2, 2)
        Image side by scale.
    """
    columns = torch.arange(lungs.shape[-1], dtype=lungs.dtype, device=lungs.device) + 0.5
    weight = lungs.sum(2)
    centres = (weight * columns).sum(2) / weight.sum(2).clamp(min=1e-3)
    midline = centres.mean(1).view(-1, 1, 1, 1)
    nearness = ((midline - columns.view(1, 1, 1, -1)) + 0.5).clamp(0, 1)
    first = (contributions * nearness).sum((2, 3))
    second = (contributions * (1 - nearness)).sum((2, 3))
    return torch.stack([first, second], 1)


def _place_targets(batch: Batch) -> Tensor:
    """Contribution of each place: each lung's score spread over its opacities."""
    opacity = batch.opacity.nan_to_num()
    share = opacity / opacity.sum((2, 3), keepdim=True).clamp(min=1e-3)
    # (n, side, scale, 1, 1) * (n, side, 1, map, map), summed over sides.
    return (batch.sides.nan_to_num()[..., None, None] * share[:, :, None]).sum(1)


def _outside_boxes(contributions: Tensor, boxes: Tensor) -> Tensor:
    """Return minus the log of the share of the positive extent that lies in readers' boxes."""
    extent = contributions[:, :1].clamp(min=0)
    inside = F.adaptive_max_pool2d(boxes.nan_to_num(), extent.shape[-1])
    total = extent.sum((1, 2, 3))
    share = ((extent * inside).sum((1, 2, 3)) + 1e-2) / (total + 1e-2)
    return -share.clamp(1e-3, 1).log()


def training_loss(
    output: SeverityOutput, batch: Batch, weights: LossWeights
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts.

    Parameters
    ----------
    output : SeverityOutput
        Of the batch's films.
    batch : Batch
        Targets; NaN where unknown.
    weights : LossWeights
    """
    size = output.lungs.shape[-1]
    contributions = output.contributions.float()
    known_findings = (~batch.findings.isnan()).float()
    findings = F.binary_cross_entropy_with_logits(
        output.findings.float(), batch.findings.nan_to_num(), reduction="none"
    )
    known_lungs = (~batch.lungs.isnan().flatten(1).any(1)).float()
    lung_truth = _at_map(batch.lungs.nan_to_num(), size)
    lungs = F.binary_cross_entropy_with_logits(
        output.lungs.float(), lung_truth, reduction="none"
    ).mean((1, 2, 3))
    known_places = (~batch.opacity.isnan().flatten(1).any(1)).float()
    scale = size * size / SCALE_SPAN
    places = F.smooth_l1_loss(
        contributions * scale, _place_targets(batch) * scale, beta=0.3, reduction="none"
    ).mean((1, 2, 3))
    known_sides = (~batch.sides.isnan()).float()
    sums = side_sums(
        contributions,
        torch.where(
            known_lungs.view(-1, 1, 1, 1) > 0, lung_truth, output.lungs.float().detach().sigmoid()
        ),
    )
    sides = F.smooth_l1_loss(sums, batch.sides.nan_to_num(), beta=0.3, reduction="none")
    known_totals = (~batch.totals.isnan()).float()
    totals = F.smooth_l1_loss(
        contributions.sum((2, 3)), batch.totals.nan_to_num(), beta=0.5, reduction="none"
    )
    above = batch.classes[:, None] > torch.arange(1, 5)
    classes = F.binary_cross_entropy_with_logits(
        output.classes.float(), above.float(), reduction="none"
    ).mean(1)
    known_boxes = (~batch.boxes.isnan().flatten(1).any(1)).float()
    parts = {
        "findings": _masked_mean(findings, known_findings),
        "lungs": _masked_mean(lungs, known_lungs),
        "places": _masked_mean(places, known_places),
        "sides": _masked_mean(sides, known_sides),
        "totals": _masked_mean(totals, known_totals),
        "classes": _masked_mean(classes, (~batch.classes.isnan()).float()),
        "boxes": _masked_mean(_outside_boxes(contributions, batch.boxes), known_boxes),
    }
    total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
    return total, {name: float(part.detach()) for name, part in parts.items()}
