"""The DICOM services: verification, storage, storage commitment in both roles (PS3.4 A, B, J)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from pneumoscore.pacs.association import associate
from pneumoscore.pacs.listener.intake import NOT_UNDERSTOOD, FilmIntake
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.listener.options import ListenOptions
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.targets import Node
from pneumoscore.pacs.targets.dicom import referenced
from pneumoscore.radiograph.guard import translated

__all__ = ["FILM_CLASSES", "TRANSFER_SYNTAXES", "DicomService"]

FILM_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1",  # explicit VR little endian
    "1.2.840.10008.1.2",  # implicit VR little endian
    "1.2.840.10008.1.2.2",  # explicit VR big endian
    "1.2.840.10008.1.2.1.99",  # deflated
    "1.2.840.10008.1.2.1.98",  # encapsulated, uncompressed
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, selection value 1
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless, progressive
    "1.2.840.10008.1.2.4.203",  # HTJ2K
)
"""Encodings that are accepted: those that the reader takes."""
_NO_SUCH_OBJECT, _PROCESSING_FAILURE, _NO_SUCH_ACTION = 0x0112, 0x0110, 0x0123
_SOME_FAILED = 2  # event type of a report, PS3.4 J.3.3
_PDU = 131_072


class DicomService:
    """Answers peers.

    Parameters
    ----------
    options : ListenOptions
        Titles and peers.
    intake : FilmIntake
        Takes films.
    outbox : Outbox
        Learns of commitments.
    journal : Journal
        What happens is said there.

    Raises
    ------
    SettingsError
        If the certificates cannot be used.
    """

    def __init__(
        self, options: ListenOptions, intake: FilmIntake, outbox: Outbox, journal: Journal
    ) -> None:
        self._options = options
        self._intake = intake
        self._outbox = outbox
        self._journal = journal
        by_tls = any(node.tls for node in options.peers.values())
        self._tls = options.outgoing.client_context() if by_tls else None

    def entity(self, syntaxes: Sequence[str] = TRANSFER_SYNTAXES) -> AE:
        """Return the application entity: what it accepts, and from whom."""
        entity = AE(self._options.aet)
        entity.add_supported_context(Verification)
        for sop_class in FILM_CLASSES:
            entity.add_supported_context(sop_class, list(syntaxes))
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        entity.require_called_aet = True
        # An empty list would let everyone in; the options refuse it.
        entity.require_calling_aet = list(self._options.peers)
        entity.maximum_pdu_size = _PDU
        return entity

    @property
    def handlers(self) -> list[Any]:
        """What is called for each service."""
        return [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_N_ACTION, self._on_commitment_asked),
            (evt.EVT_N_EVENT_REPORT, self._on_commitment_reported),
            (evt.EVT_REJECTED, self._on_rejected),
        ]

    def _on_rejected(self, event: Any) -> None:
        # The title is a peer's own text: it may say anything.
        self._journal.say("association rejected", address=str(event.assoc.requestor.address))

    def _on_store(self, event: Any) -> int:
        event.assoc.dul.socket.taken = 0
        try:
            data = event.encoded_dataset()
            uid = str(event.request.AffectedSOPInstanceUID)
        except Exception as error:
            self._journal.say("film refused", reason=f"no data set ({type(error).__name__})")
            return NOT_UNDERSTOOD
        return self._intake.take(data, uid, self._peer(event))

    @staticmethod
    def _peer(event: Any) -> str:
        return str(event.assoc.requestor.ae_title).strip()

    def _on_commitment_asked(self, event: Any) -> tuple[int, None]:
        """Answer a peer that asks us to keep its films; report in a new association.

        No film is kept beyond its result, so that none is committed (PS3.4 J.3.3): who deletes
        films on commitment would delete the only copy.
        """
        if event.action_type != 1:
            return _NO_SUCH_ACTION, None
        node = self._options.peers.get(self._peer(event))
        if node is None or not node.host:
            self._journal.say("commitment refused", reason="no address to report to is known")
            return _PROCESSING_FAILURE, None
        try:
            with translated("request for commitment"):
                asked = event.action_information
                transaction = str(asked.TransactionUID)
                items = [
                    (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
                    for item in asked.ReferencedSOPSequence
                ]
        except Exception:
            return _PROCESSING_FAILURE, None
        threading.Thread(
            target=self._report, args=(node, transaction, items), name="commitment", daemon=True
        ).start()
        return 0x0000, None

    def _report(self, node: Node, transaction: str, items: list[tuple[str, str]]) -> None:
        report = Dataset()
        report.TransactionUID = transaction
        report.FailedSOPSequence = [referenced(*item) for item in items]
        for failed in report.FailedSOPSequence:
            failed.FailureReason = _NO_SUCH_OBJECT
        entity = AE(self._options.aet)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30.0
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = associate(entity, node, self._tls, ext_neg=[role])
        told = False
        if association.is_established:
            status, _ = association.send_n_event_report(
                report,
                _SOME_FAILED,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
            told = "Status" in status
            association.release()
        self._journal.say("commitment declined", films=len(items), told=told)

    def _on_commitment_reported(self, event: Any) -> tuple[int, None]:
        """Take an archive's report on our results."""
        try:
            with translated("report of a commitment"):
                report = event.event_information
                transaction = str(report.TransactionUID)
                kept, lost = (
                    [str(item.ReferencedSOPInstanceUID) for item in report.get(name) or []]
                    for name in ("ReferencedSOPSequence", "FailedSOPSequence")
                )
        except Exception:
            return _PROCESSING_FAILURE, None
        settled = self._outbox.commitments.reported(transaction, kept, lost)
        self._journal.say(
            "results committed",
            confirmed=settled.confirmed,
            lost=len(lost),
            given_up=settled.given_up,
        )
        return 0x0000, None
