"""A study for its owner: nobody else learns whether it is there."""

from __future__ import annotations

from fastapi import HTTPException
from fastapi.responses import RedirectResponse, Response

from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.study import ReaderStudy, find_study
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site

__all__ = ["owned_study", "study_shown"]


def owned_study(site: Site, session: Session, study: str) -> ReaderStudy:
    """Return a study of this account.

    Raises
    ------
    HTTPException
        404 if it is somebody else's or none, which is answered alike and kept in the audit.
    """
    found = find_study(site.records, study)
    if found is None or found.owner_id != session.account.id:
        record_peek(site, session.account, "a study of somebody else, or none", study)
        raise HTTPException(404, "no such study")
    return found


def study_shown(study: str) -> Response:
    """Return the answer that leads to a study's page."""
    return RedirectResponse(f"/studies/{study}", 303)
