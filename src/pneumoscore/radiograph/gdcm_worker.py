"""A process that decodes JPEG frames with GDCM until its input ends; run as a script.

GDCM's JPEG library prints on the standard error and may end its process on a hostile frame.
Here both harm nobody. The module imports nothing of the package: it starts in a twentieth of
a second.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import Any, BinaryIO

__all__ = ["REPLY", "REQUEST"]

REQUEST = struct.Struct("<HHBBB64sQ")
"""Rows, columns, samples, bits of the decoder, bits of a sample, transfer syntax, bytes."""

REPLY = struct.Struct("<BQ")
"""Whether it was decoded, and how many bytes follow: samples, or the name of the error."""


def _decode(
    frame: bytes, rows: int, columns: int, samples: int, decoder: int, bits: int, syntax: str
) -> bytes:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    photometric = "MONOCHROME2" if samples == 1 else "RGB"
    image: Any = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.GetPIType(photometric))
    )
    image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    image.SetPixelFormat(gdcm.PixelFormat(samples, decoder, bits, bits - 1, 0))
    image.SetDataElement(element)
    # GDCM's Python layer returns bytes in a str.
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        rows, columns, samples, decoder, bits, syntax, length = REQUEST.unpack(head)
        frame = requests.read(length)
        try:
            uid = syntax.rstrip(b"\x00").decode("ascii")
            answer, done = _decode(frame, rows, columns, samples, decoder, bits, uid), True
        except Exception as error:
            answer, done = type(error).__name__.encode("ascii", "replace"), False
        replies.write(REPLY.pack(done, len(answer)))
        replies.write(answer)
        replies.flush()


def _main() -> None:
    # An interrupt ends the process that asks; this one then finds the end of its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
    _serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    _main()
