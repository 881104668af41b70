"""Peers that mean ill, and how soon others are served beside them.

Prints for each attack the seconds until a film of an ordinary peer is taken while the attack
lasts, from the attackers' own address and from another, and the most memory (proportional set
size) of the listener and its readers. Then it says whether a file was written outside the store
and the target, and whether a patient's name or id or a UID stands in the log. Exits with 1 if
one of them did, or an ordinary peer waited more than 10 seconds.

Needs the extras ``pacs`` and ``dev`` and openssl: ``python -m benchmarks.pacs_hostile``.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from copy import deepcopy
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE

from benchmarks.pacs_films import PATIENT, Watch, listener_with, phantom, row
from pneumoscore.pacs.association import Credentials, associate
from pneumoscore.pacs.listener.journal import silence_libraries
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node
from tests.fixtures.orthanc import Listener, running, wait_for
from tests.fixtures.pacs import certificate, film_bytes, films_of, put

_PATIENCE = 10.0
_ELSEWHERE = "127.0.0.2"
_DX = "1.2.840.10008.5.1.4.1.1.1.1"
_ESCAPE = "../../../../../../tmp/pneumoscore-evil"
_MIB = 2**20
FILM = phantom()
Attack = Callable[[Listener, ExitStack], object]


def connected(listener: Listener, stack: ExitStack, times: int) -> list[socket.socket]:
    """Return so many connections, closed when the stack is."""
    address = ("127.0.0.1", listener.port)
    peers = []
    for _ in range(times):
        with suppress(OSError):
            peers.append(stack.enter_context(socket.create_connection(address, timeout=30)))
    return peers


def half_headers(listener: Listener, stack: ExitStack) -> None:
    """Begin a PDU's header on 20 connections, and fall silent."""
    for peer in connected(listener, stack, 20):
        with suppress(OSError):
            peer.sendall(b"\x01\x00\x00")


def silent(listener: Listener, stack: ExitStack) -> None:
    """Open 200 connections and say nothing: to TLS, no handshake."""
    connected(listener, stack, 200)


def giant(listener: Listener, stack: ExitStack) -> str:
    """Announce a PDU of 700 MiB, and send it."""
    (peer,) = connected(listener, stack, 1)
    peer.sendall(b"\x01\x00" + struct.pack(">I", 700 * _MIB))
    return _poured(peer, bytes(65536), 700 * _MIB)


def endless(listener: Listener, stack: ExitStack) -> str:
    """Send a data set that does not end, in an association of an allowed title."""
    association = _association(listener, "TEST", stack)
    peer = association.dul.socket.socket
    context = association.accepted_contexts[0].context_id
    peer.sendall(_store_request(context, "1.2.3.4"))
    return _poured(peer, _pdv(context, bytes(120_000), last=False), 1024 * _MIB)


def drips(listener: Listener, stack: ExitStack) -> None:
    """Begin a PDU in 8 associations, and fall silent."""
    for _ in range(8):
        _association(listener, "TEST", stack).dul.socket.socket.sendall(b"\x04\x00\x00")


def traversal(listener: Listener, stack: ExitStack) -> None:
    """Put paths where UIDs belong, in the request and in the film."""
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        film = _film(keyword)
        put(film, keyword, _ESCAPE)
        if keyword == "SOPInstanceUID":
            film.file_meta.MediaStorageSOPInstanceUID = _ESCAPE
        send_films(_node(listener), "TEST", [film_bytes(film)])


def foreigners(listener: Listener, stack: ExitStack) -> str:
    """Ask under 20 titles that are not allowed, and call another than ours."""
    film = film_bytes(_film("foreign"))
    told = [send_films(_node(listener), f"STRANGER{it}", [film]) for it in range(20)]
    told.append(send_films(Node("OTHER", "127.0.0.1", listener.port), "TEST", [film]))
    return f"{sum(it != [None] for it in told)} of 21 kept out"


def wrong_classes(listener: Listener, stack: ExitStack) -> str:
    """Send tomograms, and a class that does not exist."""
    kept_out = 0
    for sop_class in ("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5"):
        film = _film(sop_class)
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = sop_class
        kept_out += send_films(_node(listener), "TEST", [film_bytes(film)]) != [None]
    return f"{kept_out} of 2 kept out"


