"""Certificates towards archives, and passwords that stand in no address."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from pneumoscore.cli import main
from pneumoscore.errors import PneumoScoreError, SettingsError
from pneumoscore.pacs.association import Credentials
from pneumoscore.pacs.orthanc import Router, RouterOptions
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node, make_target, parse_node
from tests.fixtures.orthanc import Listener, Orthanc, free_port, running, wait_for
from tests.fixtures.pacs import certificate, film_bytes, storescp

PASSWORD = "not-in-any-log"


@pytest.mark.slow
def test_films_come_and_results_go_by_tls_with_client_certificates(
    phantom_film: Dataset, tmp_path: Path, tiny_folder: Path
) -> None:
    ours, ours_key = certificate(tmp_path, "ours")
    theirs, theirs_key = certificate(tmp_path, "theirs")
    port, got = free_port(), tmp_path / "archive"
    target = f"dicoms://ARCHIVE@127.0.0.1:{port}"
    flags = ["--allow", "TEST", "--to", target, "--to-ca", theirs]
    flags += ["--tls-cert", ours, "--tls-key", ours_key, "--tls-ca", theirs]
    shown = ["--to-cert", ours, "--to-key", ours_key]
    films = [film_bytes(phantom_film)]
    tls = ["+tls", theirs_key, theirs, "+cf", ours]
    with storescp(port, got, "-aet", "ARCHIVE", *map(str, tls)):
        nobody = Listener(tmp_path / "nobody", tiny_folder, *map(str, flags))
        node = Node("PNEUMOSCORE", "127.0.0.1", nobody.port, tls=True)
        with running(nobody):
            assert send_films(node, "TEST", films, Credentials(ca=ours)) != [None]
            sender = Credentials(theirs, theirs_key, ours)
            assert send_films(node, "TEST", films, sender) == [None]
            # Without a certificate of ours the archive takes nothing, and we keep trying.
            wait_for(lambda: nobody.status()["failures"], 60, "a delivery failed")
            assert not list(got.iterdir())
            assert nobody.stop() == 0
        somebody = Listener(
            tmp_path / "nobody", tiny_folder, *map(str, flags + shown), port=nobody.port
        )
        with running(somebody):
            wait_for(
                lambda: somebody.status()["deliveries"][target]["sent"] == 2, 60, "it is delivered"
            )
    study = {str(dcmread(path).StudyInstanceUID) for path in got.iterdir()}
    assert study == {phantom_film.StudyInstanceUID}


@pytest.mark.slow
def test_names_and_passwords_come_from_netrc(
    phantom_film: Dataset,
    tmp_path: Path,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secrets = tmp_path / "netrc"
    archive = Orthanc(tmp_path / "orthanc", free_port(), PASSWORD)
    archive.start()
    try:
        archive.put_film(film_bytes(phantom_film))
        url, stop = f"{archive.url}/dicom-web", threading.Event()
        router = Router(RouterOptions(archive.url, "pneumoscore", tmp_path / "route"))
        monkeypatch.setenv("NETRC", str(secrets))
        with pytest.raises(PneumoScoreError, match="netrc"):
            router.run(stop, once=True)
        assert main(["pull", url, "-o", str(tmp_path / "none")]) != 0
        assert "netrc" in capsys.readouterr().err
        secrets.write_text(f"machine 127.0.0.1 login user password {PASSWORD}\n")
        secrets.chmod(0o600)
        title = f"ORTHANC@127.0.0.1:{archive.dicom}"
        flags = ["--allow", title, "--to-url", url]
        listener = Listener(tmp_path / "store", tiny_folder, *flags, port=archive.listener_port)
        with running(listener):
            router.run(stop, once=True)
            assert router.sent == 1
            wait_for(lambda: len(archive.get("/series")) == 3, 60, "the results are stored")
        assert main(["pull", url, "-o", str(tmp_path / "out")]) == 0
        assert [dcmread(it).SOPInstanceUID for it in (tmp_path / "out").iterdir()] == [
            phantom_film.SOPInstanceUID
        ]
        assert main(["reconcile", url, "--model", str(tiny_folder)]) == 0
        assert PASSWORD not in listener.log.read_text()
    finally:
        archive.stop()


@pytest.mark.parametrize("scheme", ["", "fhir+"])
@pytest.mark.parametrize("rest", [f"user:{PASSWORD}@host/dicom-web", "host/base?key=1", "", ":0"])
def test_an_address_that_holds_a_password_is_an_error(scheme: str, rest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_target(f"{scheme}https://{rest}")
    assert PASSWORD not in str(caught.value)


def test_applications_are_written_as_they_are_read() -> None:
    for text in ("ARCHIVE@10.0.0.5:104", "dicoms://ARCHIVE@[::1]:2762", "ARCHIVE"):
        assert str(parse_node(text)) == text
    assert parse_node("dicoms://ARCHIVE@host:2762") == Node("ARCHIVE", "host", 2762, tls=True)
    with pytest.raises(SettingsError, match="no application"):
        parse_node("dicom://ARCHIVE@host:2762")


def test_a_router_refuses_the_state_of_another_orthanc(tmp_path: Path) -> None:
    state = tmp_path / "route"
    state.write_text('{"number": "x"}')
    router = Router(RouterOptions("http://127.0.0.1:9", "pneumoscore", state))
    with pytest.raises(PneumoScoreError, match="cannot be used"):
        router.run(threading.Event(), once=True)
