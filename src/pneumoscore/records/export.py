"""All that is recorded of a patient, as one file."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from pneumoscore.files import write
from pneumoscore.marks import program_mark
from pneumoscore.records.database import Records
from pneumoscore.records.reading import read_audit, read_models, read_timeline

__all__ = ["export_patient"]


def export_patient(records: Records, patient: str, target: Path) -> int:
    """Write all that is recorded of a patient to a JSON file that only its owner can read.

    Parameters
    ----------
    records : Records
        Open.
    patient : str
        As `find_patient` takes it.
    target : Path
        The file.

    Returns
    -------
    int
        Films.

    Raises
    ------
    RecordsError
        If there is no such patient.
    """
    by_model = [
        read_timeline(records, patient, model_id=model.id, pictures=True)
        for model in read_models(records)
    ]
    timeline = by_model[-1] if by_model else read_timeline(records, patient)
    content = {
        "program": program_mark("patient export"),
        "patient": timeline.patient,
        "issuer": timeline.issuer,
        "sex": timeline.sex,
        "birth_date": timeline.birth_date,
        "films": [_film_content(film) for film in timeline.films],
        "scores": [
            {
                "model": asdict(item.model.identity),
                "films": {
                    film.uid: [asdict(value) for value in film.values.values()]
                    for film in item.films
                    if film.values
                },
                "thumbnails": {
                    film.uid: base64.b64encode(film.thumbnail).decode("ascii")
                    for film in item.films
                    if film.thumbnail is not None
                },
            }
            for item in by_model
            if item.model is not None
        ],
        "events": [asdict(item) for item in timeline.events],
        "notes": [asdict(item) for item in timeline.notes],
        "audit": [asdict(item) for item in read_audit(records, patient, limit=1_000_000)],
    }
    data = json.dumps(content, indent=1, default=_json_value, ensure_ascii=False)
    write(target, f"{data}\n".encode(), private=True)
    return len(timeline.films)


def _film_content(film: Any) -> dict[str, object]:
    names = ("uid", "study_uid", "taken_at", "utc_offset_minutes", "view", "file", "twins")
    return {name: getattr(film, name) for name in names}


def _json_value(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an export")
