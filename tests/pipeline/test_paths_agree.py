"""One film gets one score, whichever way it comes: command, archive, listener, page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cli import main
from pneumoscore.pacs.listener.intake import film_key
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.listener.processes import FilmPool
from pneumoscore.pacs.listener.work import InboxWorker, Terms
from pneumoscore.pacs.objects.build import ObjectOptions
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.pipeline.archive.run import merge
from pneumoscore.pipeline.inbox import Inbox
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader
from pneumoscore.pipeline.result import FileResult
from pneumoscore.server.films.worker import ProcessWorker
from pneumoscore.severity.model import SeverityModel
from tests.radiograph.conftest import load_benchmark

pytestmark = pytest.mark.slow

SYNTAXES = ("JPEG baseline", "JPEG 2000", "JPEG lossless SV1", "explicit")
SCALES = ("geographic_extent", "opacity")
Scores = dict[str, tuple[float, ...]]


@pytest.fixture(scope="module")
def files() -> ModuleType:
    return load_benchmark("radiograph_files")


@pytest.fixture(scope="module")
def films(files: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Large films that are shrunk as they are read, one in each family."""
    folder = tmp_path_factory.mktemp("large")
    disease = LungDisease(0.6, 0.5)
    phantom = render_phantom(PhantomSpec(disease, LungDisease(0.2, 0.4), seed=3, size=600)).pixels
    pixels = np.asarray(Image.fromarray(phantom).resize((2200, 2200))) * 4000
    pixels = pixels + np.random.default_rng(3).normal(0, 12, pixels.shape)
    deep = np.clip(np.rint(pixels), 0, 4095).astype(np.uint16)
    paths = []
    for number, syntax in enumerate(SYNTAXES):
        eight = syntax == "JPEG baseline"
        bits = 8 if eight else 12
        data = files.dicom_file(
            (deep >> 4).astype(np.uint8) if eight else deep,
            syntax,
            bits_stored=bits,
            WindowCenter=2 ** (bits - 1),
            WindowWidth=2**bits,
            PatientOrientation=["L", "F"],
            StudyDate="20260301",
            SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.{number + 1}",
        )
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(data)
    return paths


def by_command(films: list[Path], capsys: pytest.CaptureFixture[str]) -> list[Scores]:
    found = []
    for film in films:
        assert main(["score", str(film), "--json"]) == 0
        scores = json.loads(capsys.readouterr().out)["scores"]
        found.append({name: _numbers(scores[name]) for name in SCALES})
    return found


def by_archive(films: list[Path], out: Path) -> list[Scores]:
    run = ["archive", "run", films[0].parent, "--out", out, "--format", "csv", "--workers", 2]
    assert main([*map(str, run)]) == 0
    stream = io.BytesIO()
    merge(str(out), stream.write)
    rows = {
        Path(row["file"]): row for row in csv.DictReader(io.StringIO(stream.getvalue().decode()))
    }
    parts = ("", "_raw", "_low", "_high", "_right", "_left")
    return [
        {name: tuple(float(rows[film][name + part]) for part in parts) for name in SCALES}
        for film in films
    ]


def by_listener(films: list[Path], store: Path) -> list[Scores]:
    model = SeverityModel.open(threads=1)
    found: dict[str, Scores] = {}

    def record(result: FileResult) -> None:
        assert result.score is not None
        assert result.metadata is not None
        scores = {name: _numbers(result.score[name].as_dict()) for name in SCALES}
        found[str(result.metadata.sop_instance_uid)] = scores

    inbox, outbox = Inbox(store / "inbox"), Outbox(store / "outbox")
    pool = FilmPool(FilmReader.of(model, ScoringOptions(view=True, content=True)), 120.0)
    journal = io.StringIO()
    terms = Terms(0.9, ObjectOptions(), (), (), record)
    worker = InboxWorker(inbox, outbox, model, pool, terms, Journal(journal))
    uids = [f"1.2.826.0.1.3680043.8.498.{number + 1}" for number in range(len(films))]
    try:
        for film, uid in zip(films, uids, strict=True):
            inbox.put(film.read_bytes(), film_key(uid, model.identity.sha256), {"uid": uid})
        for entry in inbox.claim("test", most=len(films)):
            worker.work(entry)
    finally:
        pool.end()
    assert set(found) == set(uids), journal.getvalue()
    return [found[uid] for uid in uids]


def by_page(films: list[Path], out: Path) -> list[Scores]:
    worker = ProcessWorker(None, 120.0)
    try:
        found = [worker.work(film, out / film.stem) for film in films]
    finally:
        worker.close()
    return [{name: _numbers(item["score"]["scores"][name]) for name in SCALES} for item in found]


def _numbers(score: dict[str, float]) -> tuple[float, ...]:
    return tuple(score[name] for name in ("value", "raw", "low", "high", "right", "left"))


def test_every_path_gives_a_large_film_the_same_score(
    films: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = by_command(films, capsys)
    for others in (
        by_archive(films, tmp_path / "archive"),
        by_listener(films, tmp_path / "store"),
        by_page(films, tmp_path / "page"),
    ):
        for syntax, film, other in zip(SYNTAXES, expected, others, strict=True):
            for scale in SCALES:
                # Tables hold four places.
                assert other[scale] == pytest.approx(film[scale], abs=1.01e-4), (syntax, scale)
