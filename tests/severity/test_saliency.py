import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pneumoscore.severity.saliency import gaussian_blur, saliency_map


@pytest.mark.parametrize(("shape", "sigma"), [((40, 60), 5.0), ((30, 30), 1.3), ((12, 50), 5.0)])
def test_the_blur_is_the_gaussian_filter_of_scipy(shape, sigma):
    image = np.random.default_rng(0).normal(size=shape)
    radius = int(np.ceil(4 * sigma))
    # SciPy calls this border "reflect"; it mirrors again where the kernel is longer than the image.
    expected = gaussian_filter(image, sigma, mode="reflect", radius=radius)
    np.testing.assert_allclose(gaussian_blur(image, sigma), expected, atol=1e-12)


def test_the_saliency_is_the_blurred_square():
    gradient = np.random.default_rng(1).normal(size=(224, 224)).astype(np.float32)
    expected = gaussian_filter(gradient.astype(np.float64) ** 2, 5.0, radius=20)
    np.testing.assert_allclose(saliency_map(gradient), expected, rtol=1e-5)


def test_the_blur_grows_with_the_input():
    gradient = np.zeros((448, 448))
    gradient[224, 224] = 1.0
    peak = saliency_map(gradient).max()
    assert peak == pytest.approx(1 / (2 * np.pi * 10.0**2), rel=1e-2)
