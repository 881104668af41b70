"""Films and maps as pictures show them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pneumoscore.present.film_picture import explain_image, film_jpeg, map_jpeg
from pneumoscore.present.film_view import FULL_COLOUR, film_view, map_end, relative_map
from pneumoscore.present.panel import contribution_panel
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.radiograph.types import InputSpec, Radiograph
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, Scale
from pneumoscore.severity.score import ModelIdentity, ScaleScore, Score


def film_of(rows: int = 300, columns: int = 240) -> Radiograph:
    ramp = np.linspace(0.1, 0.7, rows * columns, dtype=np.float32)
    return Radiograph(ramp.reshape(rows, columns))


def score_of(film: Radiograph, per_place: float, scale: Scale = GEOGRAPHIC_EXTENT) -> Score:
    """A score whose every place adds the same."""
    contributions = np.full((14, 14), per_place, np.float32)
    total = float(contributions.sum())
    part = ScaleScore(
        scale, total, total, None, None, 0.9, total / 2, total / 2, 0.0, contributions
    )
    placement = prepare(film, InputSpec(448, "pad", "unit")).placement
    return Score((part,), (), ModelIdentity("tiny", "1", "net", "ab"), placement, {})


def colour_added(score: Score, film: Radiograph) -> float:
    grey = film_view(film.pixels, score.placement, 200)
    drawn = contribution_panel(grey, score, score.scales[0]).pixels.astype(float)
    return float(np.abs(drawn - grey[..., None]).mean())


def test_equal_points_have_equal_colours_on_every_film() -> None:
    # The map of a film with a tenth of the points, scaled to its own largest place, would be
    # the same picture.
    film = film_of()
    end = map_end(score_of(film, 1.0).scales[0])
    sick, clear = (colour_added(score_of(film, share * end), film) for share in (0.9, 0.09))
    assert clear < sick / 4
    assert relative_map(
        score_of(film, 0.25 * end).scales[0], score_of(film, 1.0).placement, (30, 24)
    ) == pytest.approx(0.25)


def test_the_end_of_the_colours_depends_on_the_scale_and_the_places_alone() -> None:
    film = film_of()
    for scale in (GEOGRAPHIC_EXTENT, OPACITY):
        ends = {map_end(score_of(film, value, scale).scales[0]) for value in (0.0, 0.01, 3.0)}
        assert ends == {FULL_COLOUR * scale.high / 196}
    part = replace(score_of(film, 1.0).scales[0], contributions=None)
    with pytest.raises(ValueError, match="no contribution map"):
        map_end(part)


def test_the_legend_gives_the_points_of_its_ends() -> None:
    film = film_of()
    grey = film_view(film.pixels, score_of(film, 0.0).placement, 200)
    for value, ticks in ((9.0, ("0", "0.061", "0.12 or more")),
                         (-9.0, ("-0.12 or less", "0", "0.12 or more"))):  # fmt: skip
        score = score_of(film, value)
        panel = contribution_panel(grey, score, score.scales[0])
        assert panel.ticks == ticks
        assert "points per place (14 x 14 places)" in panel.unit


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_a_smaller_copy_of_the_film_gives_the_same_view(kind: type) -> None:
    film = film_of(1200, 960)
    score = score_of(film, 0.05)
    copy = np.asarray(Image.fromarray(film.pixels).resize((480, 600)))
    small = np.rint(copy * 255).astype(np.uint8) if kind is np.uint8 else copy
    assert film_view(small, score.placement, 300).shape == (300, 240)
    difference = film_view(small, score.placement, 300).astype(int) - film_view(
        film.pixels, score.placement, 300
    )
    assert np.abs(difference).max() <= 2


def test_jpegs_show_the_film_and_nothing_else() -> None:
    film = film_of()
    score = score_of(film, 0.1)
    bare = Image.open(io.BytesIO(film_jpeg(film.pixels, score, 200)))
    drawn = Image.open(io.BytesIO(map_jpeg(film.pixels, score, "geographic_extent", 200)))
    assert (bare.mode, bare.size, drawn.mode, drawn.size) == ("L", (160, 200), "RGB", (160, 200))
    assert not bare.getexif()
    assert set(bare.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_an_explanation_without_saliency_says_why() -> None:
    film = film_of()
    score = score_of(film, 0.1)
    saliency = np.ones((448, 448), np.float32)
    three = explain_image(film.pixels, score, saliency, "geographic_extent")
    two = explain_image(
        film.pixels, score, None, "geographic_extent", why="no gradient in the file"
    )
    plain = explain_image(film.pixels, score, None, "geographic_extent")
    assert two.width < three.width
    assert two.height > plain.height or np.asarray(two).tobytes() != np.asarray(plain).tobytes()
