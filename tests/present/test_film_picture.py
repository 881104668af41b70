from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pneumoscore.errors import ModelError
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.present.colour import blend, map_colours
from pneumoscore.present.film_picture import (
    FILM_SIDE,
    explain_image,
    overlay_image,
    save_picture,
)
from pneumoscore.present.lettering import describe, describe_sides, font, wrap
from pneumoscore.radiograph.prepare import film_map, prepare
from pneumoscore.radiograph.types import InputSpec, Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score

PLACES = 7
GREY = 128


def score_of(film, contributions=None, squaring="pad", flags=(), **changes):
    """A score as a model gives it, with the given contribution map."""
    placement = prepare(film, InputSpec(224, squaring, "standardised")).placement
    parts = tuple(
        ScaleScore(
            scale=scale,
            value=4.25,
            raw=4.25,
            low=3.04,
            high=5.5,
            level=0.9,
            right=3.1,
            left=1.15,
            intercept=2.0,
            contributions=contributions,
        )
        for scale in (GEOGRAPHIC_EXTENT, OPACITY)
    )
    parts = tuple(replace(part, **changes) for part in parts)
    model = ModelIdentity("tiny", "2", "net 1", "0123456789abcdef")
    return Score(parts, tuple(flags), model, placement, {})


def flat_film(rows, columns):
    return Radiograph(np.full((rows, columns), GREY / 255.0, np.float32))


def film_on(picture):
    """The slice of an overlay of a flat film that holds the film."""
    flat = (np.asarray(picture) == GREY).all(axis=2)
    rows = np.flatnonzero(flat.sum(axis=1) > 60)
    columns = np.flatnonzero(flat.sum(axis=0) > 60)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def one_place(row, column, value=1.0):
    contributions = np.zeros((PLACES, PLACES), np.float32)
    contributions[row, column] = value
    return contributions


@pytest.mark.parametrize("squaring", ["pad", "crop"])
@pytest.mark.parametrize("shape", [(500, 500), (420, 600), (640, 400), (1300, 1000)])
@pytest.mark.parametrize("place", [(1, 1), (3, 5), (5, 3)])
def test_the_overlay_changes_the_film_only_where_contributions_are(shape, place, squaring):
    film = flat_film(*shape)
    bare = overlay_image(film.pixels, score_of(film, one_place(0, 0, 0.0), squaring), "opacity")
    rows, columns = film_on(bare)
    score = score_of(film, one_place(*place), squaring)
    drawn = np.asarray(overlay_image(film.pixels, score, "opacity"))[rows, columns]
    assert max(drawn.shape) == min(max(shape), FILM_SIDE)
    changed = (drawn != GREY).any(axis=2)

    weights = film_map(one_place(*place), score.placement)
    at_picture = np.asarray(
        Image.fromarray(weights).resize(drawn.shape[1::-1], Image.Resampling.BILINEAR)
    )
    assert changed[at_picture > 0.1].all()
    # One pixel of rounding where film and picture differ in size.
    near = at_picture.copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        near = np.maximum(near, np.roll(at_picture, step, axis))
    assert not changed[near <= 1e-6].any()


@pytest.mark.parametrize(("column", "half"), [(1, "left"), (5, "right")])
def test_a_map_of_the_right_lung_is_drawn_at_the_images_left(column, half):
    film = flat_film(600, 600)
    rows, columns = film_on(
        overlay_image(film.pixels, score_of(film, one_place(0, 0, 0.0)), "opacity")
    )
    picture = overlay_image(film.pixels, score_of(film, one_place(3, column)), "opacity")
    changed = (np.asarray(picture)[rows, columns] != GREY).any(axis=2)
    left, right = changed[:, :300].sum(), changed[:, 300:].sum()
    assert (left > 0 and right == 0) if half == "left" else (right > 0 and left == 0)


def test_the_parts_of_the_lungs_stand_on_their_sides():
    film = flat_film(600, 600)
    plain = np.asarray(overlay_image(film.pixels, score_of(film, one_place(0, 0, 0.0)), "opacity"))

    def changed_columns(**parts):
        score = score_of(film, one_place(0, 0, 0.0), **parts)
        other = np.asarray(overlay_image(film.pixels, score, "opacity"))
        return np.flatnonzero((other != plain).any(axis=(0, 2)))

    right, left = changed_columns(right=0.8), changed_columns(left=0.4)
    assert right.size
    assert left.size
    assert right.max() < plain.shape[1] / 2 < left.min()
    assert describe_sides(score_of(film)["opacity"]) == ("Right 3.1", "Left 1.1")
    assert describe_sides(score_of(film, right=None, left=None)["opacity"]) == ("", "")


