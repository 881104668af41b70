"""The model in use: its card, its identity, and whether recent films are like those it knows."""

from __future__ import annotations

import math
from dataclasses import asdict
from enum import IntEnum
from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pneumoscore.present.markdown import markdown_to_html
from pneumoscore.server.drift import Drift, drift_table, measure_drift
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.pages import page
from pneumoscore.server.site import Site
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity

__all__ = ["router"]

router = APIRouter()


class Days(IntEnum):
    """How far back recent films go."""

    WEEK = 7
    MONTH = 30
    QUARTER = 90


@cache
def _described(
    name: str | None,
) -> tuple[ModelIdentity, tuple[str, ...], str, FittedFilms | None]:
    """Return identity, scales, card and fitted films; the network itself is let go again."""
    from pneumoscore.severity.model import SeverityModel

    model = SeverityModel.open(name, threads=1)
    return model.identity, model.shown, model.card, model.fitted


def _drift(site: Site, days: Days) -> Drift:
    identity, _, _, fitted = _described(site.options.model)
    return measure_drift(site.records, identity.sha256, fitted, int(days))


@router.get("/model")
def model_page(
    request: Request, site: SiteHere, session: SessionHere, days: Days = Days.MONTH
) -> Response:
    """Show the model in use: its identity, its card, and recent films against its own."""
    del session
    identity, _, card, _ = _described(site.options.model)
    drift = _drift(site, days)
    return page(
        request,
        "model.html",
        title=f"{identity.name} {identity.version}",
        identity=identity,
        card=markdown_to_html(card),
        drift=drift,
        table_of_drift=drift_table(drift),
        choices=list(Days),
    )


@router.get("/api/v1/model")
def model(site: SiteHere, session: SessionHere) -> dict[str, Any]:
    """Return which model is in use."""
    del session
    identity, scales, _, _ = _described(site.options.model)
    return {**asdict(identity), "scales": list(scales), "notice": RESEARCH_NOTICE}


@router.get("/api/v1/model/drift")
def model_drift(site: SiteHere, session: SessionHere, days: Days = Days.MONTH) -> dict[str, Any]:
    """Return recent films against those that the model was fitted on."""
    del session
    told = asdict(_drift(site, days))
    told["shifts"] = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in shift.items()
        }
        for shift in told["shifts"]
    ]
    return {**told, "notice": RESEARCH_NOTICE}
