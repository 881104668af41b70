"""Results into an archive by STOW-RS (PS3.18 10.5), and to a FHIR server."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from pneumoscore.pacs.targets import DICOM_KINDS, Parcel, Sent
from pneumoscore.pacs.web import base_url

__all__ = ["FhirTarget", "StowTarget", "stored_uids"]

_SECONDS = (10.0, 60.0)
_REFERENCED, _INSTANCE = "00081199", "00081155"


def stored_uids(answer: Any) -> set[str]:
    """Return the UIDs that a STOW-RS answer says are stored (PS3.18 10.5.3.2).

    Only they are: servers answer 200 to bytes that they stored nothing of.
    """
    return {
        value
        for item in _values(answer, _REFERENCED)
        for value in _values(item, _INSTANCE)
        if isinstance(value, str)
    }


def _values(item: Any, tag: str) -> list[Any]:
    """Return the values of an element of DICOM JSON (PS3.18 F.2); none of what is not it."""
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


class StowTarget:
    """An archive that takes STOW-RS.

    Parameters
    ----------
    url : str
        Of its DICOMweb service, as ``http://archive:8042/dicom-web``.

    Raises
    ------
    SettingsError
        If it is none (see `pneumoscore.pacs.web.base_url`).
    """

    def __init__(self, url: str) -> None:
        self.name = base_url(url)
        self.kinds = DICOM_KINDS

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Send parcels, each in a request of its own (see `Target`)."""
        import requests

        with requests.Session() as session:
            return [self._sent(session, parcel) for parcel in parcels]

    def _sent(self, session: Any, parcel: Parcel) -> Sent:
        import requests

        boundary = secrets.token_hex(16)
        body = b"".join(
            (
                f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii"),
                parcel.path.read_bytes(),
                f"\r\n--{boundary}--\r\n".encode("ascii"),
            )
        )
        headers = {
            "Accept": "application/dicom+json",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        }
        try:
            answer = session.post(
                f"{self.name}/studies", data=body, headers=headers, timeout=_SECONDS
            )
        except requests.RequestException as error:
            return Sent(parcel.uid, f"the archive did not answer ({type(error).__name__})")
        if answer.ok:
            try:
                if parcel.uid in stored_uids(answer.json()):
                    return Sent(parcel.uid)
            except ValueError:
                pass
            return Sent(parcel.uid, f"the archive answered {answer.status_code} without our UID")
        return Sent(parcel.uid, f"the archive answered {answer.status_code}")


class FhirTarget:
    """A FHIR server that takes transactions.

    Parameters
    ----------
    url : str
        Its base with ``fhir+`` before it, as ``fhir+https://server/fhir``.

    Raises
    ------
    SettingsError
        If it is none (see `pneumoscore.pacs.web.base_url`).
    """

    def __init__(self, url: str) -> None:
        self._url = base_url(url.removeprefix("fhir+"))
        self.name = f"fhir+{self._url}"
        self.kinds = ("fhir",)

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Send bundles (see `Target`)."""
        import requests

        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        sent = []
        for parcel in parcels:
            try:
                answer = requests.post(
                    self._url, data=parcel.path.read_bytes(), headers=headers, timeout=_SECONDS
                )
            except requests.RequestException as error:
                why = f"the server did not answer ({type(error).__name__})"
                sent.append(Sent(parcel.uid, why))
                continue
            code = answer.status_code
            why = f"the server answered {code}"
            sent.append(Sent(parcel.uid, None if answer.ok else why, code in (400, 422)))
        return sent
