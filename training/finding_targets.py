"""What each source says of the findings, and which patients only measure them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from training.films import CorpusRow

__all__ = ["FINDINGS", "finding_targets", "kept_for_validation"]

FINDINGS = (
    "Lung Opacity",
    "Pneumonia",
    "Infiltration",
    "Consolidation",
    "Atelectasis",
    "Cardiomegaly",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumothorax",
    "bacterial",
    "viral",
)
_OPAQUE = {"Pneumonia", "Infiltration", "Consolidation", "Edema", "Effusion", "Atelectasis", "Mass"}
_NIH_UNKNOWN = {"bacterial", "viral", "Lung Opacity"}
_PEDIATRIC_KNOWN = {"Lung Opacity", "Pneumonia", "bacterial", "viral"}
_NORMAL_KNOWN = set(FINDINGS) - {"bacterial", "viral"}


def kept_for_validation(row: CorpusRow) -> bool:
    """Tell whether a film's patient is one of the tenth that only measures the findings."""
    digest = hashlib.sha256(f"pneumoscore validation {row.patient}".encode()).digest()
    return digest[0] % 10 == 0


def finding_targets(archive: str, stated: frozenset[str]) -> NDArray[np.float32]:
    """Return 0, 1 or NaN for each of `FINDINGS`; NaN where the source cannot say.

    Parameters
    ----------
    archive : str
        Source of the film.
    stated : frozenset of str
        Findings that its index states.
    """
    known = {
        "nih": set(FINDINGS) - _NIH_UNKNOWN,
        "rsna_normal": _NORMAL_KNOWN,
        "pediatric": _PEDIATRIC_KNOWN,
    }.get(archive, set())
    targets = np.full(len(FINDINGS), np.nan, dtype=np.float32)
    for column, finding in enumerate(FINDINGS):
        if finding in known:
            targets[column] = float(finding in stated)
    column = FINDINGS.index("Lung Opacity")
    if known and stated & _OPAQUE:
        targets[column] = 1.0
    elif known and "No Finding" in stated:
        targets[column] = 0.0
    elif archive == "nih":
        targets[column] = np.nan
    return targets
