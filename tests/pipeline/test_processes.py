"""Planted decoders that crash, hang and shout: each costs one file, and it is named."""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.pipeline.engines.processes import Processes
from pneumoscore.pipeline.job import choose_engine, run_job
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

# Every interpreter started with this folder on its path runs it first.
PLANTED = """
import ctypes, os, time
from PIL import ImageFile

genuine = ImageFile.ImageFile.load

def load(self):
    if self.size == (301, 201):
        ctypes.string_at(0)
    if self.size == (302, 202):
        time.sleep(600)
    if self.size == (303, 203):
        os.write(2, b"decoder: shouting\\n" * 1000)
        os.write(1, b"decoder: shouting\\n" * 1000)
    return genuine(self)

ImageFile.ImageFile.load = load
"""
KINDS = {3: (301, 201), 5: (302, 202), 7: (303, 203)}


@pytest.fixture
def films(tmp_path, tiny_model):
    paths = []
    for number in range(12):
        width, height = KINDS.get(number, (260, 300))
        pixels = tiny_model.film(number, height, width).pixels
        path = tmp_path / f"film{number}.png"
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def planted(tmp_path, monkeypatch):
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


def test_a_crash_and_a_hang_cost_one_film_each(films, planted, tiny_folder, capfd):
    model = SeverityModel.open(tiny_folder, threads=1)
    results = []
    began = time.monotonic()
    report = run_job(
        map(Found, films),
        model,
        ScoringOptions(seconds=3.0, content=True),
        [],
        engine=Processes(2),
        watch=lambda result, so_far: results.append(result),
    )
    assert time.monotonic() - began < 60
    assert [result.path for result in results] == films
    assert {i: str(r.reason) for i, r in enumerate(results) if r.score is None} == {
        3: "crashed",
        5: "timeout",
    }
    assert "decoder crashed" in results[3].error
    assert "over 3 seconds" in results[5].error
    # So that a run that goes on does not meet them again.
    contents = [hashlib.sha256(film.read_bytes()).hexdigest() for film in films]
    assert [result.content for result in results] == contents
    assert report.as_dict()["failures"] == {"crashed": 1, "timeout": 1}
    said = capfd.readouterr()
    assert "shouting" not in said.out + said.err


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_no_process_is_left(films, tiny_folder):
    model = SeverityModel.open(tiny_folder, threads=1)
    engine = Processes(2)
    before = set(_children())
    results = engine.results(map(Found, films), model, ScoringOptions(), _report(model))
    next(results)
    assert set(_children()) - before
    results.close()
    assert not set(_children()) - before


def _report(model):
    from pneumoscore.pipeline.run import Run, RunReport

    return RunReport(Run.of(model, ScoringOptions()))


def _children():
    lists = Path("/proc/self/task").glob("*/children")
    return [child for path in lists for child in path.read_text().split()]


def test_the_engine_follows_the_number_of_films():
    found = [Found(Path(str(number))) for number in range(9)]
    names = []
    for count in (0, 1, 2, 7, 8, 9):
        engine, every = choose_engine(found[:count])
        assert list(every) == found[:count]
        names.append(type(engine).__name__)
    assert names == ["InProcess", "InProcess", "Threads", "Threads", "Processes", "Processes"]
