"""A film's result as messages for systems that are no archives: FHIR bundles and HL7 v2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pneumoscore.pacs.deliveries import OutboxObject

if TYPE_CHECKING:
    from pneumoscore.pacs.objects.header import FilmHeader
    from pneumoscore.pacs.objects.result import FilmReport

__all__ = ["fhir_object", "hl7_object"]


def fhir_object(header: FilmHeader, report: FilmReport) -> OutboxObject:
    """Return a FHIR bundle for the outbox (see `pneumoscore.pacs.messages.fhir`)."""
    from pneumoscore.pacs.messages.fhir import film_bundle

    data = json.dumps(film_bundle(header, report), ensure_ascii=False).encode("utf-8")
    uid = report.uid(header.sop_instance_uid, "fhir")
    return OutboxObject(uid, "fhir", "", data)


def hl7_object(header: FilmHeader, report: FilmReport) -> OutboxObject:
    """Return an HL7 v2 message for the outbox (see `pneumoscore.pacs.messages.hl7`)."""
    from pneumoscore.pacs.messages.hl7 import film_message

    data = film_message(header, report).encode("utf-8")
    uid = report.uid(header.sop_instance_uid, "hl7")
    return OutboxObject(uid, "hl7", "", data)
