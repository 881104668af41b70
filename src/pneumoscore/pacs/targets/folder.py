"""Results into a folder, for whatever takes them from there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pneumoscore.files import write_atomically
from pneumoscore.pacs.targets import DICOM_KINDS, Parcel, Sent

__all__ = ["FolderTarget"]

_ENDINGS = {"fhir": "json", "hl7": "hl7"}


class FolderTarget:
    """A folder; files appear whole, named by kind and UID, for their owner alone.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)
        self.kinds = (*DICOM_KINDS, *_ENDINGS)

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Write parcels (see `Target`)."""
        sent = []
        for parcel in parcels:
            ending = _ENDINGS.get(parcel.kind, "dcm")
            try:
                path = self.folder / f"{parcel.kind}-{parcel.uid}.{ending}"
                write_atomically(path, parcel.path.read_bytes(), private=True)
                sent.append(Sent(parcel.uid))
            except OSError as error:
                sent.append(Sent(parcel.uid, error.strerror or type(error).__name__))
        return sent
