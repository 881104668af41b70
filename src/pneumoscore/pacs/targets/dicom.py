"""Results into an archive by C-STORE, and the archive's word that it keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from pneumoscore.pacs.association import Credentials, associate
from pneumoscore.pacs.targets import DICOM_KINDS, Node, Parcel, Sent
from pneumoscore.radiograph.guard import translated

__all__ = ["StoreTarget", "referenced"]

_SECONDS = 30.0
_PDU = 131_072
_SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
# PS3.4 GG.4.2: what a repetition cannot cure; a full archive (A7xx) may have room later.
_FINAL = (0xA900, 0xC000)


def _entity(calling: str) -> AE:
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
    entity.connection_timeout = 10.0
    entity.maximum_pdu_size = _PDU
    return entity


class StoreTarget:
    """An archive that takes C-STORE.

    Parameters
    ----------
    node : Node
        The archive.
    calling : str
        Our own application entity title.
    credentials : Credentials, optional
        For nodes that are asked by TLS.

    Raises
    ------
    SettingsError
        If the credentials cannot be used.
    """

    def __init__(self, node: Node, calling: str, credentials: Credentials | None = None) -> None:
        self.node = node
        self.name = str(node)
        self.kinds = DICOM_KINDS
        self._calling = calling
        self._tls = (credentials or Credentials()).client_context() if node.tls else None

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Send parcels in one association (see `Target`)."""
        entity = _entity(self._calling)
        for sop_class in sorted({parcel.sop_class_uid for parcel in parcels}):
            entity.add_requested_context(sop_class, _SYNTAXES)
        association = associate(entity, self.node, self._tls)
        if not association.is_established:
            why = "refused the association" if association.is_rejected else "did not answer"
            return [Sent(parcel.uid, f"the archive {why}") for parcel in parcels]
        try:
            return [self._sent(association, parcel) for parcel in parcels]
        finally:
            if association.is_established:
                association.release()

    def request_commitment(
        self, transaction: str, objects: Sequence[tuple[str, str]]
    ) -> str | None:
        """Ask the archive to commit itself to objects (PS3.4 J.3.2); it reports in its own time.

        Parameters
        ----------
        transaction : str
            UID of the request.
        objects : sequence of (str, str)
            SOP class and instance UIDs.

        Returns
        -------
        str or None
            Why the request failed; None if the archive took it.
        """
        entity = _entity(self._calling)
        entity.add_requested_context(StorageCommitmentPushModel)
        association = associate(entity, self.node, self._tls)
        if not association.is_established:
            return "the archive did not take the request for commitment"
        try:
            asked = Dataset()
            asked.TransactionUID = transaction
            asked.ReferencedSOPSequence = [referenced(*item) for item in objects]
            status, _ = association.send_n_action(
                asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
        finally:
            association.release()
        if "Status" in status and int(status.Status) == 0x0000:
            return None
        return "the archive refused the request for commitment"

    def _sent(self, association: AE, parcel: Parcel) -> Sent:
        if not association.is_established:
            return Sent(parcel.uid, "the archive ended the association")
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if parcel.sop_class_uid not in accepted:
            return Sent(parcel.uid, f"the archive does not take SOP class {parcel.sop_class_uid}")
        try:
            with translated("stored result"):
                status = association.send_c_store(dcmread(parcel.path))
        except Exception as error:
            return Sent(parcel.uid, f"could not be sent ({type(error).__name__})")
        if "Status" not in status:
            return Sent(parcel.uid, "the archive did not answer")
        code = int(status.Status)
        # Warnings (Bxxx) are stored.
        if code == 0x0000 or code & 0xF000 == 0xB000:
            return Sent(parcel.uid)
        final = code & 0xFF00 == _FINAL[0] or code & 0xF000 == _FINAL[1]
        return Sent(parcel.uid, f"the archive answered status 0x{code:04X}", final)


def referenced(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Return an item of a Referenced SOP Sequence."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
