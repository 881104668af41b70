"""A backbone's findings and features of many films, kept on disk between runs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.record import BackboneOutput, BackboneRecord
from pneumoscore.backbone.session import Backbone
from pneumoscore.files import sha256_of, write_atomically
from pneumoscore.radiograph.limits import READING_VERSION
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.settings import home_folder

__all__ = ["CohortFeatures", "default_cache", "film_features"]

_BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class CohortFeatures:
    """What a backbone says of n films.

    Attributes
    ----------
    findings : ndarray of float32, shape (n, findings)
        Raw logits.
    features : ndarray of float32, shape (n, feature_width)
        Pooled features.
    file_hashes : tuple of str
        SHA-256 of each film's file.
    """

    findings: NDArray[np.float32]
    features: NDArray[np.float32]
    file_hashes: tuple[str, ...]

    def output(self) -> BackboneOutput:
        """Return it as a backbone's output, its maps left empty."""
        empty = np.zeros((len(self.features), self.features.shape[1], 0, 0), dtype=np.float32)
        return BackboneOutput(self.findings, self.features, empty)


def default_cache() -> Path:
    """Return the folder where features are kept unless another is named."""
    return home_folder() / "cache" / "features"


def _cache_folder(cache: Path, record: BackboneRecord) -> Path:
    """One folder for each backbone file, way of reading, version, and what preparation gives."""
    ramp = np.linspace(0, 1, 91 * 73, dtype=np.float32).reshape(91, 73)
    prepared = hashlib.sha256(prepare_film(Radiograph(ramp), record.input).array.tobytes())
    key = (
        f"{record.sha256} {record.input} {version('pneumoscore')} {READING_VERSION} "
        f"{prepared.hexdigest()}"
    )
    return cache / f"{record.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _load(path: Path, length: int) -> NDArray[np.float32] | None:
    """Return a kept row, None if it is absent or damaged: it is then computed anew."""
    try:
        row = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return row if row.shape == (length,) and row.dtype == np.float32 else None


def _save(path: Path, row: NDArray[np.float32]) -> None:
    stream = io.BytesIO()
    np.save(stream, row, allow_pickle=False)
    write_atomically(path, stream.getvalue())


def film_features(
    backbone: Backbone,
    paths: Sequence[Path],
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> CohortFeatures:
    """Return the findings and features of films, computed once for each file.

    Parameters
    ----------
    backbone : Backbone
        An open network.
    paths : sequence of Path
        Image files.
    cache : Path, optional
        Folder of kept features, keyed by the hashes of backbone and file; default
        `default_cache`.
    progress : callable, optional
        Called with the number of films done.

    Raises
    ------
    PneumoScoreError
        If a film cannot be read.
    """
    record = backbone.record
    folder = _cache_folder(cache or default_cache(), record)
    findings = len(record.findings)
    length = findings + record.feature_width
    hashes = tuple(sha256_of(path) for path in paths)
    rows = {name: _load(folder / f"{name}.npy", length) for name in set(hashes)}
    missing = {name: path for name, path in zip(hashes, paths, strict=True) if rows[name] is None}
    done = len(paths) - len(missing)
    waiting = list(missing.items())
    for start in range(0, len(waiting), _BATCH):
        group = waiting[start : start + _BATCH]
        films = [prepare_film(read_radiograph(path), record.input).array for _, path in group]
        output = backbone.run(np.stack(films))
        for index, (name, _) in enumerate(group):
            row = np.concatenate([output.findings[index], output.features[index]])
            rows[name] = np.asarray(row, dtype=np.float32)
            _save(folder / f"{name}.npy", np.asarray(row, dtype=np.float32))
        done += len(group)
        if progress is not None:
            progress(done)
    table = np.stack([kept for name in hashes if (kept := rows[name]) is not None])
    return CohortFeatures(table[:, :findings], table[:, findings:], hashes)
