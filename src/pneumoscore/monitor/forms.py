"""Trajectories and the ward as JSON objects: what commands print and the API gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from pneumoscore.monitor.judged import Judged
from pneumoscore.monitor.ward import Ward, WardRow
from pneumoscore.records.days import day_of
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["judged_form", "ward_row_form"]


def _plain(value: Any) -> Any:
    """Return nested values as JSON takes them: times as text, what is no number as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def judged_form(judged: Judged) -> dict[str, Any]:
    """Return a trajectory with its verdicts; ``advice`` is None where nothing was judged."""
    found, verdict = judged.timeline, judged.verdict
    scales = {}
    for part in () if verdict is None else verdict.scales:
        scales[part.scale] = {
            "films": [
                {
                    "uid": film.uid,
                    "study": film.study_uid,
                    "at": film.taken_at,
                    "utc_offset_minutes": film.utc_offset_minutes,
                    "view": film.view,
                    "twins": film.twins,
                    **asdict(film.values[part.scale]),
                }
                for film in part.films
            ],
            "changes": [asdict(pair) for pair in part.pairs],
            "calls": [asdict(item) for item in part.calls],
            "comparisons": [asdict(item) for item in part.comparisons],
            "trend": None if part.trend is None else asdict(part.trend),
            "reference": part.reference,
            "advice": asdict(part.advice),
        }
    model = found.model
    form: dict[str, Any] = _plain(
        {
            "patient": found.patient,
            "issuer": found.issuer,
            "calendar": found.calendar,
            "model": None if model is None else asdict(model.identity),
            "advice": None if verdict is None else asdict(verdict.advice),
            "not_comparable": [
                {"uid": film.uid, "at": film.taken_at} for film in found.not_comparable
            ],
            "scales": scales,
            "notice": RESEARCH_NOTICE,
        }
    )
    return form


def ward_row_form(row: WardRow, ward: Ward) -> dict[str, Any]:
    """Return one patient of the ward."""
    form: dict[str, Any] = _plain(
        {
            "patient": row.patient,
            "issuer": row.issuer,
            "scale": ward.scale,
            "model": ward.model,
            "last": {
                "at": row.last_at if row.calendar else None,
                "day": None if row.calendar else day_of(row.last_at),
                "days_ago": None if row.days_ago is None else round(row.days_ago, 2),
                "value": row.values[-1],
                "change": row.difference,
            },
            "films": len(row.values),
            "advice": {"word": row.word} if row.advice is None else asdict(row.advice),
            "left": row.left,
            "warnings": list(row.warnings),
            "notice": RESEARCH_NOTICE,
        }
    )
    return form
