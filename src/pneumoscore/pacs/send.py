"""Films to an application by C-STORE, in the encoding that they have."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pynetdicom import AE

from pneumoscore.pacs.association import Credentials, associate
from pneumoscore.pacs.targets import Node
from pneumoscore.radiograph.guard import translated

__all__ = ["send_films"]

_SECONDS = 60.0


def send_films(
    node: Node, calling: str, films: Sequence[bytes], credentials: Credentials | None = None
) -> list[str | None]:
    """Send films in one association.

    Parameters
    ----------
    node : Node
        To whom.
    calling : str
        Our own title.
    films : sequence of bytes
        Files; at most 64 kinds of class and encoding.
    credentials : Credentials, optional
        For a node that is asked by TLS.

    Returns
    -------
    list of str or None
        For each film why it was not taken; None if it was.
    """
    datasets: list[Any] = []
    for data in films:
        with translated("DICOM file"):
            datasets.append(dcmread(BytesIO(data)))
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
    kinds = {(str(it.SOPClassUID), str(it.file_meta.TransferSyntaxUID)) for it in datasets}
    for sop_class, syntax in sorted(kinds):
        entity.add_requested_context(sop_class, syntax)
    context = (credentials or Credentials()).client_context() if node.tls else None
    association = associate(entity, node, context)
    if not association.is_established:
        return ["the application did not accept the association"] * len(films)
    out: list[str | None] = []
    try:
        for dataset in datasets:
            try:
                status = association.send_c_store(dataset)
            except (ValueError, RuntimeError) as error:
                out.append(f"could not be sent ({type(error).__name__})")
                continue
            code = int(status.Status) if "Status" in status else None
            out.append(
                None if code == 0 else f"answered {'nothing' if code is None else hex(code)}"
            )
    finally:
        if association.is_established:
            association.release()
    return out
