"""How nearly one network with the mean of several networks' weights says what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pneumoscore.present.table import Table
from training.augment import standardised_films
from training.checkpoints import averaged_members, mean_network
from training.config import TrainingConfig
from training.exclusions import find_exclusions
from training.films import folder_films, unit_spec
from training.network import pooled_scores

__all__ = ["compare"]


def compare(runs: Path, config: TrainingConfig, data: Path) -> list[str]:
    """Return a Markdown table: both on the collection's films of patients without a score.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    config : TrainingConfig
        Of networks trained side by side.
    data : Path
        Data folder.
    """
    barred = find_exclusions(data).of_any_scored_patient
    names = [f"cohen_other/{path.name}" for path in sorted((data / "cohen_other").iterdir())]
    films = folder_films(
        data, [name for name in names if name not in barred], unit_spec(config.input)
    )
    shown = standardised_films(films).contiguous(memory_format=torch.channels_last)
    members = averaged_members(runs / config.name / "checkpoint.pt", config.frozen_stages)
    apart = np.stack([pooled_scores(network, shown) for network in members])
    off = np.abs(pooled_scores(mean_network(members), shown) - apart.mean(0))
    spread = np.abs(apart - apart.mean(0)).mean(0)
    rows = [
        (
            scale,
            f"{off[:, column].mean():.2f}",
            f"{np.quantile(off[:, column], 0.95):.2f}",
            f"{spread[:, column].mean():.2f}",
        )
        for column, scale in enumerate(("geographic extent", "opacity (RALO)"))
    ]
    header = (
        "points, 0-8",
        "mean network from their mean",
        "95th percentile",
        "one from their mean",
    )
    title = f"{len(films)} films, {len(members)} networks"
    return Table(title, header, tuple(rows), "").markdown().splitlines()
