"""The application: routes, door, headers, start and end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.resources import files as package_files

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from pneumoscore.errors import PneumoScoreError
from pneumoscore.server.errors import TooSlowError
from pneumoscore.server.films.intake import TooLargeError
from pneumoscore.server.follow.news import RecordsWatch
from pneumoscore.server.http import (
    administration,
    films,
    health,
    live,
    models,
    patient_events,
    patients,
    provider,
    reading,
    sample_size,
    sign_in,
    studies,
    study_choice,
    study_films,
    study_results,
    ward,
)
from pneumoscore.server.http.document import RESPONSES, document
from pneumoscore.server.http.door import admit
from pneumoscore.server.http.headers import SecureHeaders
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.rights import RIGHTS
from pneumoscore.server.site import Site
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["create_app"]

_PARTS = (
    health,
    live,
    sign_in,
    provider,
    films,
    ward,
    patients,
    patient_events,
    models,
    reading,
    studies,
    study_choice,
    study_films,
    study_results,
    sample_size,
    administration,
)


def create_app(site: Site) -> FastAPI:
    """Return the application of a site.

    Parameters
    ----------
    site : Site
        Its parts; the queue is started and stopped with the application.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watch = RecordsWatch(site.records, site.bell)
        site.queue.start()
        watch.start()
        try:
            yield
        finally:
            watch.stop()
            site.queue.stop()

    app = FastAPI(
        title="PneumoScore",
        description=f"{RESEARCH_NOTICE}.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(admit)],
        responses=RESPONSES,
    )
    app.state.site = site
    for part in _PARTS:
        app.include_router(part.router)
    app.get("/api/v1/openapi.json", include_in_schema=False)(lambda: JSONResponse(document(app)))
    _require_rights(app)
    static = package_files("pneumoscore.server") / "static"
    app.mount("/static", StaticFiles(directory=str(static)))
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(PneumoScoreError, _own_error)
    app.add_middleware(SecureHeaders, secure=site.options.secure)
    return app


def _require_rights(app: FastAPI) -> None:
    """Raise unless every route has its right and every right its route."""
    served = {
        (method, getattr(route, "path", ""))
        for route in (*app.routes, *(route for part in _PARTS for route in part.router.routes))
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    if served != set(RIGHTS):
        raise RuntimeError(f"routes and rights differ: {sorted(served ^ set(RIGHTS))}")


_STATUS: dict[type[Exception], int] = {TooLargeError: 413, TooSlowError: 408}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        "/api/"
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == 303 and error.headers:
        return RedirectResponse(error.headers["Location"], 303)
    if isinstance(error, HTTPException) or error.status_code >= 400:
        request.state.session = getattr(request.state, "session", None)
    if _wants_page(request):
        return page(
            request,
            "error.html",
            error.status_code,
            title=f"{error.status_code}",
            problem=str(error.detail),
        )
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


async def _own_error(request: Request, error: Exception) -> Response:
    status = _STATUS.get(type(error), 400)
    if _wants_page(request):
        return page(request, "error.html", status, title=str(status), problem=str(error))
    return JSONResponse({"detail": str(error)}, status)
