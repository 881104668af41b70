"""What is slow to find out of many films and the same in every run: kept on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.files import written_atomically
from training.films import FilmArrays
from training.joined_teacher import JoinedTeacher
from training.lungs import LungNet, outline_lungs, split_sides, stored_outlines
from training.told import Told

__all__ = ["KeptOnDisk"]


class KeptOnDisk:
    """Outlines of lungs and what a teacher told, named by what decides them.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    lung_net : LungNet
        Outlines lungs.
    teacher : JoinedTeacher, optional
        Tells of films without a score.
    """

    def __init__(
        self, folder: Path, lung_net: LungNet, teacher: JoinedTeacher | None = None
    ) -> None:
        self._folder = folder
        self._lung_net = lung_net
        self._teacher = teacher
        self._lung_identity = b"".join(
            value.numpy().tobytes() for value in lung_net.state_dict().values()
        )

    def _path(self, identity: bytes, films: FilmArrays, suffix: str) -> Path:
        digest = hashlib.sha256(identity)
        digest.update(films.pixels.tobytes())
        return self._folder / f"{digest.hexdigest()[:32]}{suffix}"

    def outlines(self, films: FilmArrays) -> NDArray[np.uint8]:
        """Return both lungs of n films as `training.lungs.stored_outlines` gives them."""
        path = self._path(self._lung_identity, films, ".npy")
        if path.is_file():
            kept: NDArray[np.uint8] = np.load(path)
            return kept
        levels = stored_outlines(split_sides(outline_lungs(self._lung_net, films)))
        with written_atomically(path) as file:
            np.save(file, levels)
        return levels

    def told(self, films: FilmArrays) -> Told | None:
        """Return what the teacher says of films; None without a teacher."""
        if self._teacher is None:
            return None
        path = self._path(self._teacher.identity + films.inside.tobytes(), films, ".pt")
        if not path.is_file():
            self._teacher.tell(films).save(path)
        return Told.loaded(path)
