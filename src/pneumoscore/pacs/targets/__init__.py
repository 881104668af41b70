"""Where results go: archives by C-STORE or STOW-RS, folders, FHIR servers, HL7 receivers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pneumoscore.errors import SettingsError

if TYPE_CHECKING:
    from pneumoscore.pacs.association import Credentials

__all__ = ["DICOM_KINDS", "Node", "Parcel", "Sent", "Target", "make_target", "parse_node"]

DICOM_KINDS = ("report", "capture", "segmentation")
_TLS = "dicoms://"


@dataclass(frozen=True, slots=True)
class Node:
    """A DICOM application.

    Attributes
    ----------
    title : str
        Application entity title.
    host : str
        Where it listens; empty where that is not known.
    port : int
        The same; 0 where it is not known.
    tls : bool
        Whether it is asked by TLS.
    """

    title: str
    host: str = ""
    port: int = 0
    tls: bool = False

    def __str__(self) -> str:
        """Return it as it is written in settings."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        address = f"@{host}:{self.port}" if host else ""
        return f"{_TLS if self.tls else ''}{self.title}{address}"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object on its way to one target.

    Attributes
    ----------
    uid : str
        SOP Instance UID, or an identifier of ours.
    kind : str
        ``"report"``, ``"capture"``, ``"segmentation"``, ``"fhir"`` or ``"hl7"``.
    sop_class_uid : str
        Of a DICOM object.
    path : Path
        Its bytes.
    """

    uid: str
    kind: str
    sop_class_uid: str
    path: Path


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one parcel.

    Attributes
    ----------
    uid : str
        Whose.
    error : str or None
        None: the target has it. Otherwise why it has not, without a word of the patient.
    final : bool
        Whether trying again is of no use.
    """

    uid: str
    error: str | None = None
    final: bool = False


class Target(Protocol):
    """Takes parcels.

    Attributes
    ----------
    name : str
        As it is written in settings; names the target in status and logs.
    kinds : tuple of str
        Kinds of parcels that it takes.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """See above."""

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Send parcels, and say of each what became of it; never raises for a peer's sake."""


def parse_node(text: str) -> Node:
    """Return the node in ``AET@HOST:PORT``, ``dicoms://AET@HOST:PORT`` (TLS), or ``AET`` alone.

    Raises
    ------
    SettingsError
        If it is none.

    Examples
    --------
    >>> parse_node("ARCHIVE@10.0.0.5:104")
    Node(title='ARCHIVE', host='10.0.0.5', port=104, tls=False)
    """
    plain = text.strip().removeprefix(_TLS)
    tls = plain != text.strip()
    match = re.fullmatch(r"([^@\\/]{1,16})(?:@(\[[0-9a-fA-F:]+\]|[^:@\s]+):(\d{1,5}))?", plain)
    if match is None or not match[1].strip() or not 0 < int(match[3] or 1) < 65536:
        raise SettingsError(f"{text!r} is no application", "AET@HOST:PORT, as ARCHIVE@10.0.0.5:104")
    return Node(match[1].strip(), (match[2] or "").strip("[]"), int(match[3] or 0), tls)


def make_target(
    text: str, calling: str = "PNEUMOSCORE", credentials: Credentials | None = None
) -> Target:
    """Return the target that a text names.

    Parameters
    ----------
    text : str
        ``AET@HOST:PORT``, the same after ``dicoms://`` (TLS), ``http(s)://...`` (DICOMweb),
        ``fhir+http(s)://...``, ``hl7://HOST:PORT``, or a folder.
    calling : str, optional
        Our own application entity title.
    credentials : Credentials, optional
        For TLS.

    Raises
    ------
    SettingsError
        If it names none.
    """
    from pneumoscore.pacs.targets.dicom import StoreTarget
    from pneumoscore.pacs.targets.folder import FolderTarget
    from pneumoscore.pacs.targets.web import FhirTarget, StowTarget

    if text.startswith(("http://", "https://")):
        return StowTarget(text)
    if text.startswith(("fhir+http://", "fhir+https://")):
        return FhirTarget(text)
    if text.startswith("hl7://"):
        from pneumoscore.pacs.targets.mllp import MllpTarget

        return MllpTarget(text)
    if "@" in text or text.startswith(_TLS):
        node = parse_node(text)
        if not node.host:
            raise SettingsError(f"{text!r} has no address", "AET@HOST:PORT")
        return StoreTarget(node, calling, credentials)
    return FolderTarget(Path(text))
