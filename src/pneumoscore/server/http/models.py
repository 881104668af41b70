"""The model in use: its card and identity."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pneumoscore.present.markdown import markdown_to_html
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.pages import page
from pneumoscore.severity.bundle import Bundle, find_bundle, read_bundle
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["router"]

router = APIRouter()
_BUILT_IN = "severity"


@cache
def _bundle(name: str) -> Bundle:
    return read_bundle(find_bundle(name))


@router.get("/model")
def model_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show the card of the model in use."""
    del session
    bundle = _bundle(site.options.model or _BUILT_IN)
    title = f"{bundle.name} {bundle.version}"
    return page(request, "model.html", title=title, card=markdown_to_html(bundle.card))


@router.get("/api/v1/model")
def model(site: SiteHere, session: SessionHere) -> dict[str, Any]:
    """Return which model is in use."""
    del session
    bundle = _bundle(site.options.model or _BUILT_IN)
    return {
        "name": bundle.name,
        "version": bundle.version,
        "backbone": bundle.backbone,
        "scales": [head.scale.name for head in bundle.heads],
        "notice": RESEARCH_NOTICE,
    }
