"""Films into a study: scored once when they come, and the scores sealed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pneumoscore.records.choice import ChosenFilm
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.films.intake import Received
from pneumoscore.server.reading.steps import add_film
from pneumoscore.server.reading.study import StudyFilm
from pneumoscore.server.site import Site

__all__ = ["take_study_film"]


def take_study_film(
    site: Site,
    study: str,
    received: Received,
    name: str,
    *,
    example: bool = False,
    recorded: ChosenFilm | None = None,
    actor: str,
) -> StudyFilm:
    """Score a film that came in, and record it in its study; nothing of it is left if it raises.

    Parameters
    ----------
    site : Site
        Where.
    study : str
        A draft.
    received : Received
        The film, beside its place in the store.
    name : str
        What it is called.
    example : bool, optional
        Whether it is shown with the instructions and not read.
    recorded : ChosenFilm, optional
        What the records say of it: they know its patient and time where the file does not.
    actor : str
        Who, for the audit.

    Raises
    ------
    ReadingError
        If it cannot be read, or the study does not take it.
    """
    try:
        film = _sealed(site, received, name, example)
        if recorded is not None:
            film = replace(
                film,
                patient=recorded.patient,
                taken_at=recorded.taken_at,
                sop_instance_uid=recorded.uid,
            )
        add_film(site.records, study, film, actor=actor)
    except BaseException:
        site.films.drop(received.id)
        raise
    site.films.keep(film.id)
    return film


def _sealed(site: Site, received: Received, name: str, example: bool) -> StudyFilm:
    number = received.id
    result = site.queue.score(site.films.writing(number), site.films.derived(number))
    if "pixels_sha256" not in result:
        raise ReadingError(f"{name}: {result.get('error', 'cannot be read')}")
    said = result["metadata"]
    at = said["acquired_at"]
    return StudyFilm(
        id=number,
        code="",
        name=name,
        patient=said["patient_id"] or name,
        taken_at=None if at is None else datetime.fromisoformat(at).replace(tzinfo=None),
        sha256=received.sha256,
        pixels_sha256=result["pixels_sha256"],
        sop_instance_uid=said["sop_instance_uid"],
        example=example,
        model_scores=result.get("score") or {"error": result.get("error")},
        film_digest=result["film_digest"],
        likeness=result["likeness"] or None,
    )
