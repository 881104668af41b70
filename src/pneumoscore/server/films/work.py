"""What is done with one film, in a process of its own: read, score, prepare for the viewer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.server.films.likeness import likeness
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import Score

__all__ = ["SCREEN_SIDE", "film_work", "pixels_digest", "view_bytes"]

SCREEN_SIDE = 1600
"""Longer side of the copy that a page interacts with; the full film comes on zoom."""

_READER_SIDE = 1024  # pixels that a film's shorter side keeps for readers: a score needs fewer
_LEVELS = 65535
_MAP_SIDE = 512


def pixels_digest(radiograph: Radiograph) -> str:
    """Return the SHA-256 of what was decoded, in 256 levels with its shape.

    Two files of one film, in two formats or under two headers, have one digest where both hold
    the same pixels.
    """
    levels = np.rint(radiograph.pixels * 255.0).astype(np.uint8)
    digest = hashlib.sha256(f"{radiograph.rows}x{radiograph.columns}".encode())
    digest.update(levels.tobytes())
    return digest.hexdigest()


def view_bytes(pixels: NDArray[np.float32], longest: int | None = None) -> bytes:
    """Return a film for the viewer: rows and columns as two uint32, then uint16 grey levels.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1], white = dense.
    longest : int, optional
        Most pixels of the longer side.

    Returns
    -------
    bytes
        Little-endian.
    """
    from PIL import Image

    rows, columns = pixels.shape
    if longest is not None and max(rows, columns) > longest:
        share = longest / max(rows, columns)
        rows, columns = max(1, round(rows * share)), max(1, round(columns * share))
        image = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BOX)
        pixels = np.asarray(image, dtype=np.float32)
    levels = np.rint(np.clip(pixels, 0.0, 1.0) * _LEVELS).astype("<u2")
    return np.array([rows, columns], dtype="<u4").tobytes() + levels.tobytes()


def film_work(model: SeverityModel, film: Path, out: Path) -> dict[str, Any]:
    """Read and score one film and write what the viewer needs.

    Parameters
    ----------
    model : SeverityModel
        Opened.
    film : Path
        The file.
    out : Path
        Folder for ``screen``, ``full``, and ``map-SCALE.png`` of each scale.

    Returns
    -------
    dict
        Plain values: ``error`` and ``reason`` or ``score``; ``pixels_sha256``, ``film_digest``,
        ``likeness``, ``model_sha256`` and ``metadata`` where the film could be read. Beside them
        ``record``, the `FilmRecord` of a scored film that names its patient; of another,
        ``not_recorded`` with the reason.
    """
    from pneumoscore.radiograph.read import read_radiograph

    try:
        radiograph = read_radiograph(film)
        shown = radiograph if radiograph.finer is None else radiograph.finer(_READER_SIDE)
    except PneumoScoreError as error:
        return {"error": str(error), "reason": error.reason}
    result: dict[str, Any] = {
        "pixels_sha256": pixels_digest(shown),
        "film_digest": radiograph.digest(),
        "likeness": likeness(shown.pixels),
        "model_sha256": model.identity.sha256,
        "metadata": {**_metadata(shown), "notices": list(radiograph.notices)},
    }
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    (out / "screen").write_bytes(view_bytes(shown.pixels, SCREEN_SIDE))
    (out / "full").write_bytes(view_bytes(shown.pixels))
    try:
        score = model.score(radiograph)
    except NotScorableError as error:
        return {**result, "error": str(error), "reason": "refused", "flags": list(error.flags)}
    except PneumoScoreError as error:  # it is read again where the lungs on it are small
        return {**result, "error": str(error), "reason": error.reason}
    _write_maps(score, out)
    return {**result, "score": score.as_dict(), **_record(film, radiograph, score)}


def _record(film: Path, radiograph: Radiograph, score: Score) -> dict[str, Any]:
    """Return the film's record, or why there is none."""
    from pneumoscore.pipeline.intake import dicom_record
    from pneumoscore.pipeline.result import FileResult
    from pneumoscore.present.film_view import film_view

    scored = FileResult(
        film,
        score,
        metadata=radiograph.metadata,
        view=film_view(radiograph.pixels, score.placement, _MAP_SIDE),
        pixels=radiograph.digest(),
    )
    try:
        return {"record": dicom_record(scored)}
    except PneumoScoreError as error:
        return {"recorded": False, "not_recorded": str(error)}


def _metadata(radiograph: Radiograph) -> dict[str, Any]:
    said = radiograph.metadata
    return {
        "patient_id": said.patient_id,
        "sop_instance_uid": said.sop_instance_uid,
        "study_instance_uid": said.study_instance_uid,
        "view": said.view,
        "acquired_at": None if said.acquired_at is None else said.acquired_at.isoformat(),
        "rows": radiograph.rows,
        "columns": radiograph.columns,
    }


def _write_maps(score: Score, out: Path) -> None:
    from PIL import Image

    from pneumoscore.present.colour import map_colours
    from pneumoscore.present.film_view import relative_map

    rows, columns = score.placement.film_shape
    share = min(1.0, _MAP_SIDE / max(rows, columns))
    shape = (max(1, round(rows * share)), max(1, round(columns * share)))
    for part in score.scales:
        if part.contributions is None:
            continue
        values = np.clip(relative_map(part, score.placement, shape), -1.0, 1.0)
        picture = np.empty((*shape, 4), dtype=np.uint8)
        picture[..., :3] = np.rint(map_colours(values) * 255.0)
        picture[..., 3] = np.rint(np.abs(values) * 255.0)
        Image.fromarray(picture).save(out / f"map-{part.scale.name}.png", compress_level=3)
