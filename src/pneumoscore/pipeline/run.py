"""One run: what it is told before the first film, and what it reports after the last."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pneumoscore.marks import program_mark
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.result import FileResult
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity

__all__ = ["Run", "RunReport"]

_LIBRARIES = ("numpy", "onnxruntime", "pillow", "pydicom", "python-gdcm", "imagecodecs")


@dataclass(frozen=True, slots=True)
class Run:
    """What is fixed before the first film.

    Attributes
    ----------
    options : ScoringOptions
        How films are scored.
    model : ModelIdentity
        What scores them.
    scales : tuple of Scale
        What each score holds, in order.
    """

    options: ScoringOptions
    model: ModelIdentity
    scales: tuple[Scale, ...]

    @classmethod
    def of(cls, model: SeverityModel, options: ScoringOptions) -> Run:
        """Return the run of a model under some options."""
        names = model.shown if options.scales is None else options.scales
        return cls(options, model.identity, tuple(model.head(name).scale for name in names))


@dataclass(slots=True)
class RunReport:
    """Counts and times of a run, filled while it goes.

    Attributes
    ----------
    run : Run
        What was fixed before.
    began : datetime
        In UTC.
    scored, failed, known : int
        Files with a score, without one, and those that were done before.
    known_failed : int
        Of those that were done before, how many have no score.
    reasons : Counter of str
        Failures by `FailureReason`.
    flags : Counter of str
        Quality flags, of all files.
    skipped : Counter of str
        What a folder held and was passed over, by why.
    stages : dict of str to float
        Seconds by stage: ``"read"`` (summed over workers), ``"network"``, ``"outputs"``,
        ``"wall"``.
    """

    run: Run
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    scored: int = 0
    failed: int = 0
    known: int = 0
    known_failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """Files done."""
        return self.scored + self.failed + self.known

    def count(self, result: FileResult) -> None:
        """Count one file."""
        if result.passed_over is not None:
            self.skipped[result.passed_over] += 1
            return
        if result.known:
            self.known += 1
        elif result.score is not None:
            self.scored += 1
        else:
            self.failed += 1
            self.reasons[str(result.reason or "internal")] += 1
        self.flags.update(result.flags)
        self.add_time("read", result.seconds)

    def add_time(self, stage: str, seconds: float) -> None:
        """Add to a stage's time."""
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds

    def timed(self, stage: str) -> _Timed:
        """Return a context manager whose time goes to a stage."""
        return _Timed(lambda seconds: self.add_time(stage, seconds))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as it is published: JSON."""
        return {
            "program": program_mark("run report"),
            "notice": RESEARCH_NOTICE,
            "began": self.began.isoformat(timespec="seconds"),
            "versions": _versions(),
            "model": self.run.model.as_dict(),
            "options": self.run.options.published(),
            "counts": {
                "files": self.files,
                "scored": self.scored,
                "failed": self.failed,
                "resumed": self.known,
                "resumed_without_score": self.known_failed,
            },
            "failures": dict(sorted(self.reasons.items())),
            "flags": dict(sorted(self.flags.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "seconds": {name: round(value, 3) for name, value in self.stages.items()},
        }


class _Timed:
    def __init__(self, add: Callable[[float], None]) -> None:
        self._add = add
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_details: object) -> None:
        self._add(time.perf_counter() - self._began)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
