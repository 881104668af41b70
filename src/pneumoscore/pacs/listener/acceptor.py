"""pynetdicom's acceptor made fit for a hospital's network.

pynetdicom 3.0.4 waits without a deadline for the rest of a PDU, reads a PDU of any length into
memory before it looks at who sends it, and does TLS handshakes one after the other in the loop
that accepts. Here every read has a deadline, PDUs and the bytes of one transfer are bounded, an
address has only so many connections, and handshakes run in the connection's own thread.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

__all__ = ["GuardedServer", "Limits", "start_server"]

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may take.

    Attributes
    ----------
    pdu_bytes : int
        Longest PDU that is received.
    transfer_bytes : int
        Most bytes between two messages that were answered: the longest data set.
    pdu_seconds : float
        Longest time from a PDU's first byte to its last, within an association.
    idle_seconds : float
        Longest silence within an association.
    handshake_seconds : float
        Longest TLS handshake, longest wait for an association request, and longest time from
        the request's first byte to its last.
    associations : int
        At the same time.
    per_address : int
        Connections of one address at the same time, handshakes included.
    """

    pdu_bytes: int = 4 * 2**20
    transfer_bytes: int = 256 * 2**20
    pdu_seconds: float = 30.0
    idle_seconds: float = 60.0
    handshake_seconds: float = 5.0
    associations: int = 32
    per_address: int = 16


class _GuardedSocket(AssociationSocket):  # type: ignore[misc]
    """A socket whose every read ends."""

    limits: Limits
    taken = 0

    def recv(self, nr_bytes: int) -> bytearray:
        """Return `nr_bytes` bytes, fewer at the end of the stream.

        Raises
        ------
        OSError
            If a bound is broken; pynetdicom then closes the connection.
        """
        self.taken += nr_bytes
        if nr_bytes > self.limits.pdu_bytes:
            raise OSError(f"a PDU of {nr_bytes} bytes; expected at most {self.limits.pdu_bytes}")
        if self.taken > self.limits.transfer_bytes:
            raise OSError(f"a transfer of over {self.limits.transfer_bytes} bytes")
        known = self.assoc.is_established
        seconds = self.limits.pdu_seconds if known else self.limits.handshake_seconds
        end, out = time.monotonic() + seconds, bytearray()
        while len(out) < nr_bytes:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("a PDU that does not end")
            self.socket.settimeout(left)
            chunk = self.socket.recv(min(_CHUNK, nr_bytes - len(out)))
            if not chunk:
                break
            out += chunk
        self.socket.settimeout(self.limits.pdu_seconds)
        return out


class _GuardedHandler(RequestHandler):  # type: ignore[misc]
    """Gives each association a guarded socket."""

    def handle(self) -> None:
        """Begin the association; from here on the server counts it as such."""
        with self.server.lock:
            super().handle()
            self.server.arriving.discard(self.client_address)

    def _create_association(self) -> Any:
        association = super()._create_association()
        # pynetdicom makes the socket by name inside.
        guarded = association.dul.socket
        guarded.__class__ = _GuardedSocket
        guarded.limits = self.server.limits
        return association


class GuardedServer(ThreadedAssociationServer):  # type: ignore[misc]
    """A threaded association server that keeps `Limits`."""

    limits = Limits()
    request_queue_size = 128

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.lock = threading.Lock()
        self.arriving: set[Any] = set()
        super().__init__(*arguments, request_handler=_GuardedHandler, **options)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, and nothing else: the original does the TLS handshake here."""
        request, address = self.socket.accept()
        return request, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether the address may have one more connection."""
        address = client_address[0]
        with self.lock:
            live = sum(it.requestor.address == address for it in self.active_associations)
            arriving = sum(it[0] == address for it in self.arriving)
            if live + arriving >= self.limits.per_address:
                return False
            self.arriving.add(client_address)
            return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Do the handshake, if any, and begin; runs in the connection's own thread."""
        try:
            if self.ssl_context is not None:
                try:
                    request.settimeout(self.limits.handshake_seconds)
                    request = self.ssl_context.wrap_socket(request, server_side=True)
                    request.settimeout(None)
                except OSError:
                    self.shutdown_request(request)
                    return
            super().process_request_thread(request, client_address)
        finally:
            with self.lock:
                self.arriving.discard(client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the original prints what came, which may name a patient."""


def start_server(
    ae: ApplicationEntity,
    address: tuple[str, int],
    limits: Limits,
    *,
    ssl_context: ssl.SSLContext | None = None,
    handlers: list[Any] | None = None,
) -> GuardedServer:
    """Start to accept associations in a thread; `GuardedServer.shutdown` ends it.

    Raises
    ------
    OSError
        If the address cannot be bound.
    """
    ae.maximum_associations = limits.associations
    ae.acse_timeout = limits.handshake_seconds
    ae.dimse_timeout = limits.idle_seconds
    ae.network_timeout = limits.idle_seconds
    guarded = type("_Server", (GuardedServer,), {"limits": limits})
    server: GuardedServer = ae.make_server(
        address, ssl_context=ssl_context, evt_handlers=handlers, server_class=guarded
    )
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    ae._servers.append(server)
    return server
