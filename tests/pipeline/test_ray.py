"""Ray: the same results, and a worker that is killed costs nothing."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.pipeline.job import run_job
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


def test_killed_workers_lose_nothing_and_double_nothing(cluster, tmp_path, tiny_model, tiny_folder):
    from pneumoscore.pipeline.engines.ray import RayEngine

    films = []
    for seed in range(40):
        path = tmp_path / f"{seed:02d}.png"
        pixels = tiny_model.film(seed, 200, 180).pixels
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)
        films.append(path)
    films[7].write_text("no image")
    model = SeverityModel.open(tiny_folder, threads=1)
    expected, results, killed = [], [], []
    run_job(map(Found, films), model, ScoringOptions(), [], watch=lambda r, _: expected.append(r))

    def kill(result, report):
        results.append(result)
        if len(results) in (8, 20):
            threading.Thread(target=_kill_a_worker, args=(killed,)).start()

    report = run_job(
        map(Found, films),
        model,
        ScoringOptions(content=True),
        [],
        engine=RayEngine(str(tiny_folder), workers=2, films=4),
        known=lambda content: False,
        watch=kill,
    )
    assert killed
    assert (report.scored, report.failed) == (39, 1)
    assert [result.path for result in results] == films
    for result, other in zip(results, expected, strict=True):
        if other.score is not None:
            assert result.score["opacity"].raw == pytest.approx(
                other.score["opacity"].raw, abs=1e-4
            )


def _kill_a_worker(killed):
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_Scorer"):
                pid = int(path.parent.name)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        except OSError:
            continue
