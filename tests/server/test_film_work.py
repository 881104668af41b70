"""What the page gets of a film: pixels enough for readers, and the scores of every other way."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.errors import ImageTooLargeError
from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.radiograph import Radiograph, read_radiograph
from pneumoscore.server.films.work import film_work
from pneumoscore.severity.model import SeverityModel


@pytest.fixture(scope="module")
def model() -> SeverityModel:
    return SeverityModel.open(threads=1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of 2,080 pixels, which is read at a third."""
    pixels = render_phantom(PhantomSpec(seed=5, size=2080)).pixels
    content = BytesIO()
    Image.fromarray(np.rint(pixels * 65535).astype(np.uint16)).save(content, "PNG")
    path = tmp_path_factory.mktemp("films") / "large.png"
    path.write_bytes(content.getvalue())
    return path


def test_readers_see_more_pixels_than_a_score_needs(
    model: SeverityModel, file: Path, tmp_path: Path
) -> None:
    read = read_radiograph(file)
    assert max(read.pixels.shape) < 1024
    done = film_work(model, file, tmp_path)
    assert min(done["metadata"]["rows"], done["metadata"]["columns"]) >= 1024
    full = (tmp_path / "full").read_bytes()
    assert np.frombuffer(full[:8], "<u4").tolist() == [1040, 1040]
    assert len(full) == 8 + 2 * 1040 * 1040
    assert done["film_digest"] == read.digest()
    shown = model.score(read).as_dict()
    assert done["score"]["scores"] == shown["scores"]


def test_a_film_that_cannot_be_read_again_is_named_with_its_reason(
    model: SeverityModel, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> Radiograph:
        raise ImageTooLargeError("an image that needs more memory than there is", "a smaller one")

    monkeypatch.setattr("pneumoscore.radiograph.read._again", too_large)
    done = film_work(model, file, tmp_path)
    assert done["reason"] == "unsupported"
    assert "more memory" in done["error"]