def truncated(listener: Listener, stack: ExitStack) -> None:
    """Send data sets that are cut off, each as if it were whole."""
    film = _film("cut")
    data = film_bytes(film)
    body = data[data.index(b"\x08\x00\x05\x00") :]
    for number, share in enumerate((0.001, 0.01, 0.5, 0.99)):
        association = _association(listener, "TEST", stack)
        peer = association.dul.socket.socket
        context = association.accepted_contexts[0].context_id
        peer.sendall(_store_request(context, f"1.2.3.5.{number}"))
        part = body[: int(share * len(body))]
        for at in range(0, len(part), 60_000):
            last = at + 60_000 >= len(part)
            peer.sendall(_pdv(context, part[at : at + 60_000], last=last))


def aborts(listener: Listener, stack: ExitStack) -> None:
    """Go away in the middle of a film, 50 times: by abort, and without a word."""
    for number in range(50):
        association = _association(listener, "TEST", stack)
        peer = association.dul.socket.socket
        peer.sendall(_store_request(association.accepted_contexts[0].context_id, "1.2.3.6"))
        if number % 2:
            association.abort()
        else:
            peer.close()


def noise(listener: Listener, stack: ExitStack) -> None:
    """Send random bytes on 200 connections, after a header that looks right on half of them."""
    chance = random.Random(1)
    for number in range(200):
        for peer in connected(listener, stack, 1):
            body = chance.randbytes(chance.randrange(1, 4096))
            head = bytes((chance.randrange(1, 8), 0)) + struct.pack(">I", len(body))
            with suppress(OSError):
                peer.sendall((head if number % 2 else b"") + body)
                peer.close()


ATTACKS: tuple[tuple[Attack, bool], ...] = (
    (half_headers, False),
    (giant, False),
    (silent, True),
    (traversal, False),
    (foreigners, False),
    (wrong_classes, False),
    (truncated, False),
    (endless, False),
    (aborts, False),
    (drips, False),
    (noise, False),
)


def _node(listener: Listener) -> Node:
    return Node("PNEUMOSCORE", "127.0.0.1", listener.port)


def _film(uid: str) -> Dataset:
    film = deepcopy(FILM)
    film.PatientName, film.PatientID = f"Geheim^{PATIENT}", PATIENT
    film.SOPInstanceUID = f"1.2.826.0.1.3680043.10.4.{sum(uid.encode())}"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    return film


def _association(listener: Listener, title: str, stack: ExitStack) -> Any:
    entity = AE(title)
    entity.acse_timeout = entity.network_timeout = 30
    entity.add_requested_context(_DX, "1.2.840.10008.1.2.1")

    def asked() -> Any:
        found = entity.associate("127.0.0.1", listener.port, ae_title="PNEUMOSCORE")
        return found if found.is_established else None

    # The attack before may still hold what an address may have.
    association = wait_for(asked, _PATIENCE, "an association")
    stack.callback(association.abort)
    return association


def _pdv(context: int, part: bytes, *, last: bool, command: bool = False) -> bytes:
    """Return a P-DATA-TF PDU of one fragment (PS3.8 9.3.5, E.2)."""
    head = bytes((context, (2 if last else 0) | (1 if command else 0)))
    return (
        b"\x04\x00"
        + struct.pack(">I", len(part) + 6)
        + struct.pack(">I", len(part) + 2)
        + head
        + part
    )


