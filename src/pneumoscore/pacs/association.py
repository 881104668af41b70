"""Associations that we ask for, in the clear or by TLS (PS3.15 B.12)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom import AE

from pneumoscore.errors import SettingsError
from pneumoscore.pacs.targets import Node

__all__ = ["Credentials", "associate"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What we show by TLS, and whom we believe.

    Attributes
    ----------
    cert, key : Path or None
        Our certificate and its key (PEM); None to show none.
    ca : Path or None
        Authority that the other side's certificate must be of. Where we ask for the
        association, None stands for the system's authorities; where we are asked, for not
        demanding any.
    """

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def client_context(self) -> ssl.SSLContext:
        """Return the context of associations that we ask for; names are checked.

        Raises
        ------
        SettingsError
            If a file cannot be used.
        """
        with _certificates():
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        return context

    def server_context(self) -> ssl.SSLContext:
        """Return the context of associations that we are asked for.

        Raises
        ------
        SettingsError
            If a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with _certificates():
            assert self.cert is not None
            context.load_cert_chain(self.cert, self.key)
            if self.ca is not None:
                context.load_verify_locations(self.ca)
                context.verify_mode = ssl.CERT_REQUIRED
        return context


@contextmanager
def _certificates() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # ssl.SSLError is one.
        raise SettingsError(
            f"the certificates cannot be used ({type(error).__name__})", "PEM files"
        ) from error


def associate(entity: AE, node: Node, context: ssl.SSLContext | None, **options: Any) -> Any:
    """Return the association with a node, established or not.

    Parameters
    ----------
    entity : pynetdicom.AE
        Who asks, with its requested contexts.
    node : Node
        Who is asked; by TLS where it says so.
    context : ssl.SSLContext or None
        Of `Credentials.client_context`; needed for nodes that are asked by TLS.
    **options
        Of `pynetdicom.AE.associate`.

    Raises
    ------
    ValueError
        If a node is to be asked by TLS and there is no context.
    """
    if node.tls:
        if context is None:
            raise ValueError("a node that is asked by TLS needs a context")
        options["tls_args"] = (context, node.host)
    return entity.associate(node.host, node.port, ae_title=node.title, **options)
