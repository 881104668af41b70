"""Encodings end to end, TLS, the silent trial's script, and bounded peers in this process."""

from __future__ import annotations

import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from pneumoscore.errors import SettingsError
from pneumoscore.pacs.association import Credentials
from pneumoscore.pacs.listener.acceptor import GuardedServer, Limits, start_server
from pneumoscore.pacs.listener.intake import FilmIntake
from pneumoscore.pacs.listener.journal import Journal, silence_libraries
from pneumoscore.pacs.listener.options import ListenOptions
from pneumoscore.pacs.listener.service import TRANSFER_SYNTAXES, DicomService
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node
from pneumoscore.pacs.targets.dicom import referenced
from pneumoscore.pipeline.inbox import Inbox, State
from tests.fixtures.orthanc import Listener, free_port, running, wait_for
from tests.fixtures.pacs import certificate, film_bytes, report_numbers

LIMITS = Limits(pdu_seconds=1.0, handshake_seconds=1.0, idle_seconds=2.0, per_address=64)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[GuardedServer, int, ssl.SSLContext]]:
    """An echo service behind TLS with client certificates."""
    own, key = certificate(tmp_path, "server")
    client, client_key = certificate(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    context.load_verify_locations(client)
    context.verify_mode = ssl.CERT_REQUIRED
    entity = AE("PNEUMOSCORE")
    entity.add_supported_context(Verification)
    port = free_port()
    server = start_server(
        entity,
        ("127.0.0.1", port),
        LIMITS,
        ssl_context=context,
        handlers=[(evt.EVT_C_ECHO, lambda _: 0)],
    )
    asking = ssl.create_default_context(cafile=str(own))
    asking.load_cert_chain(client, client_key)
    yield server, port, asking
    server.shutdown()


def echoes(port: int, context: ssl.SSLContext | None) -> bool:
    entity = AE("TEST")
    entity.acse_timeout = entity.network_timeout = 10
    entity.add_requested_context(Verification)
    tls = None if context is None else (context, "127.0.0.1")
    association = entity.associate("127.0.0.1", port, ae_title="PNEUMOSCORE", tls_args=tls)
    if not association.is_established:
        return False
    association.send_c_echo()
    association.release()
    return True


def test_silent_clients_do_not_stop_tls(
    served: tuple[GuardedServer, int, ssl.SSLContext],
) -> None:
    _, port, context = served
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    wait_for(lambda: echoes(port, context), 20, "TLS is served beside 60 silent clients")
    for peer in silent:
        peer.close()
    assert not echoes(port, None)
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    assert not echoes(port, stranger), "served without a client's certificate"


def test_an_address_has_exactly_as_many_associations_as_it_may() -> None:
    silence_libraries()
    entity = AE("PNEUMOSCORE")
    entity.add_supported_context(Verification)
    port, most = free_port(), 12
    limits = Limits(associations=64, per_address=most, idle_seconds=3.0)
    server = start_server(entity, ("127.0.0.1", port), limits)
    together = threading.Barrier(most)
    peers: list[Any] = []

    def ask() -> None:
        asking = AE("TEST")
        asking.add_requested_context(Verification)
        together.wait()
        peers.append(asking.associate("127.0.0.1", port))

    threads = [threading.Thread(target=ask) for _ in range(most)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(peer.is_established for peer in peers)
    assert not echoes(port, None), "one more than it may"
    # None of them says anything more.
    wait_for(lambda: echoes(port, None), 20, "there is room again")
    wait_for(lambda: not any(peer.is_established for peer in peers), 20, "all were ended")
    server.shutdown()


def test_half_a_header_costs_only_its_own_connection() -> None:
    silence_libraries()
    entity = AE("PNEUMOSCORE")
    entity.add_supported_context(Verification)
    port = free_port()
    # A PDU may take longer only once who sends it is known.
    limits = Limits(pdu_seconds=60.0, handshake_seconds=1.0, associations=8, per_address=8)
    server = start_server(entity, ("127.0.0.1", port), limits)
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for peer in half:
        peer.sendall(b"\x01\x00\x00")
    wait_for(lambda: echoes(port, None), 10, "others are served")
    for peer in half:
        peer.close()
    server.shutdown()


def _encoded(film: Path, folder: Path) -> dict[str, Path]:
    """Return the film in the encodings that dcmtk and GDCM write."""
    makers = {
        "implicit": ["dcmconv", "+ti"],
        "big": ["dcmconv", "+tb"],
        "deflated": ["dcmconv", "+td"],
        "rle": ["dcmcrle"],
        "lossless": ["dcmcjpeg", "+e1"],
        "lossless57": ["dcmcjpeg", "+el"],
        "extended": ["dcmcjpeg", "+ee"],
        "jpegls": ["dcmcjpls"],
        "jpegls_near": ["dcmcjpls", "+en", "+md", "2"],
    }
    out = {"explicit": film}
    for name, maker in makers.items():
        out[name] = folder / f"{name}.dcm"
        subprocess.run([*maker, film, out[name]], check=True, capture_output=True)
    return out


def _others(film: Dataset) -> list[bytes]:
    """Return the film in the encodings that dcmtk does not write, each under a UID of its own."""
    import imagecodecs
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    pixels = film.pixel_array
    grey = (pixels >> (film.BitsStored - 8)).astype(np.uint8)
    frames = {
        "1.98": pixels.astype("<u2").tobytes(),
        "4.50": imagecodecs.jpeg8_encode(grey, level=90),
        "4.90": imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k"),
        "4.91": imagecodecs.jpeg2k_encode(pixels, level=60, codecformat="j2k"),
        "4.201": imagecodecs.htj2k_encode(pixels, reversible=True),
        "4.202": imagecodecs.htj2k_encode(pixels, reversible=True),
        "4.203": imagecodecs.htj2k_encode(pixels, reversible=False),
    }
    out = []
    for syntax, frame in frames.items():
        other = deepcopy(film)
        other.SOPInstanceUID = f"1.2.826.0.1.3680043.10.8.{syntax}"
        other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
        other.file_meta.TransferSyntaxUID = UID(f"1.2.840.10008.1.2.{syntax}")
        if syntax == "4.50":
            other.BitsAllocated = other.BitsStored = 8
            other.HighBit = 7
        other.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
        other["PixelData"].VR = "OB"
        other["PixelData"].is_undefined_length = True
        out.append(film_bytes(other))
    return out


@pytest.mark.slow
def test_every_encoding_is_scored_end_to_end(
    phantom_film: Dataset, tmp_path: Path, tiny_folder: Path
) -> None:
    film = deepcopy(phantom_film)
    source = tmp_path / "film.dcm"
    source.write_bytes(film_bytes(film))
    encoded = _encoded(source, tmp_path)
    # The same UID in another encoding is the same film: each gets one of its own.
    for number, path in enumerate(encoded.values(), start=1):
        uid = f"1.2.826.0.1.3680043.10.9.{number}"
        subprocess.run(
            ["dcmodify", "-nb", "-imt", "-m", f"SOPInstanceUID={uid}", path],
            check=True,
            capture_output=True,
        )
    others = _others(film)
    listener = Listener(
        tmp_path / "store", tiny_folder, "--allow", "TEST", "--to-folder", str(tmp_path / "out")
    )
    with running(listener):
        errors = send_films(Node("PNEUMOSCORE", "127.0.0.1", listener.port), "TEST", others)
        assert errors == [None] * len(others)
        for path in encoded.values():
            # -dn: dcmsend decompresses what is lossless unless it is told not to.
            subprocess.run(
                [
                    "dcmsend",
                    "-dn",
                    "-aet",
                    "TEST",
                    "-aec",
                    "PNEUMOSCORE",
                    "127.0.0.1",
                    str(listener.port),
                    path,
                ],
                check=True,
                capture_output=True,
            )
        every = len(encoded) + len(others)
        assert every == len(TRANSFER_SYNTAXES)
        wait_for(lambda: listener.status()["results"] == {"scored": every}, 120, "all scored")
        assert listener.status()["dead_films"] == {}
    sent = [dcmread(io.BytesIO(it)).file_meta.TransferSyntaxUID for it in others]
    sent += [dcmread(it).file_meta.TransferSyntaxUID for it in encoded.values()]
    assert set(sent) == set(TRANSFER_SYNTAXES)
    files = (tmp_path / "out").glob("report-*.dcm")
    values = [report_numbers(it.read_bytes())[0]["geographic_extent"] for it in files]
    assert len(values) == every
    assert max(values) - min(values) < 0.2, "a score hardly depends on the encoding"


@pytest.mark.slow
def test_the_silent_trial_runs_as_written(
    phantom_film: Dataset, tmp_path: Path, tiny_folder: Path
) -> None:
    command = tmp_path / "bin" / "pneumoscore"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.fixtures.command "$@"\n')
    command.chmod(0o755)
    ports = {name: str(free_port()) for name in ("HTTP", "DICOM", "LISTENER", "STATUS")}
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PNEUMOSCORE_MODEL": str(tiny_folder),
        **{f"TRIAL_{name}_PORT": port for name, port in ports.items()},
    }
    script = Path(__file__).parents[2] / "docs" / "silent_trial.sh"
    trial = subprocess.Popen(["sh", script, tmp_path / "trial"], env=environment)
    try:
        archive = f"http://127.0.0.1:{ports['HTTP']}"
        status = f"http://127.0.0.1:{ports['STATUS']}/status"
        wait_for(lambda: requests.get(f"{archive}/system", timeout=5).ok, 60, "Orthanc is up")
        wait_for(lambda: requests.get(status, timeout=5).ok, 120, "the listener is up")
        requests.post(f"{archive}/instances", data=film_bytes(phantom_film), timeout=30)
        wait_for(
            lambda: len(requests.get(f"{archive}/series", timeout=5).json()) == 3,
            90,
            "film, report and capture are one study",
        )
        assert len(requests.get(f"{archive}/studies", timeout=5).json()) == 1
    finally:
        trial.send_signal(signal.SIGTERM)
        trial.wait(60)
    assert not _answers(archive)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def test_endless_foreign_and_broken_transfers_leave_others_alone(
    phantom_film: Dataset, tmp_path: Path
) -> None:
    silence_libraries()
    options = ListenOptions(allow=("TEST",), max_film_mb=1, store=tmp_path)
    inbox, outbox = Inbox(tmp_path / "inbox"), Outbox(tmp_path / "outbox")
    log = io.StringIO()
    journal = Journal(log)
    intake = FilmIntake(
        inbox, outbox, "0" * 64, journal, most_waiting=2, min_free_bytes=0, wake=lambda: None
    )
    service = DicomService(options, intake, outbox, journal)
    port = free_port()
    server = start_server(
        service.entity(), ("127.0.0.1", port), options.limits, handlers=service.handlers
    )
    node = Node("PNEUMOSCORE", "127.0.0.1", port)
    small = [deepcopy(phantom_film) for _ in range(4)]
    for number, film in enumerate(small, start=1):
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    endless, tomography = deepcopy(phantom_film), deepcopy(phantom_film)
    endless.Rows = 256 * 12
    endless.PixelData = endless.PixelData * 12
    tomography.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    tomography.file_meta.MediaStorageSOPClassUID = tomography.SOPClassUID
    (error,) = send_films(node, "TEST", [film_bytes(endless)])
    assert error is not None
    (error,) = send_films(node, "TEST", [film_bytes(tomography)])
    assert error is not None
    # One that goes away in the middle of its film.
    entity = AE("TEST")
    entity.add_requested_context(phantom_film.SOPClassUID)
    association = entity.associate("127.0.0.1", port, ae_title="PNEUMOSCORE")
    association.abort()
    # Two may wait, the third is told that there is no room; what was sent twice is known.
    sent = [film_bytes(film) for film in (*small[:2], small[2], small[0])]
    answers = send_films(node, "TEST", sent)
    assert answers[:3] == [None, None, "answered 0xa700"]
    assert inbox.counts()[State.WAITING] == 2
    assert "1.2.3" not in log.getvalue()
    server.shutdown()


def _commitment_of(films: Sequence[str], port: int, answers: int) -> Dataset:
    """Ask a listener to commit itself to films; return its report, sent to the port `answers`."""
    reports: list[Dataset] = []

    def take(event: Any) -> tuple[int, None]:
        reports.append(event.event_information)
        return 0x0000, None

    entity = AE("TEST")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take)]
    server = entity.start_server(("127.0.0.1", answers), block=False, evt_handlers=handlers)
    asking = AE("TEST")
    asking.add_requested_context(StorageCommitmentPushModel)
    association = asking.associate(
        "127.0.0.1", port, ae_title="PNEUMOSCORE",
        ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)],
    )  # fmt: skip
    asked = Dataset()
    asked.TransactionUID = "1.2.9.9"
    asked.ReferencedSOPSequence = [referenced("1.2.840.10008.5.1.4.1.1.1", it) for it in films]
    status, _ = association.send_n_action(
        asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    assert status.Status == 0x0000
    association.release()
    wait_for(lambda: reports, 20, "it reports", 0.02)
    server.shutdown()
    return reports[0]


def test_no_film_is_committed(tmp_path: Path) -> None:
    silence_libraries()
    answers, port = free_port(), free_port()
    options = ListenOptions(allow=(f"TEST@127.0.0.1:{answers}",), store=tmp_path)
    inbox, outbox = Inbox(tmp_path / "inbox"), Outbox(tmp_path / "outbox")
    journal = Journal(io.StringIO())
    intake = FilmIntake(
        inbox, outbox, "0" * 64, journal, most_waiting=9, min_free_bytes=0, wake=lambda: None
    )
    service = DicomService(options, intake, outbox, journal)
    server = start_server(
        service.entity(), ("127.0.0.1", port), options.limits, handlers=service.handlers
    )
    waiting, never_came = "1.2.3.1", "1.2.3.2"
    assert intake.take(b"a film", waiting, "TEST") == 0x0000
    report = _commitment_of([waiting, never_came], port, answers)
    assert "ReferencedSOPSequence" not in report
    failed = [(it.ReferencedSOPInstanceUID, it.FailureReason) for it in report.FailedSOPSequence]
    assert failed == [(uid, 0x0112) for uid in (waiting, never_came)]
    server.shutdown()


def test_certificates_that_cannot_be_used_are_an_error(tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "server")
    options = ListenOptions(allow=("TEST",), tls_cert=own, tls_key=key, tls_ca=own)
    assert options.incoming is not None
    assert options.incoming.server_context().verify_mode is ssl.CERT_REQUIRED
    assert ListenOptions(allow=("TEST",)).incoming is None
    for context in (Credentials(key, own).server_context, Credentials(ca=key).client_context):
        with pytest.raises(SettingsError, match="certificates"):
            context()
    for side in ("tls_cert", "to_key"):
        with pytest.raises(SettingsError, match="both or none"):
            ListenOptions(allow=("TEST",), **{side: own})
