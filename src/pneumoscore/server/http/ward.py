"""The ward: all patients, the most pressing first, brought up to date as films arrive."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pneumoscore.monitor.change.advice import ADVICE_ORDER
from pneumoscore.monitor.forms import ward_row_form
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS
from pneumoscore.monitor.pictures.page import ward_table
from pneumoscore.monitor.ward import WardChoice, WardOrder, WardRow
from pneumoscore.present.drawings import sparkline_svg
from pneumoscore.records.identity import patient_name
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.films import ScaleName
from pneumoscore.server.http.pages import page, part
from pneumoscore.server.reading.blinding import withheld_patients
from pneumoscore.severity.scale import scale_named

__all__ = ["router"]

router = APIRouter()
_WORDS = (*ADVICE_ORDER, "not judged")


class Since(StrEnum):
    """How recent the last film must be, in days."""

    ANY = "any"
    DAY = "1"
    THREE = "3"
    WEEK = "7"
    MONTH = "30"


Only = Annotated[str, Query(max_length=40)]


def _choice(
    only: str, since: Since, order: WardOrder, flagged: bool, everyone: bool, limit: int
) -> WardChoice:
    return WardChoice(
        days=None if since is Since.ANY else float(since.value),
        everyone=everyone,
        limit=limit,
        order=order,
        words=(only,) if only in _WORDS else (),
        flagged=flagged,
    )


@router.get("/ward")
def ward_page(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    scale: ScaleName = ScaleName.GEOGRAPHIC_EXTENT,
    only: Only = "",
    since: Since = Since.ANY,
    order: WardOrder = WardOrder.PRESSING,
    flagged: bool = False,
    everyone: bool = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Show the ward."""
    hidden = withheld_patients(site.records, session.account)
    chosen = _choice(only, since, order, flagged, everyone, limit)
    ward = site.wards.ward(site.records, scale.value, chosen, hidden, site.options.rules)
    table = None
    if ward is not None and ward.rows:
        table = ward_table(
            ward,
            lambda row, drawn: sparkline_svg(row.days, row.values, drawn),
            name=_link,
            advice=_advice,
        )
    asked = {
        "scale": scale.value,
        "since": since.value,
        "order": order.value,
        **({"flagged": "true"} if flagged else {}),
        **({"everyone": "true"} if everyone else {}),
    }
    return page(
        request,
        "ward.live.html",
        title="Ward",
        ward=ward,
        table=table,
        hidden=len(hidden),
        asked=asked,
        only=only,
        words=[word for word in _WORDS if ward is not None and ward.counts.get(word)],
        marks=ADVICE_MARKS,
        scales={name.value: scale_named(name.value) for name in ScaleName},
        orders=list(WardOrder),
        times=list(Since),
    )


def _link(row: WardRow) -> str:
    return part("link", f"/patients/{row.id}", patient_name(row.patient, row.issuer))


def _advice(row: WardRow) -> str:
    reason = "" if row.advice is None else row.advice.reason
    return part("verdict", ADVICE_MARKS[row.word], row.word, reason)


@router.get("/api/v1/ward")
def ward(
    site: SiteHere,
    session: SessionHere,
    scale: ScaleName = ScaleName.GEOGRAPHIC_EXTENT,
    only: Only = "",
    since: Since = Since.ANY,
    order: WardOrder = WardOrder.PRESSING,
    flagged: bool = False,
    everyone: bool = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[dict[str, Any]]:
    """Return the ward, as ``patient ward --json`` prints it; who is read blinded is left out."""
    hidden = withheld_patients(site.records, session.account)
    chosen = _choice(only, since, order, flagged, everyone, limit)
    found = site.wards.ward(site.records, scale.value, chosen, hidden, site.options.rules)
    if found is None:
        return []
    return [{"id": row.id, **ward_row_form(row, found)} for row in found.rows]
