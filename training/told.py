"""What a teacher told of films once and for all: scores, sides, places and findings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pneumoscore.files import written_atomically

__all__ = ["Told"]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Of n films, for each network of a cross-validation by what saw the same parts.

    Attributes
    ----------
    totals : Tensor, shape (networks, n, 2)
        Geographic extent and opacity (RALO), 0-8 each.
    sides : Tensor, shape (networks, n, 2, 2), optional
        The same for the lung on the image's left and right (third axis), 0-4 each.
    places : Tensor, shape (networks, n, 2, map, map), optional
        Where each lung's score comes from, in the frame that an unmoved view shows; what is
        told is the proportion within a lung.
    findings : Tensor, shape (n, findings), optional
        Probabilities, alike for all: by a network that saw no score.
    """

    totals: Tensor
    sides: Tensor | None = None
    places: Tensor | None = None
    findings: Tensor | None = None

    @classmethod
    def loaded(cls, path: Path) -> Told:
        """Read what `save` wrote."""
        return cls(**torch.load(path, weights_only=True))

    def save(self, path: Path) -> None:
        """Write a file that `loaded` reads."""
        with written_atomically(path) as file:
            torch.save({each.name: getattr(self, each.name) for each in fields(self)}, file)

    def moved_places(
        self, rows: Tensor, matrix: Tensor, flipped: Tensor, shown: float
    ) -> Tensor | None:
        """Return the places of films as they were moved, shape (networks, len(rows), 2, map, map).

        Parameters
        ----------
        rows : Tensor of int64
            Which films.
        matrix : Tensor, shape (len(rows), 2, 3)
            Affine maps from the view's coordinates to the film's (`training.augment`).
        flipped : Tensor of bool, shape (len(rows),)
            Whose sides are exchanged.
        shown : float
            Share of the films' width that an unmoved view shows.
        """
        if self.places is None:
            return None
        chosen = self.places[:, rows]
        networks, count, sides, size, _ = chosen.shape
        grid = F.affine_grid(matrix, [count, 1, size, size], align_corners=False) / shown
        stacked = chosen.transpose(0, 1).reshape(count, networks * sides, size, size)
        moved = F.grid_sample(stacked, grid, padding_mode="zeros", align_corners=False)
        moved = moved.view(count, networks, sides, size, size).transpose(0, 1).contiguous()
        exchanged = flipped.view(1, -1, 1, 1, 1)
        return torch.where(exchanged, moved.flip(2), moved)
