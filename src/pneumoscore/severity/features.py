"""Feature sets: what a head sees of a backbone's output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneOutput
from pneumoscore.errors import ModelError

__all__ = ["FEATURE_SETS", "FOUR_FINDINGS", "LUNG_OPACITY", "finding_inputs", "select_features"]

FEATURE_SETS = ("lung_opacity", "four_findings", "findings", "features", "none")
LUNG_OPACITY = ("Lung Opacity",)
FOUR_FINDINGS = ("Lung Opacity", "Pneumonia", "Infiltration", "Consolidation")


def finding_inputs(feature_set: str, findings: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the findings that a feature set takes, in its order.

    The sets are those of Cohen et al. 2020 (arXiv 2005.11856, Table 1).

    Parameters
    ----------
    feature_set : str
        One of `FEATURE_SETS`.
    findings : sequence of str
        The backbone's findings.

    Returns
    -------
    tuple of str
        Empty for ``"features"`` and ``"none"``.

    Raises
    ------
    ModelError
        If there is no such set, or the backbone lacks one of its findings.

    Examples
    --------
    >>> finding_inputs("lung_opacity", ("Effusion", "Lung Opacity"))
    ('Lung Opacity',)
    """
    if feature_set not in FEATURE_SETS:
        raise ModelError(
            f"feature set {feature_set!r} is unknown", "one of " + ", ".join(FEATURE_SETS)
        )
    if feature_set in ("features", "none"):
        return ()
    if feature_set == "findings":
        return tuple(findings)
    wanted = LUNG_OPACITY if feature_set == "lung_opacity" else FOUR_FINDINGS
    missing = [name for name in wanted if name not in findings]
    if missing:
        raise ModelError(
            f"the backbone has no finding {', '.join(missing)}",
            f"all of {', '.join(wanted)} for the feature set {feature_set!r}",
            "choose another feature set or backbone",
        )
    return wanted


def select_features(
    output: BackboneOutput,
    feature_set: str,
    findings: Sequence[str],
    names: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """Return what a head of one feature set sees of n films.

    Parameters
    ----------
    output : BackboneOutput
        Of n films.
    feature_set : str
        One of `FEATURE_SETS`.
    findings : sequence of str
        Names of the columns of ``output.findings``.
    names : sequence of str, optional
        The findings to take, in this order; by default those of `finding_inputs`.

    Returns
    -------
    ndarray of float64, shape (n, k)
        With k = 0 for the set ``"none"``.

    Raises
    ------
    ModelError
        If the backbone lacks a finding.
    """
    if feature_set == "features":
        return output.features.astype(np.float64)
    if names is None:
        names = finding_inputs(feature_set, findings)
    missing = [name for name in names if name not in findings]
    if missing:
        raise ModelError(f"the backbone has no finding {', '.join(missing)}")
    columns = [list(findings).index(name) for name in names]
    return output.findings[:, columns].astype(np.float64)
