"""Whether the server is well, and its counts."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Response

from pneumoscore.server.accounts import any_account
from pneumoscore.server.http.door import SiteHere

__all__ = ["router"]

router = APIRouter()


@router.get("/health")
def health(site: SiteHere) -> dict[str, object]:
    """Say that the server answers and its records can be read; nothing else."""
    return {"status": "ok", "set_up": any_account(site.records)}


@router.get("/metrics", response_class=Response)
def metrics(site: SiteHere) -> Response:
    """Return counts in the Prometheus text format, without anything about patients."""
    gauges = {
        "pneumoscore_films_waiting": float(site.queue.waiting()),
        "pneumoscore_store_free_bytes": float(shutil.disk_usage(site.films.folder).free),
    }
    return Response(site.metrics.text(gauges), media_type="text/plain; version=0.0.4")
