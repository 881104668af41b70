"""A patient's recorded trajectory, judged: what pages, pictures and commands show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pneumoscore.errors import ModelError
from pneumoscore.monitor.change.error_model import ErrorModel, find_error_model
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.verdict import PatientVerdict, judge, not_watched, watched_scales
from pneumoscore.records.database import Records
from pneumoscore.records.reading import read_timeline
from pneumoscore.records.types import StoredModel, Timeline

__all__ = ["Judged", "errors_of", "judged_timeline"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A trajectory and what changed in it.

    Attributes
    ----------
    timeline : Timeline
        From the records.
    verdict : PatientVerdict or None
        None where changes could not be judged.
    problem : str
        Why not, or of which scale they were not; empty where all were.
    """

    timeline: Timeline
    verdict: PatientVerdict | None
    problem: str = ""


def judged_timeline(
    records: Records,
    patient: str | int,
    rules: RuleSet,
    *,
    model_id: int | None = None,
    error_model: Path | None = None,
    pictures: bool = False,
) -> Judged:
    """Read a patient's trajectory and judge it.

    Parameters
    ----------
    records : Records
        Open.
    patient : str or int
        Identifier, or the id of a row of the records.
    rules : RuleSet
        When a change is called.
    model_id : int, optional
        Whose scores; by default the newest model that has scored a film of this patient.
    error_model : Path, optional
        File with the model's error; by default as `find_error_model` looks.
    pictures : bool, optional
        Whether to read small pictures too.

    Raises
    ------
    RecordsError
        If there is no such patient or model.
    ModelError
        If the named error model does not fit.
    """
    timeline = read_timeline(records, patient, model_id=model_id, pictures=pictures)
    errors, problem = errors_of(timeline.model, error_model)
    if errors is None:
        return Judged(timeline, None, problem)
    lacking = not_watched(rules, errors)
    verdict = judge(timeline, errors, rules) if watched_scales(rules, errors) else None
    return Judged(timeline, verdict, lacking)


def errors_of(model: StoredModel | None, file: Path | None = None) -> tuple[ErrorModel | None, str]:
    """Return the error model of a stored model, or None and why there is none.

    Raises
    ------
    ModelError
        If a file is named and does not fit.
    """
    if model is None:
        return None, "no model has scored a film of this patient"
    try:
        return find_error_model(model.identity, file), ""
    except ModelError as error:
        if file is not None:
            raise
        return None, str(error)
