"""The error of one film's score, as measured for one model."""

from __future__ import annotations

import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pneumoscore.errors import ModelError
from pneumoscore.files import write
from pneumoscore.forms import read_form
from pneumoscore.marks import program_mark
from pneumoscore.settings import home_folder
from pneumoscore.severity.score import ModelIdentity

__all__ = [
    "DETECTABLE",
    "DETECTABLE_ERRORS",
    "ErrorModel",
    "ScaleError",
    "find_error_model",
    "read_error_model",
    "write_error_model",
]

_FORMAT = 2
_READABLE = (1, 2)
DETECTABLE_ERRORS = 1.96
DETECTABLE = DETECTABLE_ERRORS * math.sqrt(2.0)
"""Smallest detectable change over the error of one film (de Vet et al. 2006)."""


@dataclass(frozen=True, slots=True)
class ScaleError:
    """The error of one film on one scale, which depends on the score.

    Attributes
    ----------
    scores : tuple of float
        Rising.
    sds : tuple of float
        Standard deviation of the error of one film at these scores, in points; between them
        it is linear.
    low, high : float
        Ends of the 95 % interval of the error, as multiples of it.
    evidence : mapping of str to float
        How it was measured, for people.
    """

    scores: tuple[float, ...]
    sds: tuple[float, ...]
    low: float = 1.0
    high: float = 1.0
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.scores, self.scores[1:], strict=False))
        if not self.scores or len(self.scores) != len(self.sds) or not rising:
            raise ModelError("an error model without rising scores", "one error for each score")
        if not all(math.isfinite(sd) and sd > 0.0 for sd in self.sds):
            raise ModelError("an error model with an error that is not positive", "errors over 0")
        if not 0.0 < self.low <= 1.0 <= self.high < math.inf:
            raise ModelError(
                "an error model with an interval that does not hold its error",
                "low from 0 to 1 and high from 1, as multiples of the error",
            )

    def sd(self, score: float) -> float:
        """Return the standard deviation of the error of one film, in points.

        Examples
        --------
        >>> ScaleError((0.0, 4.0), (0.2, 0.6)).sd(2.0)
        0.4
        """
        scores, sds = self.scores, self.sds
        if score <= scores[0]:
            return sds[0]
        for place in range(1, len(scores)):
            if score <= scores[place]:
                share = (score - scores[place - 1]) / (scores[place] - scores[place - 1])
                return sds[place - 1] + share * (sds[place] - sds[place - 1])
        return sds[-1]

    def smallest_detectable_change(self, score: float) -> float:
        """Return what 95 % of differences between two films without change stay under."""
        return DETECTABLE * self.sd(score)

    def at_its_upper_bound(self) -> ScaleError:
        """Return the error as large as it may be, by its 95 % interval."""
        return replace(self, sds=tuple(sd * self.high for sd in self.sds), low=1.0, high=1.0)


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Test-retest error of one severity model.

    Attributes
    ----------
    name, version, sha256 : str
        Of the severity model.
    scales : mapping of str to ScaleError
        By scale.
    measured : str
        From what, in one sentence.
    """

    name: str
    version: str
    sha256: str
    scales: Mapping[str, ScaleError]
    measured: str = ""

    def scale(self, name: str) -> ScaleError:
        """Return the error on one scale.

        Raises
        ------
        ModelError
            If it was not measured.
        """
        if name not in self.scales:
            raise ModelError(
                f"the error of {self.name} {self.version} on {name} was not measured",
                "one of " + ", ".join(self.scales),
                "run `pneumoscore patient fit-error-model`",
            )
        return self.scales[name]


def _file_name(name: str, version: str) -> str:
    return f"{name}-{version}.json"


def find_error_model(identity: ModelIdentity, file: Path | None = None) -> ErrorModel:
    """Return the error model of a severity model.

    Parameters
    ----------
    identity : ModelIdentity
        Of the severity model.
    file : Path, optional
        Where it is; by default a site's own in ``error-models/`` in the folder of the user's
        program data, else the one in this package.

    Raises
    ------
    ModelError
        If there is none, or it was measured for another model.
    """
    own = home_folder() / "error-models" / _file_name(identity.name, identity.version)
    package = Path(str(importlib.resources.files("pneumoscore.monitor"))) / "error_models"
    candidates = (own, package / own.name) if file is None else (file,)
    for path in candidates:
        if file is not None or path.is_file():
            found = read_error_model(path)
            if found.sha256 == identity.sha256:
                return found
            problem = (
                f"the error model {path.name} was measured for another {found.name} "
                f"{found.version} ({found.sha256[:12]}) than gave these scores "
                f"({identity.sha256[:12]})"
            )
            break
    else:
        problem = f"the model {identity.name} {identity.version} has no error model"
    raise ModelError(
        f"{problem}: what differs from noise cannot be told",
        f"a file {own}",
        "run `pneumoscore patient fit-error-model` with this model",
    )


def read_error_model(path: Path) -> ErrorModel:
    """Read an error model from a JSON file.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or of a later format.
    """
    data = read_form(path, "an error model")
    if data.get("format") not in _READABLE:
        raise ModelError(
            f"{path.name} has the format {data.get('format')!r}",
            f"format {_FORMAT} or older",
            "update PneumoScore",
        )
    try:
        return ErrorModel(
            name=str(data["model"]["name"]),
            version=str(data["model"]["version"]),
            sha256=str(data["model"]["sha256"]),
            scales={
                str(name): ScaleError(
                    _floats(part["scores"]),
                    _floats(part["sds"]),
                    *_interval(part),
                    dict(part.get("evidence", {})),
                )
                for name, part in data["scales"].items()
            },
            measured=str(data.get("measured", "")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path.name} is damaged ({type(error).__name__})", "an error model"
        ) from error


def _interval(part: Mapping[str, Any]) -> tuple[float, float]:
    """Return the ends of the interval; the first format has them in its evidence only."""
    evidence = part.get("evidence", {})
    factor = max(1.0, float(evidence.get("factor", 1.0)))
    low = part.get("low", float(evidence.get("factor_low", factor)) / factor)
    high = part.get("high", float(evidence.get("factor_high", factor)) / factor)
    return min(1.0, float(low)), max(1.0, float(high))


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def write_error_model(model: ErrorModel, path: Path | None = None) -> Path:
    """Write an error model where `find_error_model` finds it, or to `path`; return the path."""
    target = path or home_folder() / "error-models" / _file_name(model.name, model.version)
    content = {
        "program": program_mark("error model"),
        "format": _FORMAT,
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "measured": model.measured,
        "scales": {
            name: {
                "scores": list(part.scores),
                "sds": [round(sd, 4) for sd in part.sds],
                "low": round(part.low, 4),
                "high": round(part.high, 4),
                "evidence": dict(part.evidence),
            }
            for name, part in model.scales.items()
        },
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write(target, text.encode("utf-8"), make_folder=True)
    return target
