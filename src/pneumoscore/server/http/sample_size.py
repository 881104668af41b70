"""How many films and readers a study needs."""

from __future__ import annotations

from functools import lru_cache

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from pneumoscore.server.http.door import SessionHere
from pneumoscore.server.http.pages import page
from pneumoscore.server.reading.sample_size import (
    Assumptions,
    PlannedPrecision,
    plan_precision,
    precision_table,
)

__all__ = ["router"]

router = APIRouter()


@lru_cache(maxsize=64)
def _planned(assumptions: Assumptions) -> tuple[PlannedPrecision, ...]:
    """Simulate once what is asked for again and again."""
    return plan_precision((30, 60, 100, 200), (2, 3, 5), assumptions, repeats=100)


@router.get("/sample-size")
def sample_size(
    request: Request,
    session: SessionHere,
    films_sd: float = 2.4,
    readers_sd: float = 0.3,
    error_sd: float = 0.55,
    model_sd: float = 1.1,
) -> Response:
    """Show what studies of some sizes would tell."""
    del session
    given = (films_sd, readers_sd, error_sd, model_sd)
    if not all(0.0 <= value <= 8.0 for value in given) or films_sd == 0.0:
        raise HTTPException(422, "standard deviations lie between 0 and 8 points")
    assumptions = Assumptions(*given)
    planned = _planned(assumptions)
    return page(
        request,
        "sample_size.html",
        title="Sample size",
        assumptions=assumptions,
        planned=precision_table(planned, assumptions),
    )
