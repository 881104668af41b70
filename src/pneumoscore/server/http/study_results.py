"""What a locked study gives its owner: scores, labels, agreement and films, by code."""

from __future__ import annotations

import io
import secrets
import zipfile

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.background import BackgroundTask

from pneumoscore.marks import program_mark
from pneumoscore.records.rows import add_audit
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.owned import owned_study
from pneumoscore.server.http.sent_file import SentFile
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.agreement import kept_agreement
from pneumoscore.server.reading.handover import write_handover
from pneumoscore.server.reading.results import StudyResults, read_results
from pneumoscore.server.reading.study import ReaderStudy, study_films
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()


@router.get("/studies/{study}/export.zip", response_class=Response)
def export(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Return ratings and labels in the forms that other commands take.

    Files are named by code; no patient's identifier leaves the study.
    """
    found = owned_study(site, session, study)
    results = _results(site, session, study)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", results.ratings_csv())
        archive.writestr("labels.csv", results.labels_csv())
        for reader, twice in results.repeats_csv().items():
            archive.writestr(f"repeats-{reader}.csv", twice)
        archive.writestr("answers.csv", results.answers_csv())
        for number, table in enumerate(kept_agreement(site, found, results), start=1):
            archive.writestr(f"agreement-{number}.csv", table.csv())
        archive.comment = program_mark("reader study").encode("ascii")
    _exported(site, session, found, "scores")
    return Response(
        stream.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="study.zip"'},
    )


@router.get("/studies/{study}/films.zip", response_class=Response)
def export_films(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Return the films by code with their labels, for one command to refit the heads on."""
    found = owned_study(site, session, study)
    results = _results(site, session, study)
    # Named as what was begun and not finished, so that the next start deletes what a crash left.
    target = site.films.writing(secrets.token_hex(16))
    write_handover(site.films, study_films(site.records, study), results, target)
    _exported(site, session, found, "films")
    return SentFile(
        target,
        media_type="application/zip",
        filename="study-films.zip",
        background=BackgroundTask(target.unlink, missing_ok=True),
    )


def _results(site: Site, session: Session, study: str) -> StudyResults:
    try:
        return read_results(site.records, study)
    except ReadingError:
        record_peek(site, session.account, "scores of a study that is not locked", study)
        raise


def _exported(site: Site, session: Session, study: ReaderStudy, what: str) -> None:
    details = {"study": study.id, "state": study.state.value, "what": what}
    with site.records.writing() as connection:
        add_audit(connection, session.account.name, "study_exported", details)
