"""HL7 v2 messages by the Minimal Lower Layer Protocol."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from pneumoscore.errors import SettingsError
from pneumoscore.pacs.targets import Parcel, Sent

__all__ = ["MllpTarget", "acknowledgement"]

_START, _END = b"\x0b", b"\x1c\r"
_SECONDS = 30.0
_LONGEST = 1 << 20


def acknowledgement(answer: bytes) -> tuple[str, str]:
    r"""Return code and control id of an acknowledgement's MSA segment; empty where it has none.

    Examples
    --------
    >>> acknowledgement(b"MSH|^~\\&|RIS\rMSA|AA|17\r")
    ('AA', '17')
    """
    for segment in answer.decode("utf-8", "replace").replace("\n", "\r").split("\r"):
        fields = segment.split("|")
        if fields[0] == "MSA" and len(fields) > 2:
            return fields[1], fields[2]
    return "", ""


class MllpTarget:
    """A receiver of HL7 v2 messages.

    Parameters
    ----------
    url : str
        ``hl7://HOST:PORT``.

    Raises
    ------
    SettingsError
        If it is none.
    """

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("hl7://").rstrip("/").rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise SettingsError(f"{url!r} is no receiver", "hl7://HOST:PORT")
        self.name = url
        self.kinds = ("hl7",)
        self._address = (host.strip("[]"), int(port))

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        """Send messages in one connection, each after the other's acknowledgement."""
        sent: list[Sent] = []
        try:
            with socket.create_connection(self._address, timeout=_SECONDS) as connection:
                for parcel in parcels:
                    sent.append(_sent(connection, parcel))
        except OSError as error:
            why = f"the receiver did not answer ({type(error).__name__})"
            sent += [Sent(parcel.uid, why) for parcel in parcels[len(sent) :]]
        return sent


def _sent(connection: socket.socket, parcel: Parcel) -> Sent:
    message = parcel.path.read_bytes()
    connection.sendall(_START + message + _END)
    end, answer = time.monotonic() + _SECONDS, b""
    while not answer.endswith(_END):
        connection.settimeout(max(0.1, end - time.monotonic()))
        part = connection.recv(4096)
        if not part or len(answer) > _LONGEST or time.monotonic() > end:
            raise ConnectionError("no acknowledgement")
        answer += part
    code, control = acknowledgement(answer.strip(_START + _END))
    ours = message.split(b"\r", 1)[0].split(b"|")[9].decode("ascii", "replace")
    if control != ours:
        return Sent(parcel.uid, "the receiver acknowledged another message")
    if code in ("AA", "CA"):
        return Sent(parcel.uid)
    # AE: an error that may pass; AR: this message will never be taken.
    return Sent(parcel.uid, f"the receiver answered {code[:2] or 'nothing'}", code in ("AR", "CR"))
