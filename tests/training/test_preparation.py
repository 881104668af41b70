"""Training, calibration and scoring see one array for one film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.model import SeverityModel
from training.augment import standardised_films
from training.config import read_config
from training.films import folder_films, placed_masks, unit_spec

CONFIGS = Path(__file__).parents[2] / "training" / "configs"


@pytest.fixture(scope="module")
def film_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wide film, bordered, of 8 bits."""
    folder = tmp_path_factory.mktemp("films")
    phantom = render_phantom(PhantomSpec(right=LungDisease(0.4, 0.5), seed=4)).pixels
    wide = np.pad(phantom, ((60, 30), (200, 160)))
    Image.fromarray((wide * 255).astype(np.uint8)).save(folder / "film.png")
    return folder


def test_the_record_asks_for_what_the_configuration_trained_on() -> None:
    model = SeverityModel.open(threads=1)
    assert model.backbone.record.input == read_config(CONFIGS / "severity.toml").input


def test_scoring_and_calibration_see_the_same_array(film_folder: Path) -> None:
    model = SeverityModel.open(threads=1)
    radiograph = read_radiograph(film_folder / "film.png")
    scored = model.prepare(radiograph).prepared
    calibrated = prepare_film(radiograph, model.backbone.record.input)
    np.testing.assert_array_equal(scored.array, calibrated.array)
    assert scored.placement == calibrated.placement
    assert scored.placement.scale * max(scored.placement.film_shape) > 224, "not framed"


def test_training_sees_it_too_but_for_grey_levels_in_bytes(film_folder: Path) -> None:
    config = read_config(CONFIGS / "severity.toml")
    radiograph = read_radiograph(film_folder / "film.png")
    wanted = prepare_film(radiograph, config.input).array[0]
    films = folder_films(film_folder, ["film.png"], unit_spec(config.input))
    seen = standardised_films(films)[0, 0].numpy()
    assert np.abs(seen - wanted).max() < 0.03
    # The wider frame of which training shows moved parts holds the same in its middle.
    wider = folder_films(film_folder, ["film.png"], config.stored)
    middle = standardised_films(wider, config.size)[0, 0].numpy()
    assert np.corrcoef(middle.ravel(), wanted.ravel())[0, 1] > 0.99


def test_masks_lie_where_their_films_lie(film_folder: Path) -> None:
    config = read_config(CONFIGS / "severity.toml")
    films = folder_films(film_folder, ["film.png"], config.stored, whole=True)
    pixels = np.asarray(Image.open(film_folder / "film.png"))
    Image.fromarray(((pixels > 128) * 255).astype(np.uint8)).save(film_folder / "mask.png")
    mask = placed_masks([film_folder / "mask.png"], films)[0] > 0
    shown = films.pixels[0] > 128
    assert (mask == shown).mean() > 0.95
