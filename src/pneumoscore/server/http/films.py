"""Films: sent, watched, looked at, taken away."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import unquote

from anyio import to_thread
from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from pneumoscore.present.table import csv_line
from pneumoscore.records.lookup import patients_of_films
from pneumoscore.server.films.downloads import Download, DownloadOrder, has_dicom_objects
from pneumoscore.server.films.intake import receive_film, shown_name, take_in
from pneumoscore.server.films.uploads import Upload, drop_upload, find_upload, list_uploads
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.patience import in_time
from pneumoscore.server.http.sent_file import SentFile
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.blinding import WithheldFilms, withheld_films
from pneumoscore.server.reading.scores import EXTENT_STEPS, OPACITY_STEPS
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site
from pneumoscore.server.texts import translator
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["declared_length", "router", "shown"]

router = APIRouter()
FilmName = Annotated[str | None, Header(alias="X-Film-Name", max_length=1024)]


class ViewSize(StrEnum):
    """Which copy of a film."""

    SCREEN = "screen"
    FULL = "full"


class ScaleName(StrEnum):
    """A scale with a map."""

    GEOGRAPHIC_EXTENT = "geographic_extent"
    OPACITY = "opacity"


def _withheld(upload: Upload, hidden: WithheldFilms) -> bool:
    return hidden.holds_result(upload.result or {}, upload.sha256)


def shown(upload: Upload, hidden: WithheldFilms) -> dict[str, Any]:
    """Return an upload as the API gives it; a film that is read blinded has no result."""
    base: dict[str, Any] = {
        "id": upload.id,
        "name": upload.name,
        "state": upload.state.value,
        "created_at": upload.created_at.isoformat() + "Z",
        "expires_at": upload.expires_at.isoformat() + "Z",
        "notice": RESEARCH_NOTICE,
    }
    if upload.result is None:
        return base
    if _withheld(upload, hidden):
        return {**base, "state": "withheld", "reason": "read_blinded"}
    kept = ("error", "reason", "flags", "score", "metadata", "recorded", "not_recorded")
    return {**base, **{key: upload.result[key] for key in kept if key in upload.result}}


def _mine(site: Site, session: Session, film: str) -> Upload:
    upload = find_upload(site.records, film, session.account)
    if upload is None:
        record_peek(site, session.account, "a film of somebody else, or none", film)
        raise HTTPException(404, "no such film; uploads are deleted after a time")
    return upload


def _visible(site: Site, session: Session, film: str) -> Upload:
    """Return a film whose result this account may see now."""
    upload = _mine(site, session, film)
    if upload.result is None:
        raise HTTPException(409, "the film is not scored yet")
    if _withheld(upload, withheld_films(site.records, session.account)):
        record_peek(site, session.account, "the score of a film that is read blinded", film)
        raise HTTPException(403, "this film is read blinded; its scores are withheld until then")
    return upload


@router.get("/")
def score_page(request: Request, session: SessionHere) -> Response:
    """Show where films are dropped and what became of them."""
    del session
    return page(request, "score.html", title="Score")


@router.get("/films/{film}")
def film_page(request: Request, site: SiteHere, session: SessionHere, film: str) -> Response:
    """Show one film in the viewer with its scores."""
    upload = _visible(site, session, film)
    result = upload.result or {}
    uid = (result.get("metadata") or {}).get("sop_instance_uid")
    followed = patients_of_films(site.records, uids=[uid]) if uid and result.get("recorded") else ()
    return page(
        request,
        "film.viewer.html",
        remarks=_remarks(result),
        readable="pixels_sha256" in result,
        dicom_objects=uid is not None and has_dicom_objects(),
        patient=next(iter(followed), None),
        title=upload.name,
        film=shown(upload, WithheldFilms()),
        scales={name.value: scale_named(name.value) for name in ScaleName},
        steps={"geographic_extent": EXTENT_STEPS, "opacity": OPACITY_STEPS},
    )


@router.post("/api/v1/films", status_code=202)
async def send_film(
    request: Request, site: SiteHere, session: SessionHere, name: FilmName = None
) -> JSONResponse:
    """Take one film, or a ZIP file of films, the body as it is; on the disk when this answers.

    The name comes percent-encoded in the header ``X-Film-Name``: never in the URL, which
    servers and proxies log. The answer lists the films, and counts what in a ZIP file is none.
    """
    received = await receive_film(
        site.films, in_time(request.stream()), site.options, declared_length(request)
    )
    told = shown_name(unquote(name or ""))
    taken = await to_thread.run_sync(
        take_in, site, session.account, received, told, limiter=site.at_once
    )
    films = [shown(upload, WithheldFilms()) for upload in taken.uploads]
    return JSONResponse({"films": films, "passed_over": taken.skipped}, 202)


def declared_length(request: Request) -> int | None:
    """Return the length that a request says its body has."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else None


