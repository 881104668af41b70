"""The page of scores, and every page as a browser shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.present.browser import browse, find_chromium, screenshot
from pneumoscore.present.drawings import sparkline_svg
from pneumoscore.present.pages import render_page
from pneumoscore.present.score_page import ScorePage
from pneumoscore.present.table import Table
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.radiograph.types import InputSpec, PixelRange, Radiograph, Squaring
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score

FILM = Radiograph(np.linspace(0.1, 0.9, 300 * 240, dtype=np.float32).reshape(300, 240))
HOSTILE = '<script>alert("1")</script> & 胸部 $4711$'


def score(mapped: bool = True) -> Score:
    values = np.full((14, 14), 0.03, np.float32) if mapped else None
    parts = tuple(
        ScaleScore(scale, 4.2, 4.2, 3.0, 5.5, 0.9, 3.0, 1.2, 0.0, values)
        for scale in (GEOGRAPHIC_EXTENT, OPACITY)
    )
    placement = prepare(FILM, InputSpec(448, Squaring.PAD, PixelRange.UNIT)).placement
    return Score(parts, (), ModelIdentity("tiny", "1", "net", "ab" * 32), placement, {})


def page_of(*films: str) -> str:
    page = ScorePage("Five days & <nights>")
    return "".join([page.head(), *films_of(page, films), page.foot()])


def films_of(page: ScorePage, names: tuple[str, ...]) -> list[str]:
    shown = [page.film(name, score(), film=FILM.pixels) for name in names]
    return [*shown, page.film("bad.png", None, error="refused & why", flags=("lateral",))]


def test_a_page_is_whole_film_by_film() -> None:
    text = page_of(HOSTILE, "b.png")
    assert text.index("<h1>") < text.index("<article>") < text.index("</footer>")
    assert "2 of 3 films scored" in text
    assert text.count("<article>") == text.count("</article>") == 3
    assert text.count('class="legend"') == 1  # one scale of colours for all films
    assert text.count("data:image/jpeg") == 4  # each film beside its map
    assert "<script" not in text
    assert "refused &amp; why" in text
    assert "Flags: lateral" in text
    assert "ab" * 32 in text
    assert text.count(RESEARCH_NOTICE) == 2


def test_a_head_without_a_map_shows_the_film_alone() -> None:
    page = ScorePage("t")
    text = page.film("a", score(mapped=False), film=FILM.pixels)
    assert text.count("data:image/jpeg") == 1
    assert "legend" not in text


def ward_of_hostile_names() -> str:
    rows = tuple(
        (name, sparkline_svg([0.0, 1.0], [2.0, 6.0], OPACITY), "6.0", "2026-03-01", "+4.0 (2 SDC)",
         "▲ worsening", "projection differs; quality flags")
        for name in (HOSTILE, "MRN-0012345678", "x" * 60)
    )  # fmt: skip
    header = ("patient", "course", "score", "last film", "change", "advice", "comparability")
    table = Table("Opacity (0-6)", header, rows)
    return render_page("ward.html", title="Ward", table=table, remark="3 patients.")


@pytest.mark.chromium
@pytest.mark.skipif(not find_chromium(), reason="needs Chromium")
@pytest.mark.parametrize("name", ["scores", "ward"])
def test_a_browser_shows_a_page_whole_in_both_schemes(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(page_of(HOSTILE) if name == "scores" else ward_of_hostile_names())
    browser = str(find_chromium())
    for dark, paper in ((False, (255, 255, 255)), (True, (0x14, 0x17, 0x1A))):
        picture = tmp_path / f"{dark}.png"
        screenshot(page, picture, browser, 768, 900, dark=dark)
        pixels = np.asarray(Image.open(picture).convert("RGB"))
        assert pixels.shape[1] == 768
        assert (pixels[:, -10:] == paper).all()  # nothing beyond the margin
        assert (pixels != paper).any()
    seen = browse(page, browser, ["--enable-logging=stderr", "--dump-dom"])
    assert b"Content Security Policy" not in seen.stderr
    assert "CONSOLE" not in seen.stderr.decode("utf-8", "replace")
