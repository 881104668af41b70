import subprocess
import sys

import numpy as np
import pytest

import pneumoscore


def test_the_import_loads_nothing_heavy():
    code = (
        "import sys, pneumoscore; dir(pneumoscore); "
        "print(sorted({'numpy', 'pydicom', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_scoring_loads_no_extra(tiny_folder):
    code = (
        "import sys, numpy as np, pneumoscore as p\n"
        "x = np.random.default_rng(0).random((200, 200), dtype=np.float32)\n"
        f"p.score(p.Radiograph(x), model={str(tiny_folder)!r})\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'pandas', 'matplotlib', 'onnx', 'skimage'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in pneumoscore.__all__:
        assert getattr(pneumoscore, name) is not None
    assert set(pneumoscore.__all__) <= set(dir(pneumoscore))
    with pytest.raises(AttributeError, match="nonsense"):
        pneumoscore.nonsense  # noqa: B018


def test_score_takes_a_file_its_bytes_or_a_radiograph(tiny_folder, tiny_model, tmp_path):
    from PIL import Image

    film = tiny_model.film()
    path = tmp_path / "film.png"
    Image.fromarray((film.pixels * 255).round().astype(np.uint8)).save(path)
    model = pneumoscore.SeverityModel.open(tiny_folder, threads=1)
    scores = [
        pneumoscore.score(source, model=model)["opacity"].raw
        for source in (path, str(path), path.read_bytes(), pneumoscore.read_radiograph(path))
    ]
    assert len(set(scores)) == 1
    assert pneumoscore.score(path, model=tiny_folder)["opacity"].raw == pytest.approx(scores[0])
