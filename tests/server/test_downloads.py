"""What can be taken away of a scored film, made by the model itself."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from starlette.testclient import TestClient

from pneumoscore.errors import PneumoScoreError
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
    write_phantom_png,
)
from pneumoscore.present.film_report import PrintedFilm, film_figure, film_pdf
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.server.accounts import Role
from pneumoscore.server.films.downloads import Download, DownloadOrder, make_download
from pneumoscore.server.texts import catalogue
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.quality import FLAGS
from tests.server.test_films import done, send

LUNG = LungDisease(0.5, 0.6)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.dcm"
    phantom = render_phantom(PhantomSpec(LUNG, LUNG, seed=3, size=512))
    write_phantom_dicom(phantom, path, SyntheticPatient(), datetime(2026, 1, 1))
    return path


@pytest.fixture(scope="module")
def model() -> SeverityModel:
    return SeverityModel.open(threads=1)


def test_the_printed_page_says_all_and_is_the_same_each_time(
    film: Path, model: SeverityModel
) -> None:
    radiograph = read_radiograph(film)
    score = model.score(radiograph)
    remark = catalogue()["flags.outside_training"]
    name = "Thorax 図 $x$.dcm"
    printed = PrintedFilm(name, radiograph.pixels, score, "", (remark,), model.identity)
    from matplotlib.text import Text

    words = " ".join(
        text.get_text().replace("\n", " ") for text in film_figure(printed).findobj(Text)
    )
    for part in score.scales:
        assert f"{part.scale.title}: {part.value:.1f} of {part.scale.high:g}" in words
        assert f"interval {part.low:.1f} to {part.high:.1f}" in words
    assert words.count("Research use only, not for medical use") == 2
    assert model.identity.sha256 in words
    assert "look at the map" in words
    first, second = film_pdf(printed), film_pdf(printed)
    assert first == second
    assert first.startswith(b"%PDF-")
    assert first.count(b"/Type /Page ") == 1
    refused = PrintedFilm(name, radiograph.pixels, None, "it is lateral", (), model.identity)
    assert "No score: it is lateral" in {t.get_text() for t in film_figure(refused).findobj(Text)}


def test_files_are_made_of_the_score_that_was_shown(
    film: Path, model: SeverityModel, tmp_path: Path
) -> None:
    shown = model.score(read_radiograph(film))
    for kind in Download:
        order = DownloadOrder(kind, film, tmp_path / kind.value, "a", (), shown.model.sha256)
        make_download(model, order)
    report = dcmread(tmp_path / "report.dcm")
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert report.StudyInstanceUID == dcmread(film).StudyInstanceUID
    assert f"{shown['opacity'].value:.4f}"[:4] in str(report)
    capture = dcmread(tmp_path / "capture.dcm")
    assert capture.BurnedInAnnotation == "YES"
    with pytest.raises(PneumoScoreError, match="another model"):
        make_download(model, DownloadOrder(Download.PDF, film, tmp_path / "x", "a", (), "f" * 64))
    assert not (tmp_path / "x").exists()


def test_a_picture_has_no_dicom_objects(model: SeverityModel, tmp_path: Path) -> None:
    picture = tmp_path / "film.png"
    write_phantom_png(render_phantom(PhantomSpec(LUNG, LUNG, seed=3, size=512)), picture)
    order = DownloadOrder(Download.REPORT, picture, tmp_path / "report.dcm", "a")
    with pytest.raises(PneumoScoreError):
        make_download(model, order)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_downloads_are_named_and_kept(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    send(client, b"film one")
    number = done(client)[0]["id"]
    page = client.get(f"/films/{number}").text
    for kind, media in (
        ("report.pdf", "application/pdf"),
        ("report.dcm", "application/dicom"),
        ("capture.dcm", "application/dicom"),
        ("scores.csv", "text/csv"),
    ):
        assert f"/api/v1/films/{number}/{kind}" in page
        answer = client.get(f"/api/v1/films/{number}/{kind}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media)
        assert answer.headers["content-disposition"] == f'attachment; filename="{kind}"'


def test_every_flag_has_words() -> None:
    told = {key.removeprefix("flags.") for key in catalogue() if key.startswith("flags.")}
    assert told == set(FLAGS)