def _store_request(context: int, uid: str) -> bytes:
    """Return a C-STORE request whose data set is to follow (PS3.7 9.3.1.1)."""

    def element(number: int, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        return struct.pack("<HHI", 0, number, len(value)) + value

    body = b"".join(
        (
            element(0x0002, _DX.encode()),
            element(0x0100, b"\x01\x00"),
            element(0x0110, b"\x01\x00"),
            element(0x0700, b"\x00\x00"),
            element(0x0800, b"\x01\x00"),
            element(0x1000, uid.encode()),
        )
    )
    group = element(0x0000, struct.pack("<I", len(body)))
    return _pdv(context, group + body, last=True, command=True)


def _poured(peer: socket.socket, part: bytes, most: int) -> str:
    """Send until the other side has enough; how much it took."""
    sent = 0
    peer.settimeout(30)
    with suppress(OSError):
        while sent < most:
            sent += peer.send(part)
    return f"closed after {sent // _MIB} MiB" if sent < most else f"took all {sent // _MIB} MiB"


def taken(listener: Listener, film: bytes, credentials: Credentials | None, source: str) -> bool:
    """Return whether a film is taken from a peer at an address."""
    dataset = dcmread(BytesIO(film))
    entity = AE("TEST")
    entity.acse_timeout = entity.network_timeout = entity.dimse_timeout = 30
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    context = None if credentials is None else credentials.client_context()
    node = Node("PNEUMOSCORE", "127.0.0.1", listener.port, tls=credentials is not None)
    association = associate(entity, node, context, bind_address=(source, 0))
    if not association.is_established:
        return False
    status = association.send_c_store(dataset)
    association.release()
    return "Status" in status and status.Status == 0


def served(listener: Listener, film: bytes, credentials: Credentials | None, source: str) -> float:
    """Return the seconds until a film of an ordinary peer is taken."""
    began = time.monotonic()
    while not taken(listener, film, credentials, source):
        if time.monotonic() - began > 6 * _PATIENCE:
            return float("inf")
        time.sleep(0.1)
    return time.monotonic() - began


def attacked(
    attack: Attack, listener: Listener, films: Iterator[bytes], credentials: Credentials | None
) -> bool:
    """Run one attack; print its row; whether others were served in time."""
    assert listener.process is not None
    warnings.simplefilter("ignore")
    with Watch(listener.process.pid) as watch, ExitStack() as stack:
        said = attack(listener, stack)
        far, near = (
            served(listener, next(films), credentials, source)
            for source in (_ELSEWHERE, "127.0.0.1")
        )
    words = attack.__name__.replace("_", " ")
    row(words, said or "", f"{near:.1f}", f"{far:.1f}", f"{watch.most:.0f}")
    return max(near, far) <= _PATIENCE


def main() -> int:
    """Attack a listener, and another that speaks TLS."""
    silence_libraries()
    row("attack", "", "s, same address", "s, another address", "most MB")
    row(*["---"] * 5)
    good, films = True, iter(films_of(FILM, PATIENT, 4 * len(ATTACKS)))
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        own, key = certificate(folder, "listener")
        credentials = Credentials(own, key, own)
        tls = ["--tls-cert", str(own), "--tls-key", str(key), "--tls-ca", str(own)]
        logs = ""
        for name, flags, shown in (("plain", [], None), ("tls", tls, credentials)):
            out = ["--allow", "TEST", "--to-folder", str(folder / "out")]
            listener = listener_with(folder / name, *out, *flags)
            with running(listener):
                assert served(listener, next(films), shown, "127.0.0.1") < 60
                before = _files(folder)
                for attack, by_tls in ATTACKS:
                    if by_tls == (shown is not None):
                        good &= attacked(attack, listener, films, shown)
                status = wait_for(partial(_idle, listener), 300, "all films are dealt with")
                print(f"\n{name}: {status['films']}, given up: {status['dead_films']}\n")
                good &= listener.stop() == 0
            stray = {
                path
                for path in _files(folder) - before
                if not path.is_relative_to(folder / name) and path.parent != folder / "out"
            }
            logs += listener.log.read_text()
        stray |= set(Path("/tmp").glob("pneumoscore-evil*"))
    secrets = ("Geheim", PATIENT, "1.2.826.0.1.3680043", "pneumoscore-evil")
    told = [line for line in logs.splitlines() if any(word in line for word in secrets)]
    print(f"files outside: {len(stray)}; lines of {len(logs.splitlines())} that name one: {told}")
    return 0 if good and not stray and not told else 1


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"}


def _idle(listener: Listener) -> dict[str, Any] | None:
    status = listener.status()
    films = status["films"]
    return None if films["waiting"] or films["claimed"] else status


if __name__ == "__main__":
    sys.exit(main())
