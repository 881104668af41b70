"""A film told again in a copy, and not taken for another."""

import io

import numpy as np
import pytest
from PIL import Image

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.server.films.likeness import alike, likeness

ILL = PhantomSpec(right=LungDisease(0.6, 0.6), seed=1, size=256)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return render_phantom(ILL).pixels


def copies(pixels: np.ndarray) -> dict[str, np.ndarray]:
    image = Image.fromarray(np.rint(pixels * 255.0).astype(np.uint8))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=60)
    compressed = np.asarray(Image.open(stream), dtype=np.float32) / 255.0
    small = np.asarray(image.resize((150, 170)), dtype=np.float32) / 255.0
    touched = pixels.copy()
    touched[:8, :8] = 1.0
    return {
        "inverted": 1.0 - pixels,
        "mirrored": np.ascontiguousarray(pixels[:, ::-1]),
        "upside down": np.ascontiguousarray(pixels[::-1]),
        "windowed": pixels**1.2,
        "compressed": compressed,
        "resized": small,
        "touched": touched,
    }


def test_a_copy_is_told(film: np.ndarray) -> None:
    sealed = [likeness(np.zeros((9, 9), np.float32)), likeness(film)]
    for name, pixels in copies(film).items():
        assert alike(likeness(pixels), sealed), name


def test_another_film_is_another(film: np.ndarray) -> None:
    other = render_phantom(PhantomSpec(right=LungDisease(0.6, 0.6), seed=2, size=256)).pixels
    assert not alike(likeness(other), [likeness(film)])
    assert not alike("", [likeness(film), ""])
    assert not alike(likeness(film), [])