@router.get("/api/v1/films")
def films(site: SiteHere, session: SessionHere) -> list[dict[str, Any]]:
    """Return one's own films, the newest first."""
    hidden = withheld_films(site.records, session.account)
    return [shown(upload, hidden) for upload in list_uploads(site.records, session.account)]


@router.get("/api/v1/films/{film}")
def film_result(site: SiteHere, session: SessionHere, film: str) -> dict[str, Any]:
    """Return one film and what became of it."""
    upload = _mine(site, session, film)
    return shown(upload, withheld_films(site.records, session.account))


@router.delete("/api/v1/films/{film}", status_code=204)
def delete_film(site: SiteHere, session: SessionHere, film: str) -> Response:
    """Delete a film and its result."""
    drop_upload(site.records, site.films, _mine(site, session, film).id)
    return Response(status_code=204)


@router.get("/api/v1/films/{film}/view", response_class=Response)
def film_view(
    site: SiteHere, session: SessionHere, film: str, size: ViewSize = ViewSize.SCREEN
) -> Response:
    """Return grey levels: rows and columns as two uint32, then uint16, little-endian."""
    upload = _visible(site, session, film)
    return _made(site, upload.id, size.value, "application/octet-stream")


@router.get("/api/v1/films/{film}/map", response_class=Response)
def film_map(
    site: SiteHere,
    session: SessionHere,
    film: str,
    scale: ScaleName = ScaleName.GEOGRAPHIC_EXTENT,
) -> Response:
    """Return the contribution map as a PNG to lay over the film."""
    upload = _visible(site, session, film)
    return _made(site, upload.id, f"map-{scale.value}.png", "image/png")


def _made(site: Site, number: str, name: str, kind: str) -> Response:
    path = site.films.derived(number) / name
    if not path.is_file():
        raise HTTPException(404, "this film has none")
    return SentFile(path, media_type=kind)


_PARTS = ("value", "low", "high", "level", "right", "left")


@router.get("/api/v1/films/{film}/scores.csv", response_class=Response)
def film_csv(site: SiteHere, session: SessionHere, film: str) -> Response:
    """Return the scores as a table."""
    result = _visible(site, session, film).result or {}
    score = result.get("score")
    if score is None:
        raise HTTPException(409, str(result.get("error", "the film has no score")))
    lines = [csv_line(("scale", *_PARTS, "flags", "model", "notice"))]
    model = score["model"]
    for name, part in score["scores"].items():
        values = ("" if part.get(key) is None else f"{part[key]:.6g}" for key in _PARTS)
        identity = f"{model['name']} {model['version']}"
        flags = " ".join(score["flags"])
        lines.append(csv_line((name, *values, flags, identity, RESEARCH_NOTICE)))
    return Response(
        "".join(lines),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="scores.csv"'},
    )


def _remarks(result: dict[str, Any]) -> tuple[str, ...]:
    """Return a film's quality flags in words, with what to do."""
    flags = (result.get("score") or result).get("flags", ())
    text = translator()
    return tuple(text(f"flags.{flag}") for flag in flags)


@router.get("/api/v1/films/{film}/report.pdf", response_class=Response)
async def film_pdf(site: SiteHere, session: SessionHere, film: str) -> Response:
    """Return the scores as a printed page."""
    return await _download(site, session, film, Download.PDF, "application/pdf")


@router.get("/api/v1/films/{film}/report.dcm", response_class=Response)
async def film_report(site: SiteHere, session: SessionHere, film: str) -> Response:
    """Return the scores as a DICOM structured report, where the film is DICOM."""
    return await _download(site, session, film, Download.REPORT, "application/dicom")


@router.get("/api/v1/films/{film}/capture.dcm", response_class=Response)
async def film_capture(site: SiteHere, session: SessionHere, film: str) -> Response:
    """Return the film under its map as a DICOM secondary capture, where the film is DICOM."""
    return await _download(site, session, film, Download.CAPTURE, "application/dicom")


async def _download(
    site: Site, session: Session, film: str, kind: Download, media_type: str
) -> Response:
    upload = await run_in_threadpool(_visible, site, session, film)
    result = upload.result or {}
    if "pixels_sha256" not in result:
        raise HTTPException(409, str(result.get("error", "the film could not be read")))
    path = site.films.derived(upload.id) / kind.value
    if not path.is_file():
        order = DownloadOrder(
            kind,
            site.films.path(upload.id),
            path,
            upload.name,
            _remarks(result),
            ((result.get("score") or {}).get("model") or {}).get("sha256"),
        )
        problem = await to_thread.run_sync(site.queue.make, order, limiter=site.at_once)
        if problem is not None:
            raise HTTPException(409, problem)
    return SentFile(path, media_type=media_type, filename=kind.value)