def test_explain_puts_three_panels_side_by_side():
    film = flat_film(400, 300)
    saliency = np.zeros((224, 224), np.float32)
    saliency[150:170, 100:120] = 2.0
    picture = explain_image(
        film.pixels, score_of(film, one_place(1, 3)), saliency, "geographic_extent"
    )
    bare = np.asarray(
        explain_image(
            film.pixels,
            score_of(film, one_place(0, 0, 0.0)),
            np.zeros((224, 224), np.float32),
            "geographic_extent",
        )
    )
    flat = (bare == GREY).all(axis=2)
    rows = np.flatnonzero(flat.sum(axis=1) > 600)
    columns = np.flatnonzero(flat.sum(axis=0) > 200)
    assert rows.size == 400
    starts = columns[np.flatnonzero(np.diff(columns, prepend=-9) > 1)]
    assert len(starts) == 3
    changed = (np.asarray(picture)[: len(bare)] != bare).any(axis=2)[rows.min() : rows.max() + 1]
    film_panel, contribution, seen = (changed[:, start : start + 300] for start in starts)
    assert not film_panel.any()
    assert np.flatnonzero(contribution.any(axis=1)).mean() < 150
    assert np.flatnonzero(seen.any(axis=1)).mean() == pytest.approx(400 * 160 / 224, abs=5)


def test_a_picture_says_scores_flags_model_and_notice(tmp_path):
    film = flat_film(300, 300)
    score = score_of(film, one_place(2, 2), flags=("lateral", "too_few_pixels"))
    path = tmp_path / "überlagerung.png"
    save_picture(overlay_image(film.pixels, score, "opacity"), path)
    with Image.open(path) as saved:
        assert saved.format == "PNG"
        text = saved.text
    assert text["Disclaimer"] == RESEARCH_NOTICE
    assert "Geographic extent 4.2 of 8 (90 % interval 3.0 to 5.5)" in text["Description"]
    assert "Opacity 4.2 of 6" in text["Description"]
    assert "lateral, too few pixels" in text["Description"]
    assert "tiny 2" in text["Software"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_notice_is_in_the_pixels_too():
    film = flat_film(320, 320)
    picture = np.asarray(overlay_image(film.pixels, score_of(film, one_place(2, 2)), "opacity"))
    notice_ink = (picture == (255, 196, 84)).all(axis=2)
    assert notice_ink.sum() > 50
    assert np.flatnonzero(notice_ink.any(axis=1)).min() > 320


def test_text_outside_latin_is_kept(tmp_path):
    film = flat_film(64, 64)
    score = score_of(film)
    score = replace(score, model=replace(score.model, name="模型"))
    save_picture(overlay_image(film.pixels, score, "opacity"), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert "模型" in saved.text["Software"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(1, 1), (1, 3000), (3000, 1), (2, 5), (31, 900), (1200, 1100)]),
    st.sampled_from(["pad", "crop"]),
    st.integers(1, 30),
    st.floats(-5.0, 5.0, width=32),
)
def test_no_film_is_too_small_or_too_wide(shape, squaring, places, value):
    film = flat_film(*shape)
    score = score_of(film, np.full((places, places), value, np.float32), squaring)
    overlay = overlay_image(film.pixels, score, "opacity")
    assert overlay.mode == "RGB"
    assert 320 <= overlay.width <= FILM_SIDE + 2 * 14
    explained = explain_image(film.pixels, score, np.ones((224, 224), np.float32), "opacity")
    assert explained.width <= 3 * FILM_SIDE + 4 * 14


def test_a_score_without_map_interval_or_sides_is_still_shown():
    film = flat_film(200, 200)
    score = score_of(film, None, low=None, high=None, right=None, left=None)
    picture = explain_image(film.pixels, score, None, "opacity")
    assert "Opacity 4.2 of 6 (no interval)" in picture.info["Description"]


def test_a_scale_that_the_score_lacks_is_named():
    film = flat_film(64, 64)
    with pytest.raises(ModelError, match=r"opacity_ralo.*geographic_extent, opacity"):
        overlay_image(film.pixels, score_of(film), "opacity_ralo")


def test_a_score_of_another_film_is_refused():
    with pytest.raises(ValueError, match="expected"):
        overlay_image(flat_film(64, 69).pixels, score_of(flat_film(64, 64)), "opacity")


def test_a_real_model_and_phantom_go_through(tiny_model, tmp_path):
    model = SeverityModel.open(tiny_model.write_model(tmp_path / "tiny"))
    spec = PhantomSpec(LungDisease(0.6, 0.6), seed=1, size=300)
    film = Radiograph(render_phantom(spec).pixels)
    score = model.score(film, force=True)
    saliency = model.saliency(film, "opacity")
    path = tmp_path / "out.png"
    save_picture(explain_image(film.pixels, score, saliency, "opacity"), path)
    with Image.open(path) as saved:
        assert describe(score["opacity"]) in saved.text["Description"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_colours_grow_lighter_with_the_magnitude(sign):
    colours = map_colours(sign * np.linspace(0.01, 1.0, 64))
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])  # IEC 61966-2-1
    lightness = np.cbrt(luminance)
    assert (np.diff(lightness) > 0).all()
    assert np.diff(lightness).max() < 3 * np.diff(lightness).min()
    warm = colours[20:, 0] > colours[20:, 2]
    assert warm.all() if sign > 0 else not warm.any()


def test_zero_leaves_the_film_as_it_is():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(blend(grey, np.zeros((16, 16))), np.repeat(grey[..., None], 3, axis=2))


@given(st.text(max_size=80), st.integers(20, 300))
@settings(max_examples=60, deadline=None)
def test_wrapped_lines_fit_and_lose_no_word(text, width):
    lines = wrap(text, 14, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert len(line) == 1 or font(14).getlength(line) <= width
